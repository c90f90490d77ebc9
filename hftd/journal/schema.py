"""The tables of a journal, the check that a file holds them, and the way from an older hftd's tables to these.

    meta      key, value: schema_version, run_id, session (its day) and what else was set, as text
    events    sequence, time_ns (when it was known), received_ns (the clock when it came in), source, kind, body,
              checksum
    commands  sequence, event_sequence (the event that it follows from), model_id, client_order_id, kind, body,
              checksum
    models    model_id, fingerprint, symbols, parameters
    reports   a view of the events of kind order.reported, one column a field of the execution report

`kind` is the `noun.verb` name. `body` is the event or command as JSON, Decimals as text; fields at their default are
left out, and are NULL in the view. `symbols` and `parameters` are JSON. Times are nanoseconds since 1970 UTC.
`checksum` is the CRC-32 (ISO 3309) of the other columns' text with a | between two, those of an event from `sequence`
on, those of a command from `event_sequence` on.

The history of schema versions: 2 added the checksums.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from zlib import crc32

from hftd.errors import StateError

SCHEMA_VERSION = 2

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE events (
        sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, received_ns INTEGER NOT NULL,
        source TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, checksum INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE commands (
        sequence INTEGER PRIMARY KEY, event_sequence INTEGER NOT NULL REFERENCES events, model_id TEXT NOT NULL,
        client_order_id TEXT, kind TEXT NOT NULL, body TEXT NOT NULL, checksum INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX commands_by_event ON commands (event_sequence)",
    "CREATE INDEX commands_by_order ON commands (client_order_id) WHERE client_order_id IS NOT NULL",
    """CREATE TABLE models (
        model_id TEXT NOT NULL, fingerprint TEXT NOT NULL, symbols TEXT NOT NULL, parameters TEXT NOT NULL,
        PRIMARY KEY (model_id, fingerprint)) WITHOUT ROWID""",
)
_REPORT_FIELDS = (
    "kind",
    "client_order_id",
    "broker_order_id",
    "symbol",
    "side",
    "execution_id",
    "quantity",
    "price",
    "filled_quantity",
    "reason",
)
_REPORTS = "CREATE VIEW reports AS SELECT sequence, time_ns, received_ns, {} FROM events WHERE kind = 'order.reported'"


def _sum_of(*columns: str) -> str:
    """SQL for the checksum of these columns, as the bytes that they are: damaged ones are no text any more."""
    return f"checksum_of({', '.join(f'CAST({column} AS BLOB)' for column in columns)})"


EVENT_SUM = _sum_of("sequence", "time_ns", "received_ns", "source", "events.kind", "events.body")
COMMAND_SUM = _sum_of("event_sequence", "model_id", "client_order_id", "commands.kind", "commands.body")

Result = TypeVar("Result")


def checksum_of(*columns: object) -> int:
    """What is kept of a row's columns, to know a row that was changed afterwards. NULL counts as an empty text."""
    return crc32("|".join(["" if column is None else str(column) for column in columns]).encode())


def is_sound(version: int) -> tuple[str, str]:
    """SQL for whether a row of `events`, and one of `commands`, is as it was written, by a file of schema `version`."""
    if version < 2:
        return "1", "1"
    return f"events.checksum = {EVENT_SUM}", f"commands.checksum = {COMMAND_SUM}"


LEFT_EARLY = "user-defined function raised exception"


def _checksum_of_bytes(*columns: bytes | None) -> int:
    return crc32(b"|".join(column or b"" for column in columns))


def make_functions(connection: sqlite3.Connection) -> None:
    """Let `connection` check rows."""
    connection.create_function("checksum_of", -1, _checksum_of_bytes, deterministic=True)


# From one version to the next ----------------------------------------------------------------------------------------

_ADD_CHECKSUMS = (
    "ALTER TABLE events ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE commands ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0",
    f"UPDATE events SET checksum = {EVENT_SUM}",
    f"UPDATE commands SET checksum = {COMMAND_SUM}",
)
_MIGRATIONS: dict[int, tuple[str, ...]] = {1: _ADD_CHECKSUMS}
"""What makes of a file of each version one of the next."""


def migrate(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Bring a file of schema `version` to today's: all of it or, if we are killed meanwhile, nothing."""
    if version == SCHEMA_VERSION:
        return

    def run() -> None:
        connection.execute("BEGIN IMMEDIATE")
        for old in range(version, SCHEMA_VERSION):
            for statement in _MIGRATIONS[old]:
                connection.execute(statement)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(SCHEMA_VERSION),))
        connection.execute("COMMIT")

    guarded(path, run)


def create(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    """Make the tables in an empty file, and fill `meta`: all of it or, if we are killed meanwhile, nothing."""
    columns = ", ".join(f"json_extract(body, '$.report.{field}') AS {field}" for field in _REPORT_FIELDS)
    connection.execute("BEGIN IMMEDIATE")
    for statement in (*_TABLES, _REPORTS.format(columns)):
        connection.execute(statement)
    rows = {"schema_version": str(SCHEMA_VERSION), **meta}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", rows.items())
    connection.execute("COMMIT")


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the file holds nothing yet."""
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None


def check_soundness(connection: sqlite3.Connection, path: Path) -> None:
    """Read the whole file once. Raises StateError if any page of it is damaged or missing."""
    found = guarded(path, lambda: connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise damaged(path, " ".join(found.removeprefix("*** in database main ***").split()))


def check_numbers(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StateError if an event is missing between two others, or a command has lost its event."""
    count, last = guarded(path, connection.execute("SELECT count(*), coalesce(max(sequence), 0) FROM events").fetchone)
    if count != last:
        raise damaged(path, f"{last - count} of its {last} events are missing")
    orphans = "SELECT count(*) FROM commands WHERE event_sequence NOT IN (SELECT sequence FROM events)"
    if lost := guarded(path, connection.execute(orphans).fetchone)[0]:
        raise damaged(path, f"the events of {lost} commands are missing")


def version_of(meta: dict[str, str]) -> int:
    """The schema that a file has."""
    return int(meta["schema_version"])


def verify(connection: sqlite3.Connection, path: Path) -> dict[str, str]:
    """The meta of a journal that this hftd can read. Raises StateError for anything else that the file may be."""
    tables = guarded(path, lambda: {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")})
    if not {"meta", "events"} <= tables:
        raise StateError(f"{path}: an SQLite file, but no journal of hftd; move it elsewhere")
    meta = guarded(path, lambda: dict(connection.execute("SELECT key, value FROM meta")))
    try:
        version = version_of(meta)
    except (KeyError, ValueError) as error:
        raise damaged(path, "its table meta has no schema_version") from error
    if version > SCHEMA_VERSION:
        raise StateError(
            f"{path}: its schema is version {version}, this hftd knows versions up to {SCHEMA_VERSION}; "
            "upgrade hftd, or move the file elsewhere to begin a new one"
        )
    return meta


def guarded(path: Path, action: Callable[[], Result]) -> Result:
    """`action()`, with what SQLite says against the file at `path` as a StateError."""
    try:
        return action()
    except sqlite3.Error as error:
        raise state_error(path, error) from error


def state_error(path: Path, error: sqlite3.Error) -> StateError:
    """A sentence for what SQLite found wrong with the file at `path`, and what to do about it. Raises KeyboardInterrupt
    when nothing is wrong with it: of Ctrl-C while a row is checked SQLite says this and no more."""
    if str(error) == LEFT_EARLY:
        raise KeyboardInterrupt from error
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if sentence := _SENTENCES.get(code & 0xFF):  # the low byte is the kind of error, the rest its detail
        return StateError(f"{path}: {sentence} (SQLite: {error})")
    return damaged(path, str(error))


def damaged(path: Path, found: str) -> StateError:
    return StateError(
        f"{path}: the journal is damaged (SQLite: {found}); move it elsewhere, with the files -wal and -shm beside it, "
        f"and save what is left by: sqlite3 {path.name} .recover"
    )


_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full; make room, nothing that was written before is lost",
    sqlite3.SQLITE_IOERR: "the disk does not take or give the data; check its space, quota, file size limit and health",
    sqlite3.SQLITE_BUSY: "another process is writing to the journal; stop it, a journal has one writer",
    sqlite3.SQLITE_LOCKED: "another process is writing to the journal; stop it, a journal has one writer",
    sqlite3.SQLITE_READONLY: "the journal may not be written; check the rights of it and of its folder",
    sqlite3.SQLITE_PERM: "the journal may not be opened; check the rights of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "the journal cannot be opened; check that it is there, and the rights of its folder",
}
