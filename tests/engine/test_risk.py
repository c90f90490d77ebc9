from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.convert import MINUTE_NS
from hftd.domain.orders import Side
from hftd.engine.risk import EXPOSURE_RULES, RULES, Limits, Proposal, Refusal, refusal_of

LIMITS = Limits(
    max_position=Decimal(100), max_order_notional=Decimal(5_000), max_orders_per_minute=3, flatten_before_close_ns=None
)
NOW_NS = 100 * MINUTE_NS
STRICT = replace(
    LIMITS,
    **dict.fromkeys(
        ("max_position_notional", "max_gross_exposure", "max_net_exposure", "max_order_quantity"), Decimal(1)
    ),
    price_collar_percent=Decimal("0.5"),
    quiet_after_open_ns=NOW_NS + 1,
    quiet_before_close_ns=390 * MINUTE_NS,
)
"""Everything on, and so narrow that nothing may be opened."""


def proposal(side="buy", quantity="10", exposure="0", price=100.0, **values):
    return Proposal(
        side=Side(side),
        quantity=Decimal(quantity),
        exposure=Decimal(exposure),
        reference_price=price,
        **{"closable": Decimal(exposure), "time_ns": NOW_NS, "open_ns": 0, "close_ns": 390 * MINUTE_NS, **values},
    )


def verdict(limits=LIMITS, **values):
    refusal = refusal_of(proposal(**values), limits)
    return refusal and (refusal.rule, refusal.limit, refusal.value)


def test_an_ordinary_order_passes():
    assert verdict() is None


@pytest.mark.parametrize(
    ("side", "quantity", "exposure", "expected"),
    [
        ("buy", "39", "60", None),
        ("buy", "40", "60", None),
        ("buy", "40.000000001", "60", ("max_position", 100, Decimal("100.000000001"))),
        ("sell", "40", "-60", None),
        ("sell", "41", "-60", ("max_position", 100, 101)),
        ("sell", "41", "60", None),
        # Beyond the limit already (it was lowered, or a position was carried): closing passes, adding does not.
        ("sell", "30", "200", None),
        ("sell", "200", "200", None),
        ("buy", "1", "200", ("max_position", 100, 201)),
        ("buy", "1", "-200", None),
        # Through zero is no closing.
        ("sell", "310", "200", ("max_position", 100, 110)),
    ],
)
def test_max_position(side, quantity, exposure, expected):
    assert verdict(side=side, quantity=quantity, exposure=exposure, price=1.0) == expected


@pytest.mark.parametrize(
    ("quantity", "price", "exposure", "expected"),
    [
        ("49", 100.0, "0", None),
        ("50", 100.0, "0", None),
        ("50", 100.01, "0", ("max_order_notional", 5_000, Decimal("5000.50"))),
        ("0.1", 50_000.0, "0", None),
        ("50", 100.01, "-50", None),
        ("50", 100.01, "-49", ("max_order_notional", 5_000, Decimal("5000.50"))),
        ("1", None, "0", ("no_reference_price", 5_000, 1)),
        ("1", None, "-1", None),
    ],
)
def test_max_order_notional(quantity, price, exposure, expected):
    assert verdict(quantity=quantity, price=price, exposure=exposure) == expected


@pytest.mark.parametrize(
    ("ages_ns", "expected"),
    [
        ([], None),
        ([5, 3], None),
        ([5, 3, 0], ("max_orders_per_minute", 3, 4)),
        ([MINUTE_NS - 1, 3, 0], ("max_orders_per_minute", 3, 4)),
        ([MINUTE_NS, 3, 0], None),
        ([10 * MINUTE_NS] * 50 + [3, 0], None),
        ([4, 3, 2, 1], ("max_orders_per_minute", 3, 5)),
    ],
)
def test_orders_in_the_last_minute(ages_ns, expected):
    sent_ns = [NOW_NS - age_ns for age_ns in ages_ns]
    assert verdict(sent_ns=sent_ns) == expected
    assert verdict(sent_ns=sent_ns, side="sell", exposure="10") == expected


@pytest.mark.parametrize(
    ("moment", "rule"), [({"halted": True}, "halted"), ({"flattening": True}, "flatten_before_close")]
)
@pytest.mark.parametrize(
    ("side", "quantity", "exposure", "passes"),
    [
        ("buy", "1", "0", False),
        ("buy", "1", "5", False),
        ("sell", "5", "5", True),
        ("sell", "4", "5", True),
        ("sell", "6", "5", False),
        ("buy", "5", "-5", True),
    ],
)
def test_only_closing_goes_on(moment, rule, side, quantity, exposure, passes):
    found = verdict(side=side, quantity=quantity, exposure=exposure, **moment)
    after = abs(Decimal(exposure) + Side(side).sign * Decimal(quantity))
    assert found == (None if passes else (rule, 0, after))


@given(
    st.sampled_from(Side),
    st.decimals(min_value="0.001", max_value=10**6, places=3),
    st.decimals(min_value=-(10**6), max_value=10**6, places=3),
    st.one_of(st.none(), st.floats(0.01, 10**5)),
    st.booleans(),
    st.booleans(),
)
def test_what_only_reduces_is_refused_by_the_rate_alone(side, quantity, exposure, price, halted, flattening):
    order = proposal(side, quantity, exposure, price, halted=halted, flattening=flattening, limit_price=Decimal(10**9))
    if exposure * side.sign < 0 and quantity <= abs(exposure):
        assert order.reduces
        assert abs(order.exposure_after) < abs(exposure)
        assert refusal_of(order, STRICT) is None
    else:
        assert not order.reduces
        passes = not halted and not flattening and price is not None
        if passes and abs(order.exposure_after) <= 100 and quantity * Decimal(repr(price)) <= 5_000:
            assert refusal_of(order, LIMITS) is None
        else:
            assert refusal_of(order, LIMITS) is not None
        assert refusal_of(replace(order, closes=True), STRICT) is None


def test_the_first_rule_that_forbids_is_named():
    order = proposal(
        quantity="1000", halted=True, flattening=True, sent_ns=[NOW_NS] * 9, limit_price=Decimal(101), time_ns=NOW_NS
    )
    found = [refusal for rule in EXPOSURE_RULES + RULES if (refusal := rule(order, STRICT))]
    assert [refusal.rule for refusal in found] == [
        "halted",
        "flatten_before_close",
        "quiet_after_open",
        "quiet_before_close",
        "max_position",
        "max_order_quantity",
        "max_order_notional",
        "max_position_notional",
        "max_gross_exposure",
        "max_net_exposure",
        "price_collar_percent",
        "max_orders_per_minute",
    ]
    assert refusal_of(order, STRICT) == found[0] == Refusal("halted", Decimal(0), Decimal(1000))


@pytest.mark.parametrize(
    ("closable", "expected"), [("5", None), ("4", ("halted", 0, 5)), ("0", ("halted", 0, 5)), ("-5", ("halted", 0, 5))]
)
def test_an_order_against_working_orders_alone_closes_nothing(closable, expected):
    values = {"side": "sell", "quantity": "5", "exposure": "5", "closable": Decimal(closable)}
    assert verdict(halted=True, **values) == expected
    assert verdict(**values) is None


def test_what_is_off_forbids_nothing():
    order = proposal(
        quantity="100", price=50.0, limit_price=Decimal(10**6), others_gross=Decimal(10**9), others_net=Decimal(10**9)
    )
    assert refusal_of(order, LIMITS) is None


@pytest.mark.parametrize(
    ("name", "limit", "order", "expected"),
    [
        ("max_order_quantity", "10", {"quantity": "10"}, None),
        ("max_order_quantity", "10", {"quantity": "10.5"}, "10.5"),
        ("max_order_quantity", "10", {"quantity": "11", "exposure": "-11"}, None),
        ("max_position_notional", "3000", {"exposure": "20"}, None),
        ("max_position_notional", "3000", {"exposure": "20", "price": 100.5}, "3015"),
        ("max_position_notional", "3000", {"side": "sell", "exposure": "-21"}, "3100"),
        ("max_position_notional", "3000", {"side": "sell", "exposure": "90"}, None),
        ("max_gross_exposure", "5000", {"others_gross": Decimal(4000)}, None),
        ("max_gross_exposure", "5000", {"others_gross": Decimal(4001)}, "5001"),
        ("max_gross_exposure", "5000", {"others_gross": Decimal(4001), "side": "sell"}, "5001"),
        ("max_gross_exposure", "5000", {"others_gross": Decimal(9000), "exposure": "-10"}, None),
        ("max_net_exposure", "2000", {"others_net": Decimal(1000)}, None),
        ("max_net_exposure", "2000", {"others_net": Decimal(1001)}, "2001"),
        ("max_net_exposure", "2000", {"others_net": Decimal(-2001), "side": "sell"}, "3001"),
        ("max_net_exposure", "2000", {"others_net": Decimal(9000), "side": "sell"}, None),  # nearer to zero
        ("price_collar_percent", "5", {"limit_price": Decimal(105)}, None),
        ("price_collar_percent", "5", {"limit_price": Decimal("105.01")}, "5.01"),
        ("price_collar_percent", "5", {"limit_price": Decimal(50)}, None),  # a buy far below harms nobody
        ("price_collar_percent", "5", {"limit_price": Decimal("94.9"), "side": "sell"}, "5.1"),
        ("price_collar_percent", "5", {"limit_price": Decimal(200), "side": "sell"}, None),
        ("price_collar_percent", "5", {"limit_price": Decimal(210), "stop_price": Decimal(200)}, None),
        ("price_collar_percent", "5", {"limit_price": Decimal(211), "stop_price": Decimal(200)}, "5.5"),
        ("price_collar_percent", "5", {"stop_price": Decimal(200), "touch": 200.0}, None),
        ("price_collar_percent", "5", {"touch": 105.0}, None),
        ("price_collar_percent", "5", {"touch": 106.0}, "6"),
        ("price_collar_percent", "5", {"touch": 90.0, "side": "sell"}, "10"),
        ("price_collar_percent", "5", {"touch": 90.0, "side": "sell", "exposure": "10"}, None),
    ],
)
def test_each_rule_alone(name, limit, order, expected):
    found = verdict(replace(LIMITS, **{name: Decimal(limit)}), **order)
    assert found == (expected and (name, Decimal(limit), Decimal(expected)))


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (0, ("quiet_after_open", 5, 0)),
        (4.5, ("quiet_after_open", 5, Decimal("4.5"))),
        (5, None),
        (380, None),
        (380.5, ("quiet_before_close", 10, Decimal("9.5"))),
    ],
)
def test_first_and_last_minutes(minute, expected):
    limits = replace(LIMITS, quiet_after_open_ns=5 * MINUTE_NS, quiet_before_close_ns=10 * MINUTE_NS)
    assert verdict(limits, time_ns=int(minute * MINUTE_NS)) == expected
    assert verdict(limits, time_ns=int(minute * MINUTE_NS), side="sell", exposure="10") is None
