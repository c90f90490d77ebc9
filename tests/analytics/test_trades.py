"""Closed trades: profit as the ledger has it, times first in, first out."""

from decimal import Decimal
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.analytics.trades import ClosedTrade, Fill, Held, closed_trades
from hftd.domain.orders import Side
from hftd.engine.portfolio import Portfolio

SECOND = 1_000_000_000


def test_a_round_trip():
    trades = closed_trades([Fill("SPY", 0, 5, 100.0), Fill("SPY", 60 * SECOND, -5, 101.0)])
    assert trades == [ClosedTrade("SPY", 60 * SECOND, 5, 5.0, 60.0)]


def test_a_short_one_gains_when_the_price_falls():
    (trade,) = closed_trades([Fill("SPY", 0, -5, 100.0), Fill("SPY", SECOND, 5, 99.0)])
    assert trade.profit == 5.0


def test_profit_is_by_average_cost_and_time_by_the_oldest_shares():
    fills = [Fill("SPY", 0, 5, 100.0), Fill("SPY", 10 * SECOND, 5, 102.0), Fill("SPY", 30 * SECOND, -5, 103.0)]
    assert closed_trades(fills) == [ClosedTrade("SPY", 30 * SECOND, 5, 10.0, 30.0)]


def test_crossing_zero_closes_and_opens():
    fills = [Fill("SPY", 0, 5, 100.0), Fill("SPY", SECOND, -8, 101.0), Fill("SPY", 3 * SECOND, 3, 100.0)]
    assert [(trade.quantity, trade.profit, trade.held_s) for trade in closed_trades(fills)] == [
        (5, 5.0, 1.0),
        (3, 3.0, 2.0),
    ]


def test_symbols_do_not_mix_and_what_was_held_before_counts():
    trades = closed_trades(
        [Fill("BAC", 0, 1, 30.0), Fill("SPY", SECOND, -5, 101.0)], [Held("SPY", 5, 99.0, since_ns=-SECOND)]
    )
    assert trades == [ClosedTrade("SPY", SECOND, 5, 10.0, 2.0)]


def test_fractions_leave_no_dust_that_would_be_closed_later():
    moves = [0.1, 0.2, -0.3, -0.1, -0.2, 0.3, 0.7, -0.1, -0.6]
    trades = closed_trades(Fill("SPY", time * SECOND, quantity, 100.0) for time, quantity in enumerate(moves))
    assert [(trade.closed_ns // SECOND, trade.quantity) for trade in trades] == [(2, 0.3), (5, 0.3), (7, 0.1), (8, 0.6)]


@given(
    st.lists(
        st.tuples(st.integers(-9, 9).filter(bool), st.integers(9_000, 11_000)),
        max_size=60,
    )
)
def test_profits_are_those_of_the_ledger(moves):
    ledger = Portfolio()
    for quantity, price in moves:
        side = Side.BUY if quantity > 0 else Side.SELL
        ledger.fill("SPY", side, Decimal(abs(quantity)), Decimal(price) / 100)
    fills = [Fill("SPY", time, quantity, price / 100) for time, (quantity, price) in enumerate(moves)]
    assert fsum(trade.profit for trade in closed_trades(fills)) == pytest.approx(float(ledger.realised), abs=1e-6)
