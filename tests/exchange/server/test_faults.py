"""Faults on request: each does what it says, as often as it says, and nothing when it is over."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from exchange_kit import OPEN_NS, Rest, Start, clock_socket, connect, data_socket, trade_socket

from hftd.domain.convert import MINUTE_NS, rfc3339_of
from hftd.errors import DataError
from hftd.exchange.server.app import RunningExchange

MINUTE_3_NS = OPEN_NS + 3 * MINUTE_NS


@pytest.fixture
async def faulty(start: Start) -> RunningExchange:
    running = await start(control_port=0)
    await running.advance_to(OPEN_NS + 2 * MINUTE_NS)
    return running


async def control(running: RunningExchange, method: str, body: Any = None) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, running.control + "/faults", json=body) as response,
    ):
        return response.status, await response.json() if response.status != 204 else None


async def arm(running: RunningExchange, **fault: Any) -> None:
    status, body = await control(running, "POST", fault)
    assert status == 201, body


async def bars_of(running: RunningExchange, minutes: int) -> list[str]:
    """The times of SPY's next bars, without faults."""
    return [rfc3339_of(OPEN_NS + (2 + minute) * MINUTE_NS) for minute in range(minutes)]


async def test_drop(faulty: RunningExchange) -> None:
    for target, socket in (
        ("data", await data_socket(faulty, bars=["SPY"])),
        ("trades", await trade_socket(faulty)),
        ("clock", await clock_socket(faulty)),
    ):
        await arm(faulty, kind="drop", target=target)
        while not isinstance(message := await socket.hear(), int):
            continue
        assert message == 1006


async def test_mute_then_not(faulty: RunningExchange) -> None:
    """A muted socket stays connected, answers pings, and misses exactly so many frames."""
    socket = await data_socket(faulty, bars=["SPY"])
    await arm(faulty, kind="mute", target="data", count=2)
    await faulty.advance_to(OPEN_NS + 6 * MINUTE_NS)
    await socket.socket.ping(b"?")
    assert [(await socket.hear())["t"] for _ in range(2)] == (await bars_of(faulty, 4))[2:]


@pytest.mark.parametrize(
    ("kind", "order"), [("duplicate", [0, 0, 1, 1, 2]), ("reorder", [1, 0, 2, 3]), ("delay", [0, 1, 2, 3])]
)
async def test_frames(faulty: RunningExchange, kind: str, order: list[int]) -> None:
    socket = await data_socket(faulty, bars=["SPY"])
    await arm(faulty, kind=kind, target="data", count=2 if kind == "duplicate" else 1, delay_s=0.0)
    await faulty.advance_to(OPEN_NS + 6 * MINUTE_NS)
    times = await bars_of(faulty, 4)
    assert [(await socket.hear())["t"] for _ in order] == [times[place] for place in order]


async def test_a_new_socket_is_muted_too(faulty: RunningExchange) -> None:
    await arm(faulty, kind="mute", target="trades")
    socket = await connect(faulty.addresses().trades)
    await socket.say({"action": "dance"})
    await socket.say({"action": "dance"})
    await Rest(faulty).get("/v2/clock")
    status, _ = await control(faulty, "DELETE")
    assert status == 204
    assert (await control(faulty, "GET"))[1] == {}
    await socket.say({"action": "listen"})
    assert (await socket.hear())["data"]["action"] == "listen"


async def test_authentication_is_refused(faulty: RunningExchange) -> None:
    await arm(faulty, kind="refuse", target="data", count=1)
    addresses = faulty.addresses()
    socket = await connect(addresses.stream)
    await socket.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert [message.get("code") for message in await socket.hear_all(2)] == [None, 402]
    assert await data_socket(faulty)


@pytest.mark.parametrize(("code", "closes"), [(402, True), (406, False), (409, True)])
async def test_authentication_is_refused_with_a_code(faulty: RunningExchange, code: int, closes: bool) -> None:
    await arm(faulty, kind="refuse", target="data", count=1, code=code)
    addresses = faulty.addresses()
    socket = await connect(addresses.stream)
    await socket.hear()
    await socket.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert (await socket.hear())["code"] == code
    if not closes:
        await socket.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert isinstance(await socket.hear(), int) == closes


async def test_only_so_many_sockets(start: Start) -> None:
    """One too many is told so, and let in when there is room."""
    running = await start(data_sockets=1)
    first = await data_socket(running)
    addresses = running.addresses()
    second = await connect(addresses.stream)
    for _ in range(2):
        await second.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert [message.get("code") for message in await second.hear_all(3)] == [None, 406, 406]
    await first.close()
    await second.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert (await second.hear())["msg"] == "authenticated"


@pytest.mark.parametrize("target", ["data", "trades", "clock"])
async def test_a_handshake_is_refused(faulty: RunningExchange, target: str) -> None:
    await arm(faulty, kind="status", target=target, status=429, count=1)
    addresses = faulty.addresses()
    url = {"data": addresses.stream, "trades": addresses.trades, "clock": addresses.clock}[target]
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connect(url)
    assert caught.value.status == 429


@pytest.mark.parametrize("status", [429, 500, 503, 504])
async def test_answers(faulty: RunningExchange, status: int) -> None:
    await arm(faulty, kind="status", target="rest", status=status, path="/v2/orders", method="GET", count=1)
    rest = Rest(faulty)
    await rest.order()
    code, headers, body = await rest.ask_whole("GET", "/v2/orders")
    assert code == status
    assert "message" in body
    assert ("Retry-After" in headers) == (status == 429)
    assert (await rest.ask("GET", "/v2/orders"))[0] == 200


async def test_a_page_instead_of_json(faulty: RunningExchange) -> None:
    await arm(faulty, kind="status", target="rest", status=502, html=True, count=1)
    with pytest.raises(json.JSONDecodeError):
        await Rest(faulty).ask("GET", "/v2/clock")


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("kind", ["status", "cut"])
async def test_an_order_whose_answer_is_lost(faulty: RunningExchange, kind: str, done: bool) -> None:
    """It exists afterwards if it was carried out, and only then."""
    await arm(faulty, kind=kind, target="rest", status=504, method="POST", done=done, count=1)
    rest = Rest(faulty)
    body = {
        "symbol": "SPY",
        "qty": "1",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": "x",
    }
    try:
        status, _ = await rest.ask("POST", "/v2/orders", json=body)
        assert (kind, status) == ("status", 504)
    except aiohttp.ClientError:
        assert kind == "cut"
    status, _ = await rest.ask("GET", "/v2/orders:by_client_order_id?client_order_id=x")
    assert status == (200 if done else 404)


async def test_a_bad_print(faulty: RunningExchange) -> None:
    socket = await data_socket(faulty, trades=["SPY"])
    await arm(faulty, kind="print", symbol="SPY", price=-1.5, size=7)
    message = await socket.hear()
    assert (message["T"], message["p"], message["s"]) == ("t", -1.5, 7)


async def test_a_halt(faulty: RunningExchange) -> None:
    """Orders wait while their symbol is halted, and both turns are told."""
    socket = await data_socket(faulty, statuses=["SPY"])
    rest = Rest(faulty)
    await arm(faulty, kind="halt", symbol="SPY")
    order = await rest.order()
    assert (await rest.get(f"/v2/orders/{order['id']}"))["filled_qty"] == "0"
    await arm(faulty, kind="resume", symbol="SPY")
    await faulty.advance_to(MINUTE_3_NS)
    assert (await rest.get(f"/v2/orders/{order['id']}"))["status"] == "filled"
    assert [message["sm"] for message in await socket.hear_all(2)] == ["Trading Halt", "Resume"]


async def test_partial_fills_and_rejects(start: Start) -> None:
    running = await start(partial_fill_chance=1.0)
    await running.advance_to(OPEN_NS + MINUTE_NS)
    socket = await trade_socket(running)
    await Rest(running).order(qty="100")
    assert [message["data"]["event"] for message in await socket.hear_all(3)][-1] == "partial_fill"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "explode"},
        {"kind": "mute", "target": "rest"},
        {"kind": "refuse", "code": 1},
        {"kind": "halt", "symbol": "MOON"},
        {"kind": "mute", "chance": 2},
        {"kind": "status", "target": "rest", "status": 200},
        {"kind": "mute", "typo": 1},
        [],
    ],
)
async def test_nonsense_is_refused(faulty: RunningExchange, fault: Any) -> None:
    status, body = await control(faulty, "POST", fault)
    assert status == 422
    assert body["message"]
    assert (await control(faulty, "GET"))[1] == {}


async def test_chance_is_drawn_from_the_seed(start: Start, tmp_path: Path) -> None:
    """The same seed loses the same frames."""
    heard = []
    for attempt in ("one", "two"):
        running = await start(state=tmp_path / attempt, control_port=0, seed=5)
        await running.advance_to(OPEN_NS + MINUTE_NS)
        socket = await data_socket(running, bars=["SPY"])
        await arm(running, kind="mute", target="data", chance=0.5)
        await running.advance_to(OPEN_NS + 30 * MINUTE_NS)
        await control(running, "DELETE")
        await running.advance_to(OPEN_NS + 31 * MINUTE_NS)
        last, times = rfc3339_of(OPEN_NS + 30 * MINUTE_NS), []
        while not times or times[-1] != last:
            times.append((await socket.hear())["t"])
        heard.append(times)
    assert heard[0] == heard[1]
    assert 5 < len(heard[0]) < 26


async def test_a_schedule(start: Start, tmp_path: Path) -> None:
    schedule = tmp_path / "faults.jsonl"
    rows = [
        {"at": rfc3339_of(OPEN_NS + 150 * 10**9), "kind": "print", "symbol": "SPY", "price": 0.01},
        {"at": rfc3339_of(OPEN_NS + 90 * 10**9), "kind": "mute", "target": "data", "count": 1},
    ]
    schedule.write_text("\n\n".join(map(json.dumps, rows)))
    running = await start(faults=schedule)
    socket = await data_socket(running, trades=["SPY"], bars=["SPY"])
    await running.advance_to(OPEN_NS + 150 * 10**9)
    messages = await socket.hear_all(12)
    assert "".join(message["T"] for message in messages) == "ttttb" + "tt" + "tb" + "tt" + "t"
    assert messages[-1]["p"] == 0.01


@pytest.mark.parametrize(
    "line",
    ['{"kind": "mute"}', '{"at": "soon", "kind": "mute"}', "{", '{"at": "2026-11-23T14:31:00Z", "kind": "halt"}'],
)
async def test_a_schedule_that_is_none(start: Start, tmp_path: Path, line: str) -> None:
    schedule = tmp_path / "faults.jsonl"
    schedule.write_text(f"\n{line}\n")
    with pytest.raises(DataError, match="line 2"):
        await start(faults=schedule)
