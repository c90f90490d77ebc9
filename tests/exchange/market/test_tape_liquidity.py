"""Trading against a tape when size matters."""

from decimal import Decimal as D
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Quote, Trade
from hftd.domain.orders import Side
from hftd.exchange.market import tape_liquidity
from hftd.exchange.market.queues import Queue
from hftd.exchange.market.tape import Tape
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.venue.orders import Execution


def quoted(market: TapeLiquidity, bid: float, bid_size: int, ask: float, ask_size: int) -> None:
    market.update(Quote("SPY", 1, bid, bid_size, ask, ask_size))


def printed(market: TapeLiquidity, price: float, size: int, minute: int = 0) -> None:
    market.on_trade(Trade("SPY", minute * MINUTE_NS, price, size))


def market_with(queue: Queue = Queue.BACK, participation: str | None = None) -> TapeLiquidity:
    market = TapeLiquidity(queue, D(participation) if participation else None)
    quoted(market, 99.99, 300, 100.01, 200)
    return market


def filled(market: TapeLiquidity) -> list[tuple[str, str, str]]:
    return [(key, str(one.price), str(one.quantity)) for key, one in market.poll()]


def test_a_quote_serves_no_more_than_it_shows() -> None:
    market = market_with()
    assert market.take("SPY", Side.BUY, D(150), None, "a") == (Execution(D("100.01"), D(150)),)
    assert market.take("SPY", Side.BUY, D(150), None, "a") == (Execution(D("100.01"), D(50)),)
    assert market.take("SPY", Side.BUY, D(1), None, "a") == ()
    quoted(market, 99.99, 300, 100.01, 200)
    assert market.take("SPY", Side.BUY, D(201), None, "a", whole=True) == ()
    assert market.take("SPY", Side.BUY, D(200), D("100.01"), "a", whole=True)
    assert market.take("SPY", Side.SELL, D(5), D("100.00"), "a") == ()
    assert market.take("QQQ", Side.SELL, D(5), None, "a") == ()


@pytest.mark.parametrize(("queue", "needed"), [(Queue.FRONT, 0), (Queue.BACK, 300), (Queue.PROPORTIONAL, 300)])
def test_prints_come_through_what_stands_before(queue: Queue, needed: int) -> None:
    market = market_with(queue)
    market.rest("mine", "SPY", Side.BUY, D(10), D("99.99"), "a")
    if needed:
        printed(market, 99.99, needed)
    assert filled(market) == []
    printed(market, 99.99, 4)
    printed(market, 100.01, 100)
    printed(market, 99.99, 100)
    assert filled(market) == [("mine", "99.99", "4"), ("mine", "99.99", "6")]


@pytest.mark.parametrize(
    ("queue", "size", "needed"),
    [(Queue.BACK, 200, 200), (Queue.BACK, 900, 300), (Queue.PROPORTIONAL, 150, 150), (Queue.PROPORTIONAL, 900, 300)],
)
def test_a_queue_shrinks_with_the_size_that_is_shown(queue: Queue, size: int, needed: int) -> None:
    market = market_with(queue)
    market.rest("mine", "SPY", Side.BUY, D(10), D("99.99"), "a")
    quoted(market, 99.99, size, 100.01, 200)
    printed(market, 99.99, needed)
    assert filled(market) == []
    printed(market, 99.99, 1)
    assert filled(market) == [("mine", "99.99", "1")]


def test_cancellations_are_spread_over_the_queue_when_proportional() -> None:
    """After 100 of 300 have traded, the size falls from 600 to 300: half of the 200 before us have gone."""
    market = market_with(Queue.PROPORTIONAL)
    market.rest("mine", "SPY", Side.BUY, D(10), D("99.99"), "a")
    printed(market, 99.99, 100)
    quoted(market, 99.99, 600, 100.01, 200)
    quoted(market, 99.99, 300, 100.01, 200)
    printed(market, 99.99, 101)
    assert filled(market) == [("mine", "99.99", "1")]


def test_a_print_beyond_the_limit_or_a_quote_that_reaches_it_fills_at_the_limit() -> None:
    market = market_with()
    market.rest("low", "SPY", Side.BUY, D(10), D("99.90"), "a")
    market.rest("high", "SPY", Side.BUY, D(10), D("99.99"), "a")
    printed(market, 99.89, 15)
    assert filled(market) == [("high", "99.99", "10"), ("low", "99.90", "5")]
    quoted(market, 99.80, 100, 99.85, 3)
    assert filled(market) == [("low", "99.90", "3")]


def test_an_order_within_the_spread_is_first_and_one_behind_waits_to_be_best() -> None:
    market = market_with()
    market.rest("inside", "SPY", Side.SELL, D(5), D("100.00"), "a")
    market.rest("behind", "SPY", Side.SELL, D(5), D("100.02"), "a")
    printed(market, 100.00, 5)
    printed(market, 100.02, 5)
    assert filled(market) == [("inside", "100.00", "5")]
    quoted(market, 99.99, 300, 100.02, 50)
    printed(market, 100.02, 51)
    assert filled(market) == [("behind", "100.02", "1")]


def test_users_are_no_more_than_their_part_of_a_minute() -> None:
    market = market_with(participation="0.1")
    assert market.take("SPY", Side.BUY, D(50), None, "a") == ()
    market.rest("mine", "SPY", Side.BUY, D(50), None, "a")
    printed(market, 100.01, 105)
    quoted(market, 99.99, 300, 100.01, 200)
    assert filled(market) == [("mine", "100.01", "10")]
    assert market.take("SPY", Side.SELL, D(1), None, "b") == ()
    printed(market, 100.01, 200, minute=1)
    quoted(market, 99.99, 300, 100.01, 200)
    assert filled(market) == [("mine", "100.01", "20")]


def test_withdrawn_orders_and_ended_sessions() -> None:
    market = market_with()
    market.rest("gone", "SPY", Side.BUY, D(5), D("99.99"), "a")
    market.rest("stays", "SPY", Side.BUY, D(5), D("99.99"), "a")
    market.withdraw("gone")
    market.withdraw("gone")
    market.clear()
    assert market.quote("SPY") is None
    quoted(market, 99.99, 10, 100.01, 200)
    printed(market, 99.99, 11)
    assert filled(market) == [("stays", "99.99", "1")]


def test_a_tape_tells_its_prints(tmp_path: Path) -> None:
    rows = "\n".join(f"2019-02-11T14:{minute}:00Z,SPY,100,100,100,100,4000" for minute in range(30, 35))
    file = tmp_path / "tape.csv"
    file.write_text(f"timestamp,symbol,open,high,low,close,volume\n{rows}\n")
    calendar = Calendar(cache=tmp_path)
    market = TapeLiquidity(Queue.BACK, D("0.01"))
    tape = Tape(file, calendar, liquidity=market)
    play = tape.play(tape.sessions[0])
    market.rest("mine", "SPY", Side.BUY, D(1000), None, "a")
    while play.next_ns is not None:
        for item in play.advance().data:
            if isinstance(item, Quote):
                market.update(item)
    assert sum(execution.quantity for _, execution in market.poll()) == 5 * 40


def test_the_best_price_is_first_and_no_limit_is_the_best() -> None:
    market = market_with()
    market.rest("limit", "SPY", Side.SELL, D(5), D("99.50"), "a")
    market.rest("market", "SPY", Side.SELL, D(5), None, "a")
    market.rest("better", "SPY", Side.SELL, D(5), D("99.40"), "a")
    quoted(market, 99.99, 12, 100.01, 200)
    assert filled(market) == [("market", "99.99", "5"), ("better", "99.40", "5"), ("limit", "99.50", "2")]


CENTS = st.integers(9_990, 10_010)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), CENTS | st.just(0), st.integers(0, 9), CENTS | st.just(0), st.integers(0, 9)),
        st.tuples(st.just("print"), CENTS, st.integers(1, 20)),
        st.tuples(st.just("rest"), st.sampled_from(Side), st.integers(1, 9), CENTS | st.none()),
        st.tuples(st.just("withdraw"), st.integers(0, 20)),
        st.tuples(st.just("clear")),
    ),
    max_size=60,
)


@pytest.mark.parametrize("queue", Queue)
@given(steps=STEPS)
def test_orders_too_deep_for_a_quote_would_not_have_minded_it(queue: Queue, steps: list[tuple[Any, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tape_liquidity, "_depth", lambda side, before, quote: -side.sign * inf)
        asked = all_fills(queue, steps)
    assert all_fills(queue, steps) == asked


def all_fills(queue: Queue, steps: list[tuple[Any, ...]]) -> list[tuple[str, str, str]]:
    market, found, count = TapeLiquidity(queue), [], 0
    for name, *values in steps:
        match name, values:
            case "quote", (bid, bid_size, ask, ask_size):
                quoted(market, bid / 100, bid_size, ask / 100, ask_size)
            case "print", (price, size):
                printed(market, price / 100, size)
            case "rest", (side, quantity, limit):
                count += 1
                market.rest(str(count), "SPY", side, D(quantity), None if limit is None else D(limit) / 100, "a")
            case "withdraw", (number,):
                market.withdraw(str(number))
            case _:
                market.clear()
        found += [*filled(market), ("", name, "")]
    return found
