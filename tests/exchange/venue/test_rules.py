"""Each rule refuses what breaks it, with Alpaca's status, code and words, and changes nothing."""

from decimal import Decimal as D
from typing import Any

import pytest

from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.orders import OrderClass, OrderStatus
from hftd.exchange.venue.accounts import Configuration
from hftd.exchange.venue.orders import PositionIntent
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.settings import VenueSettings
from tests.exchange.venue.venue_world import CLOSE_NS, OPEN_NS, SESSION, World

BRACKET = {"order_class": OrderClass.BRACKET, "take_profit_price": "110", "stop_loss_price": "90"}


def order(side: str, quantity: Any = 1, kind: str = "market", tif: str = "day", **more: Any) -> dict[str, Any]:
    return {"side": side, "quantity": quantity, "kind": kind, "tif": tif, **more}


MALFORMED = [
    (order("buy", None), "qty or notional is required"),
    (order("buy", 1, notional="5"), "only one of qty or notional is accepted"),
    (order("buy", 0), "qty must be > 0"),
    (order("buy", "1e12"), "qty must be > 0 and <= 1000000000"),
    (order("buy", "NaN"), "qty must be > 0"),
    (order("buy", kind="limit", limit_price="Infinity"), "limit_price must be > 0"),
    (order("buy", kind="trailing_stop", trail_percent="NaN"), "trail_percent > 0 and < 100"),
    (order("buy", "0.0000000001"), "no more than 9 decimal places"),
    (order("buy", None, notional="-1"), "notional must be > 0"),
    (order("buy", client_order_id="x" * 129), "client_order_id must be no more than 128 characters"),
    (order("buy", kind="limit"), "limit orders require a limit price"),
    (order("buy", kind="limit", limit_price="99", stop_price="99"), "limit orders require a limit price"),
    (order("buy", limit_price="99"), "market orders must not have a limit price"),
    (order("buy", kind="stop"), "stop orders require a stop price"),
    (order("buy", kind="stop_limit", stop_price="101"), "stop limit orders require both"),
    (order("buy", kind="trailing_stop"), "exactly one of trail_price and trail_percent"),
    (order("buy", kind="trailing_stop", trail_price="1", trail_percent="1"), "exactly one of trail_price"),
    (order("buy", kind="trailing_stop", trail_percent="100"), "trail_percent > 0 and < 100"),
    (order("buy", trail_price="1"), "only trailing stop orders may have"),
    (order("buy", kind="limit", limit_price="0"), "limit_price must be > 0"),
    (order("buy", kind="limit", limit_price="1000001"), "limit_price must be > 0 and <= 1000000"),
    (order("buy", take_profit_price="110"), "need an order_class"),
    (order("buy", order_class=OrderClass.BRACKET, take_profit_price="110"), "bracket orders require"),
    (order("buy", order_class=OrderClass.OTO), "oto orders require exactly one"),
    (order("buy", **BRACKET | {"order_class": OrderClass.OTO}), "oto orders require exactly one"),
    (order("buy", **BRACKET | {"stop_loss_price": None, "stop_loss_limit_price": "90"}), "stop_loss.stop_price is req"),
    (order("sell", kind="limit", limit_price="110", order_class=OrderClass.OCO), "oco orders require"),
]

UNPROCESSABLE = [
    (order("buy", symbol="NONE"), 'asset "NONE" not found'),
    (order("buy", symbol="HALTED"), 'asset "HALTED" is not tradable'),
    (order("sell", symbol="HARD"), 'asset "HARD" cannot be sold short'),
    (order("sell", "0.5"), "fractional orders cannot be sold short"),
    (order("buy", kind="limit", limit_price="290.123"), "invalid limit_price 290.123. sub-penny increment"),
    (order("buy", kind="limit", limit_price="0.12345"), "invalid limit_price 0.12345. sub-penny increment"),
    (order("buy", **BRACKET | {"stop_loss_price": "90.001"}), "invalid stop_loss.stop_price 90.001"),
    (order("buy", "0.5", tif="gtc"), "fractional orders must be DAY orders"),
    (order("buy", "0.5", **BRACKET), "fractional orders must be simple orders"),
    (order("buy", None, "stop", notional="5", stop_price="101"), "notional orders must be market or limit"),
    (order("buy", kind="stop", tif="ioc", stop_price="101"), "invalid time in force ioc for stop orders"),
    (order("buy", tif="fok", **BRACKET), "invalid time in force fok for bracket orders"),
    (order("buy", extended_hours=True), "extended hours order must be DAY limit orders"),
    (order("buy", kind="limit", tif="opg", limit_price="99", extended_hours=True), "must be DAY limit orders"),
    (order("buy", extended_hours=True, **BRACKET), "cannot be placed for extended hours"),
    (order("buy", tif="opg"), "opg orders are not accepted from 9:28am to 7:00pm ET"),
    (order("sell", kind="stop", stop_price="101"), "stop price must be less than current price"),
    (order("buy", kind="stop", stop_price="99"), "stop price must be greater than current price"),
    (order("buy", position_intent=PositionIntent.BUY_TO_CLOSE), "position intent mismatch, inferred: buy_to_open"),
    (order("sell", kind="market", **BRACKET | {"order_class": OrderClass.OCO}), "oco orders must be limit orders"),
    (order("sell", kind="limit", **BRACKET | {"order_class": OrderClass.OCO}), "oco orders must be exit orders"),
    (order("buy", kind="trailing_stop", trail_price="1", **BRACKET), "must be market, limit or stop orders"),
    (order("buy", **BRACKET | {"take_profit_price": "89"}), "take_profit.limit_price must be greater than stop_loss"),
    (order("sell", **BRACKET), "take_profit.limit_price must be less than stop_loss"),
    (order("buy", **BRACKET | {"take_profit_price": "100"}), r"take_profit.limit_price must be >= base_price \+ 0.01"),
    (order("buy", **BRACKET | {"stop_loss_price": "100"}), "stop_loss.stop_price must be <= base_price - 0.01"),
    (
        order("sell", order_class=OrderClass.BRACKET, take_profit_price="90", stop_loss_price="100"),
        r"stop_loss.stop_price must be >= base_price \+ 0.01",
    ),
]

FORBIDDEN = [
    (order("buy", 4000), "insufficient buying power"),
    (order("buy", None, notional="0.5"), "cost basis must be >= minimal amount of order 1"),
    (order("buy", "0.5", symbol="WHOLE"), 'asset "WHOLE" is not fractionable'),
]

CASES = [
    (status, code, wanted, message)
    for status, code, cases in ((422, 40010001, MALFORMED), (422, 42210000, UNPROCESSABLE), (403, 40310000, FORBIDDEN))
    for wanted, message in cases
]


@pytest.mark.parametrize(("status", "code", "wanted", "message"), CASES)
def test_what_breaks_a_rule_is_refused(
    market: World, status: int, code: int, wanted: dict[str, Any], message: str
) -> None:
    before = market.venue.snapshot()
    with pytest.raises(Refusal, match=message) as caught:
        market.submit(**wanted)

    assert (caught.value.status, caught.value.code) == (status, code)
    after = market.venue.snapshot()
    assert (after.orders, after.accounts) == (before.orders, before.accounts)


@pytest.mark.parametrize(
    "wanted",
    [
        order("buy", "0.000000001"),
        order("buy", None, notional="1"),
        order("buy", None, "limit", notional="10", limit_price="99"),
        order("buy", kind="limit", limit_price="0.1234"),
        order("sell", kind="limit", limit_price="290.12"),
        order("buy", kind="limit", limit_price="99", extended_hours=True),
        order("buy", kind="limit", tif="gtc", limit_price="99", extended_hours=True),
        order("buy", position_intent=PositionIntent.BUY_TO_OPEN),
        order("buy", kind="stop_limit", stop_price="101", limit_price="100.50"),
        order("sell", order_class=OrderClass.BRACKET, take_profit_price="99.99", stop_loss_price="100.01"),
    ],
)
def test_what_just_keeps_the_rules_is_accepted(market: World, wanted: dict[str, Any]) -> None:
    assert market.submit(**wanted).status is OrderStatus.PENDING_NEW


def test_a_client_order_id_is_used_once_for_ever(market: World) -> None:
    first = market.buy(1, client_order_id="once")
    assert market.status(first) is OrderStatus.FILLED
    with pytest.raises(Refusal, match="client_order_id must be unique") as caught:
        market.buy(1, client_order_id="once")
    assert caught.value.code == 40010001


def test_buying_power_is_told_with_the_refusal(market: World) -> None:
    with pytest.raises(Refusal) as caught:
        market.buy(5000, "limit", limit_price="100")
    assert caught.value.extra == {"buying_power": "400000", "cost_basis": "500000"}


def test_an_order_may_not_go_from_long_to_short(market: World) -> None:
    market.buy(5)
    market.sell(2, "limit", limit_price="110")
    with pytest.raises(Refusal, match=r"requested: 4, available: 3") as caught:
        market.sell(4)
    assert caught.value.extra == {"available": "3", "existing_qty": "5", "held_for_orders": "2", "symbol": "AAPL"}


def test_an_order_may_not_go_from_short_to_long(market: World) -> None:
    market.sell(5)
    with pytest.raises(Refusal, match=r"requested: 6, available: 5"):
        market.buy(6)


def test_shorts_need_an_account_that_may(market: World) -> None:
    market.venue.configure(market.id, Configuration(shorting=False), market.step())
    with pytest.raises(Refusal, match="account is not allowed to short") as caught:
        market.sell(1)
    assert caught.value.status == 403


def test_shorts_need_two_thousand_dollars() -> None:
    poor = World(cash="1999").open().quote(99.99, 100.01)
    with pytest.raises(Refusal, match="account is not allowed to short"):
        poor.sell(1)
    assert poor.venue.figures(poor.id).multiplier == 1


def test_a_suspended_account_trades_no_more(market: World) -> None:
    market.venue.configure(market.id, Configuration(suspended=True), market.step())
    with pytest.raises(Refusal, match="new orders are rejected by user request"):
        market.buy(1)


def test_a_multiplier_is_one_two_or_four(market: World) -> None:
    with pytest.raises(Refusal, match="max_margin_multiplier must be 1, 2 or 4"):
        market.venue.configure(market.id, Configuration(multiplier_max=3), market.step())


def test_fractions_need_an_account_that_may(market: World) -> None:
    market.venue.configure(market.id, Configuration(fractional=False), market.step())
    with pytest.raises(Refusal, match="is not fractionable"):
        market.buy("0.5")


def test_fractional_limits_are_a_setting() -> None:
    strict = World(VenueSettings(fractional_limits=False)).open().quote(99.99, 100.01)
    with pytest.raises(Refusal, match="fractional orders must be market orders"):
        strict.buy("0.5", "limit", limit_price="99")


def test_nothing_is_opened_both_ways(market: World) -> None:
    long = market.buy(1, "limit", limit_price="90")
    with pytest.raises(Refusal, match="cannot open a short sell while a long buy order is open"):
        market.sell(1, "limit", limit_price="110")
    market.venue.cancel(market.id, long.id, market.step())
    market.sell(1, "limit", limit_price="110")
    with pytest.raises(Refusal, match="cannot open a long buy while a short sell order is open"):
        market.buy(1, "limit", limit_price="90")


WASHES = [
    (order("sell", 1, "limit", limit_price="101"), order("buy"), "opposite side limit order exists"),
    (order("sell", 1, "limit", limit_price="101"), order("buy", 1, "limit", limit_price="101"), "opposite side limit"),
    (order("sell", 1, "stop", stop_price="95"), order("buy", 1, "limit", limit_price="90"), "market/stop order exists"),
    (order("sell", 1, "trailing_stop", trail_price="5"), order("buy"), "market/stop order exists"),
]


@pytest.mark.parametrize(("working", "wanted", "reason"), WASHES)
def test_an_account_may_not_trade_with_itself(
    market: World, working: dict[str, Any], wanted: dict[str, Any], reason: str
) -> None:
    market.buy(5)
    existing = market.submit(**working)
    with pytest.raises(Refusal, match=r"potential wash trade detected\. use complex orders") as caught:
        market.submit(**wanted)
    assert caught.value.status == 403
    assert caught.value.extra["existing_order_id"] == existing.id
    assert reason in caught.value.extra["reject_reason"]


def test_orders_that_cannot_meet_are_no_wash_trade(market: World) -> None:
    market.buy(5)
    market.sell(5, "limit", limit_price="101")
    assert market.buy(1, "limit", limit_price="100.99").status is OrderStatus.PENDING_NEW


def test_the_wash_trade_rule_is_a_setting() -> None:
    lax = World(VenueSettings(wash_trades_refused=False)).open().quote(99.99, 100.01)
    lax.buy(5)
    lax.sell(5, "limit", limit_price="101")
    assert lax.status(lax.buy(1)) is OrderStatus.FILLED


def test_a_limit_far_through_the_market_is_refused_if_wanted() -> None:
    careful = World(VenueSettings(limit_distance_max=D("0.5"))).open().quote(99.99, 100.01).print(100)
    careful.buy(1, "limit", limit_price="150")
    with pytest.raises(Refusal, match="too far away from the market price"):
        careful.buy(1, "limit", limit_price="150.01")
    with pytest.raises(Refusal, match="too far away from the market price"):
        careful.sell(1, "limit", limit_price="49.99")


@pytest.mark.parametrize(
    ("tif", "time_ns", "is_accepted"),
    [
        ("opg", OPEN_NS - 3 * MINUTE_NS, True),
        ("opg", OPEN_NS - 2 * MINUTE_NS, False),
        ("opg", CLOSE_NS + 179 * MINUTE_NS, False),
        ("opg", CLOSE_NS + 180 * MINUTE_NS, True),
        ("cls", OPEN_NS - 3 * MINUTE_NS, True),
        ("cls", CLOSE_NS - 10 * MINUTE_NS - SECOND_NS, True),
        ("cls", CLOSE_NS - 10 * MINUTE_NS, False),
        ("cls", CLOSE_NS + 180 * MINUTE_NS, True),
        ("opg", OPEN_NS + 5 * 86_400 * SECOND_NS, True),
    ],
)
def test_auction_orders_have_their_hours(world: World, tif: str, time_ns: int, is_accepted: bool) -> None:
    """The last one is a Saturday."""
    if OPEN_NS < time_ns < CLOSE_NS:
        world.open(SESSION)
    world.now_ns = time_ns - SECOND_NS
    if is_accepted:
        world.buy(1, "limit", tif, limit_price="100")
    else:
        with pytest.raises(Refusal, match=f"{tif} orders are not accepted"):
            world.buy(1, "limit", tif, limit_price="100")
