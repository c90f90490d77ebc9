"""Several processes kept running: a crashed one is started again, later each time; all are stopped in order."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

STOP_S = 20.0
"""How long a process may take to end after SIGTERM before it is killed."""

FINAL = frozenset({0, 2, 78, 130})
"""Exit statuses that starting again would not change: done, wrong usage, wrong configuration, interrupted."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Child:
    """A process to keep running. What it writes is appended to the files `out` and `log`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    out: Path
    log: Path


@dataclass(frozen=True)
class Backoff:
    """Seconds before a crashed process is started again: `first_s`, twice as long each time, at most `most_s`.

    A process that has lived for `steady_s` begins anew.
    """

    first_s: float = 1.0
    most_s: float = 60.0
    steady_s: float = 60.0

    def wait_s(self, crashes: int) -> float:
        """The wait after so many crashes in a row, from 1."""
        return float(min(self.first_s * 2 ** min(crashes - 1, 30), self.most_s))


async def supervise(children: Sequence[Child], stop: asyncio.Event, backoff: Backoff | None = None) -> dict[str, int]:
    """Keep all running until each has ended for good or `stop` is set. Returns each one's last exit status by name."""
    policy = backoff or Backoff()
    statuses = await asyncio.gather(*(_keep_running(child, stop, policy) for child in children))
    return dict(zip((child.name for child in children), statuses, strict=True))


async def _keep_running(child: Child, stop: asyncio.Event, backoff: Backoff) -> int:
    clock = asyncio.get_running_loop().time
    crashes = 0
    while True:
        began_s = clock()
        status = await _run(child, stop)
        if status in FINAL or stop.is_set():
            log.info("bot.ended", bot=child.name, status=status)
            return status
        crashes = 1 if clock() - began_s >= backoff.steady_s else crashes + 1
        wait_s = backoff.wait_s(crashes)
        log.warning("bot.crashed", bot=child.name, status=status, again_in=f"{wait_s:g} s", log=str(child.log))
        if await _is_set_within(stop, wait_s):
            return status


async def _run(child: Child, stop: asyncio.Event) -> int:
    """Run it once, to its end or until told to stop. Its exit status; -N when signal N has ended it."""
    with child.out.open("ab") as out, child.log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *child.command,
            cwd=child.folder,
            env=dict(child.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,  # a Ctrl-C at the terminal is for the supervisor, which stops all in order
        )
    log.info("bot.started", bot=child.name, pid=process.pid)
    try:
        return await _ended(process, stop)
    finally:
        if process.returncode is None:
            process.kill()


async def _ended(process: Process, stop: asyncio.Event) -> int:
    ending = asyncio.create_task(process.wait())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ending.done():
        process.send_signal(signal.SIGTERM)
        await asyncio.wait([ending], timeout=STOP_S)
    if not ending.done():
        process.kill()
    return await ending


async def _is_set_within(stop: asyncio.Event, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            await stop.wait()
    except TimeoutError:
        return False
    return True
