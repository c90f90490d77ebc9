"""alpaca-py, unmodified, against the running exchange."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
)
from alpaca.trading.stream import TradingStream
from exchange_kit import CLOSE_NS, OPEN_NS, subscribed

from hftd.domain.convert import MINUTE_NS, SECOND_NS, datetime_of
from hftd.exchange.server.app import RunningExchange

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def trading(running: RunningExchange) -> TradingClient:
    addresses = running.addresses()
    return TradingClient(addresses.key, addresses.secret, url_override=addresses.rest)


@pytest.fixture
def history(running: RunningExchange) -> StockHistoricalDataClient:
    addresses = running.addresses()
    return StockHistoricalDataClient(addresses.key, addresses.secret, url_override=addresses.data)


def market_order(**fields: Any) -> MarketOrderRequest:
    usual = {"symbol": "SPY", "qty": 5, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
    return MarketOrderRequest(**{**usual, **fields})


async def called(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


async def test_account_clock_calendar_assets(trading: TradingClient) -> None:
    account = await called(trading.get_account)
    assert (account.cash, account.buying_power, account.status) == ("100000", "400000", "ACTIVE")
    clock = await called(trading.get_clock)
    assert clock.is_open
    assert clock.timestamp == datetime_of(OPEN_NS + 2 * MINUTE_NS)
    assert clock.next_close == datetime_of(CLOSE_NS)
    days = await called(trading.get_calendar, GetCalendarRequest(start=date(2026, 11, 25), end=date(2026, 11, 30)))
    assert [(day.date, f"{day.open:%H:%M}", f"{day.close:%H:%M}") for day in days] == [
        (date(2026, 11, 25), "09:30", "16:00"),
        (date(2026, 11, 27), "09:30", "13:00"),
        (date(2026, 11, 30), "09:30", "16:00"),
    ]
    assert [asset.symbol for asset in await called(trading.get_all_assets)] == ["AAPL", "SPY"]
    asset = await called(trading.get_asset, "SPY")
    assert asset.id == (await called(trading.get_asset, str(asset.id))).id


async def test_a_market_order_is_filled(trading: TradingClient) -> None:
    order = await called(trading.submit_order, market_order())
    assert order.status in (OrderStatus.PENDING_NEW, OrderStatus.ACCEPTED)
    filled = await called(trading.get_order_by_id, order.id)
    assert filled.status == OrderStatus.FILLED
    assert filled.filled_qty == "5"
    position = await called(trading.get_open_position, "SPY")
    assert position.qty == "5"
    assert position.avg_entry_price == filled.filled_avg_price
    account = await called(trading.get_account)
    assert float(account.cash) == pytest.approx(100_000 - 5 * float(filled.filled_avg_price))
    assert (await called(trading.get_order_by_client_id, order.client_order_id)).id == order.id


async def test_a_limit_order_waits_and_is_cancelled(trading: TradingClient) -> None:
    request = LimitOrderRequest(
        symbol="SPY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=100, client_order_id="mine"
    )
    order = await called(trading.submit_order, request)
    assert [found.client_order_id for found in await called(trading.get_orders)] == ["mine"]
    await called(trading.cancel_order_by_id, order.id)
    assert (await called(trading.get_order_by_id, order.id)).status == OrderStatus.CANCELED
    closed = GetOrdersRequest(status=QueryOrderStatus.CLOSED)
    assert [found.id for found in await called(trading.get_orders, closed)] == [order.id]
    assert await called(trading.get_orders) == []


async def test_refusals_have_code_and_message(trading: TradingClient) -> None:
    with pytest.raises(APIError) as caught:
        await called(trading.submit_order, market_order(qty=1_000_000))
    assert (caught.value.status_code, caught.value.code) == (403, 40310000)
    assert "insufficient buying power" in caught.value.message
    with pytest.raises(APIError) as caught:
        await called(trading.get_order_by_id, UUID(int=0))
    assert (caught.value.status_code, caught.value.code) == (404, 40410000)


async def test_wrong_keys(running: RunningExchange) -> None:
    client = TradingClient("PK", "wrong", url_override=running.addresses().rest)
    with pytest.raises(APIError) as caught:
        await called(client.get_account)
    assert caught.value.status_code == 401


async def test_history(history: StockHistoricalDataClient) -> None:
    request = StockBarsRequest(
        symbol_or_symbols=["SPY", "AAPL"],
        timeframe=TimeFrame.Minute,
        start=datetime_of(OPEN_NS - 3 * 86_400 * SECOND_NS),
    )
    bars = (await called(history.get_stock_bars, request)).data
    assert {symbol: len(found) for symbol, found in bars.items()} == {"SPY": 392, "AAPL": 392}
    latest = await called(history.get_stock_latest_bar, StockLatestBarRequest(symbol_or_symbols="SPY"))
    assert latest["SPY"] == bars["SPY"][-1]
    assert latest["SPY"].timestamp == datetime_of(OPEN_NS + MINUTE_NS)


async def test_trades_and_quotes_of_the_past(history: StockHistoricalDataClient) -> None:
    start = datetime_of(OPEN_NS)
    trades = await called(history.get_stock_trades, StockTradesRequest(symbol_or_symbols="SPY", start=start))
    assert len(trades["SPY"]) == 8
    quotes = await called(history.get_stock_quotes, StockQuotesRequest(symbol_or_symbols="SPY", start=start))
    assert len(quotes["SPY"]) == 9
    trade = await called(history.get_stock_latest_trade, StockLatestTradeRequest(symbol_or_symbols="SPY"))
    assert trade["SPY"] == trades["SPY"][-1]
    quote = await called(history.get_stock_latest_quote, StockLatestQuoteRequest(symbol_or_symbols="SPY"))
    assert quote["SPY"] == quotes["SPY"][-1]
    snapshot = await called(history.get_stock_snapshot, StockSnapshotRequest(symbol_or_symbols="SPY"))
    assert snapshot["SPY"].latest_trade == trade["SPY"]
    assert snapshot["SPY"].previous_daily_bar.timestamp == datetime(2026, 11, 20, 5, tzinfo=start.tzinfo)


@pytest.mark.parametrize(
    ("timeframe", "count"),
    [
        (TimeFrame(5, TimeFrameUnit.Minute), 79),
        (TimeFrame.Hour, 8),
        (TimeFrame.Day, 2),
        (TimeFrame.Week, 1),
        (TimeFrame.Month, 0),
    ],
)
async def test_longer_bars(history: StockHistoricalDataClient, timeframe: TimeFrame, count: int) -> None:
    """A Friday and two minutes of the Monday after it, since that Friday's midnight."""
    request = StockBarsRequest(
        symbol_or_symbols="SPY",
        timeframe=timeframe,
        start=datetime_of(OPEN_NS).replace(hour=5, minute=0) - timedelta(days=3),
    )
    assert len((await called(history.get_stock_bars, request)).data.get("SPY", [])) == count


@asynccontextmanager
async def streaming(stream: Any) -> AsyncIterator[None]:
    """Run an alpaca-py stream on this loop: its own `stop` takes five seconds."""
    task = asyncio.create_task(stream._run_forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await stream.close()


async def test_streams(running: RunningExchange, trading: TradingClient) -> None:
    """Both streams in alpaca-py's own codecs: msgpack for data, JSON in binary frames for trade updates."""
    received = asyncio.Queue[Any]()

    async def keep(item: Any) -> None:
        received.put_nowait(item)

    addresses = running.addresses()
    data = StockDataStream(addresses.key, addresses.secret, url_override=addresses.stream)
    updates = TradingStream(addresses.key, addresses.secret, url_override=addresses.trades)
    data.subscribe_bars(keep, "SPY")
    data.subscribe_quotes(keep, "SPY")
    data.subscribe_trades(keep, "SPY")
    updates.subscribe_trade_updates(keep)
    async with streaming(data), streaming(updates):
        await subscribed(running, data=1, trades=1)
        await running.advance_to(OPEN_NS + 3 * MINUTE_NS)
        items = [await received.get() for _ in range(9)]
        kinds = [type(item).__name__ for item in items]
        assert kinds == ["Trade", "Quote"] * 4 + ["Bar"]
        bar = items[-1]
        assert bar.timestamp == datetime_of(OPEN_NS + 2 * MINUTE_NS)
        assert bar.volume == sum(item.size for item in items[:-1] if type(item).__name__ == "Trade")
        order = await called(trading.submit_order, market_order())
        events = [await received.get() for _ in range(3)]
        assert [event.event for event in events] == ["pending_new", "new", "fill"]
        assert {event.order.id for event in events} == {order.id}
        assert (events[-1].qty, events[-1].position_qty) == (5, 5)
