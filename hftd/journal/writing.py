"""Writing a journal ahead: the event before it is stepped, the commands before one of them is sent.

Durability is a group commit. `append_event` only adds to the current group; `commit` puts the group into the file, and
`append_commands` does so too. What is in the file survives a kill of the process at any instruction. It is forced to
the disk at checkpoints and on closing only (synchronous NORMAL), and by `bring_to_disk` when somebody asks for it: a
power failure may cost the last groups, never the file. Checkpoints are rare, for the disk takes its time: a session of
bars has none before its close. So a driver appends events, commits before it asks a model, appends commands, and sends.

A group that cannot be written (the disk is full) is undone as a whole and the StateError says why: the journal is then
as after the last commit, `sequence` too, and the same events may be appended again once there is room.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec

from hftd.domain.commands import Command, SubmitOrder
from hftd.domain.events import Event, name_of
from hftd.domain.session import Session
from hftd.errors import StateError
from hftd.journal import schema
from hftd.journal.reading import Reader, open_reader

BUSY_S = 2.0
"""How long a commit waits for another process that holds the file, before it is an error."""

CHECKPOINT_PAGES = 16_384
"""How far the write-ahead log grows before it is brought into the file: 64 MB, of 4096 bytes a page."""

_ENCODER = msgspec.json.Encoder(decimal_format="string")
_ADD_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADD_COMMAND = (
    "INSERT INTO commands (event_sequence, model_id, client_order_id, kind, body, checksum) VALUES (?, ?, ?, ?, ?, ?)"
)


class Journal(Reader):
    """The one writer of a session's journal. `sequence` is the number of the last event appended, 0 before any."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self.sequence = self._written_sequence()

    @classmethod
    def open(cls, path: Path, session: Session, run_id: str) -> Self:
        """Begin the journal of `session` at `path`, or go on with it after a restart; an older schema is brought up.

        Raises StateError if the file cannot be written, is damaged, is no journal, has a newer schema, or is of
        another run or session.
        """
        meta = {"run_id": run_id, "session": session.day.isoformat()}
        _begin(path, meta)
        connection = _connect(path)
        try:
            if schema.guarded(path, lambda: schema.is_empty(connection)):
                schema.guarded(path, lambda: schema.create(connection, meta))
            schema.check_soundness(connection, path)
            found = schema.verify(connection, path)
            _refuse_foreign(path, found, meta)
            schema.check_numbers(connection, path)
            schema.make_functions(connection)
            schema.migrate(connection, path, schema.version_of(found))
            _write_ahead(path, connection)  # last, so that a file which is not ours is left as it was
            return cls(path, connection)
        except BaseException:
            connection.close()
            raise

    @staticmethod
    def read(path: Path) -> Reader:
        """The journal at `path`, read-only, also while another process writes it."""
        return open_reader(path)

    def append_event(self, event: Event, received_ns: int, source: str) -> int:
        """Add an event to the current group and return its sequence. It is safe after the next commit."""
        sequence = self.sequence + 1
        row = (sequence, event.time_ns, received_ns, source, name_of(event), _json(event))
        self._write(_ADD_EVENT, (*row, schema.checksum_of(*row)))
        self.sequence = sequence
        return sequence

    def append_commands(self, event_sequence: int, commands: Iterable[Command]) -> None:
        """Write the commands that followed from an event, and commit: when this returns they may be sent."""
        for command in commands:
            row = (event_sequence, command.model_id, _order_of(command), name_of(command), _json(command))
            self._write(_ADD_COMMAND, (*row, schema.checksum_of(*row)))
        self.commit()

    def set_meta(self, key: str, value: str) -> None:
        """Note `value` under `key`, over what stood there, and commit."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        self.commit()

    def add_model(
        self, model_id: str, fingerprint: str, symbols: Iterable[str], parameters: Mapping[str, object]
    ) -> None:
        """Note a model that takes part, and commit. One that stands there already is left as it is."""
        row = (model_id, fingerprint, _json(list(symbols)), _json(dict(parameters)))
        self._write("INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?)", row)
        self.commit()

    def commit(self) -> None:
        """Put what was appended into the file. Costs nothing when nothing was."""
        if self._connection.in_transaction:
            self._do("COMMIT")

    @property
    def is_in_place(self) -> bool:
        """Whether its file is still there: into one that was removed SQLite writes on, for nobody to read."""
        try:
            self.path.stat()
        except FileNotFoundError:
            return False
        except OSError:
            pass  # it cannot be looked at, and writing will tell
        return True

    def close(self) -> None:
        """Commit and let go of the file. If nobody else reads it, it is one plain file from then on."""
        with suppress(sqlite3.ProgrammingError):  # closed before
            self.commit()
            with suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        super().close()

    def _write(self, statement: str, row: tuple[Any, ...]) -> None:
        if not self._connection.in_transaction:
            self._do("BEGIN IMMEDIATE")
        self._do(statement, row)

    def _do(self, statement: str, row: tuple[Any, ...] = ()) -> None:
        try:
            self._connection.execute(statement, row)
        except sqlite3.OperationalError as error:
            raise self._undone(error) from error

    def _undone(self, error: sqlite3.OperationalError) -> StateError:
        """Undo the group that could not be written."""
        with suppress(sqlite3.OperationalError):  # most errors have rolled it back already
            self._connection.execute("ROLLBACK")
        self.sequence = self._written_sequence()
        return schema.state_error(self.path, error)

    def _written_sequence(self) -> int:
        return int(next(self._rows("SELECT coalesce(max(sequence), 0) FROM events"))[0])


def _connect(path: Path) -> sqlite3.Connection:
    return schema.guarded(path, lambda: sqlite3.connect(path, timeout=BUSY_S, isolation_level=None))


def _begin(path: Path, meta: dict[str, str]) -> None:
    """Make the file where there is none, under another name first: whoever is killed meanwhile leaves no half of it."""
    if path.exists() and path.stat().st_size:
        return
    draft = path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in (draft, _undoing(draft), _undoing(path)):
            file.unlink(missing_ok=True)  # what would undo it again, above all
    except OSError as error:
        raise StateError(f"{path.parent}: the folder cannot be made or written: {error.strerror}") from error
    with closing(_connect(draft)) as connection:
        schema.guarded(path, lambda: schema.create(connection, meta))
    draft.replace(path)


def _undoing(path: Path) -> Path:
    """Where SQLite keeps what undoes the half of a transaction outside of the write-ahead log."""
    return path.with_name(f"{path.name}-journal")


def _write_ahead(path: Path, connection: sqlite3.Connection) -> None:
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", f"wal_autocheckpoint = {CHECKPOINT_PAGES}"):
        schema.guarded(path, partial(connection.execute, f"PRAGMA {setting}"))


def _refuse_foreign(path: Path, found: dict[str, str], expected: dict[str, str]) -> None:
    for key, value in expected.items():
        if found.get(key) != value:
            name = key.replace("_", " ")
            raise StateError(
                f"{path}: it is of {name} {found.get(key)}, expected {name} {value}; "
                "move the file elsewhere, or use the state directory that it came from"
            )


def _json(value: object) -> str:
    return _ENCODER.encode(value).decode()


def _order_of(command: Command) -> str | None:
    if isinstance(command, SubmitOrder):
        return command.order.client_order_id
    return getattr(command, "client_order_id", None)
