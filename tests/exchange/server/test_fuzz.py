"""Whatever a client sends: a well-formed answer, never a 500, and the others are served as before."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import msgpack
import pytest
from exchange_kit import OPEN_NS, Rest, Start, connect, data_socket, key_headers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hftd.domain.convert import MINUTE_NS
from hftd.exchange.server.app import RunningExchange

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["1e400", "-0", "0x10", "٣", "NaN", "Infinity", "1_0", "9" * 400, "SPY", "2019-02-30", "day"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
# fmt: off
FIELDS = (
    "symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price", "trail_price",
    "trail_percent", "extended_hours", "client_order_id", "order_class", "take_profit", "stop_loss",
    "position_intent",
)
QUERIES = (
    "symbols", "timeframe", "start", "end", "limit", "page_token", "sort", "feed", "status", "after",
    "until", "direction", "nested", "side", "activity_types", "category", "date", "page_size", "period",
    "client_order_id", "cancel_orders", "qty", "percentage",
)
# fmt: on
PATHS = (
    "/v2/orders",
    "/v2/orders:by_client_order_id",
    "/v2/account/activities",
    "/v2/account/portfolio/history",
    "/v2/calendar",
    "/v2/assets",
    "/v2/stocks/bars",
    "/v2/stocks/trades",
    "/v2/stocks/snapshots",
)
VALID = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.fixture
async def fuzzed(start: Start) -> AsyncIterator[tuple[RunningExchange, aiohttp.ClientSession]]:
    running = await start()
    await running.advance_to(OPEN_NS + 2 * MINUTE_NS)
    async with aiohttp.ClientSession(running.addresses().rest, headers=key_headers(running)) as session:
        yield running, session
    assert (await Rest(running).ask("GET", "/v2/account"))[0] == 200


async def asked(session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> int:
    """The status of an answer, which is well formed."""
    async with session.request(method, path, **options) as response:
        body = await response.read()
        if response.status >= 400:
            assert isinstance(json.loads(body)["message"], str)
        elif body:
            json.loads(body)
        assert response.status < 500
        return response.status


few = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


async def each(strategy: st.SearchStrategy[Any], check: Any) -> None:
    """Draw examples first, then try each: hypothesis itself cannot wait."""
    examples: list[Any] = []

    @few
    @given(strategy)
    def draw(example: Any) -> None:
        examples.append(example)

    draw()
    for example in examples:
        await check(example)


bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=8)


async def test_orders(fuzzed: tuple[RunningExchange, aiohttp.ClientSession]) -> None:
    _, session = fuzzed

    async def check(body: dict[str, Any]) -> None:
        await asked(session, "POST", "/v2/orders", data=json.dumps({**VALID, **body}))
        await asked(session, "PATCH", "/v2/account/configurations", data=json.dumps(body))

    await each(bodies, check)


async def test_raw_bodies(fuzzed: tuple[RunningExchange, aiohttp.ClientSession]) -> None:
    _, session = fuzzed
    for body in (b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b"\xff\xfe", b"null", b'"x"', b"{}", b""):
        assert await asked(session, "POST", "/v2/orders", data=body) == 422
    assert await asked(session, "POST", "/v2/orders", data=b"x" * 300_000) == 413
    await each(st.binary(max_size=60), lambda body: asked(session, "POST", "/v2/orders", data=body))


async def test_queries(fuzzed: tuple[RunningExchange, aiohttp.ClientSession]) -> None:
    _, session = fuzzed
    queries = st.tuples(st.sampled_from(PATHS), st.dictionaries(st.sampled_from(QUERIES), scalars, max_size=4))

    async def check(case: tuple[str, dict[str, Any]]) -> None:
        path, query = case
        pairs = {name: str(value).encode(errors="replace").decode() for name, value in query.items()}
        await asked(session, "GET", path, params={"symbols": "SPY", "timeframe": "1Day", **pairs})

    await each(queries, check)


async def test_paths(fuzzed: tuple[RunningExchange, aiohttp.ClientSession]) -> None:
    _, session = fuzzed
    heads = st.sampled_from(
        ["/v2/orders/", "/v2/positions/", "/v2/assets/", "/v2/stocks/", "/v2/account/activities/", "/"]
    )

    async def check(case: tuple[str, str, str]) -> None:
        method, head, tail = case
        await asked(session, method, head + quote(tail.encode(errors="replace"), safe=""))

    await each(st.tuples(st.sampled_from(["GET", "DELETE", "PATCH"]), heads, st.text(min_size=1, max_size=30)), check)


@pytest.mark.parametrize("packed", [False, True], ids=["json", "msgpack"])
async def test_frames(fuzzed: tuple[RunningExchange, aiohttp.ClientSession], packed: bool) -> None:
    """Junk on one socket is answered with errors; another socket streams on."""
    running, _ = fuzzed
    other = await data_socket(running, bars=["SPY"])
    actions = st.sampled_from(["auth", "subscribe", "unsubscribe", "listen", "authenticate"]) | values
    messages = st.fixed_dictionaries(
        {"action": actions}, optional={name: values for name in ("key", "secret", "bars", "data")}
    )
    addresses = running.addresses()

    async def check(message: Any) -> None:
        for url in (addresses.stream, addresses.trades):
            socket = await connect(url, packed=packed)
            data = message if isinstance(message, bytes) else encoded(message, packed)
            await socket.socket.send_bytes(data)
            while not isinstance(answer := await socket.hear(), int) and answer.get("msg") == "connected":
                continue
            await socket.close()

    await each(messages | values | st.binary(max_size=40), check)
    await running.advance_to(OPEN_NS + 3 * MINUTE_NS)
    assert (await other.hear())["T"] == "b"


def encoded(message: Any, packed: bool) -> bytes:
    if not packed:
        return json.dumps(message).encode()
    try:
        return bytes(msgpack.packb(message))
    except (OverflowError, ValueError, UnicodeEncodeError):
        return b"\xc1"
