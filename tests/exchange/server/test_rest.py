"""REST beyond what alpaca-py's own tests use: shapes, filters, pages, limits, and every kind of order."""

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from exchange_kit import CLOSE_NS, OPEN_NS, Rest, Start, data_socket, trade_socket

from hftd.data.rows import Kind, Trades
from hftd.data.writing import ParquetSink
from hftd.domain.convert import MINUTE_NS, SECOND_NS, rfc3339_of
from hftd.exchange.market.bots.settings import BotMarketSettings
from hftd.exchange.server.app import RunningExchange

DATA = Path(os.environ.get("HFTD_DATA", Path(__file__).parents[4] / "shared" / "data"))
GOLDEN = DATA / "alpaca" / "golden_payloads.jsonl"


def golden(path: str, line: int) -> Any:
    """One of the payloads in the tests of Alpaca's own libraries."""
    if not GOLDEN.exists():
        pytest.skip(f"{GOLDEN} is not here: set HFTD_DATA")
    for row in map(json.loads, GOLDEN.read_text().splitlines()):
        if row["path"].endswith(path) and row["line"] == line:
            return row["payload"]
    raise AssertionError(f"no payload {path}:{line}")


def assert_like(found: Any, model: Any, where: str = "") -> None:
    """`found` has all keys of `model`, and values of the same kind; null is any kind, a number may be decimal text."""
    if isinstance(model, dict):
        missing = model.keys() - found.keys()
        assert not missing, f"{where}: {missing}"
        for key, value in model.items():
            assert_like(found[key], value, f"{where}.{key}")
    elif isinstance(model, list):
        assert isinstance(found, list), where
        if found and model:
            assert_like(found[0], model[0], f"{where}[0]")
    elif isinstance(model, int | float) and not isinstance(model, bool) and isinstance(found, str):
        Decimal(found)
    elif model is not None and found is not None:
        kinds = (int, float) if isinstance(model, int | float) and not isinstance(model, bool) else (type(model),)
        assert isinstance(found, kinds), f"{where}: {found!r} is not like {model!r}"


def without(model: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A payload without what Alpaca's own documentation no longer has."""
    return {key: value for key, value in model.items() if key not in keys}


async def test_golden_trading_payloads(running: RunningExchange) -> None:
    rest = Rest(running)
    order = await rest.order(qty="10")
    filled = await rest.get(f"/v2/orders/{order['id']}")
    limit = await rest.order(
        type="limit",
        limit_price="10",
        order_class="bracket",
        take_profit={"limit_price": "20"},
        stop_loss={"stop_price": "5"},
    )
    nested = await rest.get("/v2/orders", nested="true")
    model = without(golden("test_order_routes.py", 32), "commission")
    for found in (order, filled, limit, nested[0]):
        assert_like(found, model, "order")
    assert_like(nested, [without(row, "commission") for row in golden("test_order_routes.py", 88)], "orders")
    account = without(golden("test_account_routes.py", 11), "options_approved_level", "options_trading_level")
    assert_like(await rest.get("/v2/account"), account, "account")
    assert_like(await rest.get("/v2/account/configurations"), golden("test_account_routes.py", 60), "configurations")
    assets = [without(row, "last_close_pct_change", "last_price") for row in golden("test_asset_routes.py", 17)]
    unknown = ("min_order_size", "min_trade_increment", "price_increment", "last_close_pct_change", "last_price")
    assert_like(await rest.get("/v2/assets"), [without(assets[0], *unknown)], "assets")
    positions = [
        without(row, "usd", "avg_entry_swap_rate", "swap_rate") for row in golden("test_position_routes.py", 15)
    ]
    assert_like(await rest.get("/v2/positions"), positions, "positions")
    status, closed = await rest.ask("DELETE", "/v2/positions?cancel_orders=true")
    assert status == 207
    assert_like(closed, [{"symbol": "SPY", "status": 200, "body": model}], "closed")


@pytest.mark.parametrize(
    ("path", "line", "query"),
    [
        ("test_historical_stock_data.py", 165, "bars?symbols=SPY,AAPL&timeframe=1Day&start=2026-11-16"),
        ("test_historical_stock_data.py", 356, "quotes?symbols=SPY,AAPL"),
        ("test_historical_stock_data.py", 523, "trades?symbols=SPY,AAPL"),
        ("test_historical_stock_data.py", 661, "trades/latest?symbols=SPY,AAPL"),
        ("test_historical_stock_data.py", 738, "quotes/latest?symbols=SPY"),
        ("test_historical_stock_data.py", 917, "bars/latest?symbols=SPY"),
        ("test_historical_stock_data.py", 808, "snapshots?symbols=SPY"),
    ],
)
async def test_golden_data_payloads(running: RunningExchange, path: str, line: int, query: str) -> None:
    found = await Rest(running).get(f"/v2/stocks/{query}")
    renamed = json.loads(json.dumps(golden(path, line)).replace("TSLA", "SPY"))
    for symbol in ("AAPL",):
        if symbol not in query:
            renamed = json.loads(json.dumps(renamed).replace(symbol, "SPY"))
    assert_like(found, renamed, query)


async def test_pages_hold_everything_once(running: RunningExchange) -> None:
    rest = Rest(running)
    for sort in ("asc", "desc"):
        query = {"symbols": "SPY,AAPL,MOON", "timeframe": "1Min", "start": "2026-11-20", "sort": sort}
        whole = await rest.get("/v2/stocks/bars", **query)
        assert whole["next_page_token"] is None
        assert sorted(whole["bars"]) == ["AAPL", "SPY"]
        pages: dict[str, list[Any]] = {}
        token, limit = None, 150
        while True:
            page = await rest.get("/v2/stocks/bars", limit=limit, **query, **({"page_token": token} if token else {}))
            assert sum(map(len, page["bars"].values())) <= limit
            for symbol, rows in page["bars"].items():
                pages.setdefault(symbol, []).extend(rows)
            if (token := page["next_page_token"]) is None:
                break
        assert pages == whole["bars"]
        times = [row["t"] for row in whole["bars"]["SPY"]]
        assert times == sorted(times, reverse=sort == "desc")


@pytest.mark.parametrize("sort", ["asc", "desc"])
async def test_pages_hold_all_of_one_moment_once(start: Start, tmp_path: Path, sort: str) -> None:
    """A burst of trades has one stamp, and may be longer than a page."""
    sink = ParquetSink(tmp_path / "trades.parquet", Kind.TRADES)
    times = OPEN_NS + np.array([0, 1, 1, 1, 1, 1, 2, 3, 3]) * SECOND_NS
    count = len(times)
    sink.write(Trades(["SPY"], np.zeros(count, np.int32), times, np.full(count, 100.0), np.arange(1, count + 1)))
    sink.close()
    running = await start(tape=tmp_path / "trades.parquet", symbols=(), start_ns=None)
    await running.advance_to(OPEN_NS + MINUTE_NS)
    query: dict[str, Any] = {"start": "2026-11-23", "sort": sort}
    for kind in ("trades", "quotes"):
        whole = (await Rest(running).get(f"/v2/stocks/SPY/{kind}", **query))[kind]
        assert len(whole) == count
        for limit in (1, 2, 3):
            told: list[Any] = []
            token: dict[str, str] = {}
            while token is not None:
                page = await Rest(running).get(f"/v2/stocks/SPY/{kind}", limit=limit, **query, **token)
                told += page[kind]
                token = page["next_page_token"] and {"page_token": page["next_page_token"]}
            assert told == whole


async def test_single_symbol_forms(running: RunningExchange) -> None:
    rest = Rest(running)
    bars = await rest.get("/v2/stocks/spy/bars", timeframe="1Min")
    assert (bars["symbol"], len(bars["bars"])) == ("SPY", 2)
    for name in ("bar", "trade", "quote"):
        latest = await rest.get(f"/v2/stocks/SPY/{name}s/latest")
        assert set(latest) == {"symbol", name}
    snapshot = await rest.get("/v2/stocks/SPY/snapshot")
    assert snapshot["symbol"] == "SPY"
    assert snapshot["dailyBar"]["v"] == sum(row["v"] for row in bars["bars"])


async def test_the_future_is_not_told(running: RunningExchange) -> None:
    rest = Rest(running)
    bars = await rest.get("/v2/stocks/bars", symbols="SPY", timeframe="1Min", start="2026-11-23", end="2026-11-30")
    assert [row["t"] for row in bars["bars"]["SPY"]] == [rfc3339_of(OPEN_NS + minute * MINUTE_NS) for minute in (0, 1)]
    trades = await rest.get("/v2/stocks/trades", symbols="SPY", start="2026-11-23", end="2026-11-30")
    assert max(row["t"] for row in trades["trades"]["SPY"]) <= rfc3339_of(OPEN_NS + 2 * MINUTE_NS)


async def test_longer_bars_add_up(running: RunningExchange) -> None:
    """Bars of every length make up the same three quarters: whole weeks would begin and end elsewhere."""
    sums = {
        timeframe: await summed(Rest(running), timeframe)
        for timeframe in ("1Min", "7T", "30Min", "1Hour", "1D", "1M", "3Month")
    }
    assert len(set(sums.values())) == 1, sums


async def summed(rest: Rest, timeframe: str) -> tuple[int, float, float, int]:
    """Volume, high, low and count of SPY's first three quarters of 2026."""
    bars: list[Any] = []
    query: dict[str, Any] = {"timeframe": timeframe, "start": "2026-01-01", "end": "2026-09-30", "limit": 10_000}
    while True:
        page = await rest.get("/v2/stocks/SPY/bars", **query)
        bars += page["bars"]
        if page["next_page_token"] is None:
            break
        query["page_token"] = page["next_page_token"]
    volume, count = sum(bar["v"] for bar in bars), sum(bar["n"] for bar in bars)
    return volume, max(bar["h"] for bar in bars), min(bar["l"] for bar in bars), count


async def test_weeks_begin_on_monday(running: RunningExchange) -> None:
    found = await Rest(running).get("/v2/stocks/SPY/bars", timeframe="1Week", start="2026-10-26")
    assert [bar["t"] for bar in found["bars"]] == [
        "2026-10-26T04:00:00Z",
        *(f"2026-11-{day:02}T05:00:00Z" for day in (2, 9, 16, 23)),
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nowhere", 404),
        ("GET", "/", 404),
        ("POST", "/v2/account", 405),
        ("GET", "/v2/stocks/bars?symbols=SPY", 400),
        ("GET", "/v2/stocks/bars?symbols=SPY&timeframe=60Min", 400),
        ("GET", "/v2/stocks/bars?timeframe=1Min", 400),
        ("GET", "/v2/stocks/bars?symbols=SPY&timeframe=1Min&feed=moon", 400),
        ("GET", "/v2/stocks/bars?symbols=SPY&timeframe=1Min&page_token=x", 400),
        ("GET", "/v2/stocks/bars?symbols=SPY&timeframe=1Min&limit=0", 422),
        ("GET", "/v2/stocks/bars?symbols=SPY&timeframe=1Min&start=soon", 422),
        ("GET", "/v2/account/activities?date=9999-12-31", 422),
        ("GET", "/v2/calendar?end=2262-04-12", 422),
        ("GET", "/v2/stocks/MOON/trades/latest", 404),
        ("GET", "/v2/assets/MOON", 404),
        ("GET", "/v2/positions/MOON", 404),
        ("DELETE", "/v2/positions/MOON", 404),
        ("GET", "/v2/orders?status=lost", 422),
        ("GET", "/v2/orders?limit=501", 422),
        ("GET", "/v2/orders?direction=up", 422),
        ("GET", "/v2/orders:by_client_order_id", 422),
        ("GET", "/v2/account/activities?category=x", 422),
        ("GET", "/v2/account/portfolio/history?period=1X", 422),
        ("GET", "/v2/calendar?start=soon", 422),
        ("GET", "/v2/calendar?start=0001-01-01", 422),
    ],
)
async def test_errors(running: RunningExchange, method: str, path: str, status: int) -> None:
    code, body = await Rest(running).ask(method, path)
    assert (code, isinstance(body["message"], str)) == (status, True), body


@pytest.mark.parametrize(
    "path",
    [
        "/v2/stocks/bars?symbols=SPY&timeframe=1Week&start=0001-01-01&limit=1",
        "/v2/stocks/quotes?symbols=SPY&start=1970-01-01&limit=1",
        "/v2/stocks/trades?symbols=SPY&end=9999-12-30&sort=desc&limit=1",
        "/v2/account/portfolio/history?end=0001-01-01",
        "/v2/account/activities?date=0001-01-01",
    ],
)
async def test_times_at_the_edges_of_time(running: RunningExchange, path: str) -> None:
    await Rest(running).get(path)


@pytest.mark.parametrize("path", ["/v2/account", "/v2/stocks/bars?symbols=SPY&timeframe=1Min"])
async def test_keys(running: RunningExchange, path: str) -> None:
    """Trading answers 401, data 403, both without a code; HTTP Basic is accepted."""
    rest = Rest(running)
    status, body = await rest.ask("GET", path, headers={"APCA-API-SECRET-KEY": "wrong"})
    refused = 401 if "account" in path else 403
    assert (status, body) == (refused, {"message": "unauthorized." if refused == 401 else "forbidden."})
    addresses = running.addresses()
    basic = {"Authorization": aiohttp.encode_basic_auth(addresses.key, addresses.secret)}
    for headers, status in ((basic, 200), ({"Authorization": "Basic ?"}, refused), ({"Authorization": "x"}, refused)):
        async with aiohttp.ClientSession() as session, session.get(addresses.rest + path, headers=headers) as response:
            assert response.status == status


async def test_rate_limit(start: Start) -> None:
    """So many a minute of exchange time and key; the answers say what is left."""
    running = await start(requests_a_minute=3, accounts=("one", "two"))
    rest = Rest(running, "one")
    left = [(await rest.ask_whole("GET", "/v2/clock"))[1]["X-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    status, headers, body = await rest.ask_whole("GET", "/v2/clock")
    assert (status, body["code"], headers["X-RateLimit-Limit"]) == (429, 42910000, "3")
    assert int(headers["X-RateLimit-Reset"]) == (OPEN_NS - 4 * MINUTE_NS) // 10**9
    assert (await Rest(running, "two").ask("GET", "/v2/clock"))[0] == 200
    await running.advance_to(OPEN_NS - 4 * MINUTE_NS)
    assert (await rest.ask("GET", "/v2/clock"))[0] == 200


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"symbol": None}, 40010001, "symbol is required"),
        ({"qty": None}, 40010001, "qty or notional is required"),
        ({"notional": "5"}, 40010001, "only one of qty or notional is accepted"),
        ({"side": "up"}, 40010001, "invalid side"),
        ({"type": "magic"}, 40010001, "invalid type"),
        ({"time_in_force": None}, 40010001, "time_in_force is required"),
        ({"qty": "five"}, 40010001, "invalid qty"),
        ({"qty": True}, 40010001, "invalid qty"),
        ({"qty": "1e999999999"}, 40010001, "invalid qty"),
        ({"qty": "NaN"}, 40010001, "invalid qty"),
        ({"client_order_id": "x" * 129}, 40010001, "client_order_id must be no more than 128 characters"),
        ({"take_profit": 3}, 40010001, "invalid take_profit"),
        ({"symbol": "MOON"}, 42210000, 'asset "MOON" not found'),
        ({"type": "limit", "limit_price": "100.123"}, 42210000, "sub-penny"),
    ],
)
async def test_orders_that_are_refused(running: RunningExchange, fields: dict[str, Any], code: int, said: str) -> None:
    usual = {"symbol": "SPY", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}
    body = {name: value for name, value in {**usual, **fields}.items() if value is not None}
    status, answer = await Rest(running).ask("POST", "/v2/orders", json=body)
    assert (status, answer["code"]) == (422, code)
    assert said in answer["message"]


async def test_numbers_and_texts_are_the_same(running: RunningExchange) -> None:
    """Decimals come as JSON numbers or texts, never through binary fractions."""
    rest = Rest(running)
    for price, quantity in ((100.1, 3), ("100.1", "3"), ("100.10", "3.000")):
        order = await rest.order(type="limit", limit_price=price, qty=quantity)
        assert (order["limit_price"], order["qty"]) == ("100.1", "3")
    cents = await rest.order(qty=None, notional=10.05)
    assert (cents["notional"], cents["qty"]) == ("10.05", None)


async def test_every_kind_of_order_is_taken(running: RunningExchange) -> None:
    rest = Rest(running)
    kinds: list[dict[str, Any]] = [
        {"type": "limit", "limit_price": "400"},
        {"type": "stop", "stop_price": "900"},
        {"type": "stop_limit", "stop_price": "900", "limit_price": "901"},
        {"type": "trailing_stop", "trail_percent": "5"},
        {"type": "trailing_stop", "trail_price": "5", "time_in_force": "gtc"},
        {"type": "limit", "limit_price": "400", "time_in_force": "gtc"},
        {"type": "market", "time_in_force": "ioc"},
        {"type": "market", "time_in_force": "fok"},
        {"type": "market", "time_in_force": "cls"},
        {"qty": "0.5"},
        {"type": "limit", "limit_price": "400", "extended_hours": True},
        {"order_class": "oto", "stop_loss": {"stop_price": "300"}, "type": "limit", "limit_price": "400"},
    ]
    taken = [await rest.order(**kind) for kind in kinds]
    assert all(order["id"] for order in taken)
    assert len(await rest.get("/v2/orders", status="all", limit=500)) >= len(kinds)


async def test_replacing(running: RunningExchange) -> None:
    rest = Rest(running)
    order = await rest.order(type="limit", limit_price="400")
    status, changed = await rest.ask("PATCH", f"/v2/orders/{order['id']}", json={"limit_price": 401, "qty": 6})
    assert (status, changed["replaces"], changed["limit_price"], changed["qty"]) == (200, order["id"], "401", "6")
    old = await rest.get(f"/v2/orders/{order['id']}")
    assert (old["status"], old["replaced_by"]) == ("replaced", changed["id"])
    status, body = await rest.ask("PATCH", f"/v2/orders/{order['id']}", json={"qty": 7})
    assert (status, body["code"]) == (422, 42210000)


async def test_cancelling_all(running: RunningExchange) -> None:
    rest = Rest(running)
    orders = [await rest.order(type="limit", limit_price="400") for _ in range(3)]
    status, body = await rest.ask("DELETE", "/v2/orders")
    assert (status, {(row["id"], row["status"]) for row in body}) == (207, {(order["id"], 200) for order in orders})
    assert await rest.get("/v2/orders") == []


async def test_filters(running: RunningExchange) -> None:
    rest = Rest(running)
    orders = [
        await rest.order(type="limit", limit_price="100", symbol=symbol, client_order_id=f"{symbol}-{number}")
        for number in range(2)
        for symbol in ("SPY", "AAPL")
    ]

    async def listed(**query: Any) -> list[str]:
        return [order["client_order_id"] for order in await rest.get("/v2/orders", **query)]

    assert await listed() == ["AAPL-1", "SPY-1", "AAPL-0", "SPY-0"]
    assert await listed(direction="asc", limit=3) == ["SPY-0", "AAPL-0", "SPY-1"]
    assert await listed(symbols="spy") == ["SPY-1", "SPY-0"]
    assert await listed(side="sell") == []
    assert await listed(status="closed") == []
    assert await listed(after=orders[0]["submitted_at"]) == []
    assert await listed(until=rfc3339_of(OPEN_NS + 3 * MINUTE_NS)) == ["AAPL-1", "SPY-1", "AAPL-0", "SPY-0"]


async def test_activities_in_pages(running: RunningExchange) -> None:
    rest = Rest(running)
    for _ in range(5):
        await rest.order(qty="1")
    whole = await rest.get("/v2/account/activities/FILL")
    assert len(whole) == 5
    first = await rest.get("/v2/account/activities", activity_types="FILL", page_size=3)
    rest_of = await rest.get("/v2/account/activities", activity_types="FILL", page_size=3, page_token=first[-1]["id"])
    assert first + rest_of == whole
    assert [
        row["activity_type"] for row in await rest.get("/v2/account/activities", category="non_trade_activity")
    ] == ["CSD"]
    assert await rest.get("/v2/account/activities/DIV") == []
    assert len(await rest.get("/v2/account/activities", date="2026-11-23", category="trade_activity")) == 5


async def test_portfolio_history(running: RunningExchange) -> None:
    rest = Rest(running)
    await rest.order(qty="100")
    await running.advance_to(CLOSE_NS)
    found = await rest.get("/v2/account/portfolio/history", period="1D", timeframe="5Min")
    assert_like(
        found, {"timestamp": [1], "equity": [1.0], "profit_loss": [1.0], "base_value": 1.0, "timeframe": "5Min"}
    )
    assert len(found["timestamp"]) == len(found["equity"]) == len(found["profit_loss_pct"]) > 70
    account = await rest.get("/v2/account")
    assert Decimal(str(found["equity"][-1])) == pytest.approx(Decimal(account["equity"]), abs=Decimal(1))


async def test_configurations(running: RunningExchange) -> None:
    rest = Rest(running)
    status, changed = await rest.ask(
        "PATCH", "/v2/account/configurations", json={"no_shorting": True, "max_margin_multiplier": "1"}
    )
    assert (status, changed["no_shorting"], changed["max_margin_multiplier"]) == (200, True, "1")
    assert await rest.get("/v2/account/configurations") == changed
    status, _ = await rest.ask(
        "POST", "/v2/orders", json={"symbol": "SPY", "qty": 1, "side": "sell", "type": "market", "time_in_force": "day"}
    )
    assert status == 403
    status, _ = await rest.ask("PATCH", "/v2/account/configurations", json={"max_margin_multiplier": 3})
    assert status == 422


async def test_one_story(running: RunningExchange) -> None:
    """Updates, activities, orders and the position agree."""
    rest, socket = Rest(running), await trade_socket(running)
    for side, quantity in (("buy", "10"), ("sell", "4"), ("sell", "6"), ("sell", "3")):
        await rest.order(side=side, qty=quantity)
    updates = [message["data"] for message in await socket.hear_all(12)]
    fills = [update for update in updates if update["event"] == "fill"]
    activities = await rest.get("/v2/account/activities/FILL", direction="asc")
    assert [(fill["execution_id"], fill["price"], fill["qty"]) for fill in fills] == [
        (row["execution_id"], row["price"], row["qty"]) for row in activities
    ]
    (position,) = await rest.get("/v2/positions")
    assert (position["qty"], position["side"], fills[-1]["position_qty"]) == ("-3", "short", "-3")
    signed = {"buy": -1, "sell": 1}
    cash = 100_000 + sum(
        signed[fill["order"]["side"]] * Decimal(fill["price"]) * Decimal(fill["qty"]) for fill in fills
    )
    assert Decimal((await rest.get("/v2/account"))["cash"]) == cash


async def test_a_long_history_holds_up_nobody(start: Start) -> None:
    """Each day of it takes the bots' whole session to compute; others are answered between two days."""
    running = await start(bots=BotMarketSettings(), symbols=("SPY",))
    await running.advance_to(OPEN_NS)
    socket = await data_socket(running)
    month = {"symbols": "SPY", "timeframe": "1Day", "start": "2026-10-23"}
    history = asyncio.create_task(Rest(running).get("/v2/stocks/bars", **month))
    answered = 0
    while not history.done():
        await socket.say({"action": "subscribe", "bars": ["SPY"]})
        await socket.hear()
        answered += 1
    assert answered > 6  # it is 4 when the history is computed at one go: before and after it
    assert len((await history)["bars"]["SPY"]) == 21


async def test_the_book_is_shown_to_who_has_a_key(running: RunningExchange) -> None:
    rest = Rest(running)
    book = await rest.get("/hftd/book/SPY")
    assert book["bids"][0][0] <= book["asks"][0][0]
    assert (await rest.ask("GET", "/hftd/book/NOSUCH"))[0] == 404
    async with aiohttp.ClientSession() as stranger, stranger.get(f"{running.addresses().rest}/hftd/book/SPY") as answer:
        assert answer.status == 401
