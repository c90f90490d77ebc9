"""`hftd data`: importing, checking, looking at and fetching recorded market data."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hftd.calendar import Calendar
from hftd.commands.text import columns
from hftd.data.checking import ERROR, WARNING, Checker, Duplicates, Finding
from hftd.data.decoding import Decoder
from hftd.data.files import DataFile, opened_files
from hftd.data.merging import merge
from hftd.data.reading import Reading
from hftd.data.recorded import EARLIEST_NS, LATEST_NS
from hftd.data.rows import Kind
from hftd.data.writing import SortedWriter, writable
from hftd.domain.convert import rfc3339_of
from hftd.errors import DataError, SettingsError
from hftd.settings import find_settings_file, load_settings
from hftd.wording import suggestion

SHOWN_SYMBOLS = 12


def reading_of(file: Path | None, environment: Mapping[str, str], given: Mapping[str, Any]) -> Reading:
    """How files are read: `data` of the settings, if there are any, under what the command line says."""
    told: dict[str, Any] = {}
    if file is not None or _has_settings(environment):
        told = dict(load_settings(find_settings_file(file, environment), environment).data.as_reading())
    mapped = {**told.get("columns", {}), **_mapping(given.get("columns") or ())}
    others = {name: value for name, value in given.items() if name != "columns" and value is not None}
    return Reading(**{**told, **others, "columns": mapped})


def _has_settings(environment: Mapping[str, str]) -> bool:
    try:
        find_settings_file(None, environment)
    except SettingsError:
        return False
    return True


def _mapping(pairs: Iterable[str]) -> dict[str, str]:
    """`close=Last` as {"close": "Last"}. Raises SettingsError."""
    from hftd.data.reading import ALIASES

    mapped = {}
    for pair in pairs:
        name, equals, theirs = pair.partition("=")
        if not equals or not theirs:
            raise SettingsError(f"--column {pair}: expected NAME=THEIRS, like close=Last")
        if name not in ALIASES:
            raise SettingsError(f"--column {pair}: there is no column {name}; {suggestion(name, ALIASES)}")
        mapped[name] = theirs
    return mapped


@dataclass(frozen=True)
class Report:
    """What data hold, and what is wrong with them. `left_out`: rows that were not taken over. Times as text, UTC."""

    files: tuple[str, ...]
    rows: dict[str, int]
    symbols: dict[str, int]
    first: str | None
    last: str | None
    findings: tuple[Finding, ...]
    left_out: int = 0
    written: tuple[str, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether anything was found that data must not have."""
        return any(finding.level == ERROR for finding in self.findings)


class _Examination:
    """What is learned of data while they pass."""

    def __init__(self, symbols: Sequence[str]) -> None:
        calendar = Calendar()
        self.decoder = Decoder(symbols, is_strict=False)
        self.checker = Checker(calendar.sessions)
        self.duplicates = Duplicates()

    def pass_on(self, rows: Any) -> Any:
        """`rows` without duplicates, having looked at them."""
        kept = self.duplicates.without(rows)
        if len(kept):
            self.checker.see(kept)
        return kept

    def report(self, files: Iterable[DataFile], written: Iterable[Path] = ()) -> Report:
        left_out = self._tell_faults() + self.duplicates.count
        checker = self.checker
        checker.add(ERROR, "duplicates", self.duplicates.count, self.duplicates.examples)
        checker.add(ERROR, "different bars of one minute", self.duplicates.differing)
        found = bool(checker.symbols)
        return Report(
            files=tuple(str(file.file) for file in files),
            rows={str(kind): count for kind, count in checker.row_counts.items()},
            symbols=dict(sorted(checker.symbols.items())),
            first=rfc3339_of(checker.first_ns) if found else None,
            last=rfc3339_of(checker.last_ns) if found else None,
            findings=tuple(checker.findings()),
            left_out=left_out,
            written=tuple(map(str, written)),
        )

    def _tell_faults(self) -> int:
        """Pass on what the decoder has found, and return the rows that it left out."""
        left_out = 0
        for file, faults in self.decoder.found.items():
            for fault in faults:
                self.checker.add(ERROR, fault.fault, fault.count, [f"{file.name}, {fault.first}"])
                left_out += fault.count if fault.fault != "out of order" else 0
        return left_out


def check_data(paths: Sequence[Path], reading: Reading, symbols: Sequence[str] = ()) -> Report:
    """Read everything and tell what is wrong. Raises DataError for files that cannot be read at all."""
    files = opened_files(paths, reading)
    seen = _Examination(symbols)
    pieces = [piece for file in files for piece in file.pieces(seen.decoder, EARLIEST_NS, LATEST_NS)]
    for stretch in merge(pieces):
        for rows in stretch.values():
            seen.pass_on(rows)
    return seen.report(files)


def import_data(paths: Sequence[Path], into: Path, reading: Reading, symbols: Sequence[str] = ()) -> Report:
    """Clean everything and write one file of each kind to the folder `into`. Raises DataError."""
    files = opened_files(paths, reading)
    seen = _Examination(symbols)
    writers = {
        kind: SortedWriter(writable(into) / f"{kind}.parquet", kind, seen.pass_on)
        for kind in Kind
        if any(file.kind is kind for file in files)
    }
    _refuse_overwriting(files, writers.values())
    try:
        for file in files:
            for piece in file.pieces(seen.decoder, EARLIEST_NS, LATEST_NS):
                for rows in piece.read():
                    writers[piece.kind].add(rows)
        for writer in writers.values():
            writer.close()
    except OSError as error:
        raise DataError(f"{into}: cannot be written to: {error.strerror or error}") from error
    finally:
        for writer in writers.values():
            writer.discard()
    return seen.report(files, (writer.sink.file for writer in writers.values() if writer.sink.row_count))


def _refuse_overwriting(files: Iterable[DataFile], writers: Iterable[SortedWriter]) -> None:
    sources = {file.file.resolve() for file in files}
    for writer in writers:
        if writer.sink.file.resolve() in sources:
            raise DataError(f"{writer.sink.file}: would be read and written at once; name another folder with --into")


def info_of(paths: Sequence[Path], reading: Reading) -> list[dict[str, Any]]:
    """Each file in a row: what it holds, as far as that can be told without reading it through."""
    rows = []
    for file in opened_files(paths, reading):
        first_ns, last_ns = file.stretch()
        rows.append(
            {
                "file": str(file.file),
                "kind": str(file.kind),
                "rows": file.row_count,
                "known_from": rfc3339_of(first_ns) if first_ns != EARLIEST_NS else None,
                "known_until": rfc3339_of(last_ns) if last_ns != LATEST_NS else None,
                "columns": file.columns,
                "bytes": file.file.stat().st_size,
                "recorded": file.is_record,
            }
        )
    return rows


def info_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows for people."""
    heads = ("file", "kind", "rows", "known_from", "known_until", "bytes")
    lines = [["?" if row[name] is None else str(row[name]) for name in heads] for row in rows]
    return columns([[head.replace("_", " ") for head in heads], *lines])


def report_text(report: Report) -> str:
    """The report for people: what there is, then what was found, errors first."""
    shown = list(report.symbols)[:SHOWN_SYMBOLS]
    more = len(report.symbols) - len(shown)
    rows = ", ".join(f"{count} {kind}" for kind, count in report.rows.items()) or "no rows"
    lines = [
        f"files     {len(report.files)}",
        f"rows      {rows}",
        f"symbols   {', '.join(shown)}{f' and {more} more' if more else ''}",
    ]
    lines += [f"from      {report.first}", f"to        {report.last}"] if report.first else []
    lines += [f"left out  {report.left_out} rows"] if report.left_out else []
    lines += [f"written   {file}" for file in report.written]
    for finding in report.findings:
        lines.append(f"{finding.level:8}  {finding.count} {finding.what}")
        lines += [f"            {example}" for example in finding.examples]
    return "\n".join([*lines, _verdict(report)])


def _verdict(report: Report) -> str:
    counts = {level: sum(finding.level == level for finding in report.findings) for level in (ERROR, WARNING)}
    if not report.rows:
        return "nothing in it is fit to use"
    if report.written:
        if counts[ERROR]:
            return "cleaned: what is listed as an error was left out or put in order"
        return "nothing had to be left out" + (": the rows of a warning stay" if counts[WARNING] else "")
    return "fit to use" if not counts[ERROR] else "not fit to use as it is: hftd data import cleans it"


def progress_of(total: int, label: str) -> Any:
    """A progress bar on a terminal's standard error, nothing elsewhere; use as a context, call it for each step."""
    from rich.console import Console
    from rich.progress import Progress

    return _Steps(Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()), total, label)


class _Steps:
    def __init__(self, progress: Any, total: int, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total)

    def __enter__(self) -> "_Steps":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, steps: int = 1) -> None:
        self._progress.advance(self._task, steps)
