"""Files and folders of bars, trades and quotes, read in pieces: a row group of a Parquet file, a CSV file or a block.

A piece is opened when its first row is due and closed after its last, so that a file far larger than memory is read
with as much memory as the pieces take that overlap in time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from hftd.data.decoding import Decoder
from hftd.data.reading import EMPTY_TIME, USUAL, Reading, check_columns, columns_of, kind_of, times_of
from hftd.data.rows import Kind, Rows
from hftd.domain.convert import MINUTE_NS
from hftd.errors import DataError

ENDINGS = (".parquet", ".csv", ".csv.gz")
WHOLE_CSV_BYTES = 128 * 2**20
"""A CSV file up to this size is sorted in memory; a larger one has to be in order of time."""
BLOCK_BYTES = 8 * 2**20
BATCH_ROWS = 2**18
"""Rows of a larger row group are read so many at a time; then they have to be in order of time."""

KIND_KEY, RECORD_KEY = b"hftd.kind", b"hftd.recorded"


@dataclass(frozen=True)
class Piece:
    """Rows of one kind that are read together; `least_ns` is no later than any of them is known."""

    kind: Kind
    least_ns: int
    read: Callable[[], Iterator[Rows]]


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The data files at `paths`, folders with all that they hold. Raises DataError where there is none."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if _is_data(file)) if path.is_dir() else [path]
        if not inside:
            raise DataError(f"{path}: no file in this folder is named {', '.join(ENDINGS)}")
        found += inside
    for file in found:
        if not file.is_file():
            raise DataError(f"{file}: no such file or folder")
        if not _is_data(file):
            raise DataError(f"{file}: expected a file named .parquet or .csv, found {file.suffix or 'no ending'}")
    return list(dict.fromkeys(found))


def _is_data(file: Path) -> bool:
    return file.name.lower().endswith(ENDINGS) and not file.name.startswith(".")


class DataFile:
    """One file: its kind (None for one that hftd wrote and that holds no market data), and its pieces."""

    def __init__(self, file: Path, reading: Reading) -> None:
        """Look at its columns. Raises DataError for one that cannot be read or is none."""
        self.file = file
        self.reading = reading
        self.is_parquet = file.name.lower().endswith(".parquet")
        self._known_groups: tuple[Version, Groups] | None = None
        opened = self._opened() if self.is_parquet else None
        self.schema = opened.schema_arrow if opened else _csv_schema(file, reading)
        self.metadata: dict[bytes, bytes] = dict(self.schema.metadata or {})
        if KIND_KEY in self.metadata:
            self.reading = USUAL  # hftd wrote it: what is said of other files does not hold
        self.row_count = opened.metadata.num_rows if opened else None
        self.columns = columns_of(file, self.schema.names, self.reading)
        self.kind = self._kind()
        if self.kind is not None:
            check_columns(file, self.kind, self.columns, self.schema.names, self.reading)

    @property
    def is_record(self) -> bool:
        """Whether a recorder of hftd wrote it: then every row was checked when it arrived."""
        return RECORD_KEY in self.metadata

    def pieces(self, decoder: Decoder, start_ns: int, end_ns: int) -> list[Piece]:
        """Its rows that are known in [start_ns, end_ns], by pieces."""
        assert self.kind is not None
        if not self.is_parquet:
            return [Piece(self.kind, start_ns, partial(self._read_csv, decoder))]
        stretches = enumerate(self._stretches())
        return [
            Piece(self.kind, max(least_ns, start_ns), partial(self._read_group, decoder, group))
            for group, (least_ns, last_ns) in stretches
            if least_ns <= end_ns and last_ns >= start_ns
        ]

    def stretch(self) -> tuple[int, int]:
        """When its first and its last row are known, by its row groups; (least, greatest int64) when it cannot tell."""
        stretches = self._stretches() if self.is_parquet else []
        return min((least for least, _ in stretches), default=EMPTY_TIME), max(
            (last for _, last in stretches), default=-EMPTY_TIME - 1
        )

    def _kind(self) -> Kind | None:
        told = self.metadata.get(KIND_KEY)
        if told is None:
            return kind_of(self.file, self.columns, self.schema.names)
        return next((kind for kind in Kind if kind == told.decode()), None)

    def _opened(self) -> Any:
        import pyarrow.parquet

        return _guarded(
            self.file, lambda: pyarrow.parquet.ParquetFile(self.file, metadata=_footer(self.file, _version(self.file)))
        )

    def _stretches(self) -> list[tuple[int, int]]:
        """For each row group when its first and its last row are known."""
        return [ends for ends, _ in self._groups()]

    def _groups(self) -> "Groups":
        """For each row group its ends, and the number of its first row."""
        version = _guarded(self.file, lambda: _version(self.file))
        if self._known_groups is None or self._known_groups[0] != version:
            self._known_groups = version, self._read_groups()
        return self._known_groups[1]

    def _read_groups(self) -> "Groups":
        with self._opened() as opened:
            place = self.schema.names.index(self.columns["timestamp"])
            kind = self.schema.field(place).type
            groups = [opened.metadata.row_group(group) for group in range(opened.metadata.num_row_groups)]
            first_rows = accumulate((group.num_rows for group in groups), initial=0)
            return [
                (self._stretch_of(group.column(place), kind), first_row)
                for group, first_row in zip(groups, first_rows, strict=False)
            ]

    def _stretch_of(self, chunk: Any, kind: Any) -> tuple[int, int]:
        import pyarrow as arrow

        told = chunk.statistics
        if told is None or not told.has_min_max or not isinstance(told.min_raw, int):
            return EMPTY_TIME, -EMPTY_TIME - 1
        ends = arrow.array([told.min_raw, told.max_raw], arrow.int64()).cast(kind)
        least_ns, last_ns = times_of(self.file, self.columns["timestamp"], ends, self.reading).tolist()
        delay_ns = MINUTE_NS if self.kind is Kind.BARS and self.reading.stamped == "start" else 0
        return least_ns + delay_ns, last_ns + delay_ns

    def _read_group(self, decoder: Decoder, group: int) -> Iterator[Rows]:
        with self._opened() as opened:
            _, first_row = self._groups()[group]
            columns = list(self.columns.values())
            if opened.metadata.row_group(group).num_rows <= 4 * BATCH_ROWS:
                table = _guarded(self.file, lambda: opened.read_row_group(group, columns=columns))
                yield from self._decoded(decoder, [table], first_row)
            else:
                batches = opened.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns)
                yield from self._decoded(decoder, batches, first_row)

    def _read_csv(self, decoder: Decoder) -> Iterator[Rows]:
        import pyarrow.csv

        options = _csv_options(self.columns, self.reading)
        if self.file.stat().st_size <= WHOLE_CSV_BYTES:
            tables: Iterable[Any] = [_guarded(self.file, lambda: pyarrow.csv.read_csv(self.file, **options))]
        else:
            tables = _guarded(self.file, lambda: pyarrow.csv.open_csv(self.file, **options))
        yield from self._decoded(decoder, tables, 0)

    def _decoded(self, decoder: Decoder, tables: Iterable[Any], first_row: int) -> Iterator[Rows]:
        reader, latest_ns = iter(tables), EMPTY_TIME
        while (table := _guarded(self.file, lambda: next(reader, None))) is not None:
            rows = decoder.rows(self, table, first_row)
            first_row += table.num_rows
            if not len(rows):
                continue
            known = rows.known_ns
            if int(known[0]) < latest_ns and decoder.is_strict:
                raise DataError(
                    f"{self.file}: row {first_row - table.num_rows + 1} and those after it come after later ones, and "
                    "the file is too large to be sorted as it is read: sort it with hftd data import"
                )
            latest_ns = int(known[-1])
            yield rows


Version = tuple[int, int, int]
Groups = list[tuple[tuple[int, int], int]]


def _version(file: Path) -> Version:
    """Another one when the file was written anew."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(64)
def _footer(file: Path, version: Version) -> Any:
    """What a Parquet file says of itself: of a large one it takes as long to read as some of its rows."""
    import pyarrow.parquet

    return pyarrow.parquet.read_metadata(file)


def _csv_schema(file: Path, reading: Reading) -> Any:
    import pyarrow.csv

    if file.stat().st_size == 0:
        raise DataError(f"{file}: the file is empty")
    if parted_by := _other_separator(file):
        raise DataError(f"{file}: its fields are parted by {parted_by}; commas are expected, and points in numbers")
    options = {"read_options": pyarrow.csv.ReadOptions(block_size=2**20)}
    with _guarded(file, lambda: pyarrow.csv.open_csv(file, **options)) as reader:
        return reader.schema


def _other_separator(file: Path) -> str:
    """What parts the fields of the heading, if it is not a comma; "" when it is, or nobody knows."""
    with file.open("rb") as stream:
        heading = stream.readline(2**16)
    if b"," in heading or file.suffix.lower() == ".gz":
        return ""
    return next((name for sign, name in ((b";", "semicolons"), (b"\t", "tabs"), (b"|", "bars")) if sign in heading), "")


def _csv_options(columns: dict[str, str], reading: Reading) -> dict[str, Any]:
    import pyarrow as arrow
    import pyarrow.csv

    types: dict[str, Any] = {columns[name]: arrow.string() for name in ("symbol",) if name in columns}
    if reading.time_format:
        types[columns["timestamp"]] = arrow.string()
    convert = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(columns.values()))
    return {"convert_options": convert, "read_options": pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES)}


def _guarded(file: Path, read: Callable[[], Any]) -> Any:
    import pyarrow as arrow

    try:
        return read()
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        form = "parquet" if file.suffix.lower() == ".parquet" else "csv"
        raise DataError(f"{file}: not readable as {form}: {error}") from error


def opened_files(paths: Sequence[Path], reading: Reading) -> list[DataFile]:
    """The files at `paths` that hold market data. Raises DataError when there is none."""
    files = [file for file in (DataFile(file, reading) for file in files_of(paths)) if file.kind is not None]
    if not files:
        raise DataError(f"{', '.join(map(str, paths))}: no bars, trades or quotes in there")
    return files
