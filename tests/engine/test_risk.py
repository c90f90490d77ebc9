from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.convert import MINUTE_NS
from hftd.domain.orders import Side
from hftd.engine.risk import RULES, Limits, Proposal, Refusal, refusal_of

LIMITS = Limits(
    max_position=Decimal(100), max_order_notional=Decimal(5_000), max_orders_per_minute=3, flatten_before_close_ns=None
)
NOW_NS = 100 * MINUTE_NS


def proposal(
    side="buy", quantity="10", exposure="0", price=100.0, sent_ns=(), halted=False, flattening=False, time_ns=NOW_NS
):
    return Proposal(Side(side), Decimal(quantity), Decimal(exposure), price, time_ns, list(sent_ns), halted, flattening)


def verdict(**values):
    refusal = refusal_of(proposal(**values), LIMITS)
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
    order = proposal(side, quantity, exposure, price, (), halted, flattening)
    if exposure * side.sign < 0 and quantity <= abs(exposure):
        assert order.reduces
        assert abs(order.exposure_after) < abs(exposure)
        assert refusal_of(order, LIMITS) is None
    else:
        assert not order.reduces
        passes = not halted and not flattening and price is not None
        if passes and abs(order.exposure_after) <= 100 and quantity * Decimal(repr(price)) <= 5_000:
            assert refusal_of(order, LIMITS) is None
        else:
            assert refusal_of(order, LIMITS) is not None


def test_the_first_rule_that_forbids_is_named():
    order = proposal(quantity="1000", halted=True, flattening=True, sent_ns=[NOW_NS] * 9)
    found = [refusal for rule in RULES if (refusal := rule(order, LIMITS))]
    assert [refusal.rule for refusal in found] == [
        "halted",
        "flatten_before_close",
        "max_position",
        "max_order_notional",
        "max_orders_per_minute",
    ]
    assert refusal_of(order, LIMITS) == found[0] == Refusal("halted", Decimal(0), Decimal(1000))
