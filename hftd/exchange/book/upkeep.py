"""What the owner of a book does to it between two messages, and reads from it. Compiled."""

# mypy: disable-error-code="no-any-return"
# The types of compiled code are numba's: what comes out of an array is Any to mypy.

from hftd.exchange.book.compiling import compiled, pointer
from hftd.exchange.book.layout import (
    BEST_LEVEL,
    BUY,
    DEPTH,
    FAR_COUNT,
    ORDERS_AHEAD,
    PRESSURE,
    QUANTITY_AHEAD,
    SELL,
    WINDOW_BASE,
)
from hftd.exchange.book.levels import register
from hftd.exchange.book.view import S, U, carray, find, insert, order_at, view_of

# -------------------- upkeep, called by the owner


@compiled("void(int64)")
def rehash(handle: int) -> None:
    """Fill an empty map with all resting orders."""
    view = view_of(handle)
    for side in range(2):
        level_slot = view.state[BEST_LEVEL + side]
        while level_slot >= 0:
            slot = S(view.levels[U(level_slot)].head)
            while slot >= 0:
                insert(view, view.orders[U(slot)].order_id, slot)
                slot = S(view.orders[U(slot)].next)
            level_slot = S(view.levels[U(level_slot)].worse)


@compiled("void(int64, int64)")
def place_window(handle: int, base: int) -> None:
    """Put an empty window at `base` and register all levels anew, in rising order of price."""
    view = view_of(handle)
    view.state[WINDOW_BASE] = base
    view.state[FAR_COUNT] = 0
    slot = view.state[BEST_LEVEL + BUY]
    worst = slot
    while slot >= 0:
        worst = slot
        slot = S(view.levels[U(slot)].worse)
    while worst >= 0:
        register(view, view.levels[U(worst)].price, worst)
        worst = S(view.levels[U(worst)].better)
    slot = view.state[BEST_LEVEL + SELL]
    while slot >= 0:
        register(view, view.levels[U(slot)].price, slot)
        slot = S(view.levels[U(slot)].worse)
    view.state[PRESSURE] = 0


# -------------------- reading


@compiled("int64(int64, int64, int64, int64)")
def read_depth(handle: int, side: int, count: int, rows_at: int) -> int:
    """Write up to `count` levels of `side`, best first, as DEPTH. Returns how many there were to write."""
    view = view_of(handle)
    rows = carray(pointer(rows_at), (1,), DEPTH)
    slot = view.state[BEST_LEVEL + side]
    written = 0
    while slot >= 0 and written < count:
        level = view.levels[U(slot)]
        rows[U(written)].price = level.price
        rows[U(written)].quantity = level.quantity
        written += 1
        slot = S(level.worse)
    return written


@compiled("int64(int64, int64)")
def find_order(handle: int, order_id: int) -> int:
    """The slot of a resting order, or -1."""
    view = view_of(handle)
    position = find(view, order_id)
    return order_at(view, position) if position >= 0 else -1


@compiled("void(int64, int64)")
def count_ahead(handle: int, slot: int) -> None:
    """Leave in state[ORDERS_AHEAD] and state[QUANTITY_AHEAD] what stands before the order in its queue."""
    view = view_of(handle)
    orders = 0
    quantity = 0
    slot = S(view.orders[U(slot)].previous)
    while slot >= 0:
        orders += 1
        quantity += view.orders[U(slot)].quantity
        slot = S(view.orders[U(slot)].previous)
    view.state[ORDERS_AHEAD] = orders
    view.state[QUANTITY_AHEAD] = quantity
