"""The market-data socket: conversation, codecs, subscriptions, bounds."""

import json
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET
from typing import Any

import msgpack
import pytest
from exchange_kit import OPEN_NS, Socket, connect, data_socket

from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from hftd.exchange.server import connection
from hftd.exchange.server import data_socket as served
from hftd.exchange.server.app import RunningExchange

MINUTE_3_NS = OPEN_NS + 3 * MINUTE_NS


@pytest.fixture(params=[False, True], ids=["json", "msgpack"])
def packed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def spoken(running: RunningExchange, packed: bool, *messages: Any) -> Socket:
    """A socket that has heard the greeting and said `messages`."""
    socket = await connect(running.addresses().stream, packed=packed)
    assert await socket.hear() == {"T": "success", "msg": "connected"}
    for message in messages:
        await socket.say(message)
    return socket


def time_of(message: dict[str, Any]) -> int:
    stamp = message["t"]
    return ns_of_rfc3339(stamp) if isinstance(stamp, str) else stamp.to_unix_nano()


async def test_a_minute(running: RunningExchange, packed: bool) -> None:
    """Four prints with their quotes, then the bar; each message has Alpaca's keys, `T` first."""
    socket = await data_socket(running, packed=packed, trades=["SPY"], quotes=["SPY"], bars=["SPY"])
    await running.advance_to(MINUTE_3_NS)
    messages = await socket.hear_all(9)
    assert [message["T"] for message in messages] == ["t", "q"] * 4 + ["b"]
    assert all(next(iter(message)) == "T" and message["S"] == "SPY" for message in messages)
    trade, quote, bar = messages[0], messages[1], messages[-1]
    assert set(trade) == set("TSixpsctz")
    assert set(quote) == {"T", "S", "bx", "bp", "bs", "ax", "ap", "as", "t", "c", "z"}
    assert set(bar) == {"T", "S", "o", "h", "l", "c", "v", "t", "n", "vw"}
    assert time_of(bar) == OPEN_NS + 2 * MINUTE_NS
    assert time_of(trade) == OPEN_NS + 2 * MINUTE_NS + 10**9
    assert bar["v"] == sum(message["s"] for message in messages if message["T"] == "t")
    await socket.close()


async def test_codecs_say_the_same(running: RunningExchange) -> None:
    sockets = [await data_socket(running, packed=packed, trades=["*"], bars=["*"]) for packed in (False, True)]
    await running.advance_to(MINUTE_3_NS)
    texts, packs = [await socket.hear_all(10) for socket in sockets]
    assert [{**message, "t": time_of(message)} for message in texts] == [
        {**message, "t": time_of(message)} for message in packs
    ]


async def test_times_are_extension_minus_one(running: RunningExchange) -> None:
    socket = await data_socket(running, packed=True, bars=["SPY"])
    await running.advance_to(MINUTE_3_NS)
    (message,) = msgpack.unpackb((await socket.socket.receive()).data, timestamp=0)
    assert isinstance(message["t"], msgpack.Timestamp)
    await socket.close()


async def test_subscriptions_add_up_and_are_acknowledged_whole(running: RunningExchange, packed: bool) -> None:
    socket = await data_socket(running, packed=packed)
    await socket.say({"action": "subscribe", "trades": ["SPY"], "bars": ["*"], "timeframe": "1Min", "nonsense": 3})
    await socket.say({"action": "subscribe", "trades": ["AAPL"]})
    await socket.say({"action": "unsubscribe", "bars": ["*"], "trades": ["SPY", "MSFT"]})
    first, second, third = await socket.hear_all(3)
    empty = {key: [] for key in ("quotes", "updatedBars", "dailyBars", "statuses", "lulds", "imbalances")}
    assert first == {"T": "subscription", "trades": ["SPY"], "bars": ["*"], **empty, **follows(["SPY"])}
    assert second["trades"] == ["AAPL", "SPY"]
    assert third == {"T": "subscription", "trades": ["AAPL"], "bars": [], **empty, **follows(["AAPL"])}
    await socket.close()


def follows(trades: list[str]) -> dict[str, list[str]]:
    return {"corrections": trades, "cancelErrors": trades}


async def test_only_what_was_asked_for(running: RunningExchange) -> None:
    socket = await data_socket(running, bars=["AAPL"], trades=["SPY"])
    await running.advance_to(MINUTE_3_NS)
    assert [(message["T"], message["S"]) for message in await socket.hear_all(5)] == [("t", "SPY")] * 4 + [
        ("b", "AAPL")
    ]
    await socket.close()


async def test_a_day_bar_each_minute(running: RunningExchange) -> None:
    socket = await data_socket(running, dailyBars=["SPY"])
    await running.advance_to(MINUTE_3_NS)
    day = await socket.hear()
    bars = running.exchange.history.bars
    minutes = list(bars("SPY", served_minute(), OPEN_NS, MINUTE_3_NS, MINUTE_3_NS))
    assert (day["T"], day["v"], day["o"]) == ("d", sum(bar.volume for bar in minutes), minutes[0].open)
    await socket.close()


def served_minute() -> Any:
    from hftd.exchange.server.timeframes import timeframe_of

    return timeframe_of("1Min")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"action": "subscribe", "bars": ["SPY"]}, 401),
        ({"action": "auth", "key": "x", "secret": "y"}, 402),
        ({"action": "auth"}, 402),
        ({"action": "auth", "key": 3, "secret": ["y"]}, 402),
        ({"action": "dance"}, 400),
        ({"action": ["auth"]}, 400),
        ({}, 400),
        ([], 400),
        (None, 400),
        ("auth", 400),
    ],
)
async def test_errors_before_authentication(running: RunningExchange, packed: bool, message: Any, code: int) -> None:
    socket = await spoken(running, packed, message)
    answer = await socket.hear()
    assert (answer["T"], answer["code"]) == ("error", code)
    if code == 402:
        assert isinstance(await socket.hear(), int), "the socket is closed"
    await socket.close()


async def test_errors_after_authentication(running: RunningExchange, packed: bool) -> None:
    """Errors leave the subscriptions as they were."""
    socket = await data_socket(running, packed=packed, bars=["SPY"])
    addresses = running.addresses()
    await socket.say({"action": "auth", "key": addresses.key, "secret": addresses.secret})
    assert (await socket.hear())["code"] == 403
    await socket.say({"action": "subscribe", "bars": "SPY"})
    assert (await socket.hear())["code"] == 400
    await socket.say({"action": "subscribe", "bars": [f"S{number}" for number in range(served.SYMBOLS_MAX + 1)]})
    assert (await socket.hear())["code"] == 405
    await socket.say({"action": "subscribe"})
    assert (await socket.hear())["bars"] == ["SPY"]
    await socket.close()


@pytest.mark.parametrize(
    "junk", [b"\xff\xff\xff", b"", b"{", b"[" * 50_000, b"1e999", b'{"action":"auth","key":"\\ud800"}']
)
async def test_junk(running: RunningExchange, packed: bool, junk: bytes) -> None:
    socket = await spoken(running, packed)
    await socket.socket.send_bytes(junk)
    answer = await socket.hear()
    assert answer["code"] in (400, 402)
    await socket.close()


async def test_a_message_in_fragments(running: RunningExchange) -> None:
    """RFC 6455, section 5.4: a first frame, continuation frames, and a ping in between."""
    socket = await data_socket(running)
    payload = json.dumps({"action": "subscribe", "bars": ["SPY"]}).encode()
    raw = socket.socket._writer  # type: ignore[attr-defined]
    await write_raw(raw.transport, 0x01, payload[:5])
    await write_raw(raw.transport, 0x89, b"?")
    await write_raw(raw.transport, 0x00, payload[5:20])
    await write_raw(raw.transport, 0x80, payload[20:])
    assert (await socket.hear())["bars"] == ["SPY"]
    await socket.close()


async def write_raw(transport: Any, first_byte: int, payload: bytes) -> None:
    """One masked frame (with a mask of zeros) whose first byte is given."""
    transport.write(bytes((first_byte, 0x80 | len(payload))) + bytes(4) + payload)


async def test_too_long_a_message_closes_the_socket(running: RunningExchange) -> None:
    socket = await data_socket(running)
    await socket.socket.send_str("x" * (connection.MESSAGE_BYTES_MAX + 1))
    assert await socket.hear() == 1009
    await socket.close()


async def test_who_does_not_authenticate_is_sent_away(
    running: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "AUTHENTICATION_S", 0.01)
    socket = await spoken(running, False)
    assert (await socket.hear())["code"] == 404
    assert isinstance(await socket.hear(), int)
    await socket.close()


async def test_a_slow_client_is_cut_off_and_the_others_miss_nothing(
    running: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "UNREAD_BYTES_MAX", 20_000)
    slow = await data_socket(running, trades=["*"], quotes=["*"], bars=["*"])
    (served_slowly,) = running.exchange.feed.connections()
    transport = served_slowly._transport
    transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
    fast = await data_socket(running, trades=["*"], quotes=["*"], bars=["*"])
    slow.socket.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    slow.socket._response.connection.transport.pause_reading()  # type: ignore[union-attr]
    heard: list[Any] = []
    minute = 3
    while not served_slowly.is_cut:
        await running.advance_to(OPEN_NS + minute * MINUTE_NS)
        heard += await fast.hear_all(18)
        minute += 1
    await running.advance_to(OPEN_NS + minute * MINUTE_NS)
    heard += await fast.hear_all(18)
    assert len({(message["T"], message["S"], message["t"]) for message in heard}) == len(heard) == (minute - 2) * 18
    slow.socket._response.connection.transport.resume_reading()  # type: ignore[union-attr]
    last: Any = None
    while not isinstance(message := await slow.hear(), int):
        last = message
    assert last == {"T": "error", "code": 407, "msg": "slow client"}


async def test_unknown_feeds_are_refused_at_the_handshake(running: RunningExchange) -> None:
    import aiohttp

    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connect(running.addresses().stream.replace("iex", "moon"))
    assert caught.value.status == 404
