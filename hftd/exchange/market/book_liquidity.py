"""Users' orders in the same order books as everybody else's: they take liquidity, queue, and are traded against.

Whole shares go through the book, at a place in the queue and with an effect on the price. The fraction of an order that
asks for one is filled with it at the price of its last share, and for less than one share at the quote of the moment:
the book holds whole lots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from hftd.domain.convert import TICKS_PER_DOLLAR, decimal_of, price_of, ticks_of
from hftd.domain.market import Quote
from hftd.domain.orders import Side
from hftd.exchange.book.book import Top
from hftd.exchange.book.layout import BUY, MAX_PRICE, SELL, Operation, Outcome
from hftd.exchange.venue.orders import ZERO, Execution

USER_OWNERS = 1 << 20
"""Users' numbers in a book begin here: lower ones are for whoever else trades in it."""

_SIDES = {Side.BUY: BUY, Side.SELL: SELL}


@dataclass(frozen=True, slots=True)
class UserFill:
    """A fill of a user's order: price in ticks, quantity in shares."""

    order_id: int
    price: int
    quantity: int


class Pit(Protocol):
    """One symbol's book, where others trade too. Users' orders have ids below 0 and owners from USER_OWNERS on."""

    @property
    def now_ns(self) -> int:
        """The time of its last event."""
        ...

    def top(self) -> Top:
        """The best prices."""
        ...

    def depth(self, side: int, levels: int) -> list[tuple[int, int]]:
        """Up to `levels` prices of a side in ticks with the shares at each, best first."""
        ...

    def enter(self, operation: int, order_id: int, side: int, price: int, quantity: int, owner: int) -> Outcome:
        """A user's message. The owner's own resting orders stop it."""
        ...

    def take_user_fills(self) -> Sequence[UserFill]:
        """The fills of users' orders since the last call, in order."""
        ...

    def resume(self) -> int:
        """Users trade from now on. Returns the lowest id of their orders so far, 0 if there were none."""
        ...


@dataclass(slots=True)
class _Resting:
    """An order that waits: in the book under `order_id`, or outside it (None) for a book or a price."""

    symbol: str
    side: Side
    remaining: Decimal
    limit_price: Decimal | None
    owner: int
    order_id: int | None = None

    @property
    def lots(self) -> int:
        return int(self.remaining)


class BookLiquidity:
    """Trades users' orders in books that are opened for each session. Implements `Liquidity`.

    Orders that come while there is no book wait, and enter it with the first `poll` of the session; so do those that
    the book cannot hold: a market order that found too little, one that its owner's own order is in the way of.
    """

    def __init__(self) -> None:
        self._pits: Mapping[str, Pit] = {}
        self._is_live = False
        self._orders: dict[str, _Resting] = {}
        self._waiting: dict[str, None] = {}
        self._keys: dict[int, str] = {}
        self._owners: dict[str, int] = {}
        self._fills: list[tuple[str, Execution]] = []
        self._last_id = 0

    def open(self, pits: Mapping[str, Pit]) -> None:
        """Trade in these books from now on; resting orders enter them with the next `poll`."""
        self.clear()
        self._pits = pits

    def clear(self) -> None:
        """Leave the books of the session. Resting orders wait for others."""
        for key, order in self._orders.items():
            order.order_id = None
            self._waiting[key] = None
        self._keys.clear()
        self._pits = {}
        self._is_live = False

    def quote(self, symbol: str) -> Quote | None:
        """The best bid and ask in the book now."""
        pit = self._pits.get(symbol)
        if pit is None:
            return None
        bid, bid_size, ask, ask_size = pit.top()
        if bid is None and ask is None:
            return None
        return Quote(symbol, pit.now_ns, price_of(bid or 0), bid_size, price_of(ask or 0), ask_size)

    def depth(self, symbol: str, levels: int) -> tuple[list[tuple[float, int]], list[tuple[float, int]]] | None:
        """Bids and asks in dollars with the shares at each, best first; None while there is no book."""
        pit = self._pits.get(symbol)
        if pit is None:
            return None
        bids, asks = ([(price_of(ticks), shares) for ticks, shares in pit.depth(side, levels)] for side in (BUY, SELL))
        return bids, asks

    def update(self, quote: Quote) -> None:
        """Nothing to learn: the quote comes from the book."""

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
        """Trade in the book now, at each price it takes; with `whole`, all of it or nothing."""
        pit = self._pits.get(symbol)
        if pit is None:
            return ()
        order_id = self._new_id()
        lots = int(quantity)
        if lots:
            operation = Operation.FOK if whole else Operation.IOC
            pit.enter(operation, order_id, _SIDES[side], _limit_ticks(side, limit_price), lots, self._owner(owner))
        executions: list[Execution] = []
        for fill in pit.take_user_fills():
            if fill.order_id == order_id:
                executions.append(_execution(fill))
            else:
                self._book_fill(fill)
        filled = sum((execution.quantity for execution in executions), ZERO)
        if filled == lots and quantity > lots:
            executions += self._fraction(symbol, side, quantity - lots, limit_price, executions)
        return executions

    def rest(
        self, order_key: str, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None, owner: str
    ) -> None:
        """Queue in the book, at the end of the price's queue."""
        self._orders[order_key] = _Resting(symbol, side, quantity, limit_price, self._owner(owner))
        self._waiting[order_key] = None
        if self._is_live and limit_price is not None:
            self._enter(order_key)

    def withdraw(self, order_key: str) -> None:
        """Take a resting order out."""
        order = self._orders.pop(order_key, None)
        if order is None:
            return
        self._waiting.pop(order_key, None)
        if order.order_id is not None:
            del self._keys[order.order_id]
            self._pits[order.symbol].enter(Operation.CANCEL, order.order_id, 0, 0, 0, 0)

    def poll(self) -> Sequence[tuple[str, Execution]]:
        """The fills of resting orders since the last poll."""
        if self._pits and not self._is_live:
            self._is_live = True
            self._last_id = min(self._last_id, *(pit.resume() for pit in self._pits.values()))
        for key in list(self._waiting) if self._is_live else ():
            self._enter(key)
        for pit in self._pits.values():
            for fill in pit.take_user_fills():
                self._book_fill(fill)
        fills, self._fills = self._fills, []
        return fills

    def _enter(self, key: str) -> None:
        """Bring a waiting order into its book, or let it trade there and wait on."""
        order = self._orders[key]
        pit = self._pits.get(order.symbol)
        if pit is None:
            return
        if not order.lots:
            executions = self._fraction(order.symbol, order.side, order.remaining, order.limit_price, ())
            self._fills += [(key, execution) for execution in executions]
            if executions:
                self._forget(key)
            return
        order_id = self._new_id()
        self._keys[order_id] = key
        order.order_id = order_id
        operation = Operation.IOC if order.limit_price is None else Operation.LIMIT
        limit = _limit_ticks(order.side, order.limit_price)
        outcome = pit.enter(operation, order_id, _SIDES[order.side], limit, order.lots, order.owner)
        for fill in pit.take_user_fills():
            self._book_fill(fill)
        if outcome is Outcome.RESTED:
            del self._waiting[key]
        elif key in self._orders:
            order.order_id = None
            del self._keys[order_id]

    def _book_fill(self, fill: UserFill) -> None:
        """A resting order was traded against; the fraction that it ends with is filled at the same price."""
        key = self._keys[fill.order_id]
        order = self._orders[key]
        execution = _execution(fill)
        order.remaining -= execution.quantity
        self._fills.append((key, execution))
        if not order.lots:
            if order.remaining:
                self._fills.append((key, Execution(price=execution.price, quantity=order.remaining)))
            del self._keys[fill.order_id]
            self._forget(key)

    def _forget(self, key: str) -> None:
        del self._orders[key]
        self._waiting.pop(key, None)

    def _fraction(
        self, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None, before: Sequence[Execution]
    ) -> list[Execution]:
        """Less than a share: at the price of the share before it, or else at the quote if that is good enough."""
        if before:
            return [Execution(price=before[-1].price, quantity=quantity)]
        quote = self.quote(symbol)
        price = decimal_of((quote.ask if side is Side.BUY else quote.bid) if quote else 0.0)
        is_good = price > 0 and (limit_price is None or side.sign * (limit_price - price) >= 0)
        return [Execution(price=price, quantity=quantity)] if is_good else []

    def _owner(self, account: str) -> int:
        return self._owners.setdefault(account, USER_OWNERS + len(self._owners))

    def _new_id(self) -> int:
        self._last_id -= 1
        return self._last_id


def _limit_ticks(side: Side, limit_price: Decimal | None) -> int:
    if limit_price is None:
        return side.sign * MAX_PRICE
    return ticks_of(limit_price)


def _execution(fill: UserFill) -> Execution:
    return Execution(price=Decimal(fill.price) / TICKS_PER_DOLLAR, quantity=Decimal(fill.quantity))
