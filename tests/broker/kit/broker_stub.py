"""A server on loopback that says what a test tells it to: for what the simulated exchange can never say."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from hftd.broker.base import FeedState, FeedStatus, Message
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import Patience

KEYS = Keys.of("PKTEST0123456789", "hidden-hidden-hidden")
HASTY = Patience(  # to try again; an answer is waited for, since the machine may be busy
    connect_s=20.0,
    request_s=20.0,
    acknowledgement_s=20.0,
    backoff_first_s=0.01,
    backoff_cap_s=0.02,
    connection_limit_s=60.0,
    retry_after_cap_s=0.05,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Script = Callable[[web.WebSocketResponse, int], Awaitable[None]]
"""What a stub socket does after greeting: the socket, and how many connections came before it."""


@asynccontextmanager
async def serving(routes: Mapping[str, Handler]) -> AsyncIterator[str]:
    """Serve `routes` ("GET /v2/account" -> handler) on a free port of loopback; gives the address."""
    app = web.Application()
    for route, handler in routes.items():
        method, path = route.split(" ")
        app.router.add_route(method, path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def answering(*answers: web.Response | tuple[int, Any], seen: list[Any] | None = None) -> Handler:
    """A handler that gives the answers in turn, the last for ever; a pair is (status, JSON). `seen` gets each body."""
    left = list(answers)

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if seen is not None:
            seen.append(msgspec.json.decode(body) if body else dict(request.query))
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, tuple):
            return web.json_response(answer[1], status=answer[0])
        return answer.__class__(body=answer.body, status=answer.status, headers=answer.headers)

    return handle


class DataStub:
    """A market-data socket that greets as Alpaca's does, then follows `script`. Frames are JSON text."""

    def __init__(self, script: Script | None = None, refusals: Mapping[int, tuple[int, str]] | None = None) -> None:
        self.script = script
        self.refusals = dict(refusals or {})
        self.connections = 0
        self.subscriptions: list[dict[str, Any]] = []
        self.sockets: list[web.WebSocketResponse] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        number, self.connections = self.connections, self.connections + 1
        self.sockets.append(socket)
        await say(socket, [{"T": "success", "msg": "connected"}])
        await socket.receive()
        if number in self.refusals or -1 in self.refusals:
            code, message = self.refusals.get(number) or self.refusals[-1]
            await say(socket, [{"T": "error", "code": code, "msg": message}])
            await socket.close()
            return socket
        await say(socket, [{"T": "success", "msg": "authenticated"}])
        if self.script is not None:
            await self.script(socket, number)
        await self.obey(socket)
        return socket

    async def obey(self, socket: web.WebSocketResponse) -> None:
        """Confirm every subscription until the socket ends."""
        async for message in socket:
            await self.confirm(socket, message)

    async def confirm(self, socket: web.WebSocketResponse, message: Any) -> None:
        request = msgspec.msgpack.decode(message.data) if message.type is WSMsgType.BINARY else message.json()
        self.subscriptions.append(request)
        names = {key: value for key, value in request.items() if key != "action"}
        await say(socket, [{"T": "subscription", **names}])


async def trades_stub(request: web.Request) -> web.StreamResponse:
    """A trade-updates socket that accepts everybody and says nothing."""
    socket = web.WebSocketResponse(timeout=0.1)
    await socket.prepare(request)
    await greet_trades(socket)
    async for _ in socket:
        pass
    return socket


async def greet_trades(socket: web.WebSocketResponse) -> None:
    await socket.receive()
    authorized = {"status": "authorized", "action": "authenticate"}
    await say(socket, {"stream": "authorization", "data": authorized})
    await socket.receive()
    await say(socket, {"stream": "listening", "data": {"streams": ["trade_updates"]}})


async def say(socket: web.WebSocketResponse, message: Any) -> None:
    await socket.send_str(msgspec.json.encode(message).decode())


def states(messages: list[Message]) -> list[FeedState]:
    return [message.state for message in messages if isinstance(message, FeedStatus)]
