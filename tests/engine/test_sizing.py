"""Dollars, parts of equity, targets and exits become orders in shares."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.intents import Intent, buy, protect, sell, target
from hftd.domain.orders import OrderClass, OrderType
from tests.engine.engine_world import World, orders_of, running, shown, toy

CASH = 10**6


def world_of(*wishes: Intent | None) -> World:
    """A model that wants one thing after another, a bar each."""
    rest = list(wishes)
    return World(toy(lambda bar: rest.pop(0) if rest else None))


def sent(wish: Intent, close: float = 100.0) -> str:
    """The one order that `wish` leads to at this price."""
    return " ".join(shown(world_of(wish).bar(close=close))[1:])


@pytest.mark.parametrize(
    ("wish", "order"),
    [
        (buy(symbol="SPY", dollars=1050), "SubmitOrder buy 10"),
        (sell(symbol="SPY", dollars=1050), "SubmitOrder sell 10"),
        (buy(symbol="SPY", dollars=1050, fractional=True), "SubmitOrder buy 10.500000000"),
        (buy(symbol="SPY", dollars=1050, limit=50), "SubmitOrder buy 21"),
        (buy(symbol="SPY", equity=0.25), "SubmitOrder buy 2500"),
        (target("SPY", dollars=-1050), "SubmitOrder sell 10"),
        (target("SPY", equity=0.5), "SubmitOrder buy 5000"),
    ],
)
def test_amounts_are_counted_in_shares_at_the_last_price(wish, order):
    assert sent(wish) == order


def test_what_is_less_than_a_share_is_dropped():
    world = world_of(buy(symbol="SPY", dollars=99))
    assert shown(world.bar(close=100.0)) == ["SignalDropped buy 0 below_one_share"]


def test_without_a_price_dollars_cannot_be_counted():
    world = World(running(toy(lambda bar: buy(symbol="QQQ", dollars=1000)), symbols=("SPY", "QQQ")))
    assert shown(world.bar()) == ["SignalDropped buy 0 no_price"]
    world = World(running(toy(lambda bar: target("QQQ", equity=-0.5)), symbols=("SPY", "QQQ")))
    assert shown(world.bar()) == ["SignalDropped sell 0 no_price"]


def test_an_absurd_amount_is_counted_to_the_last_digit_and_left_to_the_gate():
    wish = buy(symbol="SPY", equity=10**15, fractional=True, limit="0.0001")
    assert shown(world_of(wish).bar(close=100.0))[0] == f"SignalRaised buy {10**25}.000000000"


def test_a_target_in_equity_follows_the_price():
    world = world_of(target("SPY", equity=0.5), target("SPY", equity=0.5), target("SPY", equity=0.5))
    world.fill(world.bar_order(), 5000, 100)
    assert world.bar(close=100.0) == []
    assert shown(world.bar(close=125.0)) == ["SignalRaised sell 500", "SubmitOrder sell 500"]  # 1,125,000 / 2 / 125


@given(st.decimals(-2, 2, places=3), st.integers(10, 2000), st.booleans())
def test_a_target_is_never_beyond_what_it_says(part, price, fractional):
    world = world_of(target("SPY", equity=part, fractional=fractional))
    orders = orders_of(world.bar(close=float(price)))
    shares = sum((order.order.quantity for order in orders), Decimal(0))
    assert 0 <= abs(part) * CASH - shares * price < (price if not fractional else Decimal(price) / 10**9)


@pytest.mark.parametrize(("held", "classes"), [(5, ["simple"]), (3, ["simple", "bracket"]), (0, ["bracket"])])
def test_exits_are_of_what_is_opened_and_of_nothing_that_is_closed(held, classes):
    world = world_of(sell(held, "SPY") if held else None, buy(5, "SPY", take_profit=110, stop_loss=95))
    commands = world.bar()
    if held:
        world.fill(orders_of(commands)[0].order.client_order_id, held, 100)
    sent = orders_of(world.bar())
    sent += orders_of(world.fill(sent[0].order.client_order_id, sent[0].order.quantity, 100))
    assert [order.order.order_class for order in sent] == classes


def test_a_part_of_an_equity_below_zero_is_nothing():
    world = world_of(buy(5, "SPY"), buy(symbol="SPY", equity=0.5), target("SPY", equity=0.5))
    world.fill(world.bar_order(), 5, CASH)
    assert shown(world.bar(close=1.0)) == ["SignalDropped buy 0 below_one_share"]
    assert shown(world.bar(close=1.0)) == ["SignalRaised sell 5", "SubmitOrder sell 5"]


def test_protection_is_one_order_for_one_price_and_an_oco_for_two():
    def exit_of(wish: Intent) -> tuple[str, object, object, object]:
        world = world_of(buy(10, "SPY"), wish)
        world.fill(world.bar_order(), 10, 100)
        (submitted,) = orders_of(world.bar())
        order = submitted.order
        assert (order.side, order.quantity) == ("sell", 10)
        return order.type, order.order_class, order.limit_price, order.stop_price

    assert exit_of(protect("SPY", take_profit=110)) == (OrderType.LIMIT, OrderClass.SIMPLE, 110, None)
    assert exit_of(protect("SPY", stop_loss=90)) == (OrderType.STOP, OrderClass.SIMPLE, None, 90)
    assert exit_of(protect("SPY", stop_loss=90, stop_loss_limit=89)) == (
        OrderType.STOP_LIMIT,
        OrderClass.SIMPLE,
        89,
        90,
    )
    assert exit_of(protect("SPY", take_profit=110, stop_loss=90)) == (OrderType.LIMIT, OrderClass.OCO, None, None)


def test_no_more_is_protected_than_is_held_and_free():
    world = world_of(sell(10, "SPY"), protect("SPY", stop_loss=110, quantity=4), protect("SPY", take_profit=90))
    world.fill(world.bar_order(), 10, 100)
    assert shown(world.bar()) == ["SignalRaised buy 4", "SubmitOrder buy 4"]
    assert shown(world.bar()) == ["SignalRaised buy 6", "SubmitOrder buy 6"]


def test_nothing_held_is_nothing_to_protect():
    assert shown(world_of(protect("SPY", stop_loss=90)).bar()) == ["SignalDropped sell 0 nothing_held"]
