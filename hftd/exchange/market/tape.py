"""A tape: recorded one-minute bars, played as they were.

A tape is a Parquet or CSV file with a row for each minute and symbol that traded: timestamp (the bar's START, with a
zone or else UTC), symbol, open, high, low, close (dollars), volume (whole shares). Rows of a symbol are in order of
time. A row of volume 0 is a minute without a trade, which has no bar.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, datetime_of, rfc3339_of
from hftd.domain.market import Quote, Trade
from hftd.domain.session import Session
from hftd.errors import DataError
from hftd.exchange.market.base import Instant, Play
from hftd.exchange.market.columns import EMPTY, BarColumns
from hftd.exchange.market.minutes import MinutePlay, ticks_of
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.venue.liquidity import QuoteLiquidity
from hftd.wording import suggestion

COLUMNS = ("timestamp", "symbol", "open", "high", "low", "close", "volume")
PRICES = ("open", "high", "low", "close")
SPREAD = 0.01
HIGHEST_PRICE = 1e9
LARGEST_VOLUME = 2**53


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
    ) -> None:
        """Read `file` whole. `symbols` narrows it down; `spread` is in dollars; None fills whatever the size.

        Raises DataError for a file that does not hold what a tape should.
        """
        self.liquidity = liquidity or QuoteLiquidity()
        self._spread = spread
        self._bars = _chosen(file, read_tape(file), symbols)
        self.symbols = tuple(sorted(self._bars))
        self.sessions = _sessions_with_bars(self._bars, calendar)
        if not self.sessions:
            raise DataError(
                f"tape {file}: no row lies in a session of calendar {calendar.name}; "
                f"its times are read as UTC unless they have a zone, like 2026-11-20T09:30:00-05:00"
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


def read_tape(file: Path) -> dict[str, BarColumns]:
    """All minutes with a trade, by symbol. Raises DataError that names the file, the row and the column."""
    table = _read(file)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        hint = suggestion(missing[0], table.column_names)
        raise DataError(f"tape {file}: no column {missing[0]!r}; {hint}; a tape has {', '.join(COLUMNS)}")
    if table.num_rows == 0:
        raise DataError(f"tape {file}: no rows")
    time_ns = _times(file, table.column("timestamp"))
    numbers = {name: _numbers(file, name, table.column(name)) for name in (*PRICES, "volume")}
    symbols = _symbols(file, table.column("symbol"))
    _check_rows(file, time_ns, numbers)
    found: list[str] = np.unique(symbols).tolist()
    return {symbol: _symbol_columns(file, symbol, symbols == symbol, time_ns, numbers) for symbol in found}


def _read(file: Path) -> Any:
    import pyarrow as arrow
    import pyarrow.csv
    import pyarrow.parquet

    readers: dict[str, Callable[[Path], Any]] = {".parquet": pyarrow.parquet.read_table, ".csv": pyarrow.csv.read_csv}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"tape {file}: expected a file named .parquet or .csv, found {file.suffix or 'no ending'}")
    if not file.is_file():
        raise DataError(f"tape {file}: {'is a folder' if file.is_dir() else 'no such file'}")
    try:
        return reader(file)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"tape {file}: not readable as {file.suffix[1:]}: {error}") from error


def _times(file: Path, column: Any) -> npt.NDArray[np.int64]:
    import pyarrow as arrow

    try:
        stamps = column.cast(arrow.timestamp("ns", tz=getattr(column.type, "tz", None) or "UTC"))
    except arrow.ArrowException as error:
        raise DataError(f"tape {file}: column 'timestamp' does not hold times such as 2019-02-11T14:30:00Z") from error
    if stamps.null_count:
        _refuse(file, np.asarray(stamps.is_null()), "timestamp", lambda row: "is empty; a time is expected")
    return np.asarray(stamps.cast(arrow.int64()).to_numpy())


def _symbols(file: Path, column: Any) -> npt.NDArray[Any]:
    names = np.asarray(column.to_pylist(), dtype=object)
    empty = np.array([not isinstance(name, str) or not name for name in names])
    _refuse(file, empty, "symbol", lambda row: f"is {names[row]!r}; a name such as SPY is expected")
    return names.astype(str)


def _numbers(file: Path, name: str, column: Any) -> npt.NDArray[np.float64]:
    import pyarrow as arrow

    try:
        return np.asarray(column.cast(arrow.float64()).to_numpy())
    except arrow.ArrowException:
        values = column.to_pylist()
        _refuse(file, np.array([not _is_number(value) for value in values]), name, lambda row: _expected(values[row]))
        raise


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _expected(value: object) -> str:
    return f"is {value!r}; a number is expected"


def _check_rows(file: Path, time_ns: npt.NDArray[np.int64], numbers: dict[str, npt.NDArray[np.float64]]) -> None:
    """Refuse the first row that no market could have printed."""
    volume = numbers["volume"]
    _refuse(
        file,
        time_ns % MINUTE_NS != 0,
        "timestamp",
        lambda row: f"is {rfc3339_of(int(time_ns[row]))}; a bar starts on a whole minute",
    )
    bad_volume = ~((volume >= 0) & (volume <= LARGEST_VOLUME) & (volume == np.floor(volume)))
    _refuse(file, bad_volume, "volume", lambda row: f"is {volume[row]:g}; a whole number of shares is expected")
    for name in PRICES:
        price = numbers[name]
        bad = (volume > 0) & ~((price > 0) & (price < HIGHEST_PRICE))
        _refuse(file, bad, name, lambda row, price=price: f"is {price[row]:g}; a price above 0 is expected")  # type: ignore[misc]
    _check_order_of_prices(file, numbers)


def _check_order_of_prices(file: Path, numbers: dict[str, npt.NDArray[np.float64]]) -> None:
    traded = numbers["volume"] > 0
    high, low = numbers["high"], numbers["low"]
    highest = np.maximum(numbers["open"], numbers["close"])
    lowest = np.minimum(numbers["open"], numbers["close"])
    _refuse(file, traded & (high < low), "high", lambda row: f"is {high[row]:g}, below the low of {low[row]:g}")
    _refuse(
        file,
        traded & (high < highest),
        "high",
        lambda row: f"is {high[row]:g}, below {highest[row]:g} of open or close",
    )
    _refuse(
        file, traded & (low > lowest), "low", lambda row: f"is {low[row]:g}, above {lowest[row]:g} of open or close"
    )


def _symbol_columns(
    file: Path,
    symbol: str,
    chosen: npt.NDArray[np.bool_],
    time_ns: npt.NDArray[np.int64],
    numbers: dict[str, npt.NDArray[np.float64]],
) -> BarColumns:
    rows, own = np.flatnonzero(chosen), time_ns[chosen]
    steps = np.diff(own)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise DataError(_out_of_order(file, symbol, int(rows[at + 1]), int(own[at]), int(own[at + 1])))
    volume = numbers["volume"][chosen].astype(np.int64)
    opens, highs, lows, closes = (numbers[name][chosen] for name in PRICES)
    return BarColumns(own, opens, highs, lows, closes, volume).rows(volume > 0)


def _out_of_order(file: Path, symbol: str, row: int, before_ns: int, after_ns: int) -> str:
    where = f"tape {file}, row {row + 1}, column 'timestamp'"
    if before_ns == after_ns:
        return f"{where}: a second row for {symbol} at {rfc3339_of(after_ns)}; one a minute is expected"
    return (
        f"{where}: {symbol} at {rfc3339_of(after_ns)} comes after {rfc3339_of(before_ns)}; "
        "rows of a symbol are expected in order of time: sort the file"
    )


def _refuse(file: Path, bad: npt.NDArray[np.bool_], column: str, said: Callable[[int], str]) -> None:
    """Raise DataError for the first row of `bad`, if any. Rows are counted from 1, without a heading."""
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"tape {file}, row {row + 1}, column {column!r}: {said(row)}")


def _chosen(file: Path, bars: dict[str, BarColumns], symbols: Sequence[str]) -> dict[str, BarColumns]:
    for symbol in symbols:
        if symbol not in bars:
            raise DataError(f"tape {file}: no rows for {symbol}; {suggestion(symbol, bars)}")
    return {symbol: bars[symbol] for symbol in symbols} if symbols else bars


def _sessions_with_bars(bars: dict[str, BarColumns], calendar: Calendar) -> list[Session]:
    times = np.unique(np.concatenate([columns.time_ns for columns in bars.values()]))
    if not len(times):
        return []
    first, last = (datetime_of(int(time_ns)).astimezone(calendar.zone).date() for time_ns in (times[0], times[-1]))
    sessions = calendar.sessions(first, last)
    edges = [np.searchsorted(times, (session.open_ns, session.close_ns)) for session in sessions]
    return [session for session, (start, end) in zip(sessions, edges, strict=True) if end > start]
