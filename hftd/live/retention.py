"""After each session old journals are removed and memory is freed, so that neither fills over the years."""

import gc
from pathlib import Path

import structlog

from hftd.journal import remove_oldest
from hftd.live.services import EndedSession, Service, in_thread

log = structlog.get_logger()


class Retention(Service):
    """Keeps the newest `keep` journals of a state directory."""

    def __init__(self, state: Path, keep: int) -> None:
        self._state = state
        self._keep = keep

    async def session_ended(self, ended: EndedSession) -> None:
        removed = await in_thread(remove_oldest, self._state, self._keep)
        if removed:
            log.info("journal.removed", sessions=len(removed), until=removed[0].stem, kept=self._keep)


class Sweeping(Service):
    """Frees what a session leaves behind while nothing is traded: engine and models refer to each other, and the
    collector would let a day or two of them stand before it looks."""

    async def session_ended(self, ended: EndedSession) -> None:
        gc.collect()
