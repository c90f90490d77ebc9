"""The daemon: asleep while the market is closed, one session after another, everything through one inbox.

    closed ─► wait for the open ─► connect, recover, reconcile ─► open: step events ─► close: report ─► closed

One coroutine does all of it. It waits in one place only (the pump), so there is never more than one thing going on,
and an exchange in lockstep knows when we are done. What lives beside it is a `Service`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import structlog
from msgspec.structs import replace

from hftd.broker.base import (
    Broker,
    ClockAnnouncement,
    Feed,
    FeedState,
    FeedStatus,
    MarketMessage,
    Sink,
    TradingStatus,
    UnknownMessage,
)
from hftd.calendar import Calendar
from hftd.clock import Clock, ExchangeClock
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    Halt,
    OrderReported,
    SessionClosed,
    SessionOpened,
    SymbolHalted,
    SymbolResumed,
    TradingHalted,
)
from hftd.domain.orders import ExecutionReport
from hftd.domain.session import Session
from hftd.engine.halts import Halts
from hftd.engine.tally import Tally
from hftd.live.audit import Audit
from hftd.live.catching_up import CatchUp, once
from hftd.live.crash_points import crash_point
from hftd.live.hours import LEAD_NS, Hours
from hftd.live.inbox import Inbox, Overflowed
from hftd.live.lockstep import Done
from hftd.live.measures import Measures
from hftd.live.plan import Outcome, Plan
from hftd.live.preparation import Preparation, Prepared
from hftd.live.pump import Pump
from hftd.live.services import FINISH_S, STOP_S, EndedSession, Service, Services
from hftd.live.standing import Standing
from hftd.live.systemd import Notifier
from hftd.live.telling import Telling
from hftd.live.trader import Trader

__all__ = ["Daemon", "Outcome", "Plan"]

log = structlog.get_logger()

LEAVE_S = 5.5
"""How long a session that is broken off may take to settle: whatever the network does, the end is orderly after it."""
LINGER_NS = MINUTE_NS
"""How long after the close the last bar and the last reports are waited for."""
HALT_CODES = frozenset({"2", "H", "P"})
RESUME_CODES = frozenset({"3", "T"})
"""Trading-status codes of the tapes: CTA's 2 (halt), 3 (resume); UTP's H (halt), P (volatility pause), T (resume)."""


class Daemon:
    """Lives until `stop` is called or `sessions` sessions have closed.

    `hear_clock` starts the announcements of an exchange's clock. `done` is told which hold has been dealt with, when
    that exchange's time stands still meanwhile. `services` are told of each session's beginning and end.
    """

    def __init__(
        self,
        plan: Plan,
        broker: Broker,
        clock: Clock,
        calendar: Calendar,
        notifier: Notifier,
        hear_clock: Callable[[Sink], Awaitable[None]] | None = None,
        done: Done | None = None,
        services: Iterable[Service] = (),
    ) -> None:
        self.plan = plan
        self.tally = Tally()
        self.measures = Measures()
        self._broker = broker
        self._clock = clock
        self._calendar = calendar
        self._hear_clock = hear_clock
        self._services = Services(services)
        self._telling = Telling(notifier)
        self._pump = Pump(clock, self._telling, self.tally, self._deal_with, done)
        self._hours = Hours(calendar, clock, broker, self._pump, self._telling)
        self._standing = Standing(plan, clock, calendar, notifier.progress)
        self._catch_up = CatchUp(broker, clock, self._pump.patiently, self._pump.is_stopping)
        glance = CatchUp(broker, clock, once, self._pump.is_stopping)
        self._audit = Audit(broker, clock, glance, plan.symbols, self._telling.feeds)
        self._preparation = Preparation(
            plan,
            broker,
            clock,
            calendar,
            self._pump,
            self._standing,
            self._telling,
            self.tally,
            self._catch_up,
            self.measures.bar_to_order,
            self._services.stepped,
        )
        self._profits: dict[date, Decimal] = {}
        self._left_open = True
        self._patience: asyncio.Timeout | None = None
        self._closing: tuple[dict[str, Decimal], Decimal, Decimal] | None = None

    # -- the whole life ------------------------------------------------------------------------------------------

    async def run(self, sessions: int | None = None) -> Outcome:
        """Live session after session. Raises what cannot be cured by waiting: refused keys, an unusable journal."""
        self._standing.read()
        ticker = asyncio.create_task(self._pump.keep_going_round())
        self._services.started(self)
        try:
            await self._live(sessions)
        except Exception as error:
            self._services.failed(error)
            raise
        finally:
            self._telling.notifier.stopping()
            ticker.cancel()
            self._pump.inbox.close()
            await self._broker.disconnect()
            await self._services.stop(STOP_S if self._pump.stopping else FINISH_S)
        return self._outcome()

    async def _live(self, sessions: int | None) -> None:
        """Session after session; once `stop` was called, no longer than LEAVE_S."""
        patience = asyncio.timeout(None)
        try:
            async with patience as self._patience:
                await self._set_clock()
                self._telling.notifier.ready()
                while not self._pump.stopping and (sessions is None or self.tally.sessions < sessions):
                    await self._one_session(self._calendar.next_session(self._clock.now_ns()))
        except TimeoutError:
            if not patience.expired():
                raise
            log.warning("session.abandoned", after=f"{LEAVE_S:g} s", effect="the next start asks the broker again")
        finally:
            self._patience = None

    async def _set_clock(self) -> None:
        if self._hear_clock is not None:
            await self._hear_clock(self._pump.receive)
            await self._pump.until(1)

    def stop(self) -> None:
        """End in order, soon: no more signals, what was sent is answered or given up, the journal is closed."""
        self._pump.stop()
        if self._patience is not None and self._patience.when() is None:
            self._patience.reschedule(asyncio.get_running_loop().time() + LEAVE_S)

    async def _one_session(self, session: Session) -> None:
        await self._hours.sleep_until_open(session)
        if not await self._hours.is_clock_right(session) or self._pump.stopping:
            return
        counted = session.day in self._profits  # lived through already, before the clock was set back
        prepared = await self._preparation.prepare(session, left_open=self._left_open, counted=counted)
        if prepared is None:
            return
        trader = prepared.trader
        self._pump.trader, self._pump.keeper = trader, prepared.keeper
        self._services.session_prepared(trader)
        try:
            await self._pump.until(session.open_ns, unless=lambda: not self._hours.is_next(session))
            if await self._hours.is_really_open(session):
                await self._trade(session, prepared)
            elif not self._pump.stopping:
                await self._pump.until(session.close_ns, unless=lambda: not self._hours.is_next(session))
            await self._settle(prepared)
        finally:
            self._leave(trader)
        await self._broker.disconnect_feeds()
        if self._pump.lockstep:
            self._pump.lockstep.disconnected()

    async def _trade(self, session: Session, prepared: Prepared) -> None:
        trader = prepared.trader
        if not trader.engine.is_open:
            trader.take(SessionOpened(max(session.open_ns, self._clock.now_ns()), session), "calendar")
            crash_point("session.opened")
        await self._trade_until_close(session, trader)
        if self._pump.stopping:
            return
        trader.take(SessionClosed(session.close_ns, session), "calendar")
        crash_point("session.closed")
        self._telling.say("closing", "the market has closed; waiting for the last reports")
        await self._pump.until(session.close_ns + LINGER_NS)
        if not self._pump.stopping:
            await prepared.keeper.backfill()

    async def _trade_until_close(self, session: Session, trader: Trader) -> None:
        self._hours.begin()
        self._audit.begin()
        while not self._pump.stopping and self._clock.now_ns() < session.close_ns:
            await self._pump.until(min(session.close_ns, self._hours.next_check_ns, self._audit.next_check_ns))
            await self._hours.check(session, trader)
            self._audit.check_journal(trader)
            if not self._pump.stopping:
                await self._audit.check_quiet_orders(trader)

    # -- what arrives --------------------------------------------------------------------------------------------

    async def _deal_with(self, item: Any) -> None:
        trader, keeper = self._pump.trader, self._pump.keeper
        match item:
            case ClockAnnouncement():
                self._follow_clock(item)
            case FeedStatus():
                await self._follow_feed(item)
            case UnknownMessage():
                log.warning("message.unknown", feed=str(item.feed), text=item.text[:500], problem=item.problem)
            case Overflowed():
                log.error("inbox.overflowed", lost=item.lost)
                self._halt("overflow", f"{item.lost} messages arrived faster than they could be dealt with")
            case MarketMessage() if keeper is not None:
                await keeper.take(item)
            case ExecutionReport() if trader is not None:
                trader.take(OrderReported(replace(item, time_ns=trader.dated(item.time_ns))), "broker")
            case TradingStatus() if trader is not None:
                self._follow_status(trader, item)

    def _follow_status(self, trader: Trader, status: TradingStatus) -> None:
        words, time_ns = status.message or status.code, trader.dated(status.time_ns)
        if status.code in HALT_CODES:
            trader.take(SymbolHalted(time_ns, status.symbol, "exchange", status.reason or words), "broker")
        elif status.code in RESUME_CODES:
            trader.take(SymbolResumed(time_ns, status.symbol), "broker")
        else:
            log.info("symbol.status", symbol=status.symbol, code=status.code, message=words)

    def _follow_clock(self, announcement: ClockAnnouncement) -> None:
        if isinstance(self._clock, ExchangeClock):
            held = self._pump.lockstep is not None
            self._clock.announce(announcement.time_ns, announcement.speed, held=held)

    async def _follow_feed(self, status: FeedStatus) -> None:
        still_down = self._telling.feeds.get(status.feed) is status.state is FeedState.DOWN
        self._telling.feeds[status.feed] = status.state
        self.measures.follow_feed(status)
        level = log.debug if still_down else log.info if status.state is FeedState.UP else log.warning
        level(f"feed.{status.state}", feed=str(status.feed), **({"detail": status.detail} if status.detail else {}))
        if self._pump.trader is not None and not still_down:
            self._pump.trader.remark(f"feed.{status.state}", f"{status.feed} {status.detail}".rstrip())
        if status.feed is Feed.CLOCK:
            if status.state is not FeedState.UP and isinstance(self._clock, ExchangeClock):
                self._clock.announce(self._clock.now_ns(), self._clock.speed, held=True)
        elif status.state is FeedState.UP and status.quiet_since_ns:
            await self._catch_up_with(status.feed)

    async def _catch_up_with(self, feed: Feed) -> None:
        """Ask for what was not heard while `feed` was down."""
        trader, keeper = self._pump.trader, self._pump.keeper
        if trader is None or keeper is None:
            return
        if feed is Feed.TRADES:
            await self._catch_up.with_orders(trader, {})
        else:
            await keeper.backfill()

    def _halt(self, rule: str, reason: str) -> None:
        if self._pump.trader is not None:
            self._pump.trader.take(TradingHalted(self._clock.now_ns(), rule, reason), "daemon")

    # -- the end of a session ------------------------------------------------------------------------------------

    async def _settle(self, prepared: Prepared) -> None:
        """Wait for the answers to what was sent, and take them in: of a broker that is away, until the next session."""
        trader = prepared.trader
        following = self._calendar.next_session(trader.engine.session.close_ns)
        await self._pump.until(following.open_ns - LEAD_NS, unless=lambda: not trader.sender.outstanding)
        await trader.sender.settle()
        await self._pump.take_all()
        await self._audit.check_orders(trader)
        await self._pump.take_all()
        crash_point("session.settled")
        if not self._pump.stopping:
            await self._audit.compare_account(trader, prepared.by_hand)

    def _leave(self, trader: Trader) -> None:
        engine = trader.engine
        self._closing = (engine.positions, engine.cash, engine.equity)
        self._profits[engine.session.day] = engine.profit
        self._standing.end(trader)
        self._left_open = bool(engine.working)
        self._pump.trader = self._pump.keeper = None
        if trader.unfinished:
            log.error("journal.incomplete", events=trader.unfinished, reason=str(trader.blocked))
        trader.tell()
        trader.journal.close()
        crash_point("journal.closed")
        self._services.session_ended(
            EndedSession(engine.session.day, trader.journal.path, whole=not self._pump.stopping)
        )

    # -- other plans -----------------------------------------------------------------------------------------------

    def adopt(self, plan: Plan) -> None:
        """Live by another plan from the next session on."""
        self.plan = self._preparation.plan = plan

    async def subscribe(self, plan: Plan) -> None:
        """Hear the quotes and trades that another plan asks for, if a session is going on."""
        wanted = {*plan.quotes, *plan.trades} - {*self.plan.quotes, *self.plan.trades}
        if wanted and self._pump.trader is not None:
            await self._broker.subscribe(quotes=plan.quotes, trades=plan.trades)

    def each_round(self, look: Callable[[], None]) -> None:
        """Have `look` called whenever everything that has arrived is dealt with."""
        self._pump.each_round = look

    def note(self, words: str) -> None:
        """Say this too when it says what it is doing; nothing, to say it no more."""
        self._telling.note(words)

    # -- for those who ask ---------------------------------------------------------------------------------------

    @property
    def trader(self) -> Trader | None:
        """The session going on, None while closed."""
        return self._pump.trader

    @property
    def inbox(self) -> Inbox:
        """What has arrived and waits its turn."""
        return self._pump.inbox

    @property
    def next_open_ns(self) -> int:
        """When the session opens that goes on or comes next."""
        return self._calendar.next_session(self._clock.now_ns()).open_ns

    @property
    def waiting(self) -> int:
        """What has arrived and was not dealt with yet, and events that the journal has no room for."""
        return len(self.inbox) + (self.trader.unfinished if self.trader else 0)

    @property
    def last_bar_ns(self) -> int | None:
        """When the last bar of the session going on was complete; None before there is any."""
        if self.trader is None:
            return None
        last_ns = max((self.trader.admission.last_bar_ns(symbol) for symbol in self.plan.symbols), default=0)
        return last_ns + MINUTE_NS if last_ns >= self.trader.engine.session.open_ns else None  # not of history

    @property
    def phase(self) -> str:
        """What it is doing, in a word."""
        return self._telling.phase

    @property
    def line(self) -> str:
        """What it is doing, in a line."""
        return self._telling.line

    @property
    def halts(self) -> Halts:
        """The halts in force, of the session going on or for the next one."""
        return self._standing.halts

    def halt(self, reason: str, *, flatten: bool) -> None:
        """Halt by hand. Raises StateError when it cannot be journaled."""
        self._standing.halt(reason, flatten=flatten)
        self._pump.inbox.wake()

    def resume(self, reason: str) -> list[Halt]:
        """End the halts that a person may end, and return them. Raises StateError when it cannot be journaled."""
        lifted = self._standing.resume(reason)
        self._pump.inbox.wake()
        return lifted

    def resume_symbol(self, symbol: str, reason: str) -> None:
        """End the halt of one symbol. Raises StateError when it is not halted."""
        self._standing.resume_symbol(symbol, reason)
        self._pump.inbox.wake()

    def _outcome(self) -> Outcome:
        positions, cash, equity = self._closing or (self._standing.carried.shares, None, None)
        return Outcome(self.tally, positions, cash, equity, sum(self._profits.values(), Decimal(0)))
