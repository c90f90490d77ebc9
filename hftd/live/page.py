"""The web page: a process beside the daemon, tied to it by a pipe. Whatever becomes of it, the daemon trades on."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from hftd.settings import Settings

log = structlog.get_logger()

STOP_S = 3.0
AGAIN_S = 10.0
"""Wall seconds before a page that has ended by itself is served again."""


@asynccontextmanager
async def page_of(settings: Settings, state: Path) -> AsyncIterator[None]:
    """Serve the page meanwhile, unless the settings say off. Nothing is waited for."""
    if settings.web.port is None:
        yield
        return
    page = _Page(settings, state)
    serving = asyncio.create_task(page.serve())
    try:
        yield
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        await page.stop()


class _Page:
    """The process that serves the page."""

    def __init__(self, settings: Settings, state: Path) -> None:
        token = settings.web.token
        self._arguments = ["--state", str(state), "--log-format", settings.log.format]
        self._wanted = {
            "port": settings.web.port,
            "host": settings.web.host,
            "token": token.get_secret_value() if token else None,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def serve(self) -> None:
        """Start it, and again whenever it ends by itself; never again when it cannot be."""
        while (problem := await self._start()) is None:
            assert self._process is not None
            status = await self._process.wait()
            log.warning("page.ended", status=status, again_in=f"{AGAIN_S:g} s")
            await asyncio.sleep(AGAIN_S)
        log.warning("page.unavailable", reason=problem, effect="trading goes on without it")

    async def _start(self) -> str | None:
        """Start it; why it is not there, None when it is."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hftd", "page", "--tied", *self._arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=None,
                start_new_session=True,  # a Ctrl-C at the terminal is for the daemon, which ends the page in order
            )
        except OSError as error:  # no memory, no process to be had, or the environment is gone
            return f"its process cannot be started: {error}"
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(self._wanted).encode() + b"\n")  # a token is not for a command line to show
        line = await process.stdout.readline()
        if not line:
            return f"its process ended with status {await process.wait()}"
        told = json.loads(line)
        if "problem" in told:
            return str(told["problem"])
        log.info("page.served", url=told["url"])
        return None

    async def stop(self) -> None:
        """Close the pipe, which ends it; kill it if it does not end."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
