"""The page on its port: `/`, `/events`, `/api/session`, `/health`, `/metrics`. Nothing can be changed through it."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from hftd.clock import monotonic_s
from hftd.dashboard import door
from hftd.dashboard.follow import Follower
from hftd.dashboard.health import health_of
from hftd.dashboard.metrics import CONTENT_TYPE, exposition
from hftd.dashboard.picture import Picture
from hftd.dashboard.stream import Audience, encode
from hftd.errors import HftdError

STATIC = Path(__file__).parent / "static"
WATCHED_EVERY_S, UNWATCHED_EVERY_S = 0.05, 0.5
"""Wall seconds between two looks at the journal: while somebody looks at the page, and while nobody does."""
ASKED_EVERY_S = 1.0
"""Wall seconds between two questions to the daemon, while somebody looks."""
BIND_S = 5.0
"""How long a port in use is tried again: the page of a daemon that was killed a moment ago may still hold it."""
SHUTDOWN_S = 0.5

Json = dict[str, Any]
Ask = Callable[..., Awaitable[Any]]
"""`await ask(what, **arguments)`: the daemon's answer, None when none runs. Raises HftdError when it is silent."""
Depth = Callable[[str, str], Awaitable[Json | None]]
"""The order book of a symbol at the exchange of that address; None where it is not shown."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Sources:
    """Where the page has its knowledge from."""

    follower: Follower
    ask: Ask
    depth: Depth


class Page:
    """The page's application. `run` keeps it up to date."""

    def __init__(self, sources: Sources, token: str | None = None) -> None:
        self._sources = sources
        self._audience = Audience()
        self._status: Json = {"running": False, "phase": "not running", "line": "not running"}
        self._book: Json = {}
        self._log: list[Json] = []
        self._reading = asyncio.Lock()
        self._app = web.Application(middlewares=[door.guard(token)])
        self._app.router.add_get("/", self._index)
        self._app.router.add_get("/events", self._events)
        self._app.router.add_get("/api/session", self._session)
        self._app.router.add_get("/health", self._health)
        self._app.router.add_get("/metrics", self._metrics)
        self._app.router.add_static("/static", STATIC)
        self._app.on_response_prepare.append(door.add_headers)
        self._app.on_shutdown.append(self._end)

    @property
    def app(self) -> web.Application:
        """What aiohttp serves."""
        return self._app

    async def run(self) -> None:
        """Follow journal and daemon until cancelled."""
        await asyncio.gather(self._follow_journal(), self._follow_daemon())

    # -- keeping up ------------------------------------------------------------------------------------------------

    async def _follow_journal(self) -> None:
        while True:
            async with self._reading:
                await self._read()
            await asyncio.sleep(WATCHED_EVERY_S if len(self._audience) else UNWATCHED_EVERY_S)

    async def _read(self) -> Picture | None:
        """Take in what is new in the journal, and tell it. `_reading` is held: who comes meanwhile misses nothing."""
        told = await asyncio.to_thread(self._sources.follower.poll)
        if told is not None:
            self._audience.tell(told)
        return self._sources.follower.picture

    async def _follow_daemon(self) -> None:
        while True:
            began_s = monotonic_s()
            if len(self._audience):
                await self._look()
            await asyncio.sleep(max(0.0, ASKED_EVERY_S - (monotonic_s() - began_s)))

    async def _look(self) -> None:
        """Ask how the daemon is, what it has logged since, and how the order books stand."""
        status = await self._asked("status")
        lines: list[Json] = []
        if status is None:
            self._status = {"running": False, "phase": "not running", "line": "not running"}
        else:
            lines = await self._asked("log", after=self._log[-1]["number"] if self._log else 0) or []
            self._book = await self._books(status)
        self._status = status or self._status
        self._log = [*self._log, *lines][-300:]
        self._audience.tell({"status": self._status, "book": self._book, "log": lines})

    async def _asked(self, what: str, **arguments: Any) -> Any:
        try:
            return await self._sources.ask(what, **arguments)
        except HftdError as error:
            self._status = {"running": False, "phase": "not answering", "line": str(error)}
            return None

    async def _books(self, status: Json) -> Json:
        picture, url = self._sources.follower.picture, status.get("exchange")
        if picture is None or not url or status["phase"] != "open":
            return {}
        symbols = sorted({symbol for model in picture.models for symbol in model["symbols"]})[:8]
        books = {symbol: await self._sources.depth(url, symbol) for symbol in symbols}
        return {symbol: book for symbol, book in books.items() if book is not None}

    # -- what is asked for -----------------------------------------------------------------------------------------

    async def _index(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._audience.is_full:
            raise web.HTTPServiceUnavailable(text="too many browsers")
        async with self._reading:
            picture = await self._read()
            first: list[object] = [picture.whole()] if picture else []
        first.append({"status": self._status, "book": self._book, "log": self._log})
        return await self._audience.attend(request, first)

    async def _session(self, _request: web.Request) -> web.Response:
        async with self._reading:
            picture = await self._read()
            body = encode(picture.whole()) if picture else b""
        if picture is None:
            return web.json_response({"error": self._sources.follower.problem}, status=404)
        return web.Response(body=body, content_type="application/json")

    async def _health(self, _request: web.Request) -> web.Response:
        try:
            code, body = health_of(await self._sources.ask("status"))
        except HftdError as error:
            code, body = health_of(None, str(error))
        return web.json_response(body, status=code)

    async def _metrics(self, _request: web.Request) -> web.Response:
        status = await self._asked("status")
        measures = None if status is None or status["phase"] == "starting" else await self._asked("measures")
        async with self._reading:
            body = exposition(await self._read(), status, measures)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _end(self, _app: web.Application) -> None:
        self._audience.end()


async def listen(page: Page, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Serve `page`, and its address. Raises HftdError when it cannot listen there."""
    runner = web.AppRunner(page.app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    until_s = monotonic_s() + BIND_S
    while True:
        try:
            await web.TCPSite(runner, host, port).start()
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or monotonic_s() > until_s:
                await runner.cleanup()
                raise HftdError(_cannot_listen(host, port, error)) from error
        await asyncio.sleep(0.25)
    shown = f"[{host}]" if ":" in host else host
    return runner, f"http://{shown}:{runner.addresses[0][1]}"


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by another program: choose another with web.port (hftd page: --port), "
            "or off"
        )
    return f"cannot listen on {host}, port {port}: {error.strerror}"
