"""Watchlists by alpaca-py, and trade updates as server-sent events."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import CreateWatchlistRequest, UpdateWatchlistRequest
from exchange_kit import OPEN_NS, Rest, Start, key_headers

from hftd.domain.convert import MINUTE_NS, rfc3339_of
from hftd.exchange.server.app import RunningExchange


async def test_watchlists_by_alpaca_py(running: RunningExchange) -> None:
    addresses = running.addresses()
    client = TradingClient(addresses.key, addresses.secret, url_override=addresses.rest)

    def walk() -> None:
        made = client.create_watchlist(CreateWatchlistRequest(name="mine", symbols=["SPY"]))
        assert [asset.symbol for asset in made.assets] == ["SPY"]
        assert [asset.symbol for asset in client.add_asset_to_watchlist_by_id(made.id, "AAPL").assets] == [
            "SPY",
            "AAPL",
        ]
        client.remove_asset_from_watchlist_by_id(made.id, "SPY")
        client.update_watchlist_by_id(made.id, UpdateWatchlistRequest(name="yours"))
        (kept,) = client.get_watchlists()
        assert (kept.id, kept.name) == (made.id, "yours")
        assert [asset.symbol for asset in client.get_watchlist_by_id(made.id).assets] == ["AAPL"]
        client.delete_watchlist_by_id(made.id)
        assert client.get_watchlists() == []

    await asyncio.to_thread(walk)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {}, 422),
        ("POST", "", {"name": "x" * 65}, 422),
        ("POST", "", {"name": "mine"}, 422),
        ("POST", "", {"name": "x", "symbols": "SPY"}, 422),
        ("POST", "", {"name": "x", "symbols": ["MOON"]}, 404),
        ("GET", "/nowhere", None, 404),
        ("DELETE", ":by_name?name=yours", None, 404),
        ("POST", ":by_name?name=mine", {"symbol": "SPY"}, 422),
        ("POST", ":by_name?name=mine", {"symbol": "AAPL"}, 200),
        ("PUT", ":by_name?name=mine", {"name": "mine"}, 200),
        ("GET", ":by_name?name=mine", None, 200),
        ("DELETE", ":by_name?name=mine", None, 204),
    ],
)
async def test_watchlist_answers(running: RunningExchange, method: str, path: str, body: Any, status: int) -> None:
    rest = Rest(running)
    await rest.ask("POST", "/v2/watchlists", json={"name": "mine", "symbols": ["SPY"]})
    code, answer = await rest.ask(method, f"/v2/watchlists{path}", json=body)
    assert code == status, answer


async def test_watchlists_survive(start: Start) -> None:
    running = await start()
    await Rest(running).ask("POST", "/v2/watchlists", json={"name": "mine", "symbols": ["SPY"]})
    before = await Rest(running).get("/v2/watchlists")
    await running.stop()
    assert await Rest(await start()).get("/v2/watchlists") == before


async def events(response: aiohttp.ClientResponse, count: int) -> list[Any]:
    """The next events of a stream."""
    found: list[Any] = []
    while len(found) < count:
        line = await response.content.readline()
        assert line, "the stream has ended"
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:]))
    return found


async def test_events_as_they_happen(running: RunningExchange) -> None:
    url = running.addresses().rest + "/v2/events/trades"
    async with aiohttp.ClientSession(headers=key_headers(running)) as session, session.get(url) as response:
        assert response.content_type == "text/event-stream"
        await response.content.readline()
        order = await Rest(running).order()
        found = await events(response, 3)
        assert [event["event"] for event in found] == ["pending_new", "new", "fill"]
        assert found[-1]["order"]["id"] == order["id"]
        assert [int(event["event_id"]) for event in found] == [1, 2, 3]


async def test_events_of_the_past(running: RunningExchange) -> None:
    """A stretch of the past ends by itself; an open one goes on."""
    rest = Rest(running)
    await rest.order()
    await running.advance_to(OPEN_NS + 3 * MINUTE_NS)
    await rest.order()
    url = running.addresses().rest + "/v2/events/trades"
    queries = [
        ({"since": rfc3339_of(OPEN_NS), "until": rfc3339_of(OPEN_NS + 2 * MINUTE_NS + 1)}, ["1", "2", "3"]),
        ({"since_id": 2, "until_id": 4}, ["2", "3", "4"]),
        ({"since": rfc3339_of(OPEN_NS + 3 * MINUTE_NS), "until_id": 5}, ["4", "5"]),
    ]
    async with aiohttp.ClientSession(headers=key_headers(running)) as session:
        for query, wanted in queries:
            async with session.get(url, params=query) as response:
                assert [event["event_id"] for event in await events(response, len(wanted))] == wanted
                assert await response.content.read() in (b"", b"\n")
    status, _ = await rest.ask("GET", "/v2/events/trades?since=soon")
    assert status == 422
