"""Trading against the quote of the moment."""

from decimal import Decimal as D
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.market import Quote
from hftd.domain.orders import Side
from hftd.exchange.venue.liquidity import QuoteLiquidity
from hftd.exchange.venue.orders import Execution

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def liquidity() -> QuoteLiquidity:
    market = QuoteLiquidity()
    market.update(Quote("AAPL", 1, 99.99, 1, 100.01, 1))
    return market


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (BUY, None, "100.01"),
        (BUY, "100.01", "100.01"),
        (BUY, "100.00", None),
        (SELL, None, "99.99"),
        (SELL, "99.99", "99.99"),
        (SELL, "100.00", None),
    ],
)
def test_an_order_takes_the_far_side_if_its_limit_reaches(
    liquidity: QuoteLiquidity, side: Side, limit: str | None, price: str | None
) -> None:
    taken = liquidity.take("AAPL", side, D(1000), D(limit) if limit else None, "one", whole=True)
    assert list(taken) == ([] if price is None else [Execution(D(price), D(1000))])


def test_nothing_is_taken_without_a_quote_or_from_an_empty_side(liquidity: QuoteLiquidity) -> None:
    assert not liquidity.take("MSFT", BUY, D(1), None, "one")
    liquidity.update(Quote("AAPL", 2, 0.0, 0, 100.01, 1))
    assert not liquidity.take("AAPL", SELL, D(1), None, "one")
    assert liquidity.take("AAPL", BUY, D(1), None, "one")


def test_resting_orders_fill_once_when_a_quote_reaches_them(liquidity: QuoteLiquidity) -> None:
    liquidity.rest("low", "AAPL", BUY, D(1), D("99"), "one")
    liquidity.rest("lower", "AAPL", BUY, D(2), D("98"), "one")
    liquidity.rest("high", "AAPL", SELL, D(3), D("101"), "one")
    liquidity.update(Quote("AAPL", 2, 98.4, 1, 98.5, 1))
    assert liquidity.poll() == [("low", Execution(D("98.5"), D(1)))]

    liquidity.update(Quote("AAPL", 3, 101.5, 1, 101.6, 1))
    assert liquidity.poll() == [("high", Execution(D("101.5"), D(3)))]
    liquidity.update(Quote("AAPL", 4, 101.5, 1, 101.6, 1))
    assert liquidity.poll() == []


def test_a_withdrawn_order_is_forgotten(liquidity: QuoteLiquidity) -> None:
    liquidity.rest("one", "AAPL", BUY, D(1), None, "one")
    liquidity.withdraw("one")
    liquidity.withdraw("one")
    liquidity.update(Quote("AAPL", 2, 98.4, 1, 98.5, 1))
    assert liquidity.poll() == []


def test_clearing_voids_quotes_and_keeps_orders(liquidity: QuoteLiquidity) -> None:
    liquidity.rest("one", "AAPL", BUY, D(1), D(99), "one")
    liquidity.clear()
    assert liquidity.quote("AAPL") is None
    liquidity.update(Quote("AAPL", 2, 98.4, 1, 98.5, 1))
    assert [key for key, _ in liquidity.poll()] == ["one"]


CENTS = st.integers(9_990, 10_010)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), CENTS | st.just(0), CENTS | st.just(0)),
        st.tuples(st.just("rest"), st.sampled_from(Side), CENTS | st.none()),
        st.tuples(st.just("withdraw"), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_a_quote_that_reaches_no_order_fills_none(steps: list[tuple[Any, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QuoteLiquidity, "_look_for_reach", lambda market, symbol: (inf, -inf))
        asked = all_fills(steps)
    assert all_fills(steps) == asked


def all_fills(steps: list[tuple[Any, ...]]) -> list[Any]:
    market, found = QuoteLiquidity(), []
    for number, (name, *values) in enumerate(steps):
        match name, values:
            case "quote", (bid, ask):
                market.update(Quote("AAPL", 1, bid / 100, 1, ask / 100, 1))
            case "rest", (side, limit):
                market.rest(str(number), "AAPL", side, D(1), None if limit is None else D(limit) / 100, "one")
            case _:
                market.withdraw(str(values[0]))
        found.append(list(market.poll()))
    return found
