"""Daemons that start at once: a process that has imported all that one needs, and forks one for each line it reads.

Each child is a process of its own that may be killed like any other; what it saves is the second that imports take.
Crash tests start many. A line is a `Wanted` as JSON; the answers are "started PID" and, later, "ended PID STATUS".
"""

import asyncio
import os
import select
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Self

import msgspec

from hftd.errors import StateError

NEEDED = ("hftd.live.run", "hftd.broker.simulated")
LOOK_S = 0.02
"""How often children are looked after."""


class Wanted(msgspec.Struct, frozen=True):
    """`hftd ARGUMENTS` in `folder` with `environment` and nothing else of it; what it writes is added to `log`."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    log: str


class Child:
    """A daemon of the nursery."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def send(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if not self._status.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    @property
    def has_ended(self) -> bool:
        return self._status.done()

    async def ended(self) -> int:
        """Wait for its end; its exit status, negative for a signal."""
        return await asyncio.shield(self._status)

    def end(self, status: int) -> None:
        """It has ended."""
        self._status.set_result(status)


class Nursery:
    """Starts daemons. Use as an asynchronous context."""

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}
        self._started: asyncio.Queue[Child | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._listening = asyncio.create_task(self._listen())
        self._one_at_a_time = asyncio.Lock()
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in self._children.values():
            child.send(signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def start(self, wanted: Wanted) -> Child:
        """Start a daemon. Raises StateError when nobody is there to do it any more."""
        assert self._process.stdin is not None
        async with self._one_at_a_time:
            if not self._listening.done():
                self._process.stdin.write(msgspec.json.encode(wanted) + b"\n")
                child = await self._started.get()
                if child is not None:
                    return child
        raise StateError("the process that starts daemons was killed, as when memory runs out; try again")

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, pid, *status = line.split()
            if word == b"started":
                child = self._children[int(pid)] = Child(int(pid))
                self._started.put_nowait(child)
            else:
                self._children.pop(int(pid)).end(int(status[0]))
        for child in self._children.values():  # it was killed itself, and nobody tells of them any more
            child.send(signal.SIGKILL)
            child.end(-signal.SIGKILL)
        self._started.put_nowait(None)


def become(wanted: Wanted) -> int:
    """Be that daemon to its end; its exit status."""
    os.environ.clear()
    os.environ.update(wanted.environment)
    os.chdir(wanted.folder)
    log = os.open(wanted.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    sys.argv = ["hftd", *wanted.arguments]
    try:
        import_module("hftd.cli").main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def fork(wanted: Wanted) -> int:
    pid = os.fork()
    if pid:
        print("started", pid, flush=True)
        return pid
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 1
    try:
        os.close(sys.stdin.fileno())
        os.open(os.devnull, os.O_RDONLY)
        status = become(wanted)
    finally:
        os._exit(status)


def bury(children: set[int]) -> None:
    """Tell of children that have ended."""
    with suppress(ChildProcessError, BrokenPipeError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            children.discard(found[0])
            print("ended", found[0], os.waitstatus_to_exitcode(found[1]), flush=True)


def raise_children() -> None:
    """Read lines until there are no more, and end those that nobody has ended: Ctrl-C is for who writes them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_module("hftd.broker.library").preload()
    for name in NEEDED:
        import_module(name)
    import_module("hftd.calendar").Calendar()
    buffered, children = b"", set[int]()
    while True:
        bury(children)
        if select.select([sys.stdin], [], [], LOOK_S)[0]:
            read = os.read(sys.stdin.fileno(), 1 << 16)
            if not read:
                break
            *lines, buffered = (buffered + read).split(b"\n")
            for line in lines:
                children.add(fork(msgspec.json.decode(line, type=Wanted)))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    while children:
        bury(children)
        select.select([], [], [], LOOK_S)


if __name__ == "__main__":
    raise_children()
