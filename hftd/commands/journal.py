"""`hftd journal`: what a session saw and decided, line by line, also while it goes on."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hftd.calendar import NEW_YORK
from hftd.commands.text import as_json_line
from hftd.domain.convert import datetime_of, rfc3339_of
from hftd.errors import StateError
from hftd.journal import Entry, Journal, Reader, journals
from hftd.state import place_to_look
from hftd.wording import suggestion

LOOK_S = 0.2
"""How often a journal that is followed is looked at."""
UNSAID = frozenset({"kind", "time_ns"})
"""Fields of a body that the line says already."""
NOTHING_YET = frozenset({"quantity", "price", "filled_quantity"})
"""Fields of a report that are 0 until something was filled."""


def chosen_journal(state: Path | None, environment: Mapping[str, str], session: str | None) -> Path:
    """The journal of `session` (a date), the newest without one. Raises StateError that names the nearest."""
    place = place_to_look(state, environment)
    by_day = {path.stem: path for path in journals(place)}
    if not by_day:
        raise StateError(
            f"state directory {place}: there is no journal yet; the first session that hftd run prepares begins one"
        )
    if session is None:
        return by_day[max(by_day)]
    if session not in by_day:
        raise StateError(f"state directory {place}: no journal of session {session}; {suggestion(session, by_day)}")
    return by_day[session]


def check_order(journal: Reader, client_order_id: str) -> None:
    """Raise StateError for an order that is not in `journal`."""
    if next(journal.entries(client_order_id=client_order_id), None) is None:
        known = {entry.body["order"]["client_order_id"] for entry in journal.entries() if "order" in entry.body}
        raise StateError(f"{journal.path}: no order {client_order_id}; {suggestion(client_order_id, known)}")


def print_journal(path: Path, *, client_order_id: str, follow: bool, json: bool) -> None:
    """Print a journal and, if told to `follow`, whatever is added to it, until interrupted."""
    with Journal.read(path) as journal:
        if client_order_id:
            check_order(journal, client_order_id)
        printed = _print_new(journal, (0, 0), client_order_id, json=json)
        if follow:
            asyncio.run(_follow(journal, printed, client_order_id, json=json))


async def _follow(journal: Reader, printed: tuple[int, int], client_order_id: str, *, json: bool) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        printed = _print_new(journal, printed, client_order_id, json=json)


def _print_new(journal: Reader, printed: tuple[int, int], client_order_id: str, *, json: bool) -> tuple[int, int]:
    """Print what comes after `printed`, the highest event and command; returns the highest now."""
    event, command = printed
    for entry in journal.entries(printed, client_order_id):
        print(as_json_line(_row_of(entry)) if json else _line_of(entry), flush=True)
        event, command = max(event, entry.sequence), max(command, entry.command)
    return event, command


def _row_of(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "command": entry.command or None,
        "time": rfc3339_of(entry.time_ns),
        "received": rfc3339_of(entry.received_ns),
        "source": entry.source,
        "kind": entry.kind,
        "body": entry.body,
    }


def _line_of(entry: Entry) -> str:
    said = " ".join(_words_of(entry.body))
    if entry.command:
        return f"{'':6}  {'':8}    -> {entry.kind:22} {said}"
    return f"{entry.sequence:6}  {_clock(entry.time_ns)}  {entry.kind:26} {said}"


def _words_of(body: Mapping[str, Any]) -> Iterator[str]:
    """What a report says first, then its figures, then the names of orders and executions."""
    fields = list(_leaves({name: value for name, value in body.items() if name not in UNSAID}))
    yield from (value for name, value in fields if name == "kind")
    yield from (_word(name, value) for name, value in fields if name != "kind" and not _is_name(name))
    yield from (_word(name, value) for name, value in fields if _is_name(name))


def _leaves(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields and those within fields, without what says nothing."""
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif name != "time_ns" and value not in (None, "", []) and not (name in NOTHING_YET and value == "0"):
            yield name, value


def _is_name(field: str) -> bool:
    return field.endswith("_id") and field != "model_id"


def _word(name: str, value: Any) -> str:
    if name.endswith("_ns") and isinstance(value, int):
        return f"{name.removesuffix('_ns')}={_clock(value)}"
    if name == "fingerprint":
        value = value[:12]
    if isinstance(value, float):
        value = round(value, 4)
    return f'{name}="{value}"' if " " in str(value) else f"{name}={value}"


def _clock(time_ns: int) -> str:
    """The time in New York; one that no calendar has as it is."""
    try:
        return f"{datetime_of(time_ns).astimezone(NEW_YORK):%H:%M:%S}"
    except OverflowError:
        return f"{time_ns} ns"
