"""A broker's account in a few lines: it refuses what Alpaca refuses, and fills what a test tells it to."""

from dataclasses import dataclass
from decimal import Decimal

from hftd.domain.orders import OrderRequest, OrderType, Side


@dataclass
class Held:
    """An open order; `opens` says that it did not close anything when it came."""

    request: OrderRequest
    opens: bool
    filled: Decimal = Decimal(0)

    @property
    def rest(self) -> Decimal:
        return self.request.quantity - self.filled


class OracleVenue:
    """Positions in signed shares by symbol, cash in dollars, open orders by client order id."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.positions: dict[str, Decimal] = {}
        self.open: dict[str, Held] = {}
        self.ids: set[str] = set()

    def position(self, symbol: str) -> Decimal:
        return self.positions.get(symbol, Decimal(0))

    def submit(self, request: OrderRequest) -> None:
        """Raises AssertionError where the broker would refuse."""
        assert request.client_order_id not in self.ids, "the id was used before"
        self.ids.add(request.client_order_id)
        held = self.position(request.symbol) * request.side.sign
        others = [order for order in self.open.values() if order.request.symbol == request.symbol]
        for order in others:
            if order.request.side is not request.side:
                assert not _meet(request, order.request), "potential wash trade detected"
                assert held < 0 or not order.opens, "cannot open while an opposite order is open"
        if held < 0:
            taken = sum(order.rest for order in others if order.request.side is request.side)
            assert request.quantity <= -held - taken, "insufficient qty available for order"
        self.open[request.client_order_id] = Held(request, held >= 0)

    def fill(self, id: str, quantity: Decimal, price: Decimal) -> None:
        order = self.open[id]
        order.filled += quantity
        symbol, sign = order.request.symbol, order.request.side.sign
        self.positions[symbol] = self.position(symbol) + sign * quantity
        self.cash -= sign * quantity * price
        if not order.rest:
            del self.open[id]

    def end(self, id: str) -> None:
        del self.open[id]


def _meet(new: OrderRequest, old: OrderRequest) -> bool:
    if OrderType.LIMIT is not new.type or OrderType.LIMIT is not old.type:
        return True
    assert new.limit_price is not None and old.limit_price is not None
    buy, sell = (new, old) if new.side is Side.BUY else (old, new)
    assert buy.limit_price is not None and sell.limit_price is not None
    return buy.limit_price >= sell.limit_price
