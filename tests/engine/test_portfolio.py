from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.orders import Side
from hftd.engine.portfolio import Holding, Portfolio

BUY, SELL = Side.BUY, Side.SELL
QUANTITIES = st.one_of(
    st.integers(1, 1_000).map(Decimal),
    st.integers(1, 10**9).map(lambda billionths: Decimal(billionths) / 10**9),
)
PRICES = st.integers(1, 10**8).map(lambda ticks: Decimal(ticks) / 10_000)
FILLS = st.lists(st.tuples(st.sampled_from(Side), QUANTITIES, PRICES), max_size=30)
ROUNDING = Decimal("1e-12")
"""Dollars: far above 28 digits' rounding over 30 fills, far below a cent."""


def average_cost(fills):
    """Quantity, cost and realised profit by the average-cost method in exact fractions, share by signed share."""
    quantity = average = realised = Fraction(0)
    for side, shares, price in fills:
        signed, price = side.sign * Fraction(shares), Fraction(price)
        if quantity * signed >= 0:
            average = (average * quantity + price * signed) / (quantity + signed)
        else:
            closed = -signed if abs(signed) <= abs(quantity) else quantity
            realised += closed * (price - average)
            if abs(signed) > abs(quantity):
                average = price
        quantity += signed
    return quantity, average * quantity, realised


def near(found: Decimal, expected: Fraction) -> bool:
    return abs(Fraction(found) - expected) < Fraction(ROUNDING)


@given(FILLS)
def test_any_fills_against_exact_fractions(fills):
    portfolio = Portfolio()
    for side, shares, price in fills:
        portfolio.fill("SPY", side, shares, price)
    quantity, cost, realised = average_cost(fills)
    assert Fraction(portfolio.quantity("SPY")) == quantity
    assert near(portfolio.cost, cost)
    assert near(portfolio.realised, realised)


@given(FILLS, PRICES)
def test_profit_is_cash_and_what_is_held_is_worth(fills, price):
    portfolio = Portfolio()
    for side, shares, paid in fills:
        portfolio.fill("SPY", side, shares, paid)
    paid_and_received = -sum((side.sign * shares * paid for side, shares, paid in fills), Decimal(0))
    assert portfolio.cash_flow == paid_and_received
    assert abs(portfolio.realised - portfolio.cash_flow - portfolio.cost) < ROUNDING
    worth = portfolio.quantity("SPY") * price
    assert (
        abs(portfolio.realised + portfolio.unrealised({"SPY": float(price)}) - (worth + paid_and_received)) < ROUNDING
    )


@given(FILLS, PRICES)
def test_nothing_held_costs_nothing(fills, price):
    holding = Holding()
    for side, shares, paid in fills:
        holding.fill(side, shares, paid)
    if holding.quantity:
        holding.fill(SELL if holding.quantity > 0 else BUY, abs(holding.quantity), price)
    assert (holding.quantity, holding.cost, holding.average_price) == (0, 0, 0)
    assert holding.unrealised(price) == 0


def test_a_long_a_flip_and_a_short():
    holding = Holding()
    holding.fill(BUY, Decimal(10), Decimal("100.00"))
    holding.fill(BUY, Decimal(10), Decimal("102.00"))
    assert (holding.average_price, holding.unrealised(103.5)) == (Decimal(101), Decimal("50.0"))
    holding.fill(SELL, Decimal(25), Decimal("103.00"))
    assert (holding.quantity, holding.average_price, holding.realised) == (-5, 103, 40)
    assert holding.unrealised(Decimal(101)) == 10
    holding.fill(BUY, Decimal(5), Decimal("104.00"))
    assert (holding.quantity, holding.cost, holding.realised) == (0, 0, 35)


def test_fractions_of_a_share_are_exact():
    holding = Holding()
    for _ in range(10):
        holding.fill(BUY, Decimal("0.1"), Decimal("271.34"))
    assert (holding.quantity, holding.cost) == (1, Decimal("271.34"))


def test_a_carried_position_brings_its_cost_and_no_cash():
    portfolio = Portfolio()
    portfolio.carry("SPY", Decimal(-4), Decimal(-400))
    portfolio.fill("SPY", BUY, Decimal(1), Decimal(90))
    assert (portfolio.quantity("SPY"), portfolio.cost) == (-3, -300)
    assert (portfolio.realised, portfolio.cash_flow) == (10, -90)


def test_symbols_are_apart_and_without_a_price_nothing_is_gained():
    portfolio = Portfolio()
    portfolio.fill("SPY", BUY, Decimal(1), Decimal(100))
    portfolio.fill("QQQ", SELL, Decimal(2), Decimal(50))
    assert (portfolio.quantity("SPY"), portfolio.quantity("QQQ"), portfolio.quantity("IWM")) == (1, -2, 0)
    assert "IWM" not in portfolio.holdings
    assert portfolio.cost == 0
    assert portfolio.unrealised({"SPY": 101.0}) == 1
