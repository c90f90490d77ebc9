"""A daemon that has used up its file descriptors says so once, and answers again when there are some."""

import asyncio
import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hftd.live.control import NAME, ControlServer
from hftd.live.exhaustion import tell_exhaustion_once

ROUNDS = 500


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process may open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def often(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Set once the loop has complained `ROUNDS` times, besides what becomes of it."""
    left, enough, handler = iter(range(ROUNDS)), asyncio.Event(), loop.get_exception_handler()
    assert handler is not None

    def hear(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        handler(loop, context)
        if next(left, None) is None:
            enough.set()

    loop.set_exception_handler(hear)
    return enough


async def test_it_is_told_once_and_whoever_asked_is_answered_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.001)
    loop = asyncio.get_running_loop()
    tell_exhaustion_once(loop)
    complained = often(loop)
    control = ControlServer(tmp_path / NAME, {"time": lambda: "noon"})
    await control.start()
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asker.setblocking(False)
    monkeypatch.chdir(tmp_path)
    with capture_logs() as told, no_descriptors():
        await loop.sock_connect(asker, NAME)
        await loop.sock_sendall(asker, b'{"ask": "time"}\n')
        async with asyncio.timeout(30):
            await complained.wait()
    async with asyncio.timeout(30):
        answer = await loop.sock_recv(asker, 1000)
    asker.close()
    await control.stop()
    assert json.loads(answer) == {"answer": "noon"}
    assert [(line["event"], line["reason"]) for line in told] == [("descriptors.exhausted", "Too many open files")]


async def test_what_else_goes_wrong_in_the_loop_is_told_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    tell_exhaustion_once(loop)
    loop.call_exception_handler({"message": "something else", "exception": OSError(24, "elsewhere")})
    assert "something else" in caplog.text
