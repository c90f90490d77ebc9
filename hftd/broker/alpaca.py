"""The adapter to Alpaca: `AlpacaBroker`, all that the daemon asks of a broker.

alpaca-py makes the REST requests for account, clock, positions, lists of orders and history (`library`). The sockets
and the order path are our own on aiohttp (`line`, `data_socket`, `trade_socket`, `orders`).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import aiohttp

from hftd.broker.answers import strange
from hftd.broker.base import Asset, Feed, FeedState, FeedStatus, Message, OrdersAsked, Sink, UnknownMessage
from hftd.broker.credentials import Keys
from hftd.broker.data_socket import DataSocket
from hftd.broker.endpoints import Endpoints, Patience
from hftd.broker.history import BarsByTime, in_order, read_page
from hftd.broker.library import Library, preload
from hftd.broker.line import Line
from hftd.broker.orders import OrderPath
from hftd.broker.rest import Rest
from hftd.broker.trade_socket import TradeSocket
from hftd.broker.wire_account import (
    WireAccount,
    WireAsset,
    WireClock,
    WireFee,
    WirePosition,
    account_of,
    asset_of,
    clock_of,
    orders_in,
    position_of,
    read,
    understood,
)
from hftd.broker.wire_trading import WireOrder, broker_order_of, submitted_ns
from hftd.clock import wall_ns
from hftd.domain.account import Account, BrokerClock, Position
from hftd.domain.convert import datetime_of, rfc3339_of
from hftd.domain.market import Bar
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderRequest
from hftd.errors import BrokerRefused

ORDERS_A_PAGE = 500
ACTIVITIES_A_PAGE = 100
BARS_A_PAGE = 10_000
KEEP_ALIVE_S = 55.0
"""An idle connection is kept this long, so that the order after a minute's bar needs no new handshake; servers commonly
close theirs after 60 s or more."""

DNS_CACHE_S = 300
PAGES_MAX = 10_000
"""A broker that gives page after page for ever is not believed."""


class AlpacaBroker:
    """A `Broker` at Alpaca's paper environment, or at any server that speaks its protocol.

    `now_ns` stamps what arrives. `socket_headers` go with both sockets' upgrade requests.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        keys: Keys,
        *,
        now_ns: Callable[[], int] = wall_ns,
        patience: Patience | None = None,
        socket_headers: Mapping[str, str] | None = None,
    ) -> None:
        self.endpoints = endpoints
        self._patience = patience or Patience()
        self._sink: Sink = _nobody
        self._now_ns = now_ns
        self._session: aiohttp.ClientSession | None = None
        self._traces: list[aiohttp.TraceConfig] = []
        self._library = Library(endpoints, keys, self._patience)
        rest = Rest(endpoints.trading, keys, self._patience)
        self._orders = OrderPath(rest, now_ns, self._patience.request_attempts, self._deliver)
        common = (keys, self._deliver, now_ns, self._patience, socket_headers)
        self._data = DataSocket(endpoints.stream, *common)
        self._trades = TradeSocket(endpoints.trades, *common)
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, sink: Sink) -> None:
        await asyncio.to_thread(preload)
        self._sink = sink
        session = self._open_session()
        try:
            for socket in (self._trades, self._data):  # in turn: it is journaled, and the same run twice is the same
                if not socket.line.is_open:
                    await socket.open(session)
        except BaseException:
            await self.disconnect_feeds()
            raise

    async def disconnect_feeds(self) -> None:
        """Close both sockets; REST stays usable."""
        await asyncio.gather(self._data.close(), self._trades.close())
        self._sink = _nobody

    async def disconnect(self) -> None:
        await self.disconnect_feeds()
        self._library.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def reconnect(self, feed: Feed) -> None:
        task = asyncio.create_task(self._line_of(feed).drop())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def subscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        await self._data.subscribe(_channels(bars, quotes, trades, updated_bars, daily_bars, statuses))

    async def unsubscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        await self._data.unsubscribe(_channels(bars, quotes, trades, updated_bars, daily_bars, statuses))

    async def clock(self) -> BrokerClock:
        what = "tell the time"
        content = await self._library.trading(what, lambda client: client.get_clock())
        return understood(what, content, WireClock, clock_of)

    async def account(self) -> Account:
        what = "show the account"
        content = await self._library.trading(what, lambda client: client.get_account())
        return understood(what, content, WireAccount, account_of)

    async def positions(self) -> list[Position]:
        what = "list the positions"
        content = await self._library.trading(what, lambda client: client.get_all_positions())
        return understood(what, content, list[WirePosition], lambda wires: [position_of(wire) for wire in wires])

    async def fees(self, after_ns: int) -> Decimal:
        wanted: dict[str, Any] = {"after": rfc3339_of(after_ns), "direction": "asc", "page_size": ACTIVITIES_A_PAGE}
        charged = Decimal(0)
        for _ in range(PAGES_MAX):
            page = await self._fees_page(wanted)
            charged -= sum((line.net_amount for line in page), Decimal(0))
            if len(page) < ACTIVITIES_A_PAGE:
                break
            wanted["page_token"] = page[-1].id
        return charged

    async def _fees_page(self, wanted: dict[str, Any]) -> list[WireFee]:
        what, path = "list the fees", "/account/activities/FEE"
        return read(what, await self._library.trading(what, lambda client: client.get(path, wanted)), list[WireFee])

    async def asset(self, symbol: str) -> Asset | None:
        what = f"show the asset {symbol}"
        try:
            content = await self._library.trading(what, lambda client: client.get_asset(symbol))
        except BrokerRefused as refusal:
            if refusal.status in (404, 422):
                return None
            raise
        return asset_of(read(what, content, WireAsset))

    async def orders(self, status: OrdersAsked = OrdersAsked.OPEN, after_ns: int | None = None) -> list[BrokerOrder]:
        found: dict[str, WireOrder] = {}
        for _ in range(PAGES_MAX):
            page = await self._orders_page(status, after_ns)
            fresh = [order for order in page if order.id not in found]
            found.update((order.id, order) for order in fresh)
            if len(page) < ORDERS_A_PAGE or not fresh:
                break
            # Several orders may bear the last moment: step back, since `after` excludes it and counts in microseconds.
            after_ns = self._submitted_ns(page[-1]) - 1000
        for order in found.values():
            self._orders.learn(order.client_order_id, order.id)
        return [known for wire in found.values() if (known := self._tradable(wire)) is not None]

    def _submitted_ns(self, order: WireOrder) -> int:
        try:
            return submitted_ns(order)
        except (ValueError, OverflowError) as error:
            raise strange(f"list the orders ({error})", str(order)) from None

    def _tradable(self, wire: WireOrder) -> BrokerOrder | None:
        """An order as we know orders; None for what others trade on the account, such as several options at once."""
        try:
            return broker_order_of(wire)
        except (ValueError, OverflowError) as error:
            self._sink(UnknownMessage(Feed.TRADES, self._now_ns(), str(wire), str(error)))
            return None

    async def _orders_page(self, status: OrdersAsked, after_ns: int | None) -> list[WireOrder]:
        await asyncio.to_thread(preload)
        from alpaca.common.enums import Sort
        from alpaca.trading.enums import QueryOrderStatus
        from alpaca.trading.requests import GetOrdersRequest

        wanted = GetOrdersRequest(
            status=QueryOrderStatus(status.value),
            limit=ORDERS_A_PAGE,
            after=None if after_ns is None else datetime_of(after_ns),
            direction=Sort.ASC,
            nested=False,
        )
        what = "list the orders"
        return orders_in(what, await self._library.trading(what, lambda client: client.get_orders(wanted)))

    async def order(self, client_order_id: str) -> BrokerOrder | None:
        return await self._orders.order(self._open_session(), client_order_id)

    async def bars(self, symbols: Sequence[str], start_ns: int, end_ns: int) -> list[Bar]:
        found: BarsByTime = {}
        token: str | None = None
        for _ in range(PAGES_MAX):
            what = f"send bars of {', '.join(symbols)}"
            token = await read_page(what, await self._bars_page(what, symbols, start_ns, end_ns, token), found)
            if token is None:
                break
        return await in_order(found)

    async def _bars_page(
        self, what: str, symbols: Sequence[str], start_ns: int, end_ns: int, token: str | None
    ) -> bytes:
        await asyncio.to_thread(preload)
        from alpaca.data.requests import StockBarsRequest
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

        wanted = StockBarsRequest(
            symbol_or_symbols=list(symbols),
            timeframe=TimeFrame(1, TimeFrameUnit("Min")),
            start=datetime_of(start_ns),
            end=datetime_of(end_ns),
        )
        params: dict[str, Any] = {**wanted.to_request_fields(), "feed": self.endpoints.feed, "limit": BARS_A_PAGE}
        if token:
            params["page_token"] = token
        return await self._library.history(what, lambda client: client.get("/stocks/bars", params))

    async def submit(self, order: OrderRequest) -> ExecutionReport:
        return await self._orders.submit(self._open_session(), order)

    async def cancel(self, client_order_id: str) -> ExecutionReport:
        return await self._orders.cancel(self._open_session(), client_order_id)

    async def replace(
        self,
        client_order_id: str,
        new_client_order_id: str,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail: Decimal | None = None,
    ) -> ExecutionReport:
        return await self._orders.replace(
            self._open_session(), client_order_id, new_client_order_id, quantity, limit_price, stop_price, trail
        )

    def _line_of(self, feed: Feed) -> Line:
        return next(line for line in self._lines if line.feed is feed)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=DNS_CACHE_S)
            self._session = aiohttp.ClientSession(connector=connector, trace_configs=self._traces)
        return self._session

    def _deliver(self, message: Message) -> None:
        if isinstance(message, ExecutionReport):
            self._orders.learn(message.client_order_id, message.broker_order_id)
        elif isinstance(message, FeedStatus) and message.state is FeedState.UP:
            self._hurry_others(message.feed)
        self._sink(message)

    def _hurry_others(self, feed: Feed) -> None:
        """`feed` is up: what else was lost may be had again, too."""
        for line in self._lines:
            if line.feed is not feed:
                line.hurry()

    @property
    def _lines(self) -> tuple[Line, ...]:
        return (self._data.line, self._trades.line)


def _nobody(message: Message) -> None:
    """The sink while nobody is connected."""


def _channels(
    bars: Iterable[str],
    quotes: Iterable[str],
    trades: Iterable[str],
    updated_bars: Iterable[str],
    daily_bars: Iterable[str],
    statuses: Iterable[str],
) -> dict[str, Iterable[str]]:
    return {
        "bars": bars,
        "quotes": quotes,
        "trades": trades,
        "updated_bars": updated_bars,
        "daily_bars": daily_bars,
        "statuses": statuses,
    }
