"""alpaca-py in threads: time limits, no repetition of its own, errors of ours, answers exact."""

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web
from broker_stub import HASTY, KEYS, answering, serving

from hftd.broker.alpaca import AlpacaBroker
from hftd.broker.base import OrdersAsked
from hftd.broker.endpoints import Patience, exchange_endpoints
from hftd.domain.convert import ns_of_rfc3339, rfc3339_of
from hftd.domain.market import Bar
from hftd.errors import BrokerRefused, BrokerUnavailable, CredentialsError

CLOCK = {
    "timestamp": "2026-11-20T10:00:00.123456789-05:00",
    "is_open": True,
    "next_open": "2026-11-23T09:30:00-05:00",
    "next_close": "2026-11-20T16:00:00-05:00",
}
HTML = web.Response(text="<html>no</html>", content_type="text/html")


@asynccontextmanager
async def broker_with(routes, patience=HASTY):
    async with serving(routes) as url:
        broker = AlpacaBroker(exchange_endpoints(url), KEYS, patience=patience)
        try:
            yield broker
        finally:
            await broker.disconnect()


async def test_the_clock_is_read_to_the_nanosecond():
    async with broker_with({"GET /v2/clock": answering((200, CLOCK))}) as broker:
        clock = await broker.clock()
    assert clock.time_ns == ns_of_rfc3339(CLOCK["timestamp"])
    assert clock.is_open
    assert clock.next_close_ns == ns_of_rfc3339("2026-11-20T21:00:00Z")


async def test_account_and_positions_are_exact():
    account = {"id": "a", "cash": "100000.10", "equity": "0.1", "buying_power": 4e5, "status": "ACTIVE", "extra": []}
    positions = [
        {"symbol": "SPY", "qty": "-5", "side": "short", "avg_entry_price": "271.335"},
        {"symbol": "QQQ", "qty": "0.123456789", "side": "long", "avg_entry_price": "1"},
    ]
    routes = {"GET /v2/account": answering((200, account)), "GET /v2/positions": answering((200, positions))}
    async with broker_with(routes) as broker:
        shown = await broker.account()
        short, fraction = await broker.positions()
    assert (shown.cash, shown.equity, shown.buying_power) == (Decimal("100000.10"), Decimal("0.1"), Decimal(400000))
    assert (short.quantity, short.average_price) == (Decimal(-5), Decimal("271.335"))
    assert fraction.quantity == Decimal("0.123456789")


async def test_a_question_that_is_refused_says_what_was_asked():
    page = web.Response(status=404, text="<html>gone</html>", content_type="text/html")
    routes = {
        "GET /v2/account": answering(page),
        "GET /v2/orders:by_client_order_id": answering((422, {"message": "no"})),
    }
    async with broker_with(routes) as broker:
        with pytest.raises(BrokerRefused, match=r"refused to show the account \(404 a page of HTML\)"):
            await broker.account()
        with pytest.raises(BrokerRefused, match=r"refused to show order hftd-1 \(422 no\)"):
            await broker.order("hftd-1")


async def test_a_blocked_account_says_so():
    account = {"id": "a", "status": "ACCOUNT_CLOSED", "trade_suspended_by_user": True}
    async with broker_with({"GET /v2/account": answering((200, account))}) as broker:
        shown = await broker.account()
    assert (shown.status, shown.trading_blocked) == ("ACCOUNT_CLOSED", True)


async def test_an_asset_and_none():
    asset = {"symbol": "SPY", "name": None, "exchange": "MARS", "status": "active", "tradable": True, "shortable": True}
    routes = {
        "GET /v2/assets/SPY": answering((200, asset)),
        "GET /v2/assets/NONE": answering((404, {"code": 40410000, "message": "asset not found for NONE"})),
        "GET /v2/assets/BAD": answering((400, {"code": 1, "message": "bad"})),
    }
    async with broker_with(routes) as broker:
        found = await broker.asset("SPY")
        assert found is not None
        assert (found.tradable, found.fractionable, found.exchange) == (True, False, "MARS")
        assert await broker.asset("NONE") is None
        with pytest.raises(BrokerRefused, match="bad"):
            await broker.asset("BAD")


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_keys_are_an_error(status):
    async with broker_with({"GET /v2/account": answering((status, {"message": "unauthorized."}))}) as broker:
        with pytest.raises(CredentialsError, match="refused the API keys") as raised:
            await broker.account()
    assert "hidden" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_questions_are_repeated_a_few_times():
    seen = []
    busy = web.Response(status=429, text="{}", headers={"Retry-After": "0"})
    good = web.Response(text=json.dumps(CLOCK), content_type="application/json")
    failing = web.Response(status=504, text="<html>")
    async with broker_with({"GET /v2/clock": answering(busy, failing, good, seen=seen)}) as broker:
        assert (await broker.clock()).is_open
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(status=500, text="<html>oops</html>"), "500 a page of HTML"),
        (web.Response(status=302, headers={"Location": "/x"}), "strange"),
        (HTML, "strange.*a page of HTML"),
        (web.Response(text='{"is_open": "maybe"}', content_type="application/json"), "strange"),
        (web.Response(text=""), "an empty body"),
        (
            web.Response(text=json.dumps({**CLOCK, "timestamp": "soon"}), content_type="application/json"),
            "strange.*soon",
        ),
        (web.Response(text=json.dumps({**CLOCK, "next_open": ""}), content_type="application/json"), "strange"),
        (web.Response(text='{"nested":' + "[" * 200_000, content_type="application/json"), "strange"),
        (web.Response(status=500, text='{"nested":' + "[" * 200_000), "500"),
    ],
)
async def test_failures_and_strange_answers_are_errors_of_ours(answer, said):
    seen = []
    async with broker_with({"GET /v2/clock": answering(answer, seen=seen)}) as broker:
        with pytest.raises(BrokerUnavailable, match=said):
            await broker.clock()
    assert len(seen) <= HASTY.request_attempts


async def test_nobody_there_is_unavailable():
    async with serving({}) as url:
        pass
    broker = AlpacaBroker(exchange_endpoints(url), KEYS, patience=HASTY)
    with pytest.raises(BrokerUnavailable, match=r"cannot be reached to tell the time: .*refused"):
        await broker.clock()
    await broker.disconnect()


async def test_certificates_that_are_not_there_are_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    broker = AlpacaBroker(exchange_endpoints("https://127.0.0.1:9"), KEYS, patience=HASTY)
    with pytest.raises(BrokerUnavailable, match=r"asked to tell the time: .*nowhere\.pem"):
        await broker.clock()
    await broker.disconnect()


async def test_a_request_that_hangs_ends_by_its_time_limit_and_blocks_nobody():
    release = asyncio.Event()

    async def hang(request):
        await release.wait()
        return web.Response()

    routes = {"GET /v2/clock": hang, "GET /v2/account": answering((200, {"id": "a"}))}
    async with broker_with(routes, Patience(request_s=1.0, request_attempts=1)) as broker:
        hanging = asyncio.create_task(broker.clock())
        assert (await broker.account()).account_id == "a"
        with pytest.raises(BrokerUnavailable, match="in time"):
            await hanging
        release.set()


async def test_a_request_that_drips_ends_by_the_limit_on_the_whole():
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    async with broker_with({"GET /v2/clock": drip}, Patience(request_s=1.0, request_attempts=1)) as broker:
        with pytest.raises(BrokerUnavailable, match=r"did not answer in 2 s"):
            await broker.clock()


async def test_many_requests_at_once_use_few_threads():
    most = 0

    async def count(request):
        nonlocal most
        most = max(most, sum(thread.name.startswith("hftd: ") for thread in threading.enumerate()))
        return web.json_response(CLOCK)

    async with broker_with({"GET /v2/clock": count}) as broker:
        await asyncio.gather(*(broker.clock() for _ in range(30)))
    assert most <= 5


def order(number, submitted_at_ns):
    return {
        "id": f"id-{number}",
        "client_order_id": f"c-{number}",
        "status": "filled",
        "symbol": "SPY",
        "side": "buy",
        "qty": "1",
        "submitted_at": rfc3339_of(submitted_at_ns),
    }


async def test_what_others_trade_on_the_account_is_told_and_costs_our_orders_nothing():
    several_options = {**order(2, 10**18), "symbol": "", "side": "", "order_class": "mleg", "legs": []}
    told = []
    async with broker_with({"GET /v2/orders": answering((200, [order(1, 10**18), several_options]))}) as broker:
        broker._sink = told.append
        assert [one.client_order_id for one in await broker.orders()] == ["c-1"]
    (unknown,) = told
    assert "id-2" in unknown.problem


async def test_orders_come_page_by_page_and_none_twice():
    base_ns = ns_of_rfc3339("2026-11-20T15:00:00Z")
    books = [order(number, base_ns + (number // 3) * 1000) for number in range(1203)]
    asked = []

    async def listing(request):
        asked.append(dict(request.query))
        after_ns = ns_of_rfc3339(request.query["after"]) if "after" in request.query else 0
        found = [one for one in books if ns_of_rfc3339(one["submitted_at"]) > after_ns]
        return web.json_response(found[: int(request.query["limit"])])

    async with broker_with({"GET /v2/orders": listing}) as broker:
        found = await broker.orders(OrdersAsked.ALL)
        assert [one.client_order_id for one in found] == [f"c-{number}" for number in range(1203)]
        assert asked[0].items() >= {"status": "all", "direction": "asc", "limit": "500"}.items()
        assert len(asked) == 3
        later = await broker.orders(OrdersAsked.ALL, after_ns=base_ns + 390 * 1000)
        assert later[0].client_order_id == "c-1173"


def wire_bar(minute):
    time = f"2026-11-20T15:{minute:02d}:00Z"
    return {"t": time, "o": 1.5, "h": 2, "l": 1, "c": 1.25, "v": 17, "n": 3, "vw": 1.4}


async def test_bars_come_page_by_page_sorted_and_once():
    asked = []
    pages = {
        None: {"bars": {"SPY": [wire_bar(0), wire_bar(1)]}, "next_page_token": "two"},
        "two": {"bars": {"SPY": [wire_bar(1), wire_bar(2)], "A": [wire_bar(0)]}, "next_page_token": "three"},
        "three": {"bars": None, "next_page_token": None},
    }

    async def serve_bars(request):
        asked.append(dict(request.query))
        return web.json_response(pages[request.query.get("page_token")])

    start_ns, end_ns = ns_of_rfc3339("2026-11-20T15:00:00Z"), ns_of_rfc3339("2026-11-20T15:02:00Z")
    async with broker_with({"GET /v2/stocks/bars": serve_bars}) as broker:
        bars = await broker.bars(["SPY", "A"], start_ns, end_ns)
    keys = [(bar.symbol, (bar.time_ns - start_ns) // 60_000_000_000) for bar in bars]
    assert keys == [("A", 0), ("SPY", 0), ("SPY", 1), ("SPY", 2)]
    assert bars[1] == Bar("SPY", start_ns, 1.5, 2.0, 1.0, 1.25, 17, 3, 1.4)
    assert asked[0]["symbols"] == "SPY,A"
    assert (asked[0]["timeframe"], asked[0]["feed"], asked[0]["start"]) == ("1Min", "iex", "2026-11-20T15:00:00+00:00")


async def test_no_bars_is_an_empty_list():
    async with broker_with({"GET /v2/stocks/bars": answering((200, {"bars": {}, "next_page_token": None}))}) as broker:
        assert await broker.bars(["SPY"], 0, 1) == []


async def test_a_page_that_is_no_page_is_an_error():
    async with broker_with({"GET /v2/stocks/bars": answering(HTML)}) as broker:
        with pytest.raises(BrokerUnavailable, match="strange"):
            await broker.bars(["SPY"], 0, 1)
