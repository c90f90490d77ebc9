"""The control socket: one JSON object a line asks, one JSON object a line answers.

It stands in the runtime directory under systemd, else in the state directory, with mode 0660: who may open it may ask.
"""

import asyncio
import inspect
import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hftd.errors import HftdError, StateError

NAME = "control.sock"
SYSTEM_RUNTIME = Path("/run/hftd")
"""Where the systemd unit's RuntimeDirectory= is."""
TIMEOUT_S = 5.0
LINE_LIMIT = 65_536

Answers = Mapping[str, Callable[..., Any]]
"""What may be asked, and what answers it, at once or after a while; other members of a request are its arguments."""


def socket_path(state: Path, environment: Mapping[str, str]) -> Path:
    """Where the daemon of `state` listens."""
    runtime = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return (Path(runtime) if runtime else state) / NAME


def sockets_to_ask(option: Path | None, state: Path, environment: Mapping[str, str]) -> list[Path]:
    """Where a daemon may listen, likeliest first; `option` is the state directory asked for, None for the default."""
    named = option is not None or "HFTD_STATE" in environment
    return [state / NAME, socket_path(state, environment), *([] if named else [SYSTEM_RUNTIME / NAME])]


@contextmanager
def _short(path: Path) -> Any:
    """`path` by way of its folder's descriptor: the address of a unix socket may be no longer than 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlServer:
    """Answers on the control socket of a running daemon."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self._path = path
        self._answers = answers
        self._server: asyncio.Server | None = None

    def answer_by(self, answers: Answers) -> None:
        """Answer otherwise from now on."""
        self._answers = answers

    async def start(self) -> None:
        """Listen. What a dead daemon left at the path is removed: the state's lock says that nobody else lives."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short(self._path) as address:
            listener.bind(address)
        self._path.chmod(0o660)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_LIMIT)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ValueError, TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                line = await reader.readline()
            answer = json.dumps(await self._answer(line)).encode() + b"\n"
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = _read(line)
            answer = self._answers[asked.pop("ask")]
        except (ValueError, TypeError, KeyError, AttributeError):
            return {"error": f'expected {{"ask": NAME}} with one of {", ".join(sorted(self._answers))}'}
        try:
            inspect.signature(answer).bind(**asked)
        except TypeError as error:
            return {"error": f"the question has unfit arguments: {error}"}
        try:
            given = answer(**asked)
            return {"answer": await given if inspect.isawaitable(given) else given}
        except HftdError as error:
            return {"error": str(error)}


def _read(line: bytes) -> Any:
    """What a line asks. What no UTF-8 has, such as the halves of characters that the arguments of a terminal with
    another encoding leave, becomes question marks: whatever is answered to is journaled and logged."""
    return json.loads(json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8", "replace"))


def ask_first(paths: Iterable[Path], what: str, within_s: float = TIMEOUT_S, **arguments: Any) -> Any:
    """The answer of the first daemon that runs at one of `paths`; None when none does."""
    answers = (ask(path, what, within_s, **arguments) for path in paths)
    return next((answer for answer in answers if answer is not None), None)


def ask(path: Path, what: str, within_s: float = TIMEOUT_S, **arguments: Any) -> Any:
    """The running daemon's answer; None when none runs there. Raises StateError when it cannot be had."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel, _short(path) as address:
            channel.settimeout(within_s)
            channel.connect(address)
            channel.sendall(json.dumps({"ask": what, **arguments}).encode() + b"\n")
            reply = json.loads(channel.makefile("rb").readline())
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise StateError(f"{path}: this user may not ask the daemon; use sudo, or join the group hftd") from error
    except (TimeoutError, ValueError) as error:
        raise StateError(f"{path}: the daemon did not answer within {within_s:.0f} s; see its log") from error
    except OSError as error:
        raise StateError(f"{path}: the daemon was lost before it answered ({error.strerror}); see its log") from error
    if "error" in reply:
        raise StateError(f"the daemon answered: {reply['error']}")
    return reply["answer"]
