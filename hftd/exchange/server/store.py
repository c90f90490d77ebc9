"""What survives the exchange's end, orderly or not: accounts, orders, statement, time, in one SQLite file.

Every transaction is written before the answer leaves. The file is in WAL mode with synchronous=NORMAL: a killed
process loses nothing, a power cut at worst the last moments, and never leaves half a transaction. Bodies are JSON.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hftd.errors import StateError
from hftd.exchange.venue.accounts import Account, Activity, EquityMark
from hftd.exchange.venue.happenings import AccountChanged, ActivityAdded, EquityMarked, Happening, OrderChanged
from hftd.exchange.venue.orders import Order
from hftd.exchange.venue.venue import Standing, VenueState

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS activities (id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    account_id TEXT, time_ns INTEGER, body BLOB NOT NULL, PRIMARY KEY (account_id, time_ns)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT, account_id TEXT, id TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, account_id, id)) WITHOUT ROWID;
"""

_encode = msgspec.json.Encoder().encode
Record = TypeVar("Record")
Row = tuple[Any, ...]


class Store:
    """The exchange's file. Raises StateError when it cannot be used."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{file}: the exchange's state cannot be used: {error}") from error
        self._check_version()

    def load(self) -> VenueState | None:
        """The venue as it was written last; None when nothing was."""
        standing = self.get("standing", Standing)
        if standing is None:
            return None
        return VenueState(
            standing=standing,
            accounts=self._rows("SELECT body FROM accounts ORDER BY rowid", Account),
            orders=self._rows("SELECT body FROM orders ORDER BY sequence", Order),
            activities=self._rows("SELECT body FROM activities ORDER BY rowid", Activity),
            marks=self._rows("SELECT body FROM marks ORDER BY time_ns", EquityMark),
        )

    def get(self, name: str, kind: type[Record]) -> Record | None:
        """A single value, None when it was never written."""
        row = self._database.execute("SELECT body FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else self._decoded(row[0], kind)

    def documents(self, kind: str, account_id: str, of: type[Record]) -> list[Record]:
        """All documents of one kind of an account, by id."""
        query = "SELECT body FROM documents WHERE kind = ? AND account_id = ? ORDER BY id"
        rows = self._database.execute(query, (kind, account_id)).fetchall()
        return [self._decoded(row[0], of) for row in rows]

    def put_document(self, kind: str, account_id: str, name: str, document: object) -> None:
        """Write a document, or remove it with None."""
        if document is None:
            query, row = "DELETE FROM documents WHERE kind = ? AND account_id = ? AND id = ?", (kind, account_id, name)
            self._database.execute(query, row)
        else:
            query = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)"
            self._database.execute(query, (kind, account_id, name, _encode(document)))

    def write(self, happenings: Sequence[Happening], **values: object) -> None:
        """Write all of it, or nothing, in one transaction. `values` are single values by name."""
        self._database.execute("BEGIN")
        try:
            for query, row in _rows_of(happenings):
                self._database.execute(query, row)
            for name, value in values.items():
                self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, _encode(value)))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._database.execute("ROLLBACK")
            raise StateError(f"{self._file}: the exchange's state cannot be written: {error}") from error

    def close(self) -> None:
        self._database.close()

    def _check_version(self) -> None:
        version = self.get("schema_version", int)
        if version is None:
            self.write([], schema_version=SCHEMA_VERSION)
        elif version != SCHEMA_VERSION:
            raise StateError(
                f"{self._file}: written in version {version}, this hftd reads version {SCHEMA_VERSION}; "
                "use another state directory"
            )

    def _rows(self, query: str, kind: type[Record]) -> list[Record]:
        return [self._decoded(row[0], kind) for row in self._database.execute(query)]

    def _decoded(self, body: bytes, kind: type[Record]) -> Record:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise StateError(f"{self._file}: the exchange's state cannot be read: {error}") from error


def _rows_of(happenings: Sequence[Happening]) -> list[tuple[str, Row]]:
    """What to write, in order; of a record that changed several times only the last state."""
    latest: dict[tuple[type, Any], Happening] = {}
    for happening in happenings:
        latest[type(happening), _KEYS[type(happening)](happening)] = happening
    writers = ((_WRITERS[type(happening)], happening) for happening in latest.values())
    return [(query, row_of(happening)) for (query, row_of), happening in writers]


def _order_row(happening: Any) -> Row:
    return happening.order.id, happening.order.sequence, _encode(happening.order)


def _account_row(happening: Any) -> Row:
    return happening.account.id, _encode(happening.account)


def _activity_row(happening: Any) -> Row:
    return happening.activity.id, _encode(happening.activity)


def _mark_row(happening: Any) -> Row:
    return happening.mark.account_id, happening.mark.time_ns, _encode(happening.mark)


_UPSERT_ACCOUNT = "INSERT INTO accounts VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
_WRITERS: dict[type, tuple[str, Callable[[Any], Row]]] = {
    OrderChanged: ("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", _order_row),
    AccountChanged: (_UPSERT_ACCOUNT, _account_row),
    ActivityAdded: ("INSERT OR REPLACE INTO activities VALUES (?, ?)", _activity_row),
    EquityMarked: ("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", _mark_row),
}
_KEYS: dict[type, Callable[[Any], Any]] = {
    OrderChanged: lambda happening: happening.order.id,
    AccountChanged: lambda happening: happening.account.id,
    ActivityAdded: lambda happening: happening.activity.id,
    EquityMarked: lambda happening: (happening.mark.account_id, happening.mark.time_ns),
}
"""What tells one record from another: the primary key of its table."""
