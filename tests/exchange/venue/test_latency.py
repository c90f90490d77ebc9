"""Orders and cancellations under way: policies, order of arrival, and what may happen meanwhile."""

import itertools
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.convert import SECOND_NS
from hftd.domain.orders import OrderStatus, ReportKind
from hftd.exchange.venue.latency import Constant, Latency, Normal, Recorded
from hftd.exchange.venue.liquidity import QuoteLiquidity
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.settings import VenueSettings
from hftd.exchange.venue.venue import Venue
from tests.exchange.venue.venue_world import NEXT_SESSION, World, asset_table

MS = 1_000_000
TWO_AND_A_HALF_S = Constant(5 * SECOND_NS // 2)
"""A world's step is a second."""


def delayed(latency: Latency = TWO_AND_A_HALF_S) -> World:
    return World(VenueSettings(latency=latency), draw=np.random.default_rng(1).random).open().quote(99.99, 100.01)


def test_an_order_acts_at_the_price_that_it_finds_on_arrival() -> None:
    world = delayed()
    order = world.buy(10)
    sent_ns = world.now_ns
    assert order.status is OrderStatus.PENDING_NEW
    world.quote(109.99, 110.01)
    world.venue.on_time(world.step())
    assert (world.status(order), world.shares()) == (OrderStatus.PENDING_NEW, 0)
    due_ns = world.venue.next_arrival_ns
    assert due_ns == sent_ns + TWO_AND_A_HALF_S.delay_ns
    world.venue.on_time(due_ns)
    assert world.status(order) is OrderStatus.FILLED
    assert world.now(order).filled_average_price == D("110.01")
    assert world.venue.next_arrival_ns is None


def test_a_cancellation_may_come_too_late() -> None:
    world = delayed()
    order = world.buy(10, "limit", limit_price="99.95")
    world.venue.on_time(world.step() + 2 * SECOND_NS)
    world.now_ns += 2 * SECOND_NS
    assert world.status(order) is OrderStatus.NEW
    world.venue.cancel(world.id, order.id, world.step())
    world.venue.cancel(world.id, order.id, world.step())  # asked twice, told once
    assert world.status(order) is OrderStatus.NEW
    world.quote(99.90, 99.92)
    assert world.status(order) is OrderStatus.FILLED
    world.venue.on_time(world.now_ns + 10 * SECOND_NS)
    assert world.status(order) is OrderStatus.FILLED


def test_a_cancellation_overtakes_nothing() -> None:
    world = delayed(Recorded((3 * SECOND_NS, 1)))
    order = world.buy(10, "limit", limit_price="99.95")
    world.venue.cancel_all(world.id, world.now_ns)
    world.venue.drain()
    world.venue.on_time(world.now_ns + 3 * SECOND_NS)
    assert [kind for _, kind in world.told()] == [ReportKind.NEW, ReportKind.CANCELED]
    assert world.status(order) is OrderStatus.CANCELED


def test_a_replacement_leaves_the_market_for_a_while() -> None:
    from hftd.exchange.venue.orders import Changes

    world = delayed()
    order = world.buy(10, "limit", limit_price="99.95")
    world.venue.on_time(world.now_ns + 3 * SECOND_NS)
    following = world.venue.replace(world.id, order.id, Changes(limit_price=D("100.05")), world.now_ns + 3 * SECOND_NS)
    assert (world.status(order), world.status(following)) == (OrderStatus.REPLACED, OrderStatus.PENDING_NEW)
    due_ns = world.venue.next_arrival_ns
    assert due_ns is not None
    world.venue.on_time(due_ns)
    assert world.status(following) is OrderStatus.FILLED


def test_a_second_withdrawal_changes_nothing_of_what_is_sent_later() -> None:
    arrivals = []
    for times in (1, 3):
        world = delayed(Recorded((SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS, 4 * SECOND_NS)))
        order = world.buy(10, "limit", limit_price="90")
        for _ in range(times):
            world.venue.cancel(world.id, order.id, world.now_ns)
        arrivals.append(world.buy(1).arrives_at_ns)
    assert arrivals[0] == arrivals[1]


def test_what_is_being_withdrawn_cannot_be_replaced() -> None:
    from hftd.exchange.venue.orders import Changes

    world = delayed()
    order = world.buy(10, "limit", limit_price="90")
    world.venue.on_time(world.now_ns + 3 * SECOND_NS)
    world.now_ns += 3 * SECOND_NS
    world.venue.cancel(world.id, order.id, world.step())
    with pytest.raises(Refusal, match="unable to replace"):
        world.venue.replace(world.id, order.id, Changes(limit_price=D(91)), world.step())
    world.venue.on_time(world.now_ns + 3 * SECOND_NS)
    assert world.status(order) is OrderStatus.CANCELED
    assert world.venue.figures(world.id).buying_power == 400_000


def test_what_arrives_after_the_close_has_expired_and_during_a_halt_waits() -> None:
    world = delayed()
    halted = world.buy(1)
    world.venue.halt("AAPL", world.step())
    world.venue.on_time(world.now_ns + 5 * SECOND_NS)
    assert world.status(halted) is OrderStatus.PENDING_NEW
    world.now_ns += 5 * SECOND_NS
    world.venue.resume("AAPL", world.step())
    assert world.status(halted) is OrderStatus.FILLED
    day, closing = world.buy(2), world.buy(2, "market", "cls")
    lasting = world.buy(3, "limit", "gtc", limit_price="99.95")
    world.close()
    world.venue.on_time(world.now_ns + 5 * SECOND_NS)
    assert world.status(day) is world.status(closing) is OrderStatus.EXPIRED
    assert world.status(lasting) is OrderStatus.PENDING_NEW
    world.open(NEXT_SESSION).quote(99.90, 99.92)
    assert world.status(lasting) is OrderStatus.FILLED


def test_a_withdrawal_that_comes_after_the_fill_still_takes_out_the_exits() -> None:
    from hftd.domain.orders import OrderClass

    world = delayed()
    prices = {"take_profit_price": "110", "stop_loss_price": "90"}
    entry = world.buy(10, order_class=OrderClass.BRACKET, **prices)
    exits = world.venue.legs(entry)
    world.venue.cancel(world.id, entry.id, world.step())
    world.venue.on_time(world.now_ns + 5 * SECOND_NS)
    assert world.status(entry) is OrderStatus.FILLED
    assert {world.status(each) for each in exits} == {OrderStatus.CANCELED}
    assert world.venue.position(world.id, "AAPL").available == 10


def test_an_oco_watches_its_stop_once_it_has_arrived() -> None:
    from hftd.domain.orders import OrderClass

    world = delayed()
    world.buy(10)
    world.venue.on_time(world.now_ns + 3 * SECOND_NS)
    world.now_ns += 3 * SECOND_NS
    exits = world.sell(
        10, "limit", "gtc", limit_price="110", order_class=OrderClass.OCO, take_profit_price="110", stop_loss_price="95"
    )
    world.print(94)  # the order has not arrived, and neither has its stop
    assert world.shares() == 10
    world.venue.on_time(world.now_ns + 3 * SECOND_NS)
    world.now_ns += 3 * SECOND_NS
    world.quote(93.99, 94.01).print(94)
    assert world.shares() == 0
    assert world.status(exits) is OrderStatus.CANCELED


def test_what_is_under_way_survives_a_restart() -> None:
    world = delayed()
    order = world.buy(10)
    resting = world.buy(5, "limit", limit_price="99.95")
    world.venue.on_time(world.now_ns - SECOND_NS + TWO_AND_A_HALF_S.delay_ns)
    world.venue.cancel(world.id, resting.id, world.now_ns + 2 * SECOND_NS)
    state, ids = world.venue.snapshot(), itertools.count(1000)
    settings = VenueSettings(latency=TWO_AND_A_HALF_S)
    again = Venue(settings, QuoteLiquidity(), asset_table(), lambda: f"id-{next(ids)}")
    again.restore(state)
    assert again.snapshot() == state
    for venue in (world.venue, again):
        while (due_ns := venue.next_arrival_ns) is not None:
            venue.on_time(due_ns)
        assert venue.order(world.id, order.id).status is OrderStatus.FILLED
        assert venue.order(world.id, resting.id).status is OrderStatus.CANCELED


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(0, 2**32))
def test_what_is_sent_first_arrives_first(delays_ns: list[int], seed: int) -> None:
    world = delayed(Recorded(tuple(delays_ns)))
    sent = [world.buy(1, "limit", limit_price="90") for _ in range(12)]
    world.venue.drain()
    while (due_ns := world.venue.next_arrival_ns) is not None:
        world.venue.on_time(due_ns)
    assert [order for order, kind in world.told() if kind is ReportKind.NEW] == [order.id for order in sent]


def test_policies() -> None:
    draw = np.random.default_rng(3).random
    assert {Constant(7).of(message, None) for message in range(5)} == {7}
    assert [Recorded((1, 2, 3)).of(message, None) for message in range(5)] == [1, 2, 3, 1, 2]
    normal = Normal(mean_ns=5 * MS, deviation_ns=2 * MS, least_ns=3 * MS)
    drawn = np.array([normal.of(message, draw) for message in range(20_000)])
    assert drawn.min() == 3 * MS
    assert 0.14 < (drawn == 3 * MS).mean() < 0.18  # a normal is below one deviation under its mean in 15.9 %
    assert abs(np.median(drawn) - 5 * MS) < 0.1 * MS
    assert Normal(5, 1).of(0, lambda: 0.0) == 0  # not minus infinity


def test_a_latency_that_varies_needs_numbers_drawn() -> None:
    with pytest.raises(ValueError, match="needs `draw`"):
        World(VenueSettings(latency=Normal(1, 1)))
