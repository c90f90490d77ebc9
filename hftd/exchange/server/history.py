"""The market's past, as the exchange tells it at a given time: nothing that is not known yet."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import takewhile

from hftd.calendar import FIRST_YEAR, LAST_YEAR, Calendar
from hftd.domain.convert import DAY_NS, MINUTE_NS
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.base import Market
from hftd.exchange.server.timeframes import Timeframe, Unit, day_bars, merged, midnight_ns

LONGEST_STRETCH = {Unit.WEEK: timedelta(days=7), Unit.MONTH: timedelta(days=366)}
RECENT_DAYS = 10
"""How far back the latest trade, quote or bar of a symbol is looked for."""

FIRST_DAY, LAST_DAY = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
EARLIEST_NS, LATEST_NS = midnight_ns(FIRST_DAY), midnight_ns(LAST_DAY)
"""Nothing is told of what the calendar does not know."""


class History:
    """Bars, trades and quotes of the past. Times are nanoseconds since 1970 UTC; a stretch includes both its ends."""

    def __init__(self, market: Market, calendar: Calendar) -> None:
        self._market = market
        self._calendar = calendar

    def bars(
        self, symbol: str, timeframe: Timeframe, start_ns: int, end_ns: int, now_ns: int, *, newest_first: bool = False
    ) -> Iterator[Bar]:
        """Bars of `timeframe` stamped in [start_ns, end_ns], made from the minutes that are complete at `now_ns`."""
        sessions = self._sessions(start_ns, end_ns, newest_first, LONGEST_STRETCH.get(timeframe.unit, timedelta(0)))
        by_session = (self._session_bars(symbol, session, timeframe, now_ns, newest_first) for session in sessions)
        bars: Iterable[Bar] = (bar for session_bars in by_session for bar in session_bars)
        if timeframe.unit in LONGEST_STRETCH:
            bars = _merged_backwards(bars) if newest_first else merged(bars)
        return (bar for bar in bars if start_ns <= bar.time_ns <= end_ns)

    def trades(
        self, symbol: str, start_ns: int, end_ns: int, now_ns: int, *, newest_first: bool = False
    ) -> Iterator[Trade]:
        ticks = self._ticks(symbol, start_ns, min(end_ns, now_ns), newest_first)
        return (tick for tick in ticks if isinstance(tick, Trade))

    def quotes(
        self, symbol: str, start_ns: int, end_ns: int, now_ns: int, *, newest_first: bool = False
    ) -> Iterator[Quote]:
        ticks = self._ticks(symbol, start_ns, min(end_ns, now_ns), newest_first)
        return (tick for tick in ticks if isinstance(tick, Quote))

    def latest_bar(self, symbol: str, timeframe: Timeframe, now_ns: int) -> Bar | None:
        """The newest bar that is known at `now_ns`."""
        start_ns = now_ns - RECENT_DAYS * DAY_NS
        return next(self.bars(symbol, timeframe, start_ns, now_ns, now_ns, newest_first=True), None)

    def latest_trade(self, symbol: str, now_ns: int) -> Trade | None:
        return next(self.trades(symbol, now_ns - RECENT_DAYS * DAY_NS, now_ns, now_ns, newest_first=True), None)

    def latest_quote(self, symbol: str, now_ns: int) -> Quote | None:
        return next(self.quotes(symbol, now_ns - RECENT_DAYS * DAY_NS, now_ns, now_ns, newest_first=True), None)

    def _sessions(
        self, start_ns: int, end_ns: int, newest_first: bool, margin: timedelta = timedelta(0)
    ) -> Iterator[Session]:
        """Those from `margin` before to `margin` after a stretch, a year at a time: years may have to be computed."""
        start_ns, end_ns = max(start_ns, EARLIEST_NS), min(end_ns, LATEST_NS)
        if end_ns < start_ns:
            return
        first = max(self._calendar.day_of(start_ns) - margin, FIRST_DAY)
        last = min(self._calendar.day_of(end_ns) + margin, LAST_DAY)
        years = range(first.year, last.year + 1)
        for year in reversed(years) if newest_first else years:
            sessions = self._calendar.sessions(max(first, date(year, 1, 1)), min(last, date(year, 12, 31)))
            yield from reversed(sessions) if newest_first else sessions

    def _session_bars(
        self, symbol: str, session: Session, timeframe: Timeframe, now_ns: int, newest_first: bool
    ) -> list[Bar]:
        if session.open_ns >= now_ns:
            return []
        known = self._market.history(symbol, session).between(0, now_ns - MINUTE_NS + 1)
        bars = day_bars(symbol, session.day, known, timeframe)
        return bars[::-1] if newest_first else bars

    def _ticks(self, symbol: str, start_ns: int, end_ns: int, newest_first: bool) -> Iterator[Quote | Trade]:
        for session in self._sessions(start_ns, end_ns, newest_first):
            if session.open_ns > end_ns:
                continue
            known = list(takewhile(lambda tick: tick.time_ns <= end_ns, self._market.ticks(symbol, session)))
            yield from (tick for tick in (reversed(known) if newest_first else known) if tick.time_ns >= start_ns)


def _merged_backwards(bars: Iterable[Bar]) -> Iterator[Bar]:
    """Newest first: neighbours with one stamp as one bar."""
    group: list[Bar] = []
    for bar in bars:
        if group and bar.time_ns != group[0].time_ns:
            yield from merged(reversed(group))
            group = []
        group.append(bar)
    yield from merged(reversed(group))
