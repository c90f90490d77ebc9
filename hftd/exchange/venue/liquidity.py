"""What users' orders trade against, as the venue sees it.

The venue decides what may trade and when; a `Liquidity` says at which prices and how much of it. Two kinds exist:
`QuoteLiquidity` fills against the quote of the moment; a matching engine fills in a book shared with others.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import inf
from typing import NamedTuple, Protocol

from hftd.domain.convert import decimal_of
from hftd.domain.market import Quote
from hftd.domain.orders import Side
from hftd.exchange.venue.orders import Execution


class Liquidity(Protocol):
    """The other side of every trade. `order_key` is the order's id, `owner` the account's id."""

    def quote(self, symbol: str) -> Quote | None:
        """The best bid and ask now; None when there is none."""
        ...

    def update(self, quote: Quote) -> None:
        """A quote was published. A liquidity with a book of its own has nothing to learn from it."""
        ...

    def clear(self) -> None:
        """A session begins or ends: quotes from before are void. Resting orders stay."""
        ...

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
        """Trade now up to `quantity` shares at `limit_price` or better; with `whole`, all of it or nothing."""
        ...

    def rest(
        self, order_key: str, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None, owner: str
    ) -> None:
        """Wait with what could not be taken; a `limit_price` of None takes any price."""
        ...

    def withdraw(self, order_key: str) -> None:
        """Forget a resting order. No error when nothing rests under that key."""
        ...

    def poll(self) -> Sequence[tuple[str, Execution]]:
        """The fills of resting orders since the last poll, in their order. What is filled no longer rests."""
        ...


class _Resting(NamedTuple):
    """An order that waits. `limit` is the nearest float, which is what quotes are made of."""

    side: Side
    quantity: Decimal
    limit: float | None


def _price_for(quote: Quote | None, side: Side, limit: float | None) -> float | None:
    """The price at which `quote` serves an order; None when it does not."""
    if quote is None:
        return None
    if side is Side.BUY:
        return quote.ask if quote.ask > 0 and (limit is None or limit >= quote.ask) else None
    return quote.bid if quote.bid > 0 and (limit is None or limit <= quote.bid) else None


class QuoteLiquidity:
    """Fills whole orders at the quote of the moment, whatever its size, as Alpaca's paper accounts do.

    A buy that reaches the ask trades at the ask, a sell that reaches the bid at the bid; a resting order is looked at
    again with each quote. Where size matters, use a matching engine.
    """

    def __init__(self) -> None:
        self._quotes: dict[str, Quote] = {}
        self._resting: dict[str, dict[str, _Resting]] = {}
        self._reach: dict[str, tuple[float, float]] = {}
        self._symbol_of: dict[str, str] = {}
        self._fills: list[tuple[str, Execution]] = []

    def quote(self, symbol: str) -> Quote | None:
        """The last quote of `symbol` since the session began."""
        return self._quotes.get(symbol)

    def update(self, quote: Quote) -> None:
        """Take over a quote and fill the resting orders that it reaches."""
        self._quotes[quote.symbol] = quote
        if quote.symbol in self._resting:
            buys, sells = self._reach.get(quote.symbol) or self._look_for_reach(quote.symbol)
            if quote.ask <= buys or quote.bid >= sells:
                self._match(quote)

    def clear(self) -> None:
        """Forget all quotes."""
        self._quotes.clear()

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
        """One execution at the quote, or none."""
        price = _price_for(self._quotes.get(symbol), side, None if limit_price is None else float(limit_price))
        return () if price is None else (Execution(price=decimal_of(price), quantity=quantity),)

    def rest(
        self, order_key: str, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None, owner: str
    ) -> None:
        """Wait for a quote that reaches the order. The present one is not looked at again."""
        limit = None if limit_price is None else float(limit_price)
        self._resting.setdefault(symbol, {})[order_key] = _Resting(side, quantity, limit)
        self._symbol_of[order_key] = symbol
        self._reach.pop(symbol, None)

    def withdraw(self, order_key: str) -> None:
        """Forget a resting order."""
        symbol = self._symbol_of.pop(order_key, None)
        if symbol is not None:
            self._drop(symbol, order_key)

    def poll(self) -> Sequence[tuple[str, Execution]]:
        """The fills since the last poll."""
        if not self._fills:
            return []
        fills, self._fills = self._fills, []
        return fills

    def _look_for_reach(self, symbol: str) -> tuple[float, float]:
        """The highest limit of the buys and the lowest of the sells: a quote within them fills nothing."""
        buys, sells = -inf, inf
        for order in self._resting[symbol].values():
            if order.side is Side.BUY:
                buys = max(buys, inf if order.limit is None else order.limit)
            else:
                sells = min(sells, -inf if order.limit is None else order.limit)
        self._reach[symbol] = buys, sells
        return buys, sells

    def _match(self, quote: Quote) -> None:
        for key, order in list(self._resting[quote.symbol].items()):
            price = _price_for(quote, order.side, order.limit)
            if price is not None:
                self._fills.append((key, Execution(price=decimal_of(price), quantity=order.quantity)))
                self.withdraw(key)

    def _drop(self, symbol: str, order_key: str) -> None:
        orders = self._resting[symbol]
        del orders[order_key]
        self._reach.pop(symbol, None)
        if not orders:
            del self._resting[symbol]
