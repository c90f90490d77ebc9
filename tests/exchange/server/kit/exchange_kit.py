"""What tests of the exchange's server use: times, and plain clients."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgpack

from hftd.domain.convert import ns_of_rfc3339
from hftd.exchange.server.app import RunningExchange

Start = Callable[..., Awaitable[RunningExchange]]
"""Starts an exchange with the given settings."""

OPEN_NS = ns_of_rfc3339("2026-11-23T14:30:00Z")
CLOSE_NS = ns_of_rfc3339("2026-11-23T21:00:00Z")


def key_headers(running: RunningExchange, account: str | None = None) -> dict[str, str]:
    """The headers that open `account`."""
    addresses = running.addresses(account)
    return {"APCA-API-KEY-ID": addresses.key, "APCA-API-SECRET-KEY": addresses.secret}


class Rest:
    """Plain REST: (status, body) of each request."""

    def __init__(self, running: RunningExchange, account: str | None = None) -> None:
        self._base = running.addresses().rest
        self._headers = key_headers(running, account)

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        status, _, body = await self.ask_whole(method, path, **options)
        return status, body

    async def ask_whole(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Status, headers, body."""
        headers = {**self._headers, **options.pop("headers", {})}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self._base + path, headers=headers, **options) as response,
        ):
            data = await response.read()
            return response.status, response.headers, json.loads(data) if data else None

    async def get(self, path: str, **query: Any) -> Any:
        status, body = await self.ask("GET", path, params=query)
        assert status == 200, body
        return body

    async def order(self, **fields: Any) -> Any:
        """Submit an order: by default, five shares of SPY bought at the market."""
        usual = {"symbol": "SPY", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}
        body = {name: value for name, value in {**usual, **fields}.items() if value is not None}
        status, answer = await self.ask("POST", "/v2/orders", json=body)
        assert status == 200, answer
        return answer


async def subscribed(running: RunningExchange, *, data: int = 0, trades: int = 0) -> None:
    """Return when so many data sockets have subscribed to something, and so many listen to trade updates."""
    exchange = running.exchange
    while exchange.feed.subscriber_count < data or exchange.trade_feed.listener_count < trades:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


OPENED: list["Socket"] = []
"""All sockets of a test, closed at its end."""


class Socket:
    """A plain websocket client; messages are read one at a time, whatever frames they came in."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, packed: bool) -> None:
        self._session = session
        self.socket = socket
        self._packed = packed
        self._messages: list[Any] = []

    async def say(self, message: Any) -> None:
        if self._packed:
            await self.socket.send_bytes(msgpack.packb(message))
        else:
            await self.socket.send_str(json.dumps(message))

    async def hear(self) -> Any:
        """The next message, or the close code when the socket was closed."""
        while not self._messages:
            frame = await self.socket.receive()
            if frame.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return self.socket.close_code
            decoded = msgpack.unpackb(frame.data, timestamp=0) if self._packed else json.loads(frame.data)
            self._messages += decoded if isinstance(decoded, list) else [decoded]
        return self._messages.pop(0)

    async def hear_all(self, count: int) -> list[Any]:
        return [await self.hear() for _ in range(count)]

    async def close(self) -> None:
        await self.socket.close()
        await self._session.close()


async def connect(url: str, *, packed: bool = False, headers: dict[str, str] | None = None) -> Socket:
    """A socket to `url`, in msgpack if `packed`."""
    session = aiohttp.ClientSession()
    codec = {"Content-Type": "application/msgpack"} if packed else {}
    try:
        socket = await session.ws_connect(url, headers={**codec, **(headers or {})})
    except aiohttp.ClientError:
        await session.close()
        raise
    OPENED.append(Socket(session, socket, packed))
    return OPENED[-1]


async def data_socket(
    running: RunningExchange, *, packed: bool = False, lockstep: bool = False, **wanted: Any
) -> Socket:
    """An authenticated data socket, subscribed to what is `wanted`."""
    addresses = running.addresses()
    socket = await connect(addresses.stream, packed=packed, headers={"X-Hftd-Lockstep": "1"} if lockstep else None)
    assert await socket.hear() == {"T": "success", "msg": "connected"}
    await socket.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert await socket.hear() == {"T": "success", "msg": "authenticated"}
    if wanted:
        await socket.say({"action": "subscribe", **wanted})
        while (await socket.hear())["T"] != "subscription":
            continue
    return socket


async def trade_socket(running: RunningExchange, *, packed: bool = False, lockstep: bool = False) -> Socket:
    """An authenticated trade-updates socket that listens."""
    addresses = running.addresses()
    socket = await connect(addresses.trades, packed=packed, headers={"X-Hftd-Lockstep": "1"} if lockstep else None)
    await socket.say({"action": "authenticate", "data": {"key_id": addresses.key, "secret_key": addresses.secret}})
    assert (await socket.hear())["data"]["status"] == "authorized"
    await socket.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
    while (await socket.hear())["stream"] != "listening":
        continue
    return socket


async def clock_socket(running: RunningExchange, *, lockstep: bool = False) -> Socket:
    """A socket that tells the exchange's time."""
    url = running.addresses().clock + ("?lockstep=1" if lockstep else "")
    return await connect(url, headers=key_headers(running))
