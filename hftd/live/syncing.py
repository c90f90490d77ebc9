"""What the journal has of orders is brought to the disk itself, where a power cut leaves it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hftd.domain.commands import Command
from hftd.domain.events import Event, OrderReported
from hftd.journal import bring_to_disk
from hftd.live.services import EndedSession, Service, in_thread

if TYPE_CHECKING:
    from hftd.live.daemon import Daemon
    from hftd.live.trader import Trader

log = structlog.get_logger()

EVERY_S = 1.0
"""A power cut costs what was decided and reported in about this time, instead of what the kernel keeps to itself."""


class Syncing(Service):
    """Syncs the session's journal within `every_s` wall seconds of each decision and report, in a thread: an order
    waits for the kernel to have it, and not for the disk."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._journal: Path | None = None
        self._has_news = False
        self._failed = ""
        self._ticker: asyncio.Task[None] | None = None

    def stepped(self, event: Event, out: Sequence[Command]) -> None:
        if out or isinstance(event, OrderReported):
            self._has_news = True

    async def started(self, daemon: "Daemon") -> None:
        self._ticker = asyncio.create_task(self._sync_regularly())

    async def session_prepared(self, trader: "Trader") -> None:
        self._journal, self._has_news = trader.journal.path, True

    async def session_ended(self, ended: EndedSession) -> None:
        self._journal = None  # closed, and on the disk by that

    async def stopped(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker

    async def _sync_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            if self._has_news and self._journal is not None:
                self._has_news = False
                await self._sync(self._journal)

    async def _sync(self, journal: Path) -> None:
        try:
            await in_thread(bring_to_disk, journal)
        except FileNotFoundError:
            return  # closed meanwhile
        except OSError as error:
            if self._failed != str(error):
                log.error("journal.unsynced", reason=str(error), effect="a power cut may cost what was not brought")
            self._failed = str(error)
