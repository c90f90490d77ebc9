"""Reading sessions' stories from journals, whatever state they are in: what cannot be read is said, not raised."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import cast

from hftd.analytics.session import SessionStory
from hftd.analytics.versions import Participant
from hftd.domain.commands import Command
from hftd.domain.convert import rfc3339_of
from hftd.domain.events import Event
from hftd.errors import StateError
from hftd.journal import Journal, Message, Reader, journals
from hftd.journal.begun import beginning_of

TOLD_MAX = 20
"""Remarks on what is missing that are listed; more are counted."""


@dataclass
class ToldSession:
    """A session's story, the file that it is from, and sentences on what is missing in it."""

    story: SessionStory
    path: Path
    missing: list[str] = field(default_factory=list)


def journals_of(state: Path, day: str | None = None, last: int | None = None) -> list[Path]:
    """The journals of the session of `day` (as 2026-11-20), or of the `last` sessions, oldest first; of the newest one
    when neither is given. Raises StateError that says what there is instead."""
    found = journals(state)
    if not found:
        raise StateError(f"state directory {state}: no session has been traded yet; hftd run starts one")
    if day is None:
        return found[: last or 1][::-1]
    chosen = [path for path in found if path.stem == day]
    if not chosen:
        kept = found[-1].stem if len(found) == 1 else f"{found[-1].stem} to {found[0].stem}"
        raise StateError(f"no journal of session {day}; kept are {len(found)}: {kept}")
    return chosen


def told_session(path: Path) -> ToldSession:
    """The story that the journal at `path` tells, as far as it can be read: also while it is written, or damaged."""
    day = date.fromisoformat(path.stem)
    try:
        with Journal.read(path) as journal:
            return _told(journal, day)
    except StateError as error:
        return ToldSession(SessionStory(day), path, [str(error)])


def _told(journal: Reader, day: date) -> ToldSession:
    told = ToldSession(SessionStory(day, _participants(journal), journal.meta().get("run_id", "")), journal.path)
    unread: list[str] = []
    try:
        _tell(told.story, journal.messages(), unread)
    except StateError as error:
        told.missing.append(f"what comes after event {told.story.engine.sequence} cannot be read: {error}")
    told.missing += unread[:TOLD_MAX]
    if len(unread) > TOLD_MAX:
        told.missing.append(f"and {len(unread) - TOLD_MAX} more entries cannot be understood")
    told.missing += _unfinished(told.story)
    return told


def _participants(journal: Reader) -> list[Participant]:
    """Who was there when the session began; all who are noted where that is not known."""
    begun = beginning_of(journal)
    if begun is None:
        return [Participant(one.model_id, one.fingerprint, one.symbols, one.parameters) for one in journal.models()]
    return [Participant(one.model_id, one.fingerprint, one.symbols, one.parameters, one.shadow) for one in begun.models]


def _tell(story: SessionStory, messages: Iterable[Message], unread: list[str]) -> None:
    """Give the story each event with its commands; what cannot be understood goes to `unread`."""
    for head, followers in _grouped(messages):
        out = [cast(Command, one.told) for one in followers if one.told is not None]
        if head.problem or len(out) < len(followers):
            unread += [one.problem for one in (head, *followers) if one.problem]
        if head.told is None:
            continue
        try:
            story.take(cast(Event, head.told), out, head.source, head.received_ns)
        except (LookupError, ArithmeticError) as error:
            unread.append(f"event {head.sequence} does not fit what came before: {error!r}")


def _grouped(messages: Iterable[Message]) -> Iterator[tuple[Message, list[Message]]]:
    """Each event with its commands, also those before a page of the file that cannot be read."""
    head: Message | None = None
    followers: list[Message] = []
    try:
        for message in messages:
            if message.command:
                followers.append(message)
                continue
            if head is not None:
                yield head, followers
            head, followers = message, []
    except StateError:
        if head is not None:
            yield head, followers
        raise
    if head is not None:
        yield head, followers


def _unfinished(story: SessionStory) -> list[str]:
    """What a reader should know of a session that has no end."""
    if not story.engine.sequence:
        return ["the journal is empty: nothing has happened yet"]
    last = f"the last event is of {rfc3339_of(story.engine.time_ns)}"
    if not story.has_opened:
        return [f"the session has not opened; {last}"]
    if not story.has_closed:
        return [f"the session's close is missing: it is still going on, or hftd ended before; {last}"]
    working = len(story.engine.working)
    return [f"{working} orders were still open when it was written last"] if working else []
