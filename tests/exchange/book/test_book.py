"""What a user of `Book` sees, operation by operation."""

from typing import Any

import numpy as np
import pytest

from hftd.exchange.book import kernel
from hftd.exchange.book.audit import audit
from hftd.exchange.book.book import Book, QueuePosition, RestingOrder, Top
from hftd.exchange.book.compiling import compiled, inlined
from hftd.exchange.book.layout import BUY, MAX_PRICE, MAX_QUANTITY, MESSAGE, SELL, Operation, Outcome, SelfTrade

ALICE, BOB = 1, 2


@pytest.fixture
def book() -> Book:
    """Bids 99 x 10 (id 1, Alice) and 98 x 20 (2, Bob); asks 101 x 30 (3, Alice), 101 x 5 (4, Bob) and 103 x 40 (5)."""
    book = Book()
    orders = [(1, BUY, 99, 10, ALICE), (2, BUY, 98, 20, BOB), (3, SELL, 101, 30, ALICE), (4, SELL, 101, 5, BOB)]
    for order in [*orders, (5, SELL, 103, 40, BOB)]:
        assert book.limit(*order) is Outcome.RESTED
    book.take_changes()
    return book


def fills(book: Book) -> list[tuple[int, int, int, int]]:
    """(maker, taker, price, quantity) of the reports not yet taken."""
    reports = book.take_reports()
    return [tuple(row) for row in reports[["maker_id", "taker_id", "price", "quantity"]].tolist()]


def test_an_empty_book_has_no_prices() -> None:
    book = Book()
    assert book.top() == Top(None, 0, None, 0)
    assert (book.spread, book.mid, book.microprice, book.imbalance(), len(book)) == (None, None, None, None, 0)
    assert book.depth(BUY, 5).tolist() == []
    assert book.market(1, BUY, 5) is Outcome.EXPIRED
    assert book.remaining == 5


def test_reads(book: Book) -> None:
    assert book.top() == Top(99, 10, 101, 35)
    assert (book.spread, book.mid) == (2, 100.0)
    assert book.microprice == pytest.approx((99 * 35 + 101 * 10) / 45)
    assert book.imbalance() == pytest.approx((10 - 35) / 45)
    assert book.imbalance(levels=2) == pytest.approx((30 - 75) / 105)
    assert book.depth(SELL, 1).tolist() == [(101, 35)]
    assert book.depth(SELL, 9).tolist() == [(101, 35), (103, 40)]
    assert book.order(4) == RestingOrder(4, SELL, 101, 5, BOB)
    assert book.queue_position(4) == QueuePosition(orders_ahead=1, quantity_ahead=30)
    assert 4 in book
    assert 6 not in book
    assert (book.order(6), book.queue_position(6), len(book), book.level_count) == (None, None, 5, 4)


def test_a_limit_order_trades_in_order_of_price_and_arrival_and_rests_with_what_remains(book: Book) -> None:
    assert book.limit(6, BUY, 102, 50) is Outcome.RESTED
    assert fills(book) == [(3, 6, 101, 30), (4, 6, 101, 5)]
    assert book.remaining == 15
    assert book.top() == Top(102, 15, 103, 40)


def test_a_partly_filled_maker_keeps_its_place(book: Book) -> None:
    book.market(6, BUY, 12)
    assert book.queue_position(3) == (0, 0)
    assert book.order(3) == RestingOrder(3, SELL, 101, 18, ALICE)
    report = book.take_reports()[0]
    assert (report["maker_remaining"], report["maker_owner"], report["taker_side"]) == (18, ALICE, BUY)


def test_immediate_or_cancel_leaves_nothing(book: Book) -> None:
    assert book.immediate_or_cancel(6, SELL, 99, 15) is Outcome.EXPIRED
    assert fills(book) == [(1, 6, 99, 10)]
    assert 6 not in book
    assert book.remaining == 5


def test_fill_or_kill_is_all_or_nothing(book: Book) -> None:
    assert book.fill_or_kill(6, BUY, 101, 36) is Outcome.KILLED
    assert fills(book) == []
    assert book.fill_or_kill(6, BUY, 101, 35) is Outcome.FILLED
    assert fills(book) == [(3, 6, 101, 30), (4, 6, 101, 5)]


def test_post_only_never_trades(book: Book) -> None:
    assert book.post_only(6, BUY, 101, 1, ALICE) is Outcome.WOULD_TRADE
    assert book.post_only(6, BUY, 100, 1, ALICE) is Outcome.RESTED
    assert fills(book) == []


def test_self_trade_prevention(book: Book) -> None:
    assert book.limit(6, BUY, 101, 10, BOB, SelfTrade.CANCEL_INCOMING) is Outcome.FILLED
    assert book.limit(7, BUY, 101, 30, BOB, SelfTrade.CANCEL_INCOMING) is Outcome.SELF_STOPPED
    assert book.remaining == 10
    assert fills(book) == [(3, 6, 101, 10), (3, 7, 101, 20)]
    assert book.limit(8, BUY, 103, 10, BOB, SelfTrade.CANCEL_RESTING) is Outcome.RESTED
    reports = book.take_reports()
    assert reports[["kind", "maker_id", "quantity"]].tolist() == [(1, 4, 5), (1, 5, 40)]
    assert book.top() == Top(103, 10, None, 0)


def test_own_orders_are_no_liquidity_for_fill_or_kill(book: Book) -> None:
    assert book.fill_or_kill(6, BUY, 103, 46, ALICE, SelfTrade.CANCEL_RESTING) is Outcome.KILLED
    assert book.fill_or_kill(6, BUY, 103, 45, ALICE, SelfTrade.CANCEL_RESTING) is Outcome.FILLED
    assert 3 not in book


def test_reduce_and_a_smaller_replace_keep_the_place(book: Book) -> None:
    assert book.reduce(3, 10) is Outcome.REDUCED
    assert book.replace(3, 101, 15) is Outcome.REPLACED
    assert book.queue_position(4) == (1, 15)
    assert book.reduce(3, 15) is Outcome.CANCELLED
    assert book.queue_position(4) == (0, 0)


def test_a_larger_or_moved_replace_goes_to_the_back(book: Book) -> None:
    assert book.replace(3, 101, 31) is Outcome.RESTED
    assert book.queue_position(3) == (1, 5)
    assert book.replace(4, 103, 5) is Outcome.RESTED
    assert book.queue_position(4) == (1, 40)
    assert book.replace(4, 99, 15) is Outcome.RESTED
    assert fills(book) == [(1, 4, 99, 10)]
    assert book.top() == Top(98, 20, 99, 5)


def test_refusals_change_nothing(book: Book) -> None:
    before = book.sequence
    assert book.cancel(77) is Outcome.UNKNOWN_ID
    assert book.limit(1, BUY, 50, 1) is Outcome.DUPLICATE_ID
    assert book.limit(6, BUY, 50, 0) is Outcome.BAD_QUANTITY
    assert book.limit(6, BUY, 50, -3) is Outcome.BAD_QUANTITY
    assert book.limit(6, BUY, 50, 1 << 70) is Outcome.BAD_QUANTITY
    assert book.limit(6, BUY, 1 << 70, 1) is Outcome.BAD_PRICE
    assert book.limit(6, BUY, MAX_PRICE + 1, 1) is Outcome.BAD_PRICE
    assert book.limit(1 << 64, BUY, 50, 1) is Outcome.UNKNOWN_ID
    assert book.limit(6, BUY, 50, 1, owner=-1) is Outcome.BAD_OWNER
    assert book.limit(6, 2, 50, 1) is Outcome.BAD_WORD
    assert book.enter(99, 6, BUY, 50, 1) is Outcome.BAD_WORD
    assert book.limit(6, BUY, 99, MAX_QUANTITY) is Outcome.LEVEL_FULL
    assert all(outcome.is_refusal for outcome in (Outcome.UNKNOWN_ID, Outcome.LEVEL_FULL))
    assert not any(outcome.is_refusal for outcome in (Outcome.KILLED, Outcome.NEED_ROOM))
    assert book.sequence == before


def test_fills_and_changes_share_one_sequence(book: Book) -> None:
    start = book.sequence
    book.market(6, BUY, 36)
    reports, changes = book.take_reports(), book.take_changes()
    assert reports["sequence"].tolist() == [start + 1, start + 2, start + 4]
    assert changes.tolist() == [(start + 3, 101, 0, SELL), (start + 5, 103, 39, SELL)]
    assert len(book.take_reports()) == len(book.take_changes()) == 0


def test_changes_need_not_be_recorded_but_are_numbered() -> None:
    book = Book(records_changes=False)
    book.limit(1, BUY, 5, 1)
    assert (book.sequence, len(book.take_changes())) == (1, 0)


def test_one_order_may_sweep_more_than_the_output_holds(book: Book) -> None:
    book = Book(order_capacity=1)
    for order_id in range(5000):
        book.limit(order_id, SELL, order_id, 1)
    book.take_changes()
    assert book.market(-1, BUY, 5000) is Outcome.FILLED
    assert book.take_reports()["price"].tolist() == list(range(5000))
    assert len(book.take_changes()) == 5000


def test_clear_forgets_orders_but_not_numbers(book: Book) -> None:
    number = book.sequence
    book.clear()
    assert (len(book), book.top(), book.sequence) == (0, Top(None, 0, None, 0), number)
    assert audit(book) == "sound"
    assert book.limit(1, BUY, 1, 1) is Outcome.RESTED


def test_a_batch_must_be_messages(book: Book) -> None:
    with pytest.raises(TypeError, match="expected one dimension"):
        book.apply(np.zeros(3))


def test_a_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="order_capacity 0"):
        Book(order_capacity=0)


def test_many_resting_orders_take_few_bytes() -> None:
    count = 300_000
    orders = np.zeros(count, MESSAGE)
    orders["order_id"] = np.arange(count)
    orders["price"] = 1_000_000 + np.arange(count) % 2000
    orders["quantity"] = 1
    book = Book(order_capacity=count, records_changes=False)
    book.apply(orders)
    assert len(book) == count
    assert book.memory_bytes / count <= 70


def test_a_session_repeated_takes_no_more_memory() -> None:
    book = Book()
    sizes = []
    for _ in range(5):
        for order_id in range(3000):
            book.limit(order_id, order_id % 2, 1000 + 50 * (order_id % 2), 1)
        book.clear()
        sizes.append(book.memory_bytes)
    assert len(set(sizes)) == 1


NEED_ROOM = int(Outcome.NEED_ROOM)


def ladder(handle: int, steps: int) -> int:
    """Bids one tick apart, entered by compiled code; where it stopped for room."""
    for step in range(steps):
        if kernel.enter(handle, 0, step, 0, 0, step, 1, 0) == NEED_ROOM:
            return step
    return steps


def test_compiled_code_trades_through_the_handle() -> None:
    book = Book(order_capacity=4)
    assert inlined(ladder)(book.handle, 10) == 4
    book.make_room()
    assert book.best_bid == 3
    assert kernel.enter(book.handle, int(Operation.LIMIT), 4, 0, BUY, 4, 1, 0) == Outcome.RESTED


def test_without_a_place_for_the_cache_code_is_compiled_all_the_same() -> None:
    names: dict[str, Any] = {}
    exec("def double(number): return 2 * number", names)
    assert compiled("int64(int64)")(names["double"])(21) == 42
