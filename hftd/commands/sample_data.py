"""`hftd sample-data`: sessions of the market of bots as files, for tests, teaching and backtests.

Four tables, one file each, all symbols and sessions in order of time and symbol within a session; times are nanoseconds
UTC, prices dollars, sizes shares:

    bars      timestamp (the minute's start), symbol, open, high, low, close, volume, trade_count, vwap: a tape
    trades    timestamp, symbol, price, size, side of the taker, trade_id
    quotes    timestamp, symbol, bid, bid_size, ask, ask_size: once a second, where they have changed
    messages  timestamp, symbol, operation, order_id, owner, side, price_ticks ($0.0001), size, outcome: every message
              of every bot to the order book; replayed in order (an owner's own resting orders are cancelled when it
              meets them) they rebuild the session
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hftd.calendar import Calendar
from hftd.data.files import KIND_KEY
from hftd.domain.convert import TICKS_PER_DOLLAR
from hftd.domain.orders import Side
from hftd.domain.session import Session
from hftd.errors import CalendarError, DataError, SettingsError
from hftd.exchange.market.bots.settings import BotMarketSettings
from hftd.wording import suggestion

if TYPE_CHECKING:
    from hftd.exchange.market.bots.pit import Pit

TABLES = ("bars", "trades", "quotes", "messages")
FORMATS = ("parquet", "csv")


@dataclass(frozen=True)
class Sample:
    """What was asked for."""

    folder: Path
    symbols: tuple[str, ...]
    first: date | None
    sessions: int
    tables: tuple[str, ...]
    format: str
    settings: BotMarketSettings


def checked(sample: Sample) -> Sample:
    """`sample`, if it can be carried out. Raises SettingsError."""
    for table in sample.tables:
        if table not in TABLES:
            raise SettingsError(f"--tables {table}: {suggestion(table, TABLES)}")
    if sample.format not in FORMATS:
        raise SettingsError(f"--format {sample.format}: {suggestion(sample.format, FORMATS)}")
    if not sample.symbols:
        raise SettingsError("--symbols: at least one symbol is expected, like SPY")
    return sample


def sessions_of(sample: Sample, calendar: Calendar, now_ns: int) -> list[Session]:
    """The sessions asked for: from `first` on, or else the last ones that are over. Raises CalendarError."""
    if sample.first is not None:
        until = sample.first + timedelta(days=2 * sample.sessions + 14)
        found = calendar.sessions(sample.first, until)[: sample.sessions]
    else:
        today = calendar.day_of(now_ns)
        past = calendar.sessions(today - timedelta(days=2 * sample.sessions + 14), today)
        found = [session for session in past if session.close_ns <= now_ns][-sample.sessions :]
    if len(found) < sample.sessions:
        raise CalendarError(f"the calendar has {len(found)} sessions of the {sample.sessions} that were asked for")
    return found


def sample_settings(seed: int, wakes: int | None) -> BotMarketSettings:
    """The usual bots, begun from `seed`; `wakes` is how often they decide in a session."""
    usual = BotMarketSettings(seed=seed)
    return usual if wakes is None else replace(usual, wakes_a_day=wakes)


def write_sample(sample: Sample, sessions: Sequence[Session], done: Callable[[], object]) -> dict[Path, int]:
    """Write the files and return the rows of each. `done` is called after each session.

    Raises DataError when the folder cannot be written to.
    """
    try:
        sample.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            sinks = {
                table: stack.enter_context(_Sink(sample.folder / f"{table}.{sample.format}"))
                for table in dict.fromkeys(sample.tables)
            }
            for session in sessions:
                for table, rows in _tables(sample, session):
                    sinks[table].write(rows)
                done()
    except OSError as error:
        raise DataError(f"{sample.folder}: cannot be written to: {error.strerror or error}") from error
    return {sink.file: sink.rows for sink in sinks.values()}


class _Sink:
    """One file, written a session at a time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows = 0
        self._writer: Any = None

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, table: Any) -> None:
        import pyarrow.csv
        import pyarrow.parquet

        if self._writer is None:
            is_csv = self.file.suffix == ".csv"
            make = pyarrow.csv.CSVWriter if is_csv else pyarrow.parquet.ParquetWriter
            self._writer = make(str(self.file), table.schema, **({} if is_csv else {"compression": "zstd"}))
        self._writer.write_table(table)
        self.rows += table.num_rows


def _tables(sample: Sample, session: Session) -> Iterator[tuple[str, Any]]:
    """The session's tables, of all symbols in order of time."""
    import pyarrow

    from hftd.exchange.market.bots.pit import Pit

    found: dict[str, list[Any]] = {table: [] for table in sample.tables}
    for symbol in sample.symbols:
        pit = Pit(sample.settings, symbol, session, records_messages="messages" in sample.tables)
        pit.play_until(session.close_ns)
        for table, columns in _columns(pit, sample.tables):
            told = {KIND_KEY: table.encode()}
            stamps = pyarrow.array(columns.pop("timestamp"), pyarrow.timestamp("ns", tz="UTC"))
            names = pyarrow.array([symbol] * len(stamps), pyarrow.string())
            rows = pyarrow.table({"timestamp": stamps, "symbol": names, **columns}, metadata=told)
            found[table].append(rows)
    for table, parts in found.items():
        rows = pyarrow.concat_tables(parts)
        yield table, rows if len(parts) == 1 else rows.sort_by("timestamp")


def _columns(pit: "Pit", tables: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    prints, tops, log = pit.take_prints(), pit.take_tops(), pit.take_messages()
    made = {
        "bars": lambda: _bars(prints),
        "trades": lambda: _trades(prints),
        "quotes": lambda: _quotes(tops),
        "messages": lambda: _messages(log),
    }
    return ((table, made[table]()) for table in dict.fromkeys(tables))


def _bars(prints: Any) -> dict[str, Any]:
    from hftd.exchange.market.bots.market import bars_of

    bars = bars_of(prints)
    prices = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    counts = {"volume": bars.volume, "trade_count": bars.trade_counts(), "vwap": bars.vwaps()}
    return {"timestamp": bars.time_ns, **prices, **counts}


def _trades(prints: Any) -> dict[str, Any]:
    return {
        "timestamp": prints["time_ns"],
        "price": prints["price"] / TICKS_PER_DOLLAR,
        "size": prints["quantity"],
        "side": _sides(prints["taker_side"]),
        "trade_id": prints["sequence"],
    }


def _quotes(tops: Any) -> dict[str, Any]:
    return {
        "timestamp": tops["time_ns"],
        "bid": tops["bid"] / TICKS_PER_DOLLAR,
        "bid_size": tops["bid_quantity"],
        "ask": tops["ask"] / TICKS_PER_DOLLAR,
        "ask_size": tops["ask_quantity"],
    }


def _messages(log: Any) -> dict[str, Any]:
    from hftd.exchange.book.layout import OUTCOMES, Operation

    message = log["message"]
    return {
        "timestamp": log["time_ns"],
        "operation": _words(Operation, message["operation"]),
        "order_id": message["order_id"],
        "owner": message["owner"],
        "side": _sides(message["side"]),
        "price_ticks": message["price"],
        "size": message["quantity"],
        "outcome": _words(OUTCOMES, log["outcome"]),
    }


def _sides(numbers: Any) -> Any:
    return _words((Side.BUY, Side.SELL), numbers)


def _words(names: Iterable[IntEnum | StrEnum], numbers: Any) -> Any:
    """The names of `numbers` in lower case."""
    import numpy as np

    return np.array([name.name.lower() for name in names])[numbers]
