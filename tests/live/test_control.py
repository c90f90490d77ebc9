"""The control socket: what is asked arrives, whatever the asker's terminal speaks, and one that goes away is told."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from hftd.errors import StateError
from hftd.live.control import NAME, ControlServer, ask
from tests.live.walking import Walk


async def asked(path: Path, what: str, **arguments: Any) -> Any:
    return await asyncio.to_thread(ask, path, what, **arguments)


async def test_a_reason_in_another_encoding_halts_all_the_same(tmp_path: Path) -> None:
    walk = Walk(tmp_path, "2026-11-27 09:20")
    daemon = walk.make_daemon()

    def halt(reason: str) -> str:
        daemon.halt(reason, flatten=False)
        return str(daemon.halts)

    control = ControlServer(tmp_path / NAME, {"halt": halt})
    await control.start()
    try:
        answer = await asked(tmp_path / NAME, "halt", reason=b"caf\xe9".decode("utf-8", "surrogateescape"))
    finally:
        await control.stop()
    assert "manual" in answer
    assert [halt.reason for halt in daemon.halts] == ["caf?"]


def test_a_daemon_that_ends_before_it_answers_is_told_in_a_sentence(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / NAME))
    listener.listen()

    def end() -> None:
        channel, _ = listener.accept()
        channel.close()  # with the question unread: the asker is told by a reset

    ending = threading.Thread(target=end)
    ending.start()
    with pytest.raises(StateError, match="the daemon was lost before it answered"):
        ask(tmp_path / NAME, "halt", reason="x" * 1_000_000)
    ending.join()
    listener.close()
