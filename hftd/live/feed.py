"""Keeping a session's bars whole: what was missed is fetched, a mute feed is noticed and woken.

On silence, in this order, each step logged and counted: probe (ask by REST whether there was anything to hear),
backfill what was missed, reconnect, and, when that has not helped, raise: no new exposure until bars come again.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

import structlog

from hftd.broker.base import Broker, Feed, MarketMessage
from hftd.calendar import NEW_YORK, Calendar
from hftd.clock import Clock
from hftd.domain.convert import MINUTE_NS, datetime_of
from hftd.domain.events import BarCorrected, TradingHalted, TradingResumed
from hftd.domain.market import Bar
from hftd.domain.session import Session
from hftd.engine.admission import malformed
from hftd.engine.feed_watch import FeedWatch
from hftd.engine.halts import FEED_MUTE
from hftd.errors import UNANSWERED
from hftd.live.trader import HISTORY, Trader

log = structlog.get_logger()

REQUEST_S = 3.0
"""Wall seconds that a request for missing bars may hold everything else up: what comes after a gap must not be seen
before it. Sockets are read and orders go on their way meanwhile; only the next step waits."""

ASK_AGAIN_NS = MINUTE_NS
"""A broker that had no answer is not asked for the next gap for so long: several symbols with gaps and a hung server
would hold up every minute for longer than it lasts."""

RAISE_AFTER = 2
"""Reconnections without a bar before trading is halted."""


class FeedKeeper:
    """Keeps the bars of one session. `counts` tells how often each step was taken."""

    def __init__(
        self,
        trader: Trader,
        broker: Broker,
        clock: Clock,
        session: Session,
        symbols: Iterable[str],
        *,
        in_lockstep: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._trader = trader
        self._broker = broker
        self._clock = clock
        self._session = session
        self._symbols = tuple(symbols)
        self._watch = FeedWatch(session, self._symbols)
        self._reconnections = 0
        self._ask_again_ns = 0
        self._in_lockstep = in_lockstep

    async def take(self, message: MarketMessage) -> None:
        """Step what the socket delivered, after any bars that should have come before it."""
        data = message.data
        # in lockstep the whole of an instant is received at that instant, whenever the sockets delivered it
        received_ns = self._clock.now_ns() if self._in_lockstep else message.received_ns
        if not isinstance(data, Bar) or not self._trader.can_be(data.time_ns):
            self._trader.take_market(data, "socket", received_ns)
        elif not self._session.is_open(data.time_ns):
            log.debug("bar.ignored", symbol=data.symbol, minute=_minute(data.time_ns), reason="not of regular trading")
        elif message.correction:
            self._trader.take(malformed(data) or BarCorrected(data), "socket", received_ns)
        elif not message.daily:
            await self._fill_gap_before(data)
            self._heard(data)
            self._trader.take_market(data, "socket", received_ns)

    async def warm_up(self, calendar: Calendar) -> None:
        """Show the models the history that they ask for, from as many earlier sessions as it takes, all of it late.
        A broker's history has bars of the early and late hours too: they are none of ours."""
        wanted = max((running.model.warmup_bars for running in self._trader.engine.everyone), default=0)
        if wanted <= 0:
            return
        first = calendar.look_back(self._session, wanted)
        bars = await self._missing(self._symbols, first.open_ns, self._session.open_ns) or []
        regular = [bar for bar in bars if _is_regular(bar, calendar)]
        by_symbol = {symbol: [bar for bar in regular if bar.symbol == symbol][-wanted:] for symbol in self._symbols}
        latest = sorted((bar for kept in by_symbol.values() for bar in kept), key=lambda bar: (bar.time_ns, bar.symbol))
        log.info("bars.warmed_up", wanted=wanted, bars=len(latest))
        for bar in latest:
            self._trader.take_market(bar, HISTORY, self._clock.now_ns(), late=True)

    async def backfill(self) -> None:
        """Fetch what is missing up to now: after a start in mid-session, a reconnection, a silence."""
        known_ns = min((self._trader.admission.last_bar_ns(symbol) for symbol in self._symbols), default=0)
        start_ns = max(self._session.open_ns, known_ns + MINUTE_NS)
        bars = await self._missing(self._symbols, start_ns, min(self._clock.now_ns(), self._session.close_ns))
        self._take_late(bars or [])

    @property
    def next_check_ns(self) -> int | None:
        """When silence would be suspicious; None when it never will be in this session."""
        return self._watch.suspicious_at_ns if self._trader.engine.is_open else None

    async def check(self) -> None:
        """Act on a silence that has lasted too long."""
        now_ns = self._clock.now_ns()
        if not self._trader.engine.is_open or not self._watch.is_suspicious(now_ns):
            return
        known_ns = max(self._trader.admission.last_bar_ns(symbol) for symbol in self._symbols)
        self._count("feed.probed", since=_minute(known_ns) if known_ns else "the open")
        bars = await self._missing(
            self._symbols, max(self._session.open_ns, known_ns + MINUTE_NS), min(now_ns, self._session.close_ns)
        )
        if bars == []:
            self._watch.was_quiet(now_ns)
            log.info("feed.quiet", reason="the broker has no newer bars either")
            return
        self._take_late(bars or [])
        await self._reconnect(now_ns)

    async def _reconnect(self, now_ns: int) -> None:
        if self._reconnections >= RAISE_AFTER and not self._trader.engine.halts.holds(FEED_MUTE):
            self._count("feed.degraded", reconnections=self._reconnections)
            reason = f"no bar came through the socket, {self._reconnections} reconnections notwithstanding"
            self._trader.take(TradingHalted(now_ns, FEED_MUTE, reason), "feed")
        self._reconnections += 1
        self._count("feed.reconnected", attempt=self._reconnections)
        self._watch.restart(now_ns)
        await self._broker.reconnect(Feed.DATA)

    def _heard(self, bar: Bar) -> None:
        now_ns = self._clock.now_ns()
        self._watch.heard(bar.symbol, bar.time_ns, now_ns)
        self._reconnections = 0
        if self._trader.engine.halts.holds(FEED_MUTE):
            self._trader.take(TradingResumed(now_ns, "bars come again", FEED_MUTE), "feed")

    async def _fill_gap_before(self, bar: Bar) -> None:
        """A minute between two bars had no trade, or its bar was lost: the broker knows which."""
        known_ns = self._trader.admission.last_bar_ns(bar.symbol)
        start_ns = max(self._session.open_ns, known_ns + MINUTE_NS)
        if known_ns and bar.time_ns > start_ns and self._clock.now_ns() >= self._ask_again_ns:
            bars = await self._missing((bar.symbol,), start_ns, bar.time_ns)
            self._take_late(bars or [])

    async def _missing(self, symbols: Iterable[str], start_ns: int, end_ns: int) -> list[Bar] | None:
        """Whole bars that start in [start_ns, end_ns - 1 min] and were not seen; None when the broker does not tell."""
        if start_ns > end_ns - MINUTE_NS:
            return []
        try:
            async with asyncio.timeout(REQUEST_S):
                bars = await self._broker.bars(tuple(symbols), start_ns, end_ns - MINUTE_NS)
        except (*UNANSWERED, TimeoutError) as error:
            self._ask_again_ns = self._clock.now_ns() + ASK_AGAIN_NS
            log.warning("bars.unavailable", since=_minute(start_ns), error=str(error) or "no answer in time")
            return None
        return [bar for bar in bars if not self._trader.has_seen(bar)]

    def _take_late(self, bars: list[Bar]) -> None:
        if bars:
            self._count("bars.backfilled", bars=len(bars), since=_minute(bars[0].time_ns))
        for bar in bars:
            self._trader.take_market(bar, "backfill", self._clock.now_ns(), late=True)

    def _count(self, name: str, **fields: object) -> None:
        self.counts[name] += 1
        level = log.error if name == "feed.degraded" else log.warning
        level(name, **fields)
        self._trader.remark(name, ", ".join(f"{field} {value}" for field, value in fields.items()))


def _is_regular(bar: Bar, calendar: Calendar) -> bool:
    session = calendar.session_on(calendar.day_of(bar.time_ns))
    return session is not None and session.is_open(bar.time_ns)


def _minute(time_ns: int) -> str:
    return f"{datetime_of(time_ns).astimezone(NEW_YORK):%H:%M}"
