"""The broker without sockets: what it tells, what it answers, and how its time stands still."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hftd.broker.base import (
    ClockAnnouncement,
    Feed,
    FeedState,
    FeedStatus,
    LockstepBroker,
    Mark,
    MarketMessage,
    OrdersAsked,
)
from hftd.broker.inprocess import InProcessBroker
from hftd.calendar import Calendar
from hftd.clock import ManualClock, WallClock
from hftd.domain.account import Position
from hftd.domain.convert import MINUTE_NS, SECOND_NS, decimal_of, ns_of
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport, OrderRequest, OrderStatus, OrderType, ReportKind, Side, TimeInForce
from hftd.exchange.market.course import make_course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.exchange.venue.settings import VenueSettings

SYMBOLS = ("SPY", "AAPL")
CALENDAR = Calendar()
OPEN_NS = ns_of(datetime(2026, 11, 27, 14, 30, tzinfo=UTC))
CLOSE_NS = OPEN_NS + 210 * MINUTE_NS  # the half day after Thanksgiving


class Desk:
    """A connected broker and everything that it has told."""

    def __init__(self, start_ns: int = OPEN_NS - MINUTE_NS, settings: VenueSettings | None = None, draw=None) -> None:
        self.clock = ManualClock(start_ns)
        self.market = RandomMarket(SYMBOLS, seed=3)
        self.broker = InProcessBroker(self.clock, make_course(CALENDAR, self.market, start_ns, settings, draw))
        self.told = []

    async def open(self, until_ns: int = OPEN_NS + 5 * SECOND_NS) -> "Desk":
        await self.broker.connect(self.told.append)
        await self.broker.play_until(until_ns)
        return self

    async def submit(self, name: str = "one", quantity: int = 5, **values) -> ExecutionReport:
        wanted = {"symbol": "SPY", "side": Side.BUY, "type": OrderType.MARKET, **values}
        return await self.broker.submit(OrderRequest(name, quantity=Decimal(quantity), **wanted))

    def data(self, kind):
        return [m.data for m in self.told if isinstance(m, MarketMessage) and type(m.data) is kind]

    def reports(self, name: str = "one"):
        return [m for m in self.told if isinstance(m, ExecutionReport) and m.client_order_id == name]

    def kinds(self, name: str = "one"):
        return [report.kind for report in self.reports(name)]


# What it tells -------------------------------------------------------------------------------------------------------


def test_it_is_a_lockstep_broker():
    broker: LockstepBroker = Desk().broker
    assert broker.account_id


async def test_connected_means_that_both_feeds_are_up():
    desk = await Desk().open()
    assert desk.told == [FeedStatus(feed, FeedState.UP, OPEN_NS - MINUTE_NS) for feed in (Feed.TRADES, Feed.DATA)]


async def test_what_is_subscribed_to_comes_at_its_instant():
    desk = await Desk().open(OPEN_NS - SECOND_NS)
    await desk.broker.subscribe(bars=["SPY"], quotes=["AAPL"], trades=["AAPL"])
    await desk.broker.play_until(OPEN_NS + 3 * MINUTE_NS)
    assert [bar.time_ns for bar in desk.data(Bar)] == [OPEN_NS, OPEN_NS + MINUTE_NS, OPEN_NS + 2 * MINUTE_NS]
    assert {bar.symbol for bar in desk.data(Bar)} == {"SPY"}
    assert {item.symbol for item in (*desk.data(Quote), *desk.data(Trade))} == {"AAPL"}
    first_minute = [trade for trade in desk.data(Trade) if trade.time_ns < OPEN_NS + MINUTE_NS]
    assert sum(trade.size for trade in first_minute) == (await desk.broker.bars(["AAPL"], OPEN_NS, OPEN_NS))[0].volume
    for message in desk.told:
        if isinstance(message, MarketMessage):
            known_ns = message.data.known_at_ns if isinstance(message.data, Bar) else message.data.time_ns
            assert message.received_ns == known_ns


async def test_nothing_more_comes_once_unsubscribed_or_disconnected():
    desk = await Desk().open(OPEN_NS)
    await desk.broker.subscribe(bars=SYMBOLS)
    await desk.broker.play_until(OPEN_NS + MINUTE_NS)
    await desk.broker.unsubscribe(bars=["AAPL"])
    await desk.broker.play_until(OPEN_NS + 2 * MINUTE_NS)
    assert [bar.symbol for bar in desk.data(Bar)] == ["AAPL", "SPY", "SPY"]
    await desk.submit(type=OrderType.LIMIT, limit_price=Decimal(1))
    heard = len(desk.told)
    await desk.broker.disconnect_feeds()
    await desk.broker.cancel("one")
    await desk.broker.play_until(OPEN_NS + 3 * MINUTE_NS)
    assert len(desk.told) == heard
    assert (await desk.broker.order("one")).status is OrderStatus.CANCELED


async def test_the_same_walk_is_the_same_to_the_letter():
    async def walk():
        desk = await Desk().open()
        await desk.broker.subscribe(bars=SYMBOLS, quotes=SYMBOLS)
        await desk.submit()
        await desk.broker.play_until(OPEN_NS + 10 * MINUTE_NS)
        return desk.told

    assert await walk() == await walk()


async def test_an_interruption_is_told():
    desk = await Desk().open()
    desk.told.clear()
    await desk.broker.reconnect(Feed.DATA)
    assert [(status.feed, status.state) for status in desk.told] == [
        (Feed.DATA, FeedState.DOWN),
        (Feed.DATA, FeedState.UP),
    ]
    assert desk.told[-1].quiet_since_ns == desk.clock.now_ns()


# What it answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_ns", "is_open", "next_open", "next_close"),
    [
        (OPEN_NS - 1, False, OPEN_NS, CLOSE_NS),
        (OPEN_NS, True, ns_of(datetime(2026, 11, 30, 14, 30, tzinfo=UTC)), CLOSE_NS),
        (CLOSE_NS, False, *(ns_of(datetime(2026, 11, 30, *hour, tzinfo=UTC)) for hour in ((14, 30), (21, 0)))),
    ],
)
async def test_the_clock_knows_the_half_day(time_ns, is_open, next_open, next_close):
    desk = await Desk().open(time_ns)
    told = await desk.broker.clock()
    assert (told.time_ns, told.is_open, told.next_open_ns, told.next_close_ns) == (
        time_ns,
        is_open,
        next_open,
        next_close,
    )


async def test_bars_of_the_past_and_none_of_the_future():
    desk = await Desk(CLOSE_NS - 48 * 60 * MINUTE_NS).open(OPEN_NS + 3 * MINUTE_NS - 1)
    bars = await desk.broker.bars(["SPY", "AAPL"], OPEN_NS - 48 * 60 * MINUTE_NS, CLOSE_NS)
    today = [(bar.symbol, (bar.time_ns - OPEN_NS) // MINUTE_NS) for bar in bars if bar.time_ns >= OPEN_NS]
    assert today == [("AAPL", 0), ("SPY", 0), ("AAPL", 1), ("SPY", 1)]
    assert len(bars) == 4 + 2 * 390  # the day before Thanksgiving is whole
    assert [bar.time_ns for bar in await desk.broker.bars(["SPY"], OPEN_NS, OPEN_NS)] == [OPEN_NS]


async def test_assets():
    desk = Desk()
    assert (await desk.broker.asset("SPY")).tradable
    assert await desk.broker.asset("SPX") is None


async def test_a_filled_order_from_first_word_to_the_books():
    desk = await Desk().open()
    quote = desk.market.liquidity.quote("SPY")
    answer = await desk.submit()
    assert (answer.kind, answer.client_order_id, answer.symbol) == (ReportKind.PENDING_NEW, "one", "SPY")
    assert desk.kinds() == [ReportKind.PENDING_NEW, ReportKind.NEW, ReportKind.FILL]
    fill = desk.reports()[-1]
    assert (fill.quantity, fill.price, fill.filled_quantity) == (5, decimal_of(quote.ask), 5)
    assert fill.execution_id and fill.time_ns == desk.clock.now_ns()
    order = await desk.broker.order("one")
    assert (order.status, order.filled_average_price, order.broker_order_id) == (
        OrderStatus.FILLED,
        fill.price,
        answer.broker_order_id,
    )
    assert await desk.broker.positions() == [Position("SPY", Decimal(5), fill.price)]
    account = await desk.broker.account()
    assert account.cash == 100_000 - 5 * fill.price
    assert account.account_id == desk.broker.account_id


async def test_an_order_is_never_there_twice():
    desk = await Desk().open()
    first, again = await desk.submit(), await desk.submit()
    assert (again.kind, again.broker_order_id) == (ReportKind.NEW, first.broker_order_id)
    other = await desk.submit(side=Side.SELL)
    assert (other.kind, other.broker_order_id) == (ReportKind.REJECTED, "")
    assert len(await desk.broker.orders(OrdersAsked.ALL)) == 1


async def test_a_refusal_says_why():
    desk = await Desk().open()
    answer = await desk.submit(quantity=1_000_000)
    assert (answer.kind, answer.reason) == (ReportKind.REJECTED, "insufficient buying power")
    assert desk.reports() == []
    assert await desk.broker.order("one") is None


async def test_cancelling():
    desk = await Desk().open()
    await desk.submit(type=OrderType.LIMIT, limit_price=Decimal(1))
    assert [order.client_order_id for order in await desk.broker.orders()] == ["one"]
    assert (await desk.broker.cancel("one")).kind is ReportKind.PENDING_CANCEL
    assert desk.kinds()[-1] is ReportKind.CANCELED
    assert await desk.broker.orders() == []
    again = await desk.broker.cancel("one")
    assert (again.kind, again.reason) == (
        ReportKind.ORDER_CANCEL_REJECTED,
        'order is already in "canceled" state',
    )
    assert (await desk.broker.cancel("nobody")).reason == "order not found for nobody"


async def test_replacing():
    desk = await Desk().open()
    await desk.submit(type=OrderType.LIMIT, limit_price=Decimal(1))
    answer = await desk.broker.replace("one", "two", quantity=Decimal(7), limit_price=Decimal(2))
    assert (answer.kind, answer.client_order_id) == (ReportKind.PENDING_NEW, "two")
    (order,) = await desk.broker.orders()
    assert (order.client_order_id, order.quantity, order.limit_price) == ("two", 7, 2)
    assert (await desk.broker.order("one")).status is OrderStatus.REPLACED
    refused = await desk.broker.replace("one", "three", quantity=Decimal(8))
    assert (refused.kind, refused.client_order_id) == (ReportKind.ORDER_REPLACE_REJECTED, "one")


async def test_orders_are_listed_oldest_first_and_from_a_moment_on():
    desk = await Desk().open()
    for index in range(60):
        await desk.submit(f"order {index}", 1, type=OrderType.LIMIT, limit_price=Decimal(1))
    between_ns = desk.clock.now_ns()
    await desk.broker.play_until(between_ns + SECOND_NS)
    await desk.submit("late", 1)
    names = [order.client_order_id for order in await desk.broker.orders(OrdersAsked.ALL)]
    assert names == [*(f"order {index}" for index in range(60)), "late"]
    assert [order.client_order_id for order in await desk.broker.orders(OrdersAsked.CLOSED)] == ["late"]
    assert [o.client_order_id for o in await desk.broker.orders(OrdersAsked.ALL, after_ns=between_ns)] == ["late"]


async def test_an_order_while_closed_waits_for_the_open():
    desk = await Desk().open(OPEN_NS - SECOND_NS)
    answer = await desk.submit()
    assert answer.kind is ReportKind.ACCEPTED
    await desk.broker.play_until(OPEN_NS + SECOND_NS)
    assert desk.kinds()[-1] is ReportKind.FILL


async def test_a_day_order_ends_with_the_day():
    desk = await Desk().open()
    await desk.submit(type=OrderType.LIMIT, limit_price=Decimal(1), time_in_force=TimeInForce.DAY)
    await desk.broker.play_until(CLOSE_NS)
    assert desk.reports()[-1].kind is ReportKind.EXPIRED
    assert desk.reports()[-1].time_ns == CLOSE_NS


async def test_the_venue_may_fill_in_parts():
    desk = await Desk(settings=VenueSettings(partial_fill_chance=0.9), draw=lambda: 0.1).open()
    await desk.submit(quantity=100)
    assert ReportKind.PARTIAL_FILL in desk.kinds()


async def test_a_course_that_begins_in_mid_session_knows_the_quotes_that_stand():
    begun = await Desk(OPEN_NS + 30 * MINUTE_NS + SECOND_NS // 2).open(OPEN_NS + 30 * MINUTE_NS + SECOND_NS // 2)
    whole = await Desk().open(OPEN_NS + 30 * MINUTE_NS + SECOND_NS // 2)
    for desk in (begun, whole):
        await desk.submit()
    assert begun.reports()[-1].price == whole.reports()[-1].price


# How its time stands still -------------------------------------------------------------------------------------------


class Digesting:
    """A client of the clock that is done only when told."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.holds: list[int] = []

    async def join(self) -> "Digesting":
        await self.desk.broker.connect_clock(self.hear)
        return self

    def hear(self, message) -> None:
        assert isinstance(message, ClockAnnouncement)
        assert message.time_ns == self.desk.clock.now_ns()
        self.holds.append(message.hold)


async def rounds() -> None:
    """Let the loop go round until nothing is left to do but wait."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_time_stands_still_until_the_latest_hold_is_done():
    desk = await Desk().open()
    await desk.broker.subscribe(bars=["SPY"])
    client = await Digesting(desk).join()
    playing = asyncio.create_task(desk.broker.play_until(OPEN_NS + 2 * MINUTE_NS))
    await desk.broker.done(client.holds[-1])
    await rounds()
    held = client.holds[-1]
    assert desk.told[-2:] == [Mark(Feed.TRADES, held), Mark(Feed.DATA, held)]
    await desk.submit()
    assert client.holds[-1] == held + 1
    await desk.broker.done(held)
    await rounds()
    assert desk.clock.now_ns() == OPEN_NS + MINUTE_NS
    await desk.broker.done(client.holds[-1])
    await rounds()
    assert len(desk.data(Bar)) == 2
    assert desk.clock.now_ns() == OPEN_NS + 2 * MINUTE_NS
    await desk.broker.done(client.holds[-1])
    await playing


async def test_who_comes_in_the_same_round_of_the_loop_is_waited_for():
    desk = await Desk().open()
    client = Digesting(desk)
    joining = asyncio.create_task(client.join())
    playing = asyncio.create_task(desk.broker.play_until(OPEN_NS + MINUTE_NS))
    await rounds()
    assert desk.clock.now_ns() == OPEN_NS + 5 * SECOND_NS
    await desk.broker.done(client.holds[-1])
    await asyncio.gather(joining, playing)
    assert desk.clock.now_ns() == OPEN_NS + MINUTE_NS


async def test_who_has_gone_holds_nothing():
    desk = await Desk().open()
    await Digesting(desk).join()
    playing = asyncio.create_task(desk.broker.play_until(OPEN_NS + MINUTE_NS))
    await asyncio.sleep(0)
    assert not playing.done()
    await desk.broker.disconnect()
    await playing
    assert desk.clock.now_ns() == OPEN_NS + MINUTE_NS


async def test_whoever_sleeps_by_the_clock_wakes_at_his_own_time():
    desk = await Desk().open()
    woken = []

    async def sleeper() -> None:
        for seconds in (7, 8, 200, 100_000):
            await desk.clock.sleep_until(OPEN_NS + seconds * SECOND_NS)
            woken.append((desk.clock.now_ns() - OPEN_NS) // SECOND_NS)

    sleeping = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    await desk.broker.play_until(OPEN_NS + 50_000 * SECOND_NS)
    assert woken == [7, 8, 200]
    assert desk.clock.now_ns() == OPEN_NS + 50_000 * SECOND_NS
    sleeping.cancel()


async def test_only_a_manual_clock_is_moved_and_any_other_is_followed():
    now_ns = [OPEN_NS - SECOND_NS]
    course = make_course(CALENDAR, RandomMarket(SYMBOLS, seed=3), now_ns[0])
    broker = InProcessBroker(WallClock(lambda: now_ns[0]), course)
    with pytest.raises(AssertionError, match="manual"):
        await broker.play_until(CLOSE_NS)
    told = []
    await broker.connect(told.append)
    await broker.subscribe(bars=["SPY"])
    while (due_ns := broker.next_ns) <= OPEN_NS + MINUTE_NS:
        now_ns[0] = due_ns
        broker.play_moment()
    assert [m.data.time_ns for m in told if isinstance(m, MarketMessage)] == [OPEN_NS]
