"""Closed trades from fills: what each closing brought, and how long it was held. Pure.

A fill that makes a position smaller closes. Its profit is by average cost, as in the ledger; how long its shares were
held goes by first in, first out. A fill that crosses zero closes what was held and opens the rest.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

NS_PER_S = 1e9
DIGITS = 9
"""Of a share, as fine as brokers trade: sums of floats are rounded to them, for what is left beyond is no position."""


class Fill(NamedTuple):
    """An execution: nanoseconds UTC, signed shares (negative: sold), dollars a share."""

    symbol: str
    time_ns: int
    quantity: float
    price: float


class ClosedTrade(NamedTuple):
    """A closing: shares (unsigned), dollars gained or lost, mean seconds that its shares were held."""

    symbol: str
    closed_ns: int
    quantity: float
    profit: float
    held_s: float


class Held(NamedTuple):
    """What is held before the first fill: signed shares, dollars a share paid, since when."""

    symbol: str
    quantity: float
    price: float
    since_ns: int


def closed_trades(fills: Iterable[Fill], held: Iterable[Held] = ()) -> list[ClosedTrade]:
    """The closings among `fills`, which are in order of time, one for each fill that closes."""
    books = {before.symbol: _Book() for before in held}
    for before in held:
        books[before.symbol].open(before.since_ns, before.quantity, before.price)
    closed = []
    for fill in fills:
        if trade := books.setdefault(fill.symbol, _Book()).fill(fill):
            closed.append(trade)
    return closed


class _Book:
    """The open shares of one symbol: lots [time_ns, signed quantity], and what was paid for all of them."""

    __slots__ = ("cost", "lots", "quantity")

    def __init__(self) -> None:
        self.lots: deque[list[float]] = deque()
        self.quantity = self.cost = 0.0

    def open(self, time_ns: int, quantity: float, price: float) -> None:
        self.lots.append([time_ns, quantity])
        self.quantity = round(self.quantity + quantity, DIGITS)
        self.cost += quantity * price

    def fill(self, fill: Fill) -> ClosedTrade | None:
        closing = min(abs(fill.quantity), abs(self.quantity)) if fill.quantity * self.quantity < 0 else 0.0
        trade = self._close(fill, closing) if closing else None
        rest = round(abs(fill.quantity) - closing, DIGITS)
        if rest:
            self.open(fill.time_ns, rest if fill.quantity > 0 else -rest, fill.price)
        return trade

    def _close(self, fill: Fill, closing: float) -> ClosedTrade:
        sign = 1 if self.quantity > 0 else -1
        released = self.cost * (closing / abs(self.quantity))
        held_s = self._take(closing, fill.time_ns) / closing
        self.quantity = round(self.quantity - sign * closing, DIGITS)
        self.cost = self.cost - released if self.lots else 0.0
        return ClosedTrade(fill.symbol, fill.time_ns, closing, sign * closing * fill.price - released, held_s)

    def _take(self, quantity: float, now_ns: int) -> float:
        """Take `quantity` shares from the oldest lots; the sum of shares times seconds held."""
        held = 0.0
        while quantity > 0 and self.lots:
            lot = self.lots[0]
            taken = min(quantity, abs(lot[1]))
            held += taken * (now_ns - lot[0]) / NS_PER_S
            quantity = round(quantity - taken, DIGITS)
            lot[1] = round(lot[1] - (taken if lot[1] > 0 else -taken), DIGITS)
            if not lot[1]:
                self.lots.popleft()
        return held
