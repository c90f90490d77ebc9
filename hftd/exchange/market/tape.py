"""A tape: recorded one-minute bars, played as they were.

A tape is a file or folder that `hftd.data` reads: a bar for each minute and symbol that traded.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from hftd.calendar import Calendar
from hftd.data.reading import USUAL, Reading
from hftd.data.recorded import Recorded
from hftd.data.rows import Bars
from hftd.domain.convert import datetime_of
from hftd.domain.market import Quote, Trade
from hftd.domain.session import Session
from hftd.errors import DataError
from hftd.exchange.market.base import Instant, Play
from hftd.exchange.market.columns import EMPTY, BarColumns, TradedColumns
from hftd.exchange.market.minutes import MinutePlay, ticks_of
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.venue.liquidity import QuoteLiquidity

SPREAD = 0.01


class Tape:
    """A market that plays a file of minute bars. Implements `Market`.

    `sessions` are the calendar's sessions that have bars, in order; `bars_outside` counts rows outside all sessions,
    which are not played.
    """

    def __init__(
        self,
        file: Path,
        calendar: Calendar,
        symbols: Sequence[str] = (),
        spread: float = SPREAD,
        liquidity: QuoteLiquidity | TapeLiquidity | None = None,
        reading: Reading = USUAL,
    ) -> None:
        """Read `file`, or a folder, whole. `symbols` narrows it down; `spread` is in dollars; a `liquidity` of None
        fills whatever the size.

        Raises DataError for a file that does not hold what a tape should.
        """
        self.liquidity = liquidity or QuoteLiquidity()
        self._spread = spread
        self._bars = read_tape(file, symbols, reading)
        self.symbols = tuple(sorted(self._bars))
        self.sessions = _sessions_with_bars(self._bars, calendar)
        if not self.sessions:
            raise DataError(
                f"{file}: no row lies in a session of calendar {calendar.name}; "
                "are its times in the zone that was told?"
            )
        self.days: tuple[date, ...] = tuple(session.day for session in self.sessions)
        self.bars_outside = self._count_outside()

    def play(self, session: Session) -> Play:
        play = MinutePlay(session, self._bars, self._spread)
        return _Heard(play, self.liquidity) if isinstance(self.liquidity, TapeLiquidity) else play

    def history(self, symbol: str, session: Session) -> BarColumns:
        return self._bars.get(symbol, EMPTY).between(session.open_ns, session.close_ns)

    def ticks(self, symbol: str, session: Session) -> Iterator[Quote | Trade]:
        return ticks_of(symbol, self.history(symbol, session), session, self._spread)

    def _count_outside(self) -> int:
        inside = sum(
            len(bars.between(session.open_ns, session.close_ns))
            for bars in self._bars.values()
            for session in self.sessions
        )
        return sum(len(bars) for bars in self._bars.values()) - inside


class _Heard:
    """A session whose prints the liquidity hears before anybody else. Implements `Play`."""

    def __init__(self, play: MinutePlay, liquidity: TapeLiquidity) -> None:
        self._play = play
        self._liquidity = liquidity

    @property
    def next_ns(self) -> int | None:
        return self._play.next_ns

    def advance(self) -> Instant:
        instant = self._play.advance()
        for item in instant.data:
            if isinstance(item, Trade):
                self._liquidity.on_trade(item)
        return instant


def read_tape(file: Path, symbols: Sequence[str] = (), reading: Reading = USUAL) -> dict[str, BarColumns]:
    """All minutes with a trade, by symbol. Raises DataError that names the file, the row and the column."""
    bars = Recorded.open([file], reading=reading, symbols=symbols).bars()
    if not bars:
        raise DataError(f"{file}: no rows")
    return {symbol: _columns(bars[symbol]) for symbol in sorted(bars)}


def _columns(bars: Bars) -> BarColumns:
    own = (bars.time_ns, bars.open, bars.high, bars.low, bars.close, bars.volume)
    if bars.trade_count is None or bars.vwap is None:
        return BarColumns(*own)
    return TradedColumns(*own, bars.trade_count, bars.vwap)


def _sessions_with_bars(bars: dict[str, BarColumns], calendar: Calendar) -> list[Session]:
    times = np.unique(np.concatenate([columns.time_ns for columns in bars.values()]))
    if not len(times):
        return []
    first, last = (datetime_of(int(time_ns)).astimezone(calendar.zone).date() for time_ns in (times[0], times[-1]))
    sessions = calendar.sessions(first, last)
    edges = [np.searchsorted(times, (session.open_ns, session.close_ns)) for session in sessions]
    return [session for session, (start, end) in zip(sessions, edges, strict=True) if end > start]
