"""The adapter against the real simulated exchange, over real sockets: market data, orders, history, lockstep."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from alpaca_inbox import Inbox
from exchange_thread import DAY, MINUTES, write_tape

from hftd.broker.base import (
    Broker,
    ClockAnnouncement,
    Feed,
    FeedState,
    LockstepBroker,
    Mark,
    MarketMessage,
    OrdersAsked,
)
from hftd.broker.credentials import Keys
from hftd.broker.simulated import SimulatedBroker
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport, OrderRequest, OrderStatus, OrderType, ReportKind, Side
from hftd.errors import CredentialsError
from hftd.exchange.server.app import serve
from hftd.exchange.server.config import ExchangeConfig


@pytest.fixture(scope="module")
def calendar():
    return Calendar("NYSE")


@pytest.fixture(scope="module")
def session(calendar):
    return calendar.session_on(DAY)


@pytest.fixture(scope="module")
def tape(tmp_path_factory, session):
    return write_tape(tmp_path_factory.mktemp("tape") / "spy.csv", session.open_ns)


@asynccontextmanager
async def exchange_of(tmp_path, tape, calendar, **options):
    config = ExchangeConfig(state=tmp_path, tape=tape, requests_a_minute=0, **{"speed": 0.0, **options})
    async with await serve(config, calendar) as exchange:
        yield exchange


def broker_of(exchange, **options):
    addresses = exchange.addresses()
    return SimulatedBroker(addresses.rest, Keys.of(addresses.key, addresses.secret), **options)


@asynccontextmanager
async def trading(tmp_path, tape, calendar):
    """An exchange moved by hand, a connected broker, and its inbox."""
    async with exchange_of(tmp_path, tape, calendar) as exchange:
        broker, inbox = broker_of(exchange), Inbox()
        await broker.connect(inbox)
        yield exchange, broker, inbox
        await broker.disconnect()


def bars_in(messages):
    return [m.data for m in messages if isinstance(m, MarketMessage) and isinstance(m.data, Bar) and not m.daily]


def reports_in(messages, kind=None):
    return [m for m in messages if isinstance(m, ExecutionReport) and kind in (None, m.kind)]


def test_it_is_a_broker():
    broker: Broker = SimulatedBroker("http://127.0.0.1:1", Keys.of("a", "b"))
    lockstep: LockstepBroker = SimulatedBroker("http://127.0.0.1:1", Keys.of("a", "b"), lockstep=True)
    assert broker is not lockstep


async def test_bars_quotes_and_trades_arrive_as_the_tape_has_them(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, inbox):
        await broker.subscribe(bars=["SPY"], quotes=["SPY"], trades=["SPY"])
        await exchange.advance_to(session.open_ns + 7 * MINUTE_NS)
        await inbox.until(lambda messages: len(bars_in(messages)) == 6)
        bars = bars_in(inbox.messages)
        starts = [(bar.time_ns - session.open_ns) // MINUTE_NS for bar in bars]
        assert starts == [0, 1, 2, 3, 4, 6]
        assert (bars[1].open, bars[1].high, bars[1].low, bars[1].close, bars[1].volume) == (
            271.01,
            271.04,
            270.99,
            271.02,
            1001,
        )
        assert bars[1].trade_count > 0
        assert bars[1].vwap is not None
        kinds = {type(m.data) for m in inbox.messages if isinstance(m, MarketMessage)}
        assert kinds == {Bar, Quote, Trade}
        trades = [m.data for m in inbox.messages if isinstance(m, MarketMessage) and isinstance(m.data, Trade)]
        first = [trade.size for trade in trades if trade.time_ns < session.open_ns + MINUTE_NS]
        assert sum(first) == bars[0].volume


async def test_unsubscribing_ends_the_flow(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, inbox):
        await broker.subscribe(bars=["SPY"], trades=["SPY"])
        await exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
        await inbox.until(lambda messages: len(bars_in(messages)) == 2)
        await broker.unsubscribe(bars=["SPY"])
        await exchange.advance_to(session.open_ns + 4 * MINUTE_NS)
        await inbox.until(
            lambda messages: any(
                isinstance(m, MarketMessage) and m.data.time_ns > session.open_ns + 3 * MINUTE_NS for m in messages
            )
        )
        assert len(bars_in(inbox.messages)) == 2


async def test_a_market_order_is_accepted_filled_and_shown(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, inbox):
        await exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
        before = await broker.account()
        report = await broker.submit(OrderRequest("hftd-1", "SPY", Side.BUY, Decimal(5)))
        assert report.kind in (ReportKind.PENDING_NEW, ReportKind.ACCEPTED, ReportKind.NEW)
        (fill,) = await inbox.until(lambda messages: reports_in(messages, ReportKind.FILL))
        assert (fill.client_order_id, fill.quantity, fill.filled_quantity) == ("hftd-1", Decimal(5), Decimal(5))
        assert fill.execution_id
        assert fill.side is Side.BUY
        (position,) = await broker.positions()
        assert (position.symbol, position.quantity, position.average_price) == ("SPY", Decimal(5), fill.price)
        after = await broker.account()
        assert after.account_id == before.account_id
        assert before.cash - after.cash == 5 * fill.price
        shown = await broker.order("hftd-1")
        assert shown is not None
        assert (shown.status, shown.filled_average_price) == (OrderStatus.FILLED, fill.price)
        assert shown.broker_order_id == fill.broker_order_id


async def test_the_same_name_twice_is_one_order(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, _):
        await exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
        first = await broker.submit(OrderRequest("hftd-1", "SPY", Side.BUY, Decimal(5)))
        again = await broker.submit(OrderRequest("hftd-1", "SPY", Side.BUY, Decimal(5)))
        assert again.broker_order_id == first.broker_order_id
        assert len(await broker.orders(OrdersAsked.ALL)) == 1
        assert (await broker.positions())[0].quantity == 5


async def test_a_rejection_is_a_value(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, _):
        await exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
        report = await broker.submit(OrderRequest("hftd-1", "SPY", Side.BUY, Decimal(10**7)))
        assert report.kind is ReportKind.REJECTED
        assert "buying power" in report.reason
        unknown = await broker.submit(OrderRequest("hftd-2", "NOPE", Side.BUY, Decimal(1)))
        assert unknown.kind is ReportKind.REJECTED
        assert "NOPE" in unknown.reason


async def test_a_limit_order_is_replaced_and_cancelled(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, inbox):
        await exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
        request = OrderRequest("hftd-1", "SPY", Side.BUY, Decimal(5), OrderType.LIMIT, limit_price=Decimal("200.10"))
        await broker.submit(request)
        assert [order.client_order_id for order in await broker.orders()] == ["hftd-1"]
        successor = await broker.replace("hftd-1", "hftd-2", quantity=Decimal(6), limit_price=Decimal("200.20"))
        assert successor.client_order_id == "hftd-2"
        await inbox.until(lambda messages: reports_in(messages, ReportKind.REPLACED))
        (working,) = await broker.orders()
        assert (working.quantity, working.limit_price) == (Decimal(6), Decimal("200.20"))
        assert (await broker.cancel("hftd-2")).kind is ReportKind.PENDING_CANCEL
        await inbox.until(lambda messages: reports_in(messages, ReportKind.CANCELED))
        assert await broker.orders() == []
        assert (await broker.cancel("hftd-1")).kind is ReportKind.ORDER_CANCEL_REJECTED


async def test_history_equals_the_stream(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, inbox):
        await broker.subscribe(bars=["SPY"])
        await exchange.advance_to(session.open_ns + 30 * MINUTE_NS)
        await inbox.until(lambda messages: len(bars_in(messages)) == 29)
        history = await broker.bars(["SPY"], session.open_ns, session.open_ns + 29 * MINUTE_NS)
        assert history == bars_in(inbox.messages)


async def test_clock_and_assets(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, _):
        await exchange.advance_to(session.open_ns + MINUTE_NS)
        clock = await broker.clock()
        assert clock.is_open
        assert (clock.time_ns, clock.next_close_ns) == (session.open_ns + MINUTE_NS, session.close_ns)
        asset = await broker.asset("SPY")
        assert asset is not None
        assert asset.tradable
        assert await broker.asset("NOPE") is None


async def test_wrong_keys_are_refused_on_every_surface(tmp_path, tape, calendar):
    async with exchange_of(tmp_path, tape, calendar) as exchange:
        broker = SimulatedBroker(exchange.addresses().rest, Keys.of("PKWRONG", "wrong-wrong"))
        for ask in (
            broker.account,
            broker.clock,
            lambda: broker.connect(Inbox()),
            lambda: broker.connect_clock(Inbox()),
        ):
            with pytest.raises(CredentialsError) as raised:
                await ask()
            assert "wrong-wrong" not in str(raised.value)
        await broker.disconnect()


async def test_a_dropped_socket_comes_back_and_flows_again(tmp_path, tape, calendar, session):
    async with trading(tmp_path, tape, calendar) as (exchange, broker, inbox):
        await broker.subscribe(bars=["SPY"])
        for feed in (Feed.DATA, Feed.TRADES, Feed.CLOCK):
            await broker.reconnect(feed)
            await inbox.state(feed, FeedState.UP, 2)
        await exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
        await inbox.until(lambda messages: len(bars_in(messages)) == 2)


async def test_an_exchange_that_restarts_is_found_again_with_its_orders(tmp_path, tape, calendar, session):
    async with exchange_of(tmp_path, tape, calendar) as exchange:
        port = exchange.port
        broker, inbox = broker_of(exchange), Inbox()
        await exchange.advance_to(session.open_ns + 2 * MINUTE_NS)
        await broker.connect(inbox)
        await broker.subscribe(bars=["SPY"])
        await broker.submit(OrderRequest("hftd-1", "SPY", Side.BUY, Decimal(5)))
        await inbox.until(lambda messages: reports_in(messages, ReportKind.FILL))
    await inbox.state(Feed.DATA, FeedState.DOWN)
    async with exchange_of(tmp_path, tape, calendar, port=port) as exchange:
        await inbox.state(Feed.DATA, FeedState.UP, 2)
        await inbox.state(Feed.TRADES, FeedState.UP, 2)
        assert (await broker.positions())[0].quantity == 5
        await exchange.advance_to(session.open_ns + 4 * MINUTE_NS)
        await inbox.until(
            lambda messages: any(bar.time_ns >= session.open_ns + 3 * MINUTE_NS for bar in bars_in(messages))
        )
        await broker.disconnect()


async def test_the_clock_can_be_followed_alone(tmp_path, tape, calendar):
    async with exchange_of(tmp_path, tape, calendar) as exchange:
        broker, inbox = broker_of(exchange), Inbox()
        await broker.connect_clock(inbox)
        await broker.connect_clock(inbox)
        (announced,) = [m for m in inbox.messages if isinstance(m, ClockAnnouncement)]
        assert announced.hold == 0
        await broker.connect(inbox)
        await broker.disconnect_feeds()
        assert (await broker.account()).status == "ACTIVE"
        await broker.disconnect()


async def test_in_lockstep_every_fill_is_known_before_time_goes_on(tmp_path, tape, calendar, session):
    """Each bar is answered by an order, at a speed no machine could follow; and none comes late."""
    async with exchange_of(tmp_path, tape, calendar, speed=1000.0, wait=True) as exchange:
        broker = broker_of(exchange, lockstep=True)
        follower = Follower(broker, session)
        await broker.connect_clock(follower)
        await broker.connect(follower)
        await broker.subscribe(bars=["SPY"])
        await follower.start()
        async with asyncio.timeout(60):
            await follower.finished.wait()
        await broker.disconnect()
    assert len(follower.bars) == MINUTES - 1
    assert follower.fill_times == [bar.known_at_ns for bar in follower.bars[:-1]]


class Follower:
    """A client in lockstep that buys one share at every bar, and says done when both sockets have been drained."""

    def __init__(self, broker, session):
        self.broker = broker
        self.session = session
        self.bars = []
        self.fill_times = []
        self.finished = asyncio.Event()
        self._is_ready = False
        self._marks = {}
        self._hold = 0
        self._tasks = set()

    async def start(self):
        self._is_ready = True
        await self._release()

    def __call__(self, message):
        if isinstance(message, MarketMessage):
            self._bar(message.data)
        elif isinstance(message, ExecutionReport) and message.kind is ReportKind.FILL:
            self.fill_times.append(message.time_ns)
        elif isinstance(message, Mark):
            self._marks[message.feed] = message.hold
        elif isinstance(message, ClockAnnouncement):
            self._hold = message.hold
            if message.time_ns >= self.session.close_ns + SECOND_NS:
                self.finished.set()
        self._start(self._release())

    def _bar(self, bar):
        self.bars.append(bar)
        self._start(self.broker.submit(OrderRequest(f"hftd-{len(self.bars)}", "SPY", Side.BUY, Decimal(1))))

    def _start(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release(self):
        """Say done once no order is under way and both sockets have reached the hold."""
        me = asyncio.current_task()
        others = [task for task in self._tasks if task is not me and task.get_coro().__name__ == "submit"]
        if others:
            await asyncio.wait(others)
        feeds = (Feed.DATA, Feed.TRADES)
        if self._is_ready and self._hold and all(self._marks.get(feed, 0) >= self._hold for feed in feeds):
            await self.broker.done(self._hold)
