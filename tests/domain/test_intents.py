from decimal import Decimal

import msgspec
import numpy
import pytest

from hftd import buy, cancel, protect, sell, target
from hftd.domain.intents import Cancel, Exits, Measure, Protect, Target, Want
from hftd.domain.orders import OrderClass, OrderType, Side, TimeInForce
from hftd.model.contract import WorkingOrder


@pytest.mark.parametrize(
    ("terms", "type", "prices"),
    [
        ({}, OrderType.MARKET, {}),
        ({"limit": 99.5}, OrderType.LIMIT, {"limit_price": "99.5"}),
        ({"stop": "101"}, OrderType.STOP, {"stop_price": "101"}),
        ({"limit": 102, "stop": 101}, OrderType.STOP_LIMIT, {"limit_price": "102", "stop_price": "101"}),
        ({"trail": 1.5}, OrderType.TRAILING_STOP, {"trail_price": "1.5"}),
        ({"trail_percent": 2}, OrderType.TRAILING_STOP, {"trail_percent": "2"}),
    ],
)
def test_prices_say_what_type_an_order_is(terms, type, prices):
    want = buy(5, "SPY", **terms)
    assert want == Want(Side.BUY, "SPY", Decimal(5), type, **{name: Decimal(price) for name, price in prices.items()})


def test_an_order_carries_its_time_and_reason():
    want = sell(0.5, "SPY", time_in_force="ioc", reason="why")
    assert (want.side, want.quantity) == (Side.SELL, Decimal("0.5"))
    assert (want.time_in_force, want.reason) == (TimeInForce.IOC, "why")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, ""),
        (-1.75, "-1.75"),
        (numpy.float64(0.5), "0.5"),
        (("up", 3), "('up', 3)"),
        ("caf\udce9", "caf?"),
        ("é", "é"),
    ],
)
def test_whatever_a_model_gives_for_a_reason_can_be_journaled_and_read_back(given, kept):
    intents = (buy(1, "SPY", reason=given), target("SPY", 1, reason=given), cancel("SPY", reason=given))
    for intent in (*intents, protect("SPY", stop_loss=1, reason=given)):
        assert intent.reason == kept
        assert msgspec.json.decode(msgspec.json.encode(intent), type=type(intent)) == intent


@pytest.mark.parametrize("five", [numpy.int64(5), numpy.float64(5), numpy.float32(5)], ids=lambda five: five.dtype.name)
def test_numbers_and_names_may_be_those_of_numpy(five):
    want = buy(five, numpy.str_("SPY"), limit=five, fractional=numpy.bool_(False))
    assert want == buy(5, "SPY", limit=5)
    assert msgspec.json.decode(msgspec.json.encode(want), type=Want) == want


def test_an_amount_may_be_dollars_or_a_part_of_the_equity():
    assert (buy(symbol="SPY", dollars=1000).quantity, buy(symbol="SPY", dollars=1000).measure) == (1000, "dollars")
    want = sell(symbol="SPY", equity=0.25, fractional=True)
    assert (want.quantity, want.measure, want.fractional) == (Decimal("0.25"), Measure.EQUITY, True)
    assert target("SPY", equity=-0.5) == Target("SPY", Decimal("-0.5"), measure=Measure.EQUITY)
    assert target("SPY", 5) == Target("SPY", Decimal(5))


@pytest.mark.parametrize(
    ("exits", "order_class"),
    [
        ({"take_profit": 110, "stop_loss": 95}, OrderClass.BRACKET),
        ({"take_profit": 110}, OrderClass.OTO),
        ({"stop_loss": 95, "stop_loss_limit": 94.5}, OrderClass.OTO),
    ],
)
def test_exits_make_a_bracket(exits, order_class):
    want = buy(5, "SPY", limit=100, **exits)
    assert want.exits == Exits(**{name: Decimal(str(price)) for name, price in exits.items()})
    assert (want.order_class, want.type) == (order_class, OrderType.LIMIT)


def test_protection_and_cancellation():
    assert protect("SPY", take_profit=110, stop_loss=95, time_in_force="gtc") == Protect(
        "SPY", Exits(Decimal(110), Decimal(95)), time_in_force=TimeInForce.GTC
    )
    assert cancel("SPY", reason="why") == Cancel("SPY", "why")
    order = WorkingOrder("name", "SPY", Side.BUY, Decimal(5), Decimal(0))
    assert cancel(order=order) == cancel(order="name") == Cancel("", "", "name")


def test_what_is_wanted_can_be_journaled_whatever_numbers_and_words_it_was_made_of():
    last = numpy.array([271.34, 271.5])
    made = [
        buy(numpy.int64(5), numpy.str_("SPY"), limit=last.max(), reason=17),
        target("SPY", numpy.float64(2.5), reason=None),
        protect("SPY", stop_loss=last.min(), reason=last.size),
        cancel("SPY", reason=3.5),
    ]
    assert made[0] == buy(5, "SPY", limit="271.5", reason="17")
    for intent in made:
        assert msgspec.json.decode(msgspec.json.encode(intent), type=type(intent)) == intent


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (lambda: buy(0, "SPY"), "the quantity must be above 0"),
        (lambda: sell(symbol="SPY", dollars=-5), "the quantity must be above 0"),
        (lambda: buy("five", "SPY"), "'five' is not a number"),
        (lambda: buy(float("nan"), "SPY"), "not a finite number"),
        (
            lambda: buy(symbol="SPY"),
            "expected a quantity of shares, or dollars=..., or equity=...; exactly one of them",
        ),
        (lambda: buy(5, "SPY", dollars=1000), "exactly one of them"),
        (lambda: target("SPY", 5, equity=0.1), "exactly one of them"),
        (lambda: buy(5, "SPY", limit=1, trail=1), "limit and trail do not go together"),
        (lambda: buy(5, "SPY", trail=1, trail_percent=1), "trail and trail_percent do not go together"),
        (lambda: buy(5, "SPY", take_profit=1, time_in_force="ioc"), "ioc does not go with exits; expected day or gtc"),
        (lambda: buy(5, "SPY", stop_loss_limit=1), "expected a take_profit or a stop_loss price"),
        (lambda: protect("SPY"), "expected a take_profit or a stop_loss price"),
        (lambda: buy(5, "SPY", time_in_force="soon"), "'soon' is not a valid TimeInForce"),
        (lambda: buy(5, "SPY", limit_price=99), "limit_price is no term of an order; valid: dollars, "),
        (lambda: buy(5, ["SPY"]), "expected a name as text, like 'SPY', found list"),
        (lambda: target(None, 5), "expected a name as text, like 'SPY', found NoneType"),
        (lambda: buy(symbol="SPY", dollars=1e30), "more than 1000000000000000 shares, dollars or times the equity"),
        (lambda: cancel(), "expected a symbol, or an order"),
        (lambda: buy(5, "SPY", limit=0), "limit must be above 0, not 0"),
        (lambda: sell(5, "SPY", stop=-1.5), "stop must be above 0, not -1.5"),
        (lambda: buy(5, "SPY", trail=0), "trail must be above 0"),
        (lambda: buy(5, "SPY", take_profit=0), "take_profit must be above 0"),
        (lambda: protect("SPY", stop_loss=-1), "stop_loss must be above 0"),
        (lambda: protect("SPY", stop_loss=95, quantity=-5), "quantity must be above 0"),
        (lambda: cancel("SPY", order="name"), "expected a symbol, or an order"),
    ],
)
def test_what_is_no_order_is_refused_with_a_sentence(wish, sentence):
    with pytest.raises(ValueError, match=sentence.replace(".", r"\.")):
        wish()
