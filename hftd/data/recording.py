"""Keeping what a socket delivers: segments that a kill cannot spoil, made into one Parquet file a table afterwards.

A day's folder holds `TABLE.NNNNNN.arrows` while it is recorded: Arrow IPC streams, appended to and synced every few
seconds, of which everything is readable up to the last whole batch. `compact` makes `TABLE.parquet` of them, in the
order of recorded data, with exchange time (`timestamp`) and local time (`received_ns`), and removes them; which ones
it took stands in the file, so that a kill between the two changes nothing.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from hftd.data.checking import Duplicates
from hftd.data.decoding import Decoder
from hftd.data.files import RECORD_KEY, DataFile
from hftd.data.reading import USUAL
from hftd.data.rows import Kind, Rows
from hftd.data.writing import ParquetSink, SortedWriter
from hftd.domain.market import Bar, Quote, Trade

BAR = ("symbol", "timestamp", "open", "high", "low", "close", "volume", "trade_count", "vwap")
TRADE = ("symbol", "timestamp", "price", "size", "trade_id")
QUOTE = ("symbol", "timestamp", "bid", "bid_size", "ask", "ask_size")
STATUS = ("symbol", "timestamp", "code", "message", "reason_code", "reason")
WITHDRAWN = (*TRADE, "new_price", "new_size", "new_trade_id")

TABLES: dict[str, tuple[str, ...]] = {
    "bars": BAR,
    "updated_bars": BAR,
    "trades": TRADE,
    "quotes": QUOTE,
    "statuses": STATUS,
    "withdrawn_trades": WITHDRAWN,
}
"""What is recorded -> its columns in the order of the domain objects' fields; `received_ns` follows."""


class Status(msgspec.Struct, frozen=True):
    """A halt, a resumption or another status of a symbol, in the tape's own codes and words."""

    symbol: str
    time_ns: int
    code: str
    message: str
    reason_code: str
    reason: str


class Withdrawn(msgspec.Struct, frozen=True):
    """A print taken back, and the price, size and number of what replaced it, None when nothing did."""

    symbol: str
    time_ns: int
    price: float
    size: int
    trade_id: int
    new_price: float | None = None
    new_size: int | None = None
    new_trade_id: int | None = None


KINDS = {"bars": Kind.BARS, "updated_bars": Kind.BARS, "trades": Kind.TRADES, "quotes": Kind.QUOTES}
TABLE_OF: dict[type[Any], str] = {Bar: "bars", Trade: "trades", Quote: "quotes"}
TEXTS = frozenset({"symbol", "code", "message", "reason_code", "reason"})
NUMBERS = frozenset({"open", "high", "low", "close", "vwap", "price", "bid", "ask", "new_price"})
SEGMENT_BYTES = 256 * 2**20
SEGMENTS_KEY = b"hftd.segments"
Columns = Sequence[Sequence[Any]]


def columns_of(data: Iterable[msgspec.Struct], received_ns: Sequence[int]) -> Columns:
    """Domain objects of one type, with their local times in nanoseconds, as the columns of their table.

    Each object is looked at once, and no more than a few thousand at a time should be: what is made of them then
    stays in the processor's cache.
    """
    values = list(chain.from_iterable(map(msgspec.structs.astuple, data)))
    width = len(values) // len(received_ns)
    return [*(values[place::width] for place in range(width)), received_ns]


def batch_of(table: str, columns: Columns) -> Any:
    """The columns of a table, in the order of `TABLES` and the local time last, as an Arrow batch."""
    import pyarrow as arrow

    types = {**dict.fromkeys(TEXTS, arrow.string()), **dict.fromkeys(NUMBERS, arrow.float64())}
    names = [*TABLES[table], "received_ns"]
    pairs = zip(names, columns, strict=True)
    return arrow.record_batch([arrow.array(column, types.get(name, arrow.int64())) for name, column in pairs], names)


class Segments:
    """The segments of one day being written. Only one process writes them, and one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Begin new segments in `folder`, which is made. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = 1 + max((_number(name) for name in (*_segments(folder), *_taken(folder))), default=0)
        self._open: dict[str, tuple[Any, Any]] = {}

    def append(self, table: str, parts: Iterable[Columns]) -> None:
        """Append rows to a table, in parts, and make sure that they are on the disk: all of them or, when it raises
        OSError, none."""
        whole = self._open[table][0].tell() if table in self._open else 0
        try:
            for columns in parts:
                batch = batch_of(table, columns)
                _, writer = self._open.get(table) or self._begin(table, batch.schema)
                writer.write_batch(batch)
            self._sync(table)
        except OSError:
            self._abandon(table, whole)
            raise

    def _sync(self, table: str) -> None:
        if table in self._open:
            stream, _ = self._open[table]
            stream.flush()
            os.fsync(stream.fileno())
            if stream.tell() > SEGMENT_BYTES:
                self._end(table)

    def _abandon(self, table: str, whole: int) -> None:
        """Cut off what was written beyond the first `whole` bytes of a segment, and leave it at that."""
        if table in self._open:
            stream, _ = self._open.pop(table)
            with suppress(OSError):
                stream.close()  # it tries once more to write what it holds
            os.truncate(stream.name, whole)

    def close(self) -> None:
        for table in list(self._open):
            self._end(table)

    def _begin(self, table: str, schema: Any) -> tuple[Any, Any]:
        import pyarrow as arrow

        stream = (self._folder / f"{table}.{self._number:06}.arrows").open("wb")
        self._number += 1
        self._open[table] = stream, arrow.ipc.new_stream(stream, schema)
        return self._open[table]

    def _end(self, table: str) -> None:
        stream, writer = self._open.pop(table)
        writer.close()
        stream.close()


def compact(folder: Path) -> dict[str, int]:
    """Make the Parquet files of a day's segments, and remove these. Returns the rows of each table that had any.

    May be repeated after a kill, and after more was recorded. Raises OSError.
    """
    counts = {}
    for table in TABLES:
        taken, segments = _taken(folder, table), _segments(folder, table)
        fresh = [name for name in segments if name not in taken]
        if fresh:
            metadata = {RECORD_KEY: b"1", SEGMENTS_KEY: json.dumps([*taken, *fresh]).encode()}
            write = _write_sorted if table in KINDS else _write_as_they_are
            counts[table] = write(folder, table, fresh, metadata)
        for name in segments:
            (folder / name).unlink()
    return counts


def needs_compacting(records: Path) -> list[Path]:
    """The days' folders that hold segments, oldest first."""
    return sorted({segment.parent for segment in records.glob("*/*.arrows")})


def _write_sorted(folder: Path, table: str, fresh: Sequence[str], metadata: Mapping[bytes, bytes]) -> int:
    kind, file = KINDS[table], folder / f"{table}.parquet"
    keep = Duplicates().without if table == "bars" else lambda rows: rows
    writer = SortedWriter(file, kind, keep, metadata, name=table)
    try:
        decoder = Decoder(is_strict=False)
        for rows in _rows_before(file, decoder):
            writer.add(rows)
        for batch in _batches(folder, fresh):
            if len(rows := decoder.rows(_Segment(file, kind), batch, 0)):
                writer.add(rows)
        writer.close()
    finally:
        writer.discard()
    return writer.sink.row_count


def _write_as_they_are(folder: Path, table: str, fresh: Sequence[str], metadata: Mapping[bytes, bytes]) -> int:
    import pyarrow as arrow
    import pyarrow.parquet

    file = folder / f"{table}.parquet"
    before = [pyarrow.parquet.read_table(file)] if file.exists() else []
    sink = ParquetSink(file, table, metadata)
    sink.write_table(arrow.concat_tables([*before, *(arrow.table(batch) for batch in _batches(folder, fresh))]))
    sink.close()
    return sink.row_count


def _rows_before(file: Path, decoder: Decoder) -> Iterator[Rows]:
    if file.exists():
        before = DataFile(file, USUAL)
        before.kind = KINDS[file.stem]
        for piece in before.pieces(decoder, -(2**63), 2**63 - 1):
            yield from piece.read()


class _Segment:
    """A segment as a source of rows: its columns have our names."""

    is_record = True
    reading = USUAL

    def __init__(self, file: Path, kind: Kind) -> None:
        self.file = file
        self.kind: Kind | None = kind
        self.columns = {name: name for name in (*TABLES[file.stem], "received_ns")}


def _batches(folder: Path, names: Iterable[str]) -> Iterator[Any]:
    """All whole batches; what a kill has cut off is left out."""
    import pyarrow as arrow

    for name in names:
        with (folder / name).open("rb") as stream:
            try:
                yield from arrow.ipc.open_stream(stream)
            except (arrow.ArrowException, OSError):
                continue


def _segments(folder: Path, table: str = "*") -> list[str]:
    return sorted(file.name for file in folder.glob(f"{table}.??????.arrows"))


def _taken(folder: Path, table: str = "*") -> list[str]:
    """The segments that the Parquet files were made of."""
    import pyarrow.parquet

    found: list[str] = []
    for file in folder.glob(f"{table}.parquet"):
        found += json.loads((pyarrow.parquet.read_schema(file).metadata or {}).get(SEGMENTS_KEY, b"[]"))
    return found


def _number(segment: str) -> int:
    return int(segment.split(".")[1])
