"""The trade-updates socket: conversation and what it tells."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from exchange_kit import OPEN_NS, Rest, Start, connect, key_headers, trade_socket

from hftd.domain.convert import MINUTE_NS
from hftd.exchange.server.app import RunningExchange

LISTEN = {"action": "listen", "data": {"streams": ["trade_updates", "account_updates"]}}


@pytest.fixture(params=[False, True], ids=["json", "msgpack"])
def packed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def authentication(running: RunningExchange, account: str | None = None) -> dict[str, Any]:
    addresses = running.addresses(account)
    return {"action": "authenticate", "data": {"key_id": addresses.key, "secret_key": addresses.secret}}


@pytest.mark.parametrize("path", ["/stream", "/stream/"])
async def test_json_comes_in_binary_frames(running: RunningExchange, path: str) -> None:
    socket = await connect(running.addresses().rest + path)
    await socket.say(authentication(running))
    frame = await socket.socket.receive()
    assert frame.type is aiohttp.WSMsgType.BINARY
    assert frame.json() == {
        "stream": "authorization",
        "data": {"status": "authorized", "action": "authenticate"},
    }
    await socket.close()


async def test_both_forms_of_authentication(running: RunningExchange) -> None:
    addresses = running.addresses()
    socket = await connect(addresses.trades)
    await socket.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert (await socket.hear())["data"]["status"] == "authorized"
    await socket.close()


async def test_the_conversation(running: RunningExchange, packed: bool) -> None:
    socket = await connect(running.addresses().trades, packed=packed)
    await socket.say(LISTEN)
    assert await socket.hear() == {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}
    await socket.say({"action": "authenticate", "data": {"key_id": "x", "secret_key": "y"}})
    assert (await socket.hear())["data"] == {"status": "unauthorized", "action": "authenticate"}
    await socket.say(authentication(running))
    assert (await socket.hear())["data"]["status"] == "authorized"
    await socket.say(LISTEN)
    assert await socket.hear() == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    await socket.say({"action": "listen", "data": {"streams": []}})
    assert await socket.hear() == {"stream": "listening", "data": {"streams": []}}
    await socket.close()


@pytest.mark.parametrize("message", [None, 3, [], {}, {"action": "dance"}, {"action": "listen", "data": 3}])
async def test_nonsense_is_complained_about(running: RunningExchange, packed: bool, message: Any) -> None:
    socket = await trade_socket(running, packed=packed)
    await socket.say(message)
    assert "error_message" in (await socket.hear())["data"]
    await socket.close()


async def test_updates_tell_the_story_of_an_order(running: RunningExchange, packed: bool) -> None:
    socket = await trade_socket(running, packed=packed)
    order = await Rest(running).order()
    updates = [message["data"] for message in await socket.hear_all(3)]
    assert [update["event"] for update in updates] == ["pending_new", "new", "fill"]
    assert {update["order"]["id"] for update in updates} == {order["id"]}
    fill = updates[-1]
    assert (fill["qty"], fill["position_qty"], fill["order"]["status"]) == ("5", "5", "filled")
    assert fill["price"] == fill["order"]["filled_avg_price"]
    assert all("price" not in update and update["timestamp"] for update in updates[:-1])
    await socket.close()


async def test_an_order_is_answered_before_its_updates(running: RunningExchange) -> None:
    """Clients look up the order of an update by the id that the answer has told them."""
    updates = await trade_socket(running)
    (connection,) = running.exchange.trade_feed.connections()
    answers: list[bytes] = []
    told: list[bytes] = []
    body = '{"symbol": "SPY", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}'
    fields = "".join(f"{name}: {value}\r\n" for name, value in key_headers(running).items())
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as client:

        def tell(frame: bytes) -> None:
            if not told:
                with suppress(TimeoutError):  # it was not answered, and cannot be now
                    answers.append(client.recv(4096))
            told.append(frame)

        connection.gate = tell
        client.sendall(
            f"POST /v2/orders HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        while len(told) < len(["pending_new", "new", "fill"]):  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"]
    await updates.close()


async def test_each_account_hears_its_own(start: Start) -> None:
    running = await start(accounts=("one", "two"))
    await running.advance_to(OPEN_NS + MINUTE_NS)
    sockets = {}
    for account in ("one", "two"):
        sockets[account] = await connect(running.addresses().trades)
        await sockets[account].say(authentication(running, account))
        await sockets[account].say(LISTEN)
        await sockets[account].hear_all(2)
    for account, name in (("one", "first"), ("two", "second")):
        await Rest(running, account).order(client_order_id=name)
    for account, name in (("one", "first"), ("two", "second")):
        heard = await sockets[account].hear_all(3)
        assert {message["data"]["order"]["client_order_id"] for message in heard} == {name}
        await sockets[account].close()
    assert await Rest(running, "one").get("/v2/orders:by_client_order_id", client_order_id="first")
    status, _ = await Rest(running, "two").ask("GET", "/v2/orders:by_client_order_id?client_order_id=first")
    assert status == 404
