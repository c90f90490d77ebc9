"""Random streams of messages: the compiled book must equal the plain one in outcomes, output, numbers and contents."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.exchange.book.audit import audit
from hftd.exchange.book.book import Book
from hftd.exchange.book.layout import BUY, MAX_OWNER, MAX_PRICE, MAX_QUANTITY, MESSAGE, SELL, Operation, Outcome

from .oracle import OracleBook

Message = tuple[int, int, int, int, int, int, int]
"""operation, order_id, side, price, quantity, owner, self_trade: the arguments of `enter`."""

INT64 = (1 << 63) - 1


def messages(prices: st.SearchStrategy[int], quantities: st.SearchStrategy[int]) -> st.SearchStrategy[list[Message]]:
    """Streams over few ids and owners, so that ids are reused and owners meet themselves."""
    message = st.tuples(
        st.sampled_from([*Operation, Operation.LIMIT, Operation.LIMIT]).map(int),
        st.integers(0, 30),
        st.integers(0, 1),
        prices,
        quantities,
        st.integers(0, 3),
        st.integers(0, 2),
    )
    return st.lists(message, max_size=80)


NEAR = messages(st.integers(95, 105), st.integers(1, 20))
ONE_PRICE = messages(st.just(7), st.integers(1, 5))
ANYWHERE = messages(
    st.integers(-MAX_PRICE, MAX_PRICE) | st.integers(-20_000, 20_000) | st.sampled_from([-MAX_PRICE, 0, MAX_PRICE]),
    st.integers(1, 20),
)
HUGE = messages(st.integers(99, 101), st.sampled_from([1, MAX_QUANTITY // 2, MAX_QUANTITY - 1, MAX_QUANTITY]))
FLAWED = st.lists(
    st.tuples(
        st.integers(-1, 9),
        st.sampled_from([-(1 << 63), -1, 0, 1, INT64]),
        st.integers(-1, 2),
        st.sampled_from([-INT64, -MAX_PRICE - 1, -MAX_PRICE, 0, 1, MAX_PRICE, MAX_PRICE + 1]),
        st.sampled_from([-INT64, -1, 0, 1, 5, MAX_QUANTITY, MAX_QUANTITY + 1, INT64]),
        st.sampled_from([-1, 0, 1, MAX_OWNER, MAX_OWNER + 1]),
        st.integers(-1, 3),
    ),
    max_size=40,
)


def assert_same_contents(book: Book, oracle: OracleBook) -> None:
    for side in (BUY, SELL):
        assert book.depth(side, 1000).tolist() == oracle.depth(side)
    assert len(book) == len(oracle.orders)
    assert book.sequence == oracle.sequence
    for order_id, order in oracle.orders.items():
        assert book.order(order_id) == (order_id, order.side, order.price, order.quantity, order.owner)
        assert book.queue_position(order_id) == oracle.queue_position(order_id)


def assert_same_output(book: Book, oracle: OracleBook) -> None:
    assert book.take_reports().tolist() == [astuple(report) for report in oracle.reports]
    assert book.take_changes().tolist() == [astuple(change) for change in oracle.changes]


@settings(max_examples=150)
@given(NEAR | ONE_PRICE | ANYWHERE | HUGE | FLAWED)
def test_single_messages_do_what_the_plain_book_does(stream: list[Message]) -> None:
    book, oracle = Book(order_capacity=1), OracleBook()
    for message in stream:
        assert book.enter(*message) is oracle.enter(*message)
        assert audit(book) == "sound"
    assert_same_contents(book, oracle)
    assert_same_output(book, oracle)


def random_stream(seed: int, count: int, spread: int, drift: float) -> list[Message]:
    """Orders around a wandering middle, with changes to recent ones."""
    rng = np.random.default_rng(seed)
    operations = rng.choice([0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 6, 7], count)
    ids = np.where(operations < Operation.CANCEL, np.arange(count), np.arange(count) - rng.integers(0, 400, count))
    middle = np.cumsum(rng.normal(drift, spread / 20, count)).astype(np.int64)
    columns = [
        operations,
        np.maximum(ids, 0),
        rng.integers(0, 2, count),
        middle + rng.integers(-spread, spread, count),
        rng.integers(1, 100, count),
        rng.integers(0, 20, count),
        rng.integers(0, 3, count),
    ]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def as_array(stream: list[Message]) -> np.ndarray:
    array = np.zeros(len(stream), MESSAGE)
    for name, column in zip(
        ("operation", "order_id", "side", "price", "quantity", "owner", "self_trade"),
        zip(*stream, strict=True),
        strict=True,
    ):
        array[name] = column
    return array


@pytest.mark.parametrize(
    ("spread", "drift"),
    [(30, 0.0), (3000, 5.0), (300_000, -400.0), (1 << 40, 0.0)],
    ids=["near", "trend", "far", "vast"],
)
def test_a_batch_does_what_the_plain_book_does(spread: int, drift: float) -> None:
    stream = random_stream(spread, 6000, spread, drift)
    book, oracle = Book(order_capacity=8), OracleBook()
    outcomes = book.apply(as_array(stream))
    assert [Outcome(outcome) for outcome in outcomes.tolist()] == [oracle.enter(*message) for message in stream]
    assert audit(book) == "sound"
    assert_same_contents(book, oracle)
    assert_same_output(book, oracle)


def test_a_flood_at_one_price_is_served_in_order_of_arrival() -> None:
    flood = np.zeros(20_000, MESSAGE)
    flood["order_id"] = np.arange(len(flood))
    flood["price"], flood["quantity"], flood["side"] = 10, 1, SELL
    book = Book()
    assert set(book.apply(flood).tolist()) == {Outcome.RESTED}
    assert book.market(-1, BUY, len(flood)) is Outcome.FILLED
    reports = book.take_reports()
    assert reports["maker_id"].tolist() == flood["order_id"].tolist()
    assert len(book) == 0
    assert audit(book) == "sound"
