"""The one clean layout: a Parquet file for each kind, in the order of recorded data, small and quick to read.

Columns are those of `rows`: `timestamp` (UTC, nanoseconds), `symbol` (dictionary), prices as floats, sizes as whole
numbers. Times and sizes are stored as differences, prices by dictionary, all of it packed by zstd.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from hftd.data.decoding import Decoder, sorted_rows
from hftd.data.files import KIND_KEY, DataFile
from hftd.data.merging import Together, merge
from hftd.data.reading import USUAL
from hftd.data.rows import WHOLE, Kind, Rows, joined
from hftd.errors import DataError

GROUP_ROWS = 2**17
RUN_ROWS = 2**20
"""Rows that are sorted in memory at once; more are sorted in parts and merged."""
LAYOUT = "1"
LAYOUT_KEY = b"hftd.layout"
ZSTD_LEVEL = 3
TIMES = ("timestamp", "received_ns")
Metadata = Mapping[bytes, bytes]
Change = Callable[[Rows], Rows]


def table_of(rows: Rows) -> Any:
    """`rows` as an Arrow table in the layout."""
    import pyarrow as arrow

    arrays = rows.arrays()
    codes = arrow.array(arrays.pop("symbol"))
    columns = {
        "timestamp": arrow.array(arrays.pop("time_ns")).cast(arrow.timestamp("ns", "UTC")),
        "symbol": arrow.DictionaryArray.from_arrays(codes, arrow.array(list(rows.names), arrow.string())),
        **{name: arrow.array(values) for name, values in arrays.items()},
    }
    return arrow.table(columns)


class ParquetSink:
    """Writes rows of one kind, in order, to a file that is there whole or not at all."""

    def __init__(self, file: Path, kind: str, metadata: Metadata | None = None) -> None:
        self.file = file
        self.row_count = 0
        self._metadata = {KIND_KEY: kind.encode(), LAYOUT_KEY: LAYOUT.encode(), **(metadata or {})}
        self._draft = file.with_name(f".{file.name}.draft")
        self._writer: Any = None

    def write(self, rows: Rows) -> None:
        self.write_table(table_of(rows))

    def write_table(self, table: Any) -> None:
        if self._writer is None:
            self._writer = self._opened(table.schema)
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self.row_count += table.num_rows

    def close(self) -> None:
        """Finish the file; without a row there is none."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            _sync(self._draft)
            self._draft.replace(self.file)
            _sync(self.file.parent)

    def discard(self) -> None:
        """Leave no file behind."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._draft.unlink(missing_ok=True)

    def _opened(self, schema: Any) -> Any:
        import pyarrow.parquet

        self.file.parent.mkdir(parents=True, exist_ok=True)
        return pyarrow.parquet.ParquetWriter(
            self._draft, schema.with_metadata(self._metadata), **parquet_options(schema.names)
        )


def parquet_options(names: Iterable[str]) -> dict[str, Any]:
    """How the columns of these names are packed."""
    differences = [name for name in names if name in WHOLE or name in TIMES]
    small = [name for name in differences if "size" in name or name == "trade_count"]
    return {
        "compression": "zstd",
        "compression_level": ZSTD_LEVEL,
        "use_dictionary": [name for name in names if name not in differences or name in small],
        "column_encoding": {name: "DELTA_BINARY_PACKED" for name in differences if name not in small},
        "write_statistics": ["timestamp", "symbol"],
        "data_page_size": 2**20,
    }


class SortedWriter:
    """Takes rows of one kind in any order and writes them in order, with the memory of one run.

    Every row passes `change`, which may take some out: rows of one moment come together.
    """

    def __init__(
        self,
        file: Path,
        kind: Kind,
        change: Change = lambda rows: rows,
        metadata: Metadata | None = None,
        name: str = "",
    ) -> None:
        """`name` is what the table is called in the file, if not by its kind."""
        self.sink = ParquetSink(file, name or kind, metadata)
        self._kind = kind
        self._change = change
        self._waiting: list[Rows] = []
        self._waiting_rows = 0
        self._runs: list[Path] = []
        self._folder = file.with_name(f".{file.name}.runs")

    def add(self, rows: Rows) -> None:
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows >= RUN_ROWS:
            self._spill()

    def close(self) -> None:
        """Sort what is left, merge, and finish the file."""
        try:
            if self._runs:
                self._spill()
            for rows in self._sorted():
                if len(kept := self._change(rows)):
                    self.sink.write(kept)
            self.sink.close()
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave nothing unfinished behind."""
        self.sink.discard()
        with suppress(FileNotFoundError):
            rmtree(self._folder)

    def _sorted(self) -> Iterator[Rows]:
        if self._runs:
            yield from (stretch[self._kind] for stretch in _merged(self._runs))
        elif self._waiting:
            yield sorted_rows(joined(self._waiting))

    def _spill(self) -> None:
        if not self._waiting:
            return
        run = ParquetSink(self._folder / f"{len(self._runs):06}.parquet", self._kind)
        run.write(sorted_rows(joined(self._waiting)))
        run.close()
        self._runs.append(run.file)
        self._waiting, self._waiting_rows = [], 0


def _merged(runs: Iterable[Path]) -> Iterator[Together]:
    decoder = Decoder(is_strict=False)
    everything = (-(2**63), 2**63 - 1)
    return merge(piece for run in runs for piece in DataFile(run, USUAL).pieces(decoder, *everything))


def _sync(path: Path) -> None:
    """Make sure that what was written to a file or folder is on the disk."""
    import os

    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def writable(folder: Path) -> Path:
    """`folder`, made if it is not there. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    return folder
