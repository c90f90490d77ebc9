"""Shelves: where a desk keeps open orders, by symbol. A symbol without any has no place on one."""

from hftd.exchange.venue.orders import Order

Shelf = dict[str, dict[str, Order]]
"""Orders by symbol and id."""


def put(shelf: Shelf, order: Order) -> None:
    """Lay an order there."""
    shelf.setdefault(order.symbol, {})[order.id] = order


def remove(shelf: Shelf, order: Order) -> None:
    """Take an order away, if it is there."""
    orders = shelf.get(order.symbol)
    if orders is not None and orders.pop(order.id, None) is not None and not orders:
        del shelf[order.symbol]


def has(shelf: Shelf, order: Order) -> bool:
    """Whether an order is there."""
    return order.id in shelf.get(order.symbol, {})


def in_sequence(shelf: Shelf, symbol: str) -> list[Order]:
    """The orders of a symbol as they were entered."""
    return sorted(shelf.get(symbol, {}).values(), key=lambda order: order.sequence)
