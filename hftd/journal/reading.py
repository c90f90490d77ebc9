"""Reading a journal: in the process that writes it, in another one meanwhile, or years later."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from hftd.domain.commands import Command
from hftd.domain.events import Event
from hftd.errors import StateError
from hftd.journal import schema

_EVENTS: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_BODIES: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_COMMANDS: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


_ENTRIES = """
    SELECT sequence AS event, 0 AS command, time_ns, received_ns, source, kind, body, {event_is_sound} FROM events
        WHERE sequence > :event AND {events}
    UNION ALL
    SELECT event_sequence, commands.sequence, time_ns, received_ns, source, commands.kind, commands.body,
            {command_is_sound}
        FROM commands JOIN events ON events.sequence = event_sequence
        WHERE commands.sequence > :command AND {commands}
    ORDER BY event, command"""
_OF_ALL = ("true", "true")
_OF_ORDER = (
    """(kind = 'order.reported' AND json_extract(body, '$.report.client_order_id') = :order
        OR sequence IN (SELECT event_sequence FROM commands WHERE client_order_id = :order))""",
    "client_order_id = :order",
)


class JournaledModel(msgspec.Struct, frozen=True):
    """A model that took part in a session. `parameters` are as JSON gives them: Decimals are text."""

    model_id: str
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any]


class Entry(msgspec.Struct, frozen=True):
    """A row of `events` or, with a number `command` above 0, of `commands`: then time and source are its event's."""

    sequence: int
    command: int
    time_ns: int
    received_ns: int
    source: str
    kind: str
    body: dict[str, Any]


class Message(msgspec.Struct, frozen=True):
    """The same with its event or command; None where it cannot be understood, which `problem` then says."""

    sequence: int
    command: int
    received_ns: int
    source: str
    told: Event | Command | None
    problem: str = ""


class Reader:
    """What a journal holds. Every method raises StateError when the file turns out to be damaged."""

    def __init__(self, path: Path, connection: sqlite3.Connection, version: int = schema.SCHEMA_VERSION) -> None:
        self.path = path
        self._connection = connection
        schema.make_functions(connection)
        self._event_is_sound, self._command_is_sound = schema.is_sound(version)

    def meta(self) -> dict[str, str]:
        """Everything set: schema_version, run_id, session, and what its writer added."""
        return dict(self._rows("SELECT key, value FROM meta"))

    def models(self) -> list[JournaledModel]:
        """The models of the session, by name; one that was swapped stands there once for each fingerprint."""
        return [
            JournaledModel(model_id, fingerprint, tuple(msgspec.json.decode(symbols)), msgspec.json.decode(parameters))
            for model_id, fingerprint, symbols, parameters in self._rows("SELECT * FROM models ORDER BY model_id")
        ]

    def events(self) -> Iterator[tuple[int, Event]]:
        """(sequence, event) in the order in which they were stepped."""
        statement = f"SELECT sequence, body, {self._event_is_sound} FROM events ORDER BY sequence"
        for sequence, body, is_sound in self._rows(statement):
            yield sequence, self._decoded(_EVENTS, body, f"event {sequence}", is_sound)

    def entries(self, after: tuple[int, int] = (0, 0), client_order_id: str = "") -> Iterator[Entry]:
        """Events, each with what followed from it, in order; both as they stand at this moment.

        Only events and commands numbered above `after`; only what concerns an order, and what led to it, if one is
        given. A command comes into the file after its event, so whoever follows asks again after the highest of each.
        """
        values = {"event": after[0], "command": after[1], "order": client_order_id}
        statement = self._entries(*(_OF_ORDER if client_order_id else _OF_ALL))
        for sequence, command, time_ns, received_ns, source, kind, body, is_sound in self._rows(statement, values):
            told = self._decoded(_BODIES, body, f"{kind} of event {sequence}", is_sound)
            yield Entry(sequence, command, time_ns, received_ns, source, kind, told)

    def messages(self) -> Iterator[Message]:
        """Events, each with what followed from it, in order, one that nobody understands included."""
        rows = self._rows(self._entries(*_OF_ALL), {"event": 0, "command": 0})
        for sequence, command, _, received_ns, source, kind, body, is_sound in rows:
            try:
                told = _told(_COMMANDS if command else _EVENTS, body, is_sound)
                yield Message(sequence, command, received_ns, source, told)
            except ValueError as error:
                problem = f"event {sequence}: {kind} cannot be understood: {error}"
                yield Message(sequence, command, received_ns, source, None, problem)

    def check(self) -> None:
        """Raise StateError unless every page of the file is there and whole, and every event."""
        schema.check_soundness(self._connection, self.path)
        schema.check_numbers(self._connection, self.path)

    def has_events(self) -> bool:
        """Whether there is any event."""
        return any(True for _ in self._rows("SELECT 1 FROM events LIMIT 1"))

    def commands(self, event_sequence: int | None = None) -> Iterator[tuple[int, Command]]:
        """(event_sequence, command) in the order in which they were decided; of one event if it is given."""
        where, values = ("", ()) if event_sequence is None else ("WHERE event_sequence = ?", (event_sequence,))
        columns = f"sequence, event_sequence, body, {self._command_is_sound}"
        for sequence, of_event, body, is_sound in self._rows(
            f"SELECT {columns} FROM commands {where} ORDER BY sequence", values
        ):
            yield of_event, self._decoded(_COMMANDS, body, f"command {sequence}", is_sound)

    def close(self) -> None:
        """Let go of the file. Closing twice does no harm."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, statement: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise schema.state_error(self.path, error) from error

    def _entries(self, events: str, commands: str) -> str:
        sound = {"event_is_sound": self._event_is_sound, "command_is_sound": self._command_is_sound}
        return _ENTRIES.format(events=events, commands=commands, **sound)

    def _decoded(self, decoder: msgspec.json.Decoder[Any], body: str, name: str, is_sound: int) -> Any:
        try:
            return _told(decoder, body, is_sound)
        except ValueError as error:
            raise StateError(f"{self.path}: {name} cannot be read ({error}): {body[:200]}") from error


def _told(decoder: msgspec.json.Decoder[Any], body: str, is_sound: int) -> Any:
    """What `body` says. Raises ValueError when it was changed since it was written, or is nothing that is known."""
    if not is_sound:
        raise ValueError("it is not what was written: its checksum is another")
    return decoder.decode(body)


def open_reader(path: Path) -> Reader:
    """A reader of the journal at `path`. Raises StateError if there is none, or none that is sound."""
    if not path.is_file():
        raise StateError(f"{path}: there is no such journal")
    _roll_back(path)
    connection = schema.guarded(path, lambda: sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))
    try:
        version = schema.version_of(schema.verify(connection, path))
    except BaseException:
        connection.close()
        raise
    return Reader(path, connection, version)


def _roll_back(path: Path) -> None:
    """Undo the half of what a killed writer did outside of the write-ahead log, when it brought an older schema up. A
    reader may not, and would be refused; nobody who is still at it is disturbed."""
    if path.with_name(f"{path.name}-journal").exists() and os.access(path, os.W_OK):
        with closing(schema.guarded(path, lambda: sqlite3.connect(path))) as connection:
            schema.guarded(path, lambda: connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone())
