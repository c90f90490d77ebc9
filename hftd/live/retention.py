"""Old journals are removed after each session, so that a disk does not fill over the years."""

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
