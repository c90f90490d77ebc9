"""Where journals stand in a state directory, and the id that marks them as its own."""

import os
import re
from datetime import date
from pathlib import Path

from hftd.errors import StateError

_RUN_ID = re.compile(r"[0-9a-f]{16}")


def journal_path(state: Path, day: date) -> Path:
    """The file of the session of `day`."""
    return state / "journal" / f"{day.isoformat()}.sqlite"


def latest(state: Path) -> Path | None:
    """The newest journal of a state directory; None while there is none."""
    return next(iter(journals(state)), None)


def journals(state: Path) -> list[Path]:
    """All journals of a state directory, newest first. A file that is not called after a day is somebody else's; one
    without a byte is none, for nothing was ever written to it; nor is one that is removed while this looks."""
    named = sorted(filter(_is_of_a_day, (state / "journal").glob("????-??-??.sqlite")), reverse=True)
    return [path for path in named if _holds_anything(path)]


def _holds_anything(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _is_of_a_day(path: Path) -> bool:
    try:
        date.fromisoformat(path.stem)
    except ValueError:
        return False
    return True


def remove_oldest(state: Path, keep: int) -> list[Path]:
    """Remove all journals but the newest `keep`, and return those removed, newest first.

    Two stay at the least: a session begins from the last journal that is not empty, and the newest may be empty still.
    Raises OSError for what cannot be removed.
    """
    old = journals(state)[max(keep, 2) :]
    for path in old:
        for suffix in ("-wal", "-shm", ""):  # the file last: what is left of it is never without it
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return old


def run_id(state: Path) -> str:
    """The id of this state directory: sixteen hexadecimal digits, made when it is first asked for.

    Every order's id is derived from it. Raises StateError if it cannot be read, made or understood.
    """
    file = state / "run_id"
    try:
        found = file.read_text().strip() if file.exists() else _made(file)
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"{file}: the run id cannot be read or made: {error}") from error
    if not _RUN_ID.fullmatch(found):
        raise StateError(
            f"{file}: found {found[:40]!r}, expected sixteen hexadecimal digits; "
            "restore it: the newest journal has it in its table meta"
        )
    return found


def bring_to_disk(journal: Path) -> None:
    """Have what was committed to an open journal written to the disk itself, and wait for it. Blocks; raises OSError,
    FileNotFoundError when the journal is not open.

    It is the write-ahead log that is synced: SQLite does it before each checkpoint only (synchronous NORMAL). The file
    itself is not touched, for closing it again would drop SQLite's locks on it.
    """
    for path in (journal.with_name(f"{journal.name}-wal"), journal.parent):  # and that it is there at all
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _made(file: Path) -> str:
    """A new id, on the disk before it is used, and whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = os.urandom(8).hex()
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with draft.open("w") as stream:
        stream.write(f"{made}\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    return made
