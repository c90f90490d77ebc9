"""A book of which only price levels are known: one order stands for each level."""

from collections import Counter
from typing import NamedTuple

from hftd.exchange.book.book import Book
from hftd.exchange.book.layout import BUY, MAX_PRICE, MAX_QUANTITY, SELL, Outcome


class LevelChange(NamedTuple):
    """From now on `quantity` stands on `side` at `price` ticks; 0 removes the level."""

    side: int
    price: int
    quantity: int


class LevelBook:
    """A `Book` set level by level.

    Counted: `bad_side`, `negative_size`, `size_beyond_bounds`, `price_beyond_bounds` (the change is refused);
    `crossing_level` (a level of the other side that a newer change contradicts is removed); `unknown_level` (a level to
    remove is not there, which happens in feeds of limited depth); `crossed_snapshot` (refused whole).
    """

    def __init__(self, counts: Counter[str]) -> None:
        self.book = Book(records_changes=False)
        self.counts = counts

    def load(self, changes: list[LevelChange]) -> bool:
        """Take over a snapshot. False, and an empty book, if it is crossed or locked or any level is refused."""
        self.book.clear()
        bids = [change.price for change in changes if change.side == BUY and change.quantity]
        asks = [change.price for change in changes if change.side == SELL and change.quantity]
        if bids and asks and max(bids) >= min(asks):
            self.counts["crossed_snapshot"] += 1
            return False
        if self.apply(changes):
            return True
        self.book.clear()
        return False

    def apply(self, changes: list[LevelChange]) -> bool:
        """The changes of one message; whether all were accepted.

        Removals come first: inside one message a level may stand where the same message removes one of the other side.
        """
        accepted = [change for change in changes if self._accepts(change)]
        for change in accepted:
            if change.quantity == 0 and self.book.cancel(_id_of(change)) is Outcome.UNKNOWN_ID:
                self.counts["unknown_level"] += 1
        for change in accepted:
            if change.quantity > 0:
                self._set(change)
        return len(accepted) == len(changes)

    def trim(self, side: int, depth: int) -> None:
        """Keep only the best `depth` levels of `side`."""
        for price in self.book.depth(side, self.book.level_count)["price"][depth:].tolist():
            self.book.cancel(_id_of(LevelChange(side, price, 0)))

    def _accepts(self, change: LevelChange) -> bool:
        flaw = _flaw_of(change)
        if flaw is not None:
            self.counts[flaw] += 1
        return flaw is None

    def _set(self, change: LevelChange) -> None:
        if self.book.replace(_id_of(change), change.price, change.quantity) is not Outcome.UNKNOWN_ID:
            return
        while self.book.post_only(_id_of(change), *change) is Outcome.WOULD_TRADE:
            contradicted = self.book.best_ask if change.side == BUY else self.book.best_bid
            assert contradicted is not None, "nothing to trade with, yet it would trade"
            self.book.cancel(_id_of(LevelChange(1 - change.side, contradicted, 0)))
            self.counts["crossing_level"] += 1


def _id_of(change: LevelChange) -> int:
    """One id for each side and price."""
    return 2 * change.price + change.side


def _flaw_of(change: LevelChange) -> str | None:
    if change.side not in (BUY, SELL):
        return "bad_side"
    if change.quantity < 0:
        return "negative_size"
    if change.quantity > MAX_QUANTITY:
        return "size_beyond_bounds"
    return "price_beyond_bounds" if abs(change.price) > MAX_PRICE else None
