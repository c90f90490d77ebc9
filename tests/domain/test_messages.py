"""Market data, orders, sessions, intents, and the names of events and commands."""

from datetime import date
from decimal import Decimal
from typing import get_args

import pytest

from hftd.domain.commands import Command
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived, Event, QuoteReceived, TimerFired, TradeReceived, name_of
from hftd.domain.intents import Cancel, Target, Want, buy, cancel, sell, target
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import TERMINAL, OrderStatus, OrderType, Side, TimeInForce
from hftd.domain.session import Session

BAR = Bar("SPY", 10 * MINUTE_NS, 1.0, 2.0, 0.5, 1.5, 34)


def test_a_bar_is_known_at_the_end_of_its_minute():
    assert BAR.known_at_ns == 11 * MINUTE_NS
    assert BarReceived(BAR).time_ns == 11 * MINUTE_NS
    assert QuoteReceived(Quote("SPY", 7, 1.0, 1, 2.0, 1)).time_ns == 7
    assert TradeReceived(Trade("SPY", 8, 1.0, 1)).time_ns == 8


def test_the_middle_needs_both_sides():
    assert Quote("SPY", 7, 1.0, 1, 2.0, 1).mid == 1.5
    assert Quote("SPY", 7, 0.0, 0, 2.0, 1).mid is None
    assert Quote("SPY", 7, 1.0, 1, 0.0, 0).mid is None


def test_the_open_belongs_to_a_session_and_the_close_does_not():
    session = Session(10, 20, date(2026, 11, 27))
    assert [session.is_open(time_ns) for time_ns in (9, 10, 19, 20)] == [False, True, True, False]


def test_sides():
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY


def test_terminal_statuses():
    assert {status for status in OrderStatus if status.is_terminal} == TERMINAL
    assert {str(status) for status in TERMINAL} == {"filled", "canceled", "expired", "replaced", "rejected"}


@pytest.mark.parametrize("union", [Event, Command])
def test_names_are_noun_verb_and_unique(union):
    names = [kind.__struct_config__.tag for kind in get_args(union)]
    assert len(set(names)) == len(names)
    assert all(name.count(".") == 1 and name == name.lower() for name in names)


def test_a_message_knows_its_name():
    assert name_of(TimerFired(1, "flatten")) == "timer.fired"


# Intents -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "type_"),
    [
        ({}, OrderType.MARKET),
        ({"limit": 1}, OrderType.LIMIT),
        ({"stop": 1}, OrderType.STOP),
        ({"limit": 1, "stop": 2}, OrderType.STOP_LIMIT),
    ],
)
@pytest.mark.parametrize(("word", "side"), [(buy, Side.BUY), (sell, Side.SELL)])
def test_the_prices_tell_the_type(word, side, prices, type_):
    want = word(5, "SPY", **prices)
    assert (want.side, want.type, want.quantity, want.symbol) == (side, type_, 5, "SPY")


def test_numbers_of_an_intent_are_exact():
    want = buy(0.1, "SPY", limit=271.34, stop="271.5", time_in_force="gtc", reason="why")
    assert want == Want(
        Side.BUY,
        "SPY",
        Decimal("0.1"),
        OrderType.STOP_LIMIT,
        TimeInForce.GTC,
        Decimal("271.34"),
        Decimal("271.5"),
        "why",
    )
    assert target("SPY", -0.1, reason="why") == Target("SPY", Decimal("-0.1"), "why")
    assert cancel("SPY", reason="why") == Cancel("SPY", "why")


@pytest.mark.parametrize("quantity", [0, -1, "0", -0.5])
def test_quantities_are_positive(quantity):
    with pytest.raises(ValueError, match="the quantity must be above 0"):
        sell(quantity, "SPY")


@pytest.mark.parametrize("quantity", ["many", float("nan")])
def test_quantities_are_numbers(quantity):
    with pytest.raises(ValueError, match="is not a"):
        buy(quantity, "SPY")


def test_unknown_time_in_force():
    with pytest.raises(ValueError, match="soon"):
        buy(1, "SPY", time_in_force="soon")
