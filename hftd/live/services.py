"""What lives beside the trading: a page, a recorder, a report at the close. None of it may hold the trading up.

A service is given to the daemon when it is made. What it is told it is told in a task of its own, one thing after
another; what it raises is logged and ends nothing.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from hftd.domain.commands import Command
from hftd.domain.events import Event

if TYPE_CHECKING:
    from hftd.live.daemon import Daemon
    from hftd.live.trader import Trader

log = structlog.get_logger()
Result = TypeVar("Result")

FINISH_S = 20.0
"""How long the services are waited for when the daemon ends by itself: less than what a service manager waits."""
STOP_S = 2.0
"""The same when it was told to end."""
YIELD_S = 0.5
"""How long one that is abandoned may take to leave off."""


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

    def failed(self, error: Exception) -> None:
        """The daemon ends because of `error`: told at once, before `stopped`."""

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

    def failed(self, error: Exception) -> None:
        for service in self._services:
            service.failed(error)

    async def stop(self, within_s: float) -> None:
        """Tell them that it is over, and wait until they have done what they were told, at most `within_s` seconds."""
        self._tell(lambda service: service.stopped())
        if not self._last:
            return
        await asyncio.wait(self._last.values(), timeout=within_s)
        abandoned = {service: task for service, task in self._last.items() if not task.done()}
        for service, task in abandoned.items():
            log.warning("service.abandoned", service=type(service).__name__, after=f"{within_s:g} s")
            task.cancel()
        if abandoned:
            await asyncio.wait(abandoned.values(), timeout=YIELD_S)

    def _tell(self, what: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
        for service in self._services:
            self._last[service] = asyncio.create_task(_after(self._last.get(service), service, what))


async def in_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    """What `work` returns or raises, done in a thread that the end of the process does not wait for.

    So `work` must be such that being cut off in the middle does no harm.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()

    def finish(settle: Callable[[Any], None], value: object) -> None:
        if not answer.done():  # given up meanwhile
            settle(value)

    def run() -> None:
        settle: Callable[[Any], None] = answer.set_result
        value: object
        try:
            value = work(*arguments)
        except Exception as error:
            settle, value = answer.set_exception, error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(finish, settle, value)

    threading.Thread(target=run, name=getattr(work, "__name__", "service"), daemon=True).start()
    return await answer


async def _after(
    before: asyncio.Task[None] | None, service: Service, what: Callable[[Service], Coroutine[Any, Any, None]]
) -> None:
    if before is not None and not before.done():
        await asyncio.wait([before])
    try:
        await what(service)
    except Exception as error:
        log.error("service.failed", service=type(service).__name__, error=str(error), exc_info=True)
