"""The keys of accounts: made once, kept in the exchange's state directory, readable by its owner alone."""

import hmac
import json
import os
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from hftd.errors import StateError

Authenticate = Callable[[str, str], str | None]
"""From a key and a secret to the name of the account that they open, None if they open none.

May raise `TurnedAway`.
"""

_LETTERS = string.ascii_uppercase + string.digits


class TurnedAway(Exception):
    """Whoever authenticates is not let in, whatever the keys; `code` is the data socket's error."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Key(Struct, frozen=True):
    """What a client shows: `key` names the account, `secret` proves it."""

    key: str
    secret: str

    def __repr__(self) -> str:
        return f"Key(key={self.key!r}, secret=…)"


class Keys:
    """The keys of all accounts, by account name."""

    def __init__(self, by_name: Mapping[str, Key]) -> None:
        self.by_name = dict(by_name)
        self._by_key = {key.key.encode(): (name, key.secret.encode()) for name, key in by_name.items()}

    def account_of(self, key: str, secret: str) -> str | None:
        """The account that `key` and `secret` open, None if they open none. The secret is compared in constant time."""
        name, expected = self._by_key.get(key.encode(errors="replace"), ("", b""))
        matches = hmac.compare_digest(secret.encode(errors="replace"), expected)
        return name if matches and name else None


def load_keys(file: Path, names: Iterable[str]) -> Keys:
    """The keys of accounts `names`; missing ones are made, and the file is written with mode 0600.

    Raises StateError when the file cannot be read or written.
    """
    known = _read(file)
    made = {name: known.get(name) or _new_key() for name in names}
    if made.keys() - known.keys():
        _write(file, {**known, **made})
    return Keys(made)


def _new_key() -> Key:
    key = "PK" + "".join(secrets.choice(_LETTERS) for _ in range(18))
    return Key(key=key, secret=secrets.token_urlsafe(30))


def _read(file: Path) -> dict[str, Key]:
    try:
        rows = json.loads(file.read_text())
        return {name: Key(row["key"], row["secret"]) for name, row in rows.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateError(f"{file}: the exchange's keys cannot be read ({error}); remove it to make new ones") from error


def _write(file: Path, keys: Mapping[str, Key]) -> None:
    rows = {name: {"key": key.key, "secret": key.secret} for name, key in keys.items()}
    draft = file.with_suffix(".draft")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(rows, stream, indent=2)
        draft.replace(file)
    except OSError as error:
        raise StateError(f"{file}: the exchange's keys cannot be written: {error.strerror}") from error
