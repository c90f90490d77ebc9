"""Following the journals of a state directory while another process writes them.

A journal is opened only when its file has changed, read, and let go at once: its writer can close it at any moment
and leave one plain file behind.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from hftd.dashboard.picture import Json, Picture
from hftd.domain.commands import Command
from hftd.domain.events import Event
from hftd.engine.engine import Engine
from hftd.errors import StateError
from hftd.journal import Entry, Journal, Reader, latest

MakeEngine = Callable[[Reader], Engine]
"""Builds the engine that follows a journal, before anything in it."""
Stamp = tuple[tuple[int, int], ...]


class Follower:
    """The picture of the newest session of `state`. `problem` says why there is none, or an old one."""

    def __init__(self, state: Path, make_engine: MakeEngine) -> None:
        self.picture: Picture | None = None
        self.problem = "nothing has been traded yet"
        self._state = state
        self._make_engine = make_engine
        self._path: Path | None = None
        self._seen: tuple[Path, Stamp] | None = None
        self._after = (0, 0)

    def poll(self) -> Json | None:
        """What is new, None when nothing is. Whoever shows it begins anew at a message with `reset`."""
        path = latest(self._state)
        if path is None or (path, _stamp_of(path)) == self._seen:
            return None
        self._seen = (path, _stamp_of(path))
        try:
            return self._read(path)
        except (StateError, msgspec.ValidationError, LookupError, OSError) as error:
            self.problem = f"the journal {path.name} cannot be shown: {error}"
            self._path = None  # begun anew at its next change: a model that has joined was not known to the engine
            return None

    def _read(self, path: Path) -> Json | None:
        with Journal.read(path) as journal:
            begins = path != self._path or self.picture is None
            if begins:
                if not journal.has_events():
                    return None
                self._begin(path, journal)
            assert self.picture is not None
            known = self._after
            self._take(self.picture, list(journal.entries(self._after)))
            if begins:
                self.picture.changes()
                return self.picture.whole()
            return self.picture.changes() if self._after != known else None

    def _begin(self, path: Path, journal: Reader) -> None:
        models = [
            {"model": model.model_id, "symbols": list(model.symbols), "parameters": model.parameters}
            for model in journal.models()
        ]
        self.picture = Picture(self._make_engine(journal), path.stem, models)
        self._path, self._after, self.problem = path, (0, 0), ""

    def _take(self, picture: Picture, entries: list[Entry]) -> None:
        event, command = self._after
        for entry in entries:
            if entry.command:
                picture.take_command(msgspec.convert(entry.body, Command))
                command = max(command, entry.command)
            else:
                picture.take_event(msgspec.convert(entry.body, Event))
                event = entry.sequence
        self._after = (event, command)


def _stamp_of(path: Path) -> Stamp:
    """What changes whenever something is committed: time and size of the file and of its write-ahead log."""
    return tuple(_time_and_size(file) for file in (path, path.with_name(f"{path.name}-wal")))


def _time_and_size(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
