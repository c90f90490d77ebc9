"""Trading against a tape when size matters: quotes have a size, resting orders a queue, minutes a share of volume.

What users trade changes nothing on the tape: their fills are their own.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from math import inf

from hftd.domain.convert import MINUTE_NS, decimal_of
from hftd.domain.market import Quote, Trade
from hftd.domain.orders import Side
from hftd.exchange.market.queues import Queue, joined, shrunk
from hftd.exchange.venue.orders import ZERO, Execution

_UNBOUND = Decimal("Infinity")
_exact = lru_cache(4096)(decimal_of)
"""Quotes change their sizes far more often than their prices. For floats alone: 1 and 1.0 would be one key."""


@dataclass(slots=True, eq=False)
class _Resting:
    """An order that waits. `ahead` is None while its price is not the best: what stands there is not known. `price` is
    the limit as the nearest float, which is what quotes are made of, infinitely good without one; the less its `rank`,
    the better the price is for the other side."""

    key: str
    symbol: str
    side: Side
    remaining: Decimal
    limit: Decimal | None
    ahead: Decimal | None = None
    sign: int = field(init=False)
    price: float = field(init=False)
    rank: float = field(init=False)

    def __post_init__(self) -> None:
        self.sign = self.side.sign
        self.price = self.sign * inf if self.limit is None else float(self.limit)
        self.rank = -self.sign * self.price


_Book = dict[Side, list[_Resting]]
"""The orders of a symbol, best price first, then in order of arrival."""


class TapeLiquidity:
    """Fills against the tape's quotes up to their size, and resting orders when prints come through the queue.

    `participation` is the largest part of a minute's volume that all users together may be; it counts what has been
    printed of the minute of the last print, so an order waits for prints. Implements `Liquidity`; `on_trade` hears the
    tape.
    """

    def __init__(self, queue: Queue = Queue.BACK, participation: Decimal | None = None) -> None:
        self._queue = queue
        self._participation = participation
        self._quotes: dict[str, Quote] = {}
        self._taken: dict[tuple[str, Side], Decimal] = {}
        self._printed: dict[str, tuple[int, int]] = {}
        self._used: dict[str, Decimal] = {}
        self._resting: dict[str, _Resting] = {}
        self._books: dict[str, _Book] = {}
        self._fills: list[tuple[str, Execution]] = []

    def quote(self, symbol: str) -> Quote | None:
        """The last quote of `symbol` since the session began."""
        return self._quotes.get(symbol)

    def clear(self) -> None:
        """Forget all quotes, and what stands before orders."""
        self._quotes.clear()
        self._taken.clear()
        for order in self._resting.values():
            order.ahead = None

    def update(self, quote: Quote) -> None:
        """Take over a quote: queues shrink with its sizes, and it serves the resting orders that it reaches."""
        before = self._quotes.get(quote.symbol)
        self._quotes[quote.symbol] = quote
        if self._taken:
            for side in Side:
                self._taken.pop((quote.symbol, side), None)
        for side, orders in self._book(quote.symbol):
            for order in _up_to(_depth(side, before, quote), orders):
                self._requeue(order, before, quote)
                self._serve(order)

    def on_trade(self, trade: Trade) -> None:
        """A print of the tape: it comes through the queues of resting orders, best price first."""
        minute = trade.time_ns // MINUTE_NS
        known, printed = self._printed.get(trade.symbol, (minute, 0))
        if known != minute:
            printed, self._used[trade.symbol] = 0, ZERO
        self._printed[trade.symbol] = (minute, printed + trade.size)
        if trade.symbol not in self._quotes or not self._resting:  # the first: a session's past, taken up again
            return
        for _, orders in self._book(trade.symbol):
            available = Decimal(trade.size)
            for order in _up_to(trade.price, orders):
                available = self._print_to(order, trade.price, available)

    def take(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        limit_price: Decimal | None,
        owner: str,
        *,
        whole: bool = False,
    ) -> Sequence[Execution]:
        """One execution at the quote for as much as it shows and the minute allows, or none."""
        price = self._far_price(symbol, side, side.sign * inf if limit_price is None else float(limit_price))
        filled = min(quantity, self._left(symbol, side), self._allowance(symbol))
        if price is None or filled <= 0 or (whole and filled < quantity):
            return ()
        self._take_off(symbol, side, filled)
        self._use(symbol, filled)
        return (Execution(price=price, quantity=filled),)

    def rest(
        self, order_key: str, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None, owner: str
    ) -> None:
        """Join the queue of the limit's price."""
        order = _Resting(order_key, symbol, side, quantity, limit_price)
        self._resting[order_key] = order
        insort(self._books.setdefault(symbol, {each: [] for each in Side})[side], order, key=_rank)
        if (quote := self._quotes.get(symbol)) is not None:
            self._requeue(order, None, quote)

    def withdraw(self, order_key: str) -> None:
        """Forget a resting order."""
        order = self._resting.pop(order_key, None)
        if order is not None:
            self._books[order.symbol][order.side].remove(order)

    def poll(self) -> Sequence[tuple[str, Execution]]:
        """The fills of resting orders since the last poll."""
        if not self._fills:
            return []
        fills, self._fills = self._fills, []
        return fills

    def _book(self, symbol: str) -> Sequence[tuple[Side, list[_Resting]]]:
        """The sides on which orders rest."""
        book = self._books.get(symbol) if self._resting else None
        return [own for own in book.items() if own[1]] if book else ()

    def _far_price(self, symbol: str, side: Side, limit: float) -> Decimal | None:
        """The price at which the quote serves an order; None when it does not."""
        quote = self._quotes.get(symbol)
        price = (quote.ask if side is Side.BUY else quote.bid) if quote else 0.0
        reaches = limit >= price if side is Side.BUY else limit <= price
        return _exact(price) if price > 0 and reaches else None

    def _requeue(self, order: _Resting, before: Quote | None, quote: Quote) -> None:
        """What stands before the order now that the best prices are those of `quote`."""
        best, shown = _near(quote, order.side)
        if order.sign * (order.price - best) > 0:
            order.ahead = ZERO
        elif order.price != best:
            order.ahead = None
        elif order.ahead is None or before is None:
            order.ahead = joined(self._queue, Decimal(shown))
        else:
            best_before, shown_before = _near(before, order.side)
            known_before = shown_before if best_before == best else shown
            order.ahead = shrunk(self._queue, order.ahead, Decimal(known_before), Decimal(shown))

    def _serve(self, order: _Resting) -> None:
        """Fill the order at its own price when the quote has come to it; a market order at the quote."""
        price = self._far_price(order.symbol, order.side, order.price)
        if price is not None:
            filled = self._fill(order, order.limit or price, self._left(order.symbol, order.side))
            self._take_off(order.symbol, order.side, filled)

    def _left(self, symbol: str, side: Side) -> Decimal:
        """Shares that the quote still shows to orders of `side`."""
        quote = self._quotes.get(symbol)
        if quote is None:
            return ZERO
        shown = quote.ask_size if side is Side.BUY else quote.bid_size
        return shown - self._taken.get((symbol, side), ZERO)

    def _take_off(self, symbol: str, side: Side, filled: Decimal) -> None:
        if filled:
            self._taken[symbol, side] = self._taken.get((symbol, side), ZERO) + filled

    def _print_to(self, order: _Resting, price: float, available: Decimal) -> Decimal:
        """Give the order what a print leaves for it, and return what remains for the others on its side."""
        if order.limit is None:
            return available
        if order.sign * (order.price - price) > 0:
            return available - self._fill(order, order.limit, available)
        if order.ahead is None:
            return available
        passed = min(order.ahead, available)
        order.ahead -= passed
        return available - self._fill(order, order.limit, available - passed)

    def _fill(self, order: _Resting, price: Decimal, available: Decimal) -> Decimal:
        filled = min(order.remaining, available, self._allowance(order.symbol))
        if filled <= 0:
            return ZERO
        order.remaining -= filled
        self._use(order.symbol, filled)
        self._fills.append((order.key, Execution(price=price, quantity=filled)))
        if not order.remaining:
            self.withdraw(order.key)
        return filled

    def _allowance(self, symbol: str) -> Decimal:
        """Whole shares that users may still trade in this minute."""
        if self._participation is None:
            return _UNBOUND
        _, printed = self._printed.get(symbol, (0, 0))
        allowed = (self._participation * printed).to_integral_value(rounding=ROUND_DOWN)
        return max(allowed - self._used.get(symbol, ZERO), ZERO)

    def _use(self, symbol: str, quantity: Decimal) -> None:
        self._used[symbol] = self._used.get(symbol, ZERO) + quantity


def _rank(order: _Resting) -> float:
    return order.rank


def _up_to(price: float, orders: list[_Resting]) -> list[_Resting]:
    """The orders of one side, of which there are some, whose limit is `price` or better."""
    return orders[: bisect_right(orders, -orders[0].sign * price, key=_rank)]


def _depth(side: Side, before: Quote | None, quote: Quote) -> float:
    """The worst price of an order to which a quote means something: it is behind neither the best price, before or now,
    nor the other side's, as it is in a crossed market."""
    if side is Side.BUY:
        least = min(quote.bid, quote.ask) if quote.ask > 0 else quote.bid
        return min(least, before.bid) if before else least
    most = max(quote.ask, quote.bid)
    return max(most, before.ask) if before else most


def _near(quote: Quote, side: Side) -> tuple[float, int]:
    """The best price and size of the side on which an order rests."""
    return (quote.bid, quote.bid_size) if side is Side.BUY else (quote.ask, quote.ask_size)
