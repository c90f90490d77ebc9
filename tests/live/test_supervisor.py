"""Keeping processes running: real ones, small Python scripts that crash, end or wait as told."""

import asyncio
import sys
from pathlib import Path

import pytest

from hftd.live.supervisor import Backoff, Child, supervise

AT_ONCE = Backoff(first_s=0.0, most_s=0.0)

CRASHES_TWICE = """
import os, pathlib, signal
runs = pathlib.Path("runs")
before = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (before + 1))
print("run", before + 1, flush=True)
if before == 0:
    raise SystemExit(1)
if before == 1:
    os.kill(os.getpid(), signal.SIGKILL)
"""
WAITS = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("told").touch(), sys.exit(0)))
pathlib.Path("ready").touch()
signal.pause()
"""


def child(folder: Path, name: str, script: str) -> Child:
    place = folder / name
    place.mkdir()
    return Child(name, [sys.executable, "-c", script], {}, place, place / "out", place / "log")


async def test_a_crashed_process_is_started_again_until_it_ends_well(tmp_path: Path) -> None:
    bot = child(tmp_path, "one", CRASHES_TWICE)
    assert await supervise([bot], asyncio.Event(), AT_ONCE) == {"one": 0}
    assert bot.out.read_text().split("\n") == ["run 1", "run 2", "run 3", ""]


@pytest.mark.parametrize("status", [2, 78, 130])
async def test_what_another_start_would_not_cure_is_left_alone(tmp_path: Path, status: int) -> None:
    script = f"import sys; print('once'); sys.exit({status})"
    bots = [child(tmp_path, "wrong", script), child(tmp_path, "right", "pass")]
    assert await supervise(bots, asyncio.Event(), AT_ONCE) == {"wrong": status, "right": 0}
    assert bots[0].out.read_text() == "once\n"


async def test_all_are_told_to_end_when_it_stops(tmp_path: Path) -> None:
    bots = [child(tmp_path, name, WAITS) for name in ("one", "two")]
    stop = asyncio.Event()
    supervising = asyncio.create_task(supervise(bots, stop))
    while not all((bot.folder / "ready").exists() for bot in bots):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    stop.set()
    assert await supervising == {"one": 0, "two": 0}
    assert all((bot.folder / "told").exists() for bot in bots)


async def test_it_does_not_wait_for_a_start_that_will_not_be(tmp_path: Path) -> None:
    stop = asyncio.Event()
    bot = child(tmp_path, "one", "import pathlib; pathlib.Path('ran').touch(); raise SystemExit(1)")
    supervising = asyncio.create_task(supervise([bot], stop, Backoff(first_s=3600.0)))
    while not (bot.folder / "ran").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    stop.set()
    assert (await supervising)["one"] != 0


def test_the_wait_doubles_up_to_a_limit() -> None:
    backoff = Backoff(first_s=1.0, most_s=10.0)
    assert [backoff.wait_s(crashes) for crashes in (1, 2, 3, 4, 5, 5000)] == [1, 2, 4, 8, 10, 10]
