"""Where a broker's keys come from, and how they stay out of logs, tracebacks and the journal."""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hftd.errors import CredentialsError

VARIABLES = (
    ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"),
    ("ALPACA_TRADE_PUBLIC_KEY", "ALPACA_TRADE_SECRET_KEY"),
    ("ALPACA_DATA_PUBLIC_KEY", "ALPACA_DATA_SECRET_KEY"),
)
"""Environment variables that hold the key and its secret, the first complete pair wins: Alpaca's, then cpquant's."""

CREDENTIAL_FILES = ("alpaca_key_id", "alpaca_secret_key")
"""Names of the two systemd credentials (systemd.exec(5), LoadCredential=)."""

EXCHANGE_FILE = "exchange_keys"
"""Name of the systemd credential that is the keys.json of a simulated exchange; its first account is meant."""


class Secret:
    """Text that shows itself only when asked by `reveal()`: not in a repr, a log, a traceback or JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class Keys:
    """One pair of API keys. `found` says where they came from, for sentences; both halves are hidden in a repr."""

    key_id: Secret
    secret: Secret
    found: str = "given"

    @classmethod
    def of(cls, key_id: str, secret: str, found: str = "given") -> "Keys":
        return cls(Secret(key_id), Secret(secret), found)

    def headers(self) -> dict[str, str]:
        """The headers of a REST request, in the clear: for the wire only."""
        return {"APCA-API-KEY-ID": self.key_id.reveal(), "APCA-API-SECRET-KEY": self.secret.reveal()}


def find_keys(
    environment: Mapping[str, str],
    file: Path | None = None,
    variables: tuple[tuple[str, str], ...] = VARIABLES,
) -> Keys:
    """Keys from `environment`, else from systemd's credentials ($CREDENTIALS_DIRECTORY), else from `file`.

    `file` holds lines NAME=VALUE with the names of the environment variables, and must be readable by its owner
    alone. Raises CredentialsError that says what was looked for where.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    found = (
        _from_mapping(environment, variables, "the environment")
        or (_from_credentials(Path(folder)) if folder else None)
        or (_from_file(file, variables) if file else None)
    )
    if found is None:
        raise CredentialsError(_nothing_found(folder, file, variables))
    return found


def _nothing_found(folder: str | None, file: Path | None, variables: tuple[tuple[str, str], ...]) -> str:
    key_name, secret_name = variables[0]
    folder = folder or "$CREDENTIALS_DIRECTORY, which is not set"
    where = [
        f"the environment ({key_name} and {secret_name})",
        f"systemd's credentials ({' and '.join(CREDENTIAL_FILES)} in {folder})",
    ]
    if file:
        where.append(f"the file {file}")
    return f"no API keys of the broker: looked in {', '.join(where)}"


def _from_mapping(values: Mapping[str, str], variables: tuple[tuple[str, str], ...], where: str) -> Keys | None:
    for key_name, secret_name in variables:
        key_id, secret = values.get(key_name, "").strip(), values.get(secret_name, "").strip()
        if key_id and secret:
            return Keys.of(key_id, secret, f"{where} ({key_name})")
        if key_id or secret:
            present, missing = (key_name, secret_name) if key_id else (secret_name, key_name)
            raise CredentialsError(f"{where} has {present} but not {missing}; both are needed")
    return None


def _from_credentials(folder: Path) -> Keys | None:
    if (folder / EXCHANGE_FILE).is_file():
        return _from_exchange(folder / EXCHANGE_FILE)
    paths = [folder / name for name in CREDENTIAL_FILES]
    present = [path for path in paths if path.is_file()]
    if not present:
        return None
    if len(present) == 1:
        missing = next(path.name for path in paths if path not in present)
        raise CredentialsError(f"{folder} has {present[0].name} but not {missing}; both are needed")
    key_id, secret = (_read(path).strip() for path in paths)
    return Keys.of(key_id, secret, f"systemd's credentials in {folder}")


def _from_exchange(file: Path) -> Keys:
    try:
        first = next(iter(json.loads(_read(file)).values()))
        return Keys.of(first["key"], first["secret"], f"the keys of an exchange in {file}")
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise CredentialsError(f"{file} is not the keys.json of an exchange: {error}") from None


def _from_file(file: Path, variables: tuple[tuple[str, str], ...]) -> Keys | None:
    if not file.is_file():
        return None
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise CredentialsError(
            f"{file} may be read by others (mode {mode:04o}); keys are taken only from a file of mode 0600: "
            f"chmod 600 {file}"
        )
    lines = (line.split("=", 1) for line in _read(file).splitlines() if "=" in line and not line.startswith("#"))
    values = {name.removeprefix("export ").strip(): value.strip().strip("'\"") for name, value in lines}
    keys = _from_mapping(values, variables, str(file))
    if keys is None:
        raise CredentialsError(f"{file} has no {' and '.join(variables[0])}")
    return keys


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
