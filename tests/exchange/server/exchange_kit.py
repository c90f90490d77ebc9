"""What tests of the exchange's server use: times, and plain clients."""

import asyncio
import json
from typing import Any

import aiohttp

from hftd.domain.convert import ns_of_rfc3339
from hftd.exchange.server.app import RunningExchange

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
