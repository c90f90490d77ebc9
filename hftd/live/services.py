"""What lives beside the trading: a page, a recorder, a report at the close. None of it may hold the trading up.

A service is given to the daemon when it is made. What it is told it is told in a task of its own, one thing after
another; what it raises is logged and ends nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from hftd.domain.commands import Command
from hftd.domain.events import Event

if TYPE_CHECKING:
    from hftd.live.daemon import Daemon
    from hftd.live.trader import Trader

log = structlog.get_logger()

FINISH_S = 20.0
"""How long the services are waited for when the daemon ends: less than what a service manager waits."""


@dataclass(frozen=True)
class EndedSession:
    """A session whose journal is closed; `whole` unless the daemon was stopped before its close."""

    day: date
    journal: Path
    whole: bool


class Service:
    """Subclass it and override what it wants to hear of."""

    def stepped(self, event: Event, out: Sequence[Command]) -> None:
        """A step was made, and its orders have left. Called in the trading loop: take note, and nothing else."""

    async def started(self, daemon: "Daemon") -> None:
        """The daemon lives: before it waits for its first session."""

    async def session_prepared(self, trader: "Trader") -> None:
        """A session may begin: recovered, reconciled and warmed up."""

    async def session_ended(self, ended: EndedSession) -> None:
        """A session is over and its journal closed."""

    async def stopped(self) -> None:
        """The daemon ends: the last that is told."""


class Services:
    """Tells each service in its own order, and waits for none of them before the end."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._services = tuple(services)
        self._last: dict[Service, asyncio.Task[None]] = {}
        self._listening = [service for service in self._services if type(service).stepped is not Service.stepped]

    def stepped(self, event: Event, out: Sequence[Command]) -> None:
        for service in self._listening:
            try:
                service.stepped(event, out)
            except Exception as error:
                log.error("service.failed", service=type(service).__name__, error=str(error), exc_info=True)

    def started(self, daemon: "Daemon") -> None:
        self._tell(lambda service: service.started(daemon))

    def session_prepared(self, trader: "Trader") -> None:
        self._tell(lambda service: service.session_prepared(trader))

    def session_ended(self, ended: EndedSession) -> None:
        self._tell(lambda service: service.session_ended(ended))

    async def stop(self) -> None:
        """Tell them that it is over, and wait a little until they have done what they were told."""
        self._tell(lambda service: service.stopped())
        if self._last:
            _, unfinished = await asyncio.wait(self._last.values(), timeout=FINISH_S)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    def _tell(self, what: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
        for service in self._services:
            self._last[service] = asyncio.create_task(_after(self._last.get(service), service, what))


async def _after(
    before: asyncio.Task[None] | None, service: Service, what: Callable[[Service], Coroutine[Any, Any, None]]
) -> None:
    if before is not None and not before.done():
        await asyncio.wait([before])
    try:
        await what(service)
    except Exception as error:
        log.error("service.failed", service=type(service).__name__, error=str(error), exc_info=True)
