"""Daemons that start at once, for drills: what interrupts the drill is none of the nursery's business."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hftd.errors import StateError
from hftd.live.nursery import Child, Nursery, Wanted


async def test_ctrl_c_at_a_terminal_is_left_to_who_uses_it(tmp_path: Path) -> None:
    async with Nursery() as nursery:
        wanted = Wanted(("--version",), dict(os.environ), str(tmp_path), str(tmp_path / "log"))
        first = await nursery.start(wanted)
        os.kill(nursery._process.pid, signal.SIGINT)
        async with asyncio.timeout(60):
            assert [await first.ended(), await (await nursery.start(wanted)).ended()] == [0, 0]
    assert (tmp_path / "log").read_text().count("hftd") == 2


async def test_no_daemon_outlives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Child, "send", lambda child, number: None)  # it was started while all was being left
    async with Nursery() as nursery:
        wanted = Wanted(("exchange", "--state", "state"), dict(os.environ), str(tmp_path), str(tmp_path / "log"))
        child = await nursery.start(wanted)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_killed_itself_it_leaves_nobody_waiting(tmp_path: Path) -> None:
    async with Nursery() as nursery:
        wanted = Wanted(("exchange", "--state", "state"), dict(os.environ), str(tmp_path), str(tmp_path / "log"))
        child = await nursery.start(wanted)
        os.kill(nursery._process.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            assert await child.ended() == -signal.SIGKILL
            for _ in range(2):
                with pytest.raises(StateError, match="killed"):
                    await nursery.start(wanted)
