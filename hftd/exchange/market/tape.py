"""A tape: recorded one-minute bars, played as they were.

A tape is a file or folder that `hftd.data` reads: a bar for each minute and symbol that traded.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hftd.calendar import Calendar
from hftd.data.reading import USUAL, Reading
from hftd.data.recorded import Recorded
from hftd.data.rows import Bars
from hftd.errors import DataError
from hftd.exchange.market.columns import BarColumns, TradedColumns
from hftd.exchange.market.recorded import SPREAD, RecordedMarket, sessions_with_bars
from hftd.exchange.venue.liquidity import Liquidity


class Tape(RecordedMarket):
    """A market that plays a file of minute bars. `bars_outside` counts rows that lie in no session."""

    def __init__(
        self,
        file: Path,
        calendar: Calendar,
        symbols: Sequence[str] = (),
        spread: float = SPREAD,
        liquidity: Liquidity | None = None,
        reading: Reading = USUAL,
        data: Recorded | None = None,
    ) -> None:
        """Read `file`, or a folder, whole. `symbols` narrows it down; `spread` is in dollars; a `liquidity` of None
        fills whatever the size. `data` is what was opened already of `file`.

        Raises DataError for a file that does not hold what a tape should.
        """
        bars = read_tape(file, symbols, reading, data)
        sessions = sessions_with_bars(bars, calendar)
        if not sessions:
            raise DataError(
                f"{file}: no row lies in a session of calendar {calendar.name}; "
                "are its times in the zone that was told?"
            )
        super().__init__(bars, sessions, spread, liquidity)
        self.bars_outside = self._count_outside()

    def _count_outside(self) -> int:
        inside = sum(
            len(bars.between(session.open_ns, session.close_ns))
            for bars in self._bars.values()
            for session in self.sessions
        )
        return sum(len(bars) for bars in self._bars.values()) - inside


def read_tape(
    file: Path, symbols: Sequence[str] = (), reading: Reading = USUAL, data: Recorded | None = None
) -> dict[str, BarColumns]:
    """All minutes with a trade, by symbol. Raises DataError that names the file, the row and the column."""
    bars = (data or Recorded.open([file], reading=reading, symbols=symbols)).bars()
    if not bars:
        raise DataError(f"{file}: no rows")
    return {symbol: columns_of(bars[symbol]) for symbol in sorted(bars)}


def columns_of(bars: Bars) -> BarColumns:
    """Rows of one symbol as the exchange plays them. What a row does not tell of its prints is that of those played."""
    own = (bars.time_ns, bars.open, bars.high, bars.low, bars.close, bars.volume)
    played = BarColumns(*own)
    if bars.trade_count is None or bars.vwap is None:
        return played
    is_told = (bars.trade_count > 0) & (bars.vwap > 0)
    if is_told.all():
        return TradedColumns(*own, bars.trade_count, bars.vwap)
    prints, average = np.where(is_told, bars.trade_count, played.trade_counts()), played.vwaps()
    return TradedColumns(*own, prints, np.where(is_told, bars.vwap, average))
