"""What users did to a session of bots, kept in a file: with it the session can be played again as it was.

A message is written before it is carried out. A file that ends within a message was cut off by a crash and is read up
to there: nobody has been told of the rest.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from hftd.errors import StateError


class UserMessage(NamedTuple):
    """A user's message to the book at `time_ns`, after the mark of that time."""

    time_ns: int
    operation: int
    order_id: int
    side: int
    price: int
    quantity: int
    owner: int


_BYTES = 8 * len(UserMessage._fields)


class Memory:
    """The messages of one symbol's session in one file. Raises StateError when it cannot be read or written."""

    def __init__(self, file: Path) -> None:
        """Read what is there; what comes is written behind it."""
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = file.read_bytes() if file.exists() else b""
            whole = found[: len(found) // _BYTES * _BYTES]
            if whole != found or not found:
                file.write_bytes(whole)
        except OSError as error:
            raise StateError(f"{file}: what users did to the market cannot be read: {error.strerror}") from error
        self._file = file
        rows = np.frombuffer(whole, "<i8").reshape(-1, len(UserMessage._fields)).tolist()
        self.messages = [UserMessage(*row) for row in rows]

    def append(self, message: UserMessage) -> None:
        """Keep one more, before it is carried out."""
        try:
            with self._file.open("ab") as stream:
                stream.write(np.array(message, "<i8").tobytes())
        except OSError as error:
            raise StateError(f"{self._file}: the market's state cannot be written: {error.strerror}") from error


def forget_others(folder: Path, keep: str) -> None:
    """Remove the files of all sessions whose names do not begin with `keep`."""
    for file in folder.glob("*.messages"):
        if not file.name.startswith(keep):
            file.unlink(missing_ok=True)
