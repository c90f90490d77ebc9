"""The report of each session, written when it has closed: by a process of its own, so that trading never waits."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path

import structlog

from hftd.live.services import EndedSession, Service

log = structlog.get_logger()

FOLDER = "reports"
PATIENCE_S = 120.0
NICENESS = ("nice", "-n", "10")


class ReportAtClose(Service):
    """Writes STATE/reports/DATE.html. A session that was broken off has no close, and is reported when asked for."""

    def __init__(self, state: Path) -> None:
        self._state = state

    async def session_ended(self, ended: EndedSession) -> None:
        if not ended.whole:
            return
        file = self._state / FOLDER / f"{ended.day}.html"
        problem = await self._write(str(ended.day), file)
        if problem:
            log.warning("report.failed", day=str(ended.day), reason=problem)
        else:
            log.info("report.written", file=str(file))

    async def _write(self, day: str, file: Path) -> str:
        """Why it could not be written; nothing when it was."""
        command = (sys.executable, "-m", "hftd", "report", "--state", self._state, "--session", day, "--out", file)
        try:
            process = await asyncio.create_subprocess_exec(
                *NICENESS, *map(str, command), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
            )
        except OSError as error:
            return f"its process cannot be started: {error}"
        try:
            async with asyncio.timeout(PATIENCE_S):
                _, told = await process.communicate()
        except TimeoutError:
            return f"it took more than {PATIENCE_S:g} s"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        lines = told.decode(errors="replace").strip().splitlines()
        return (lines or [f"exit status {process.returncode}"])[-1] if process.returncode else ""
