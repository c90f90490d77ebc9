"""LOBSTER messages: NASDAQ's orders one by one, as academic data sets have them.

Source: LOBSTER, "Data structure": types 1 new limit order, 2 partial cancel, 3 deletion, 4 execution of a visible
order, 5 execution of a hidden one, 6 cross trade, 7 halt; sizes are what the message adds or takes away; direction 1 is
a buy order, -1 a sell order, and in an execution the resting order's. Prices are in $0.0001.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hftd.errors import DataError
from hftd.exchange.book.book import Book
from hftd.exchange.book.layout import BUY, MAX_PRICE, MAX_QUANTITY, SELL, Outcome

NEW, PARTIAL_CANCEL, DELETION, EXECUTION, HIDDEN_EXECUTION, CROSS_TRADE, HALT = range(1, 8)
REMARKS: Final = {HIDDEN_EXECUTION: "hidden_execution", CROSS_TRADE: "cross_trade", HALT: "halt"}
"""Messages that do not touch the visible book, and the names they are counted under."""

COLUMNS: Final = ("timestamp", "type", "order_id", "size", "price_ticks", "side")


class LobsterMessage(NamedTuple):
    """One row: `price` in $0.0001, `size` in shares, `direction` 1 or -1."""

    time_ns: int
    type: int
    order_id: int
    size: int
    price: int
    direction: int


class LobsterBook:
    """A book kept from LOBSTER messages.

    Quantity that stood before the file began can be told with `seed`; messages about orders from that time then count
    against it. Counted: `hidden_execution`, `cross_trade`, `halt` (no change of the book); `seeded_order` (an order
    from before the file); `bad_seed` (a seed refused); refused are `unknown_order`, `unknown_type`, `bad_direction`,
    `bad_size`, `bad_price`, `duplicate_id`, `crossing_order` (a new visible order that would have traded),
    `wrong_price` (not the order's), `excess_size` (more than the order has).
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.book = Book(records_changes=False)

    def seed(self, side: int, price: int, quantity: int) -> None:
        """`quantity` shares stand on `side` at `price`, of orders whose ids are not known."""
        outcome = self.book.post_only(_seed_id(side, price), side, price, quantity)
        if outcome is not Outcome.RESTED:
            self.counts["bad_seed"] += 1

    def apply(self, message: LobsterMessage) -> bool:
        """One message; whether it was accepted."""
        if message.type in REMARKS:
            self.counts[REMARKS[message.type]] += 1
            return True
        refusal = _flaw_of(message) or (self._add(message) if message.type == NEW else self._take(message))
        if refusal is not None:
            self.counts[refusal] += 1
        return refusal is None

    def _add(self, message: LobsterMessage) -> str | None:
        outcome = self.book.post_only(message.order_id, _side_of(message), message.price, message.size)
        return {Outcome.DUPLICATE_ID: "duplicate_id", Outcome.WOULD_TRADE: "crossing_order"}.get(
            outcome, None if outcome is Outcome.RESTED else "bad_size"
        )

    def _take(self, message: LobsterMessage) -> str | None:
        order = self.book.order(message.order_id)
        if order is None:
            order = self.book.order(_seed_id(_side_of(message), message.price))
            if order is None:
                return "unknown_order"
            self.counts["seeded_order"] += 1
        if order.price != message.price:
            return "wrong_price"
        if message.size > order.quantity:
            return "excess_size"
        self.book.reduce(order.order_id, message.size)
        return None


def recorded(path: Path) -> Iterator[LobsterMessage]:
    """Messages of a recorded Parquet file with the columns `COLUMNS`. Raises DataError if one is missing."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]}; found {', '.join(table.column_names)}")
    columns = [table[name].cast("int64").to_pylist() for name in COLUMNS]
    for row in zip(*columns, strict=True):
        yield LobsterMessage(*row)


def _flaw_of(message: LobsterMessage) -> str | None:
    if not NEW <= message.type <= EXECUTION:
        return "unknown_type"
    if message.direction not in (1, -1):
        return "bad_direction"
    if not 0 < message.size <= MAX_QUANTITY:
        return "bad_size"
    return "bad_price" if abs(message.price) > MAX_PRICE else None


def _side_of(message: LobsterMessage) -> int:
    return BUY if message.direction == 1 else SELL


def _seed_id(side: int, price: int) -> int:
    """Below zero, where no exchange's ids are."""
    return -1 - (2 * price + side)
