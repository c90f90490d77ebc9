"""A broker's keys as systemd credentials: encrypted for this machine where systemd can, else files of root alone."""

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hftd.broker.credentials import CREDENTIAL_FILES, VARIABLES, Keys, find_keys
from hftd.errors import CredentialsError

STORE_PREFIX = "hftd."
"""The names of our files in the credential stores, which all services share, begin so."""
DROP_IN = "".join(f"LoadCredentialEncrypted={name}:{STORE_PREFIX}{name}\n" for name in CREDENTIAL_FILES)


def asked_keys(source: str) -> Keys:
    """Keys from a file of NAME=VALUE lines, or from the keyboard or standard input when `source` is -."""
    if source != "-":
        if not Path(source).is_file():
            raise CredentialsError(f"{source}: no such file of keys; expected lines like {VARIABLES[0][0]}=...")
        return find_keys({}, Path(source), VARIABLES)
    if sys.stdin.isatty():
        return Keys.of(getpass.getpass("key id: ").strip(), getpass.getpass("secret key: ").strip(), "the keyboard")
    lines = [line.partition("=") for line in sys.stdin.read().splitlines()]
    return find_keys({name.strip(): value.strip().strip("'\"") for name, _, value in lines}, None, VARIABLES)


def store_keys(keys: Keys, etc: Path, drop_ins: Path) -> list[Path]:
    """Write the keys where the unit looks for them. Returns the files written."""
    values = dict(zip(CREDENTIAL_FILES, (keys.key_id.reveal(), keys.secret.reveal()), strict=True))
    encrypted = {name: _encrypted(name, value) for name, value in values.items()}
    remove_keys(etc, drop_ins)
    if not all(encrypted.values()):
        return _write(etc / "credstore", {name: value.encode() for name, value in values.items()})
    drop_ins.mkdir(parents=True, exist_ok=True)
    (drop_ins / "keys.conf").write_text(f"[Service]\n{DROP_IN}")
    return _write(etc / "credstore.encrypted", encrypted)


def remove_keys(etc: Path, drop_ins: Path) -> None:
    """Remove the keys that `store_keys` has written."""
    for store in ("credstore", "credstore.encrypted"):
        for name in CREDENTIAL_FILES:
            (etc / store / f"{STORE_PREFIX}{name}").unlink(missing_ok=True)
    (drop_ins / "keys.conf").unlink(missing_ok=True)


def write_environment_file(keys: Keys, file: Path) -> Path:
    """The keys as variables in a file that its owner alone may read: for a user's own service manager."""
    key_name, secret_name = VARIABLES[0]
    text = f"{key_name}={keys.key_id.reveal()}\n{secret_name}={keys.secret.reveal()}\n"
    return _write(file.parent, {file.name: text.encode()}, prefix="")[0]


def _encrypted(name: str, value: str) -> bytes:
    """The value sealed with this machine's key; empty where that cannot be done."""
    command = ["systemd-creds", "encrypt", f"--name={name}", "-", "-"]
    try:
        done = subprocess.run(command, input=value.encode(), capture_output=True)
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""


def _write(folder: Path, contents: Mapping[str, bytes], prefix: str = STORE_PREFIX) -> list[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    for name, content in contents.items():
        file = folder / f"{prefix}{name}"
        draft = folder / f".{file.name}"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
        written.append(draft.replace(file))
    return written
