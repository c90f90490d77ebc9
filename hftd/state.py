"""The state directory: where hftd keeps what must survive, and the lock that keeps a second daemon out of it."""

import errno
import fcntl
import os
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hftd.errors import StateError

LOCK_NAME = "lock"


def state_path(option: str | Path | None, environment: Mapping[str, str]) -> Path:
    """Where the state directory is, whether or not it exists, as an absolute path.

    `option` (--state), else HFTD_STATE, else systemd's STATE_DIRECTORY (its first), else hftd in the XDG state home.
    """
    if given := option or environment.get("HFTD_STATE") or environment.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(given).expanduser().absolute()
    home = environment.get("XDG_STATE_HOME", "")
    # The XDG base directory specification: a relative path is to be ignored.
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "hftd"


SYSTEM_STATE = Path("/var/lib/hftd")
"""Where the state of the installed system service is."""


def place_to_look(option: str | Path | None, environment: Mapping[str, str]) -> Path:
    """The state directory to read of: that of `state_path`, else the system service's when no daemon ever ran there."""
    own = state_path(option, environment)
    is_named = bool(option or environment.get("HFTD_STATE") or environment.get("STATE_DIRECTORY"))
    return own if is_named or (own / LOCK_NAME).exists() or not os.path.isdir(SYSTEM_STATE) else SYSTEM_STATE


def state_directory(option: str | Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """The state directory of `state_path`, made (mode 0700) if it is not there.

    Raises StateError when it cannot be made or written to.
    """
    state = state_path(option, environment)
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"state directory {state}: cannot be made: {error.strerror}; {_ELSEWHERE}") from error
    if reason := _why_not(state):
        raise StateError(f"state directory {state}: {reason}{_ELSEWHERE}")
    return state


_ELSEWHERE = "give another with --state DIR"


_REASONS = {
    errno.ENOSPC: "the disk is full; make room, or ",
    errno.EDQUOT: "the disk quota is used up; make room, or ",
    errno.EROFS: "the file system is read-only; ",
}


def _why_not(state: Path) -> str:
    """Why no file can be made there, to be followed by an advice; "" when one can."""
    probe = state / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"hftd")
        list(state.iterdir())
    except OSError as error:
        return _REASONS.get(error.errno or 0, "cannot be written to by this user; ")
    finally:
        with suppress(OSError):
            probe.unlink()
    return ""


def free_bytes(state: Path) -> int:
    """Bytes that may still be written to the file system of an existing directory."""
    return shutil.disk_usage(state).free


# Open file description locks (fcntl(2)): they end with their process, as flock's do, and they can be asked for without
# being taken, so that a question never keeps a daemon from starting.
_FLOCK = "hhqqi"


def _whole_file(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


@contextmanager
def lock(state: Path) -> Iterator[None]:
    """Hold the state directory for this process; the lock ends with the process, however that ends.

    Raises StateError that names the pid of the process that holds it.
    """
    with (state / LOCK_NAME).open("a+", encoding="ascii") as file:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
        except OSError as error:
            raise StateError(
                f"state directory {state}: another hftd (pid {holder(state)}) runs on it; stop that one first, "
                "or give this one its own with --state DIR"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def holder(state: Path) -> int | None:
    """The pid of the process that holds the state directory; None when nobody does."""
    try:
        with (state / LOCK_NAME).open("r", encoding="ascii") as file:
            answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_RDLCK))
            is_held = struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK
            return int(file.read() or 0) if is_held else None
    except FileNotFoundError:
        return None
