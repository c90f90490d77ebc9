"""From a table of a file to rows: names, times and numbers as ours, faults refused or taken out, in order of time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hftd.data.faults import FAULTS, Fault
from hftd.data.reading import Reading, bar_start, symbol_of, times_of
from hftd.data.rows import OPTIONAL, ROWS, WHOLE, Codes, Kind, Rows, needed
from hftd.domain.convert import rfc3339_of
from hftd.errors import DataError

Columns = dict[str, npt.NDArray[Any]]


class Source(Protocol):
    """What a table was read from."""

    file: Path
    reading: Reading
    columns: dict[str, str]
    kind: Kind | None

    @property
    def is_record(self) -> bool: ...


@dataclass(frozen=True)
class Found:
    """A fault in a file: how often, and its first row, counted from 1 without a heading, in words."""

    fault: str
    count: int
    first: str


class Decoder:
    """Makes rows of tables, all with one list of symbols' names.

    Strict, it raises DataError for the first fault of a file; else it leaves out the rows that have one and counts them
    in `found`. `wanted` narrows the symbols down; none: all of them.
    """

    def __init__(self, wanted: Sequence[str] = (), *, is_strict: bool = True) -> None:
        self.names: list[str] = list(wanted)
        self.is_strict = is_strict
        self.found: dict[Path, list[Found]] = {}
        self.row_counts: Counter[Path] = Counter()
        self._codes = {name: code for code, name in enumerate(self.names)}
        self._is_narrowed = bool(wanted)

    def rows(self, source: Source, table: Any, first_row: int) -> Rows:
        """The rows of `table`, whose first is row `first_row` (from 0) of its file, in order."""
        assert source.kind is not None
        self.row_counts[source.file] += table.num_rows
        codes = self._symbols(source, table, first_row)
        columns = _columns(source, table, first_row)
        kept = self._without_faults(source, columns, codes, first_row)
        rows = _rows(source.kind, self.names, codes, columns)
        if self._is_narrowed and (other := codes < 0).any():
            kept = ~other if kept is None else kept & ~other
        if kept is not None:
            rows = rows.take(kept)
        if not source.is_record:
            self._check_order(source.file, rows, first_row, kept)
        return sorted_rows(_with_trades(source, rows))

    def _symbols(self, source: Source, table: Any, first_row: int) -> Codes:
        import pyarrow as arrow

        name = source.columns.get("symbol")
        if name is None:
            return np.full(table.num_rows, self._code(symbol_of(source.file, source.reading)), np.int32)
        column = _combined(table, name)
        if not arrow.types.is_dictionary(column.type):
            column = column.cast(arrow.string()).dictionary_encode()
        spelled = [(value or "").strip() for value in column.dictionary.to_pylist()]
        nameless = [place for place, value in enumerate(spelled) if not value]
        numbers = _without_nulls(column.indices, -1)
        if nameless or column.null_count:
            bad = np.isin(numbers, [-1, *nameless])
            _refuse(source.file, first_row, bad, "symbol", "is empty; a name such as SPY is expected")
        codes = np.array([self._code(value) for value in spelled] or [0], np.int32)
        return codes[numbers] if len(codes) > 1 else np.full(len(numbers), codes[0])

    def _code(self, name: str) -> int:
        if name not in self._codes and self._is_narrowed:
            return -1
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]

    def _without_faults(self, source: Source, columns: Columns, codes: Codes, first_row: int) -> Any:
        """A mask of the rows without a fault; None when that is all of them."""
        bad = np.zeros(len(codes), bool)
        for fault in FAULTS[source.kind]:  # type: ignore[index]
            found = fault.find(columns)
            if found.any() and (marked := found & ~bad).any():
                self._tell(source, fault, columns, marked, first_row)
                bad |= marked
        return ~bad if bad.any() else None

    def _tell(
        self, source: Source, fault: Fault, columns: Columns, marked: npt.NDArray[np.bool_], first_row: int
    ) -> None:
        row = int(np.argmax(marked))
        said = f"row {first_row + row + 1}, column {fault.column!r}: {fault.say(columns, row)}"
        if self.is_strict and not source.is_record:
            raise DataError(f"{source.file}, {said}; hftd data import leaves such rows out")
        self.found.setdefault(source.file, []).append(Found(fault.name, int(marked.sum()), said))

    def _check_order(self, file: Path, rows: Rows, first_row: int, kept: Any) -> None:
        """Rows of a symbol are in order of time, and no two bars are of one minute. `kept` marks those of the file that
        are left, None: all."""
        if rows.kind is not Kind.BARS and not _is_falling(rows.time_ns):
            return
        by_symbol = np.argsort(rows.symbol, kind="stable")
        steps = np.where(np.diff(rows.symbol[by_symbol]) == 0, np.diff(rows.time_ns[by_symbol]), 1)
        second = steps == 0 if self.is_strict and rows.kind is Kind.BARS else np.zeros(len(steps), bool)
        wrong = (steps < 0) | second
        if not wrong.any():
            return
        at = int(np.argmax(wrong))
        before, row = int(by_symbol[at]), int(by_symbol[at + 1])
        name, time_ns = rows.names[rows.symbol[row]], rfc3339_of(int(rows.time_ns[row]))
        place = first_row + (row if kept is None else int(np.flatnonzero(kept)[row]))
        where = f"row {place + 1}, column 'timestamp'"
        if second[at]:
            raise DataError(
                f"{file}, {where}: a second row for {name} at {time_ns}; one a minute is expected: hftd data import "
                "keeps the first"
            )
        said = f"{where}: {name} at {time_ns} comes after {rfc3339_of(int(rows.time_ns[before]))}"
        if self.is_strict:
            raise DataError(
                f"{file}, {said}; rows of a symbol are expected in order of time: hftd data import sorts them"
            )
        self.found.setdefault(file, []).append(Found("out of order", int(wrong.sum()), said))


def sorted_rows(rows: Rows) -> Rows:
    """`rows` in the order of recorded data; the same object when they are."""
    known = rows.known_ns
    if not _is_falling(known) and (rows.symbol == rows.symbol[:1]).all():
        return rows
    ranks, steps = rows.ranks(), np.diff(known)
    if ((steps > 0) | ((steps == 0) & (np.diff(ranks) >= 0))).all():
        return rows
    return rows.take(np.lexsort((ranks, known)))


def _is_falling(time_ns: npt.NDArray[np.int64]) -> bool:
    """Whether a time is before the one that it follows."""
    return bool((time_ns[1:] < time_ns[:-1]).any())


def _columns(source: Source, table: Any, first_row: int) -> Columns:
    """The table's columns by our names: `timestamp` int64, trade ids and times int64, all others float64, unless they
    are int64 without an empty place."""
    kind, reading = source.kind, source.reading
    assert kind is not None
    time_name = source.columns["timestamp"]
    time_ns = times_of(source.file, time_name, _combined(table, time_name), reading)
    columns: Columns = {"timestamp": bar_start(time_ns, reading) if kind is Kind.BARS else time_ns}
    for name in (*needed(kind)[2:], *OPTIONAL[kind], "received_ns"):
        if name in source.columns:
            exact = name in ("trade_id", "received_ns")
            columns[name] = _numbers(source, name, _combined(table, source.columns[name]), first_row, exact=exact)
    if "trade_count" in columns:
        columns["trade_count"] = np.nan_to_num(columns["trade_count"], nan=0.0)  # 0 where it is not told
    if kind is Kind.BARS and "volume" not in columns:
        columns["volume"] = np.full(table.num_rows, float(reading.volume))
    return columns


def _combined(table: Any, name: str) -> Any:
    import pyarrow as arrow

    column = table.column(name)
    if isinstance(column, arrow.ChunkedArray) and column.num_chunks == 1:
        return column.chunk(0)
    if isinstance(column, arrow.ChunkedArray):
        column = (
            column.unify_dictionaries().combine_chunks()
            if arrow.types.is_dictionary(column.type)
            else column.combine_chunks()
        )
    return column.chunk(0) if isinstance(column, arrow.ChunkedArray) else column


def _numbers(source: Source, name: str, column: Any, first_row: int, *, exact: bool) -> npt.NDArray[Any]:
    import pyarrow as arrow

    try:
        if exact:
            return _without_nulls(_exact(column), 0)
        if name in WHOLE and column.type == arrow.int64() and not column.null_count:
            return np.asarray(column.to_numpy())
        return np.asarray(column.cast(arrow.float64()).to_numpy(zero_copy_only=False))
    except arrow.ArrowException as error:
        values = column.to_pylist()
        bad = np.array([not _is_number(value) for value in values])
        row = int(np.argmax(bad))
        _refuse(source.file, first_row, bad, source.columns[name], f"is {values[row]!r}; a number is expected")
        raise DataError(f"{source.file}: column {source.columns[name]!r} does not hold numbers: {error}") from error


def _without_nulls(column: Any, filler: int) -> npt.NDArray[Any]:
    return np.asarray((column.fill_null(filler) if column.null_count else column).to_numpy(zero_copy_only=False))


def _exact(column: Any) -> Any:
    import pyarrow as arrow

    return (
        column.cast(arrow.timestamp("ns", tz=column.type.tz)).cast(arrow.int64())
        if arrow.types.is_timestamp(column.type)
        else column.cast(arrow.int64())
    )


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return value is None
    return True


def _rows(kind: Kind, names: list[str], codes: Codes, columns: Mapping[str, npt.NDArray[Any]]) -> Rows:
    """Rows of checked columns. A number that a fault excludes may be none here: its row is taken out at once."""
    with np.errstate(invalid="ignore"):
        own = {
            name: values.astype(np.int64, copy=False) if name in WHOLE else values for name, values in columns.items()
        }
    time_ns = own.pop("timestamp")
    return ROWS[kind](names, codes, time_ns, **own)


def _with_trades(source: Source, rows: Rows) -> Rows:
    """A row of volume 0 is a minute without a trade, which has no bar."""
    return rows.take(rows.volume > 0) if source.kind is Kind.BARS else rows  # type: ignore[attr-defined]


def _refuse(file: Path, first_row: int, bad: npt.NDArray[np.bool_], column: str, said: str) -> None:
    if bad.any():
        raise DataError(f"{file}, row {first_row + int(np.argmax(bad)) + 1}, column {column!r}: {said}")
