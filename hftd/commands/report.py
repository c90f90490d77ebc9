"""`hftd report`: what a session, or several, came to; on the terminal and as a file to look at and to keep."""

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from hftd.analytics.html import html_of
from hftd.analytics.reading import journals_of, told_session
from hftd.analytics.report import Report, report_of
from hftd.analytics.shown import csv_of
from hftd.commands.report_text import report_text
from hftd.commands.text import as_json
from hftd.errors import StateError
from hftd.state import place_to_look

FOLDER = "reports"
STDOUT = Path("-")


def report_of_journals(paths: Sequence[Path]) -> Report:
    """The report of these journals, oldest first, with what is missing in each."""
    told = [told_session(path) for path in paths]
    several = len(told) > 1
    missing = [f"{one.path.stem}: {text}" if several else text for one in told for text in one.missing]
    return report_of([one.story for one in told], missing)


def chosen_report(
    state: Path | None, environment: Mapping[str, str], session: str | None, last: int | None
) -> tuple[Report, Path]:
    """The report asked for, and where its file is kept. Raises StateError when there is no such session."""
    place = place_to_look(state, environment)
    paths = journals_of(place, session, last)
    with _kept():
        report = report_of_journals(paths)
    return report, kept_at(place, report)


@contextmanager
def _kept() -> Iterator[None]:
    """Look for no garbage meanwhile, nor later among what was read: nearly all of it is kept to the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def backtest_report(run: Path) -> tuple[Report, Path]:
    """The report of a backtest, and where its page is kept: beside it."""
    from hftd.commands.report_backtest import PAGE, folder_of, report_of_backtest

    folder = folder_of(run)
    return report_of_backtest(folder), folder / PAGE


def kept_at(state: Path, report: Report) -> Path:
    """The file of a report: STATE/reports/2026-11-20.html, or FIRST_LAST.html of several sessions."""
    name = report.days[0] if len(report.days) == 1 else f"{report.days[0]}_{report.days[-1]}"
    return state / FOLDER / f"{name}.html"


def as_values(report: Report) -> dict[str, object]:
    """For JSON: figures without a meaning are null."""
    parts = [{**_fields(part), "figures": part.figures.as_json()} for part in report.parts]
    return {**_fields(report), "parts": parts}


def _fields(value: Struct) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


FORMS: dict[str, Callable[[Report], str]] = {
    "html": html_of,
    "json": lambda report: as_json(as_values(report)) + "\n",
    "csv": lambda report: csv_of(report.orders),
}


def write_report(report: Report, file: Path, form: str = "html") -> None:
    """Write whole or not at all: a reader never meets half a report. Raises StateError when it cannot be written."""
    text = FORMS[form](report)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8", newline="")
        draft.replace(file)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise StateError(f"{file}: the report cannot be written: {error.strerror}; give another with --out") from error


def show(report: Report, kept: Path, out: Path | None, form: str | None) -> tuple[str, Path | None]:
    """What to print, and the file that was written, if any: `out` in `form`, else the page at `kept` beside the text.

    A page that cannot be kept (the state directory is another user's) is no reason to print nothing.
    """
    if out == STDOUT or (form is not None and out is None):
        return FORMS[form or "html"](report), None
    if out is not None:
        write_report(report, out, form or "html")
        return f"{out} written\n", out
    text = report_text(report)
    try:
        write_report(report, kept)
    except StateError as error:
        return f"{text}\n\n{error}\n", None
    return f"{text}\n\nThe whole report: {kept}\n", kept
