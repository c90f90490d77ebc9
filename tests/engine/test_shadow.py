"""What would have been filled on paper, and at which price."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.market import Bar, Quote
from hftd.domain.orders import OrderClass, OrderRequest, OrderType, Side
from hftd.engine.shadow import PaperOrder

D = Decimal


def paper(side: str, kind: str = "market", limit=None, stop=None, **more) -> PaperOrder:
    limit, stop = (None if price is None else D(price) for price in (limit, stop))
    request = OrderRequest("id", "SPY", Side(side), D(5), OrderType(kind), limit_price=limit, stop_price=stop, **more)
    return PaperOrder(request, 1_000)


def bar(opened: float, low: float, high: float, time_ns: int = 1_000) -> Bar:
    return Bar("SPY", time_ns, opened, high, low, opened, 1)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (paper("buy"), 100),
        (paper("sell"), 100),
        (paper("buy", "limit", limit=99), 99),
        (paper("buy", "limit", limit=98), None),  # a touch fills nothing
        (paper("buy", "limit", limit=101), 100),
        (paper("sell", "limit", limit=102), 102),
        (paper("sell", "limit", limit=103), None),
        (paper("sell", "limit", limit=99), 100),
        (paper("buy", "stop", stop=102), 102),
        (paper("buy", "stop", stop=104), None),
        (paper("buy", "stop", stop=99), 100),
        (paper("sell", "stop", stop=98), 98),
        (paper("sell", "stop", stop=97), None),
    ],
)
def test_by_a_bar_that_opens_at_100_and_goes_from_98_to_103(order, expected):
    assert order.by_bar(bar(100.0, 98.0, 103.0)) == expected


def test_a_bar_that_began_before_the_decision_fills_nothing():
    assert paper("buy").by_bar(bar(100.0, 98.0, 103.0, time_ns=999)) is None


def test_a_quote_fills_at_its_other_side():
    quote = Quote("SPY", 1_001, 99.5, 1, 100.5, 1)
    assert (paper("buy").by_quote(quote), paper("sell").by_quote(quote)) == (D("100.5"), D("99.5"))
    assert paper("buy", "limit", limit=100).by_quote(quote) is None
    assert paper("buy", "limit", limit=101).by_quote(quote) == D("100.5")
    assert paper("buy").by_quote(Quote("SPY", 1_001, 99.5, 1, 0.0, 0)) is None


def test_a_stop_limit_order_is_a_limit_order_once_its_stop_is_reached():
    order = paper("buy", "stop_limit", limit=102, stop=101)
    assert order.by_bar(bar(100.0, 99.0, 100.5)) is None
    assert order.by_bar(bar(100.0, 99.0, 101.0)) is None
    assert order.by_bar(bar(101.5, 101.0, 103.0)) == D("101.5")


def test_a_trailing_stop_follows_the_best_price_and_never_back():
    order = paper("sell", "trailing_stop", trail_price=D(2))
    assert order.by_bar(bar(100.0, 99.0, 104.0)) is None and order.stop_price == 98
    assert order.by_bar(bar(104.0, 103.0, 106.0)) is None and order.stop_price == 104
    assert order.by_bar(bar(105.0, 104.5, 105.0)) is None and order.stop_price == 104
    assert order.by_bar(bar(105.0, 103.0, 105.0)) == 104


def test_of_two_exits_the_stop_goes_first():
    exits = {"order_class": OrderClass.OCO, "take_profit_price": D(102), "stop_loss_price": D(99)}
    assert paper("sell", "limit", **exits).by_bar(bar(100.0, 98.0, 103.0)) == 99
    assert paper("sell", "limit", **exits).by_bar(bar(100.0, 99.5, 103.0)) == 102
    assert paper("sell", "limit", **exits).by_bar(bar(100.0, 99.5, 101.0)) is None


@given(
    side=st.sampled_from(["buy", "sell"]),
    limit=st.integers(90, 110),
    prices=st.tuples(*[st.integers(90, 110)] * 3).map(sorted),
)
def test_a_limit_order_is_never_filled_beyond_its_limit_nor_outside_the_bar(side, limit, prices):
    low, opened, high = prices
    price = paper(side, "limit", limit=limit).by_bar(bar(float(opened), float(low), float(high)))
    if price is not None:
        assert low <= price <= high
        assert price <= limit if side == "buy" else price >= limit
