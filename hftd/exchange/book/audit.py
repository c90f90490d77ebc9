"""A whole check of a book's insides, for tests: everything that must always hold, whatever messages came."""

# mypy: disable-error-code="no-any-return"

from typing import Final

from hftd.exchange.book.book import Book
from hftd.exchange.book.compiling import compiled, inlined
from hftd.exchange.book.layout import (
    BEST_LEVEL,
    BEST_PRICE,
    BUY,
    FAR_COUNT,
    LEVEL_COUNT,
    MAP_MASK,
    NO_ASK_PRICE,
    NO_BID_PRICE,
    ORDER_COUNT,
    SELL,
    WINDOW_TICKS,
)
from hftd.exchange.book.levels import bit_from, level_at
from hftd.exchange.book.view import S, U, View, find, order_at, view_of

FINDINGS: Final = (
    "sound",
    "the book is crossed or locked",
    "the best price is not that of the best level",
    "levels of a side are out of order or wrongly linked",
    "a level without orders",
    "a level's quantity is not the sum of its orders",
    "a queue is wrongly linked",
    "an order is not found by its id",
    "a level is not found by its price",
    "the counts of orders or levels are wrong",
    "the bitmap and the window do not hold exactly the levels",
    "the map does not hold exactly the orders",
)
"""What `audit` may find."""

(
    SOUND,
    CROSSED,
    WRONG_BEST,
    WRONG_LEVELS,
    EMPTY_LEVEL,
    WRONG_SUM,
    WRONG_QUEUE,
    LOST_ORDER,
    LOST_LEVEL,
    WRONG_COUNT,
    WRONG_WINDOW,
    WRONG_MAP,
) = range(len(FINDINGS))


def audit(book: Book) -> str:
    """ "sound", or what is wrong. Time: all orders, levels, and the window."""
    return FINDINGS[_audit(book.handle)]


@inlined
def _check_queue(view: View, level_slot: int) -> tuple[int, int]:
    """A finding and the number of orders at one level."""
    level = view.levels[U(level_slot)]
    if level.head < 0:
        return EMPTY_LEVEL, 0
    count = 0
    quantity = 0
    previous = -1
    slot = S(level.head)
    while slot >= 0:
        order = view.orders[U(slot)]
        if order.previous != previous or order.level != level_slot or order.quantity <= 0:
            return WRONG_QUEUE, count
        position = find(view, order.order_id)
        if position < 0 or order_at(view, position) != slot:
            return LOST_ORDER, count
        count += 1
        quantity += order.quantity
        previous = slot
        slot = S(order.next)
    if level.tail != previous:
        return WRONG_QUEUE, count
    return (SOUND if quantity == level.quantity else WRONG_SUM), count


@inlined
def _check_side(view: View, side: int) -> tuple[int, int, int]:
    """A finding and the numbers of levels and orders of one side."""
    levels = 0
    orders = 0
    better = -1
    slot = view.state[BEST_LEVEL + side]
    best = view.state[BEST_PRICE + side]
    if slot < 0:
        return (SOUND if best == (NO_BID_PRICE if side == BUY else NO_ASK_PRICE) else WRONG_BEST), 0, 0
    if view.levels[U(slot)].price != best:
        return WRONG_BEST, 0, 0
    while slot >= 0:
        level = view.levels[U(slot)]
        if level.better != better:
            return WRONG_LEVELS, levels, orders
        if better >= 0:
            gap = view.levels[U(better)].price - level.price
            if (gap if side == BUY else -gap) <= 0:
                return WRONG_LEVELS, levels, orders
        if level_at(view, level.price) != slot:
            return LOST_LEVEL, levels, orders
        finding, count = _check_queue(view, slot)
        if finding != SOUND:
            return finding, levels, orders
        levels += 1
        orders += count
        better = slot
        slot = S(level.worse)
    return SOUND, levels, orders


@inlined
def _count_bits(view: View) -> int:
    """Bits set in the bitmap whose window cell is set too, or -1 if one of them is not, or a cell without its bit."""
    bits = 0
    offset = bit_from(view, 0)
    while offset >= 0:
        if view.window[U(offset)] == 0:
            return -1
        bits += 1
        offset = bit_from(view, offset + 1)
    cells = 0
    for word in range(view.state[WINDOW_TICKS] >> 6):
        if view.words[U(word)] != U(0):
            for cell in range(word << 6, (word + 1) << 6):
                cells += view.window[U(cell)] != 0
    return bits if cells == bits else -1


@compiled("int64(int64)")
def _audit(handle: int) -> int:
    view = view_of(handle)
    if view.state[BEST_PRICE + BUY] >= view.state[BEST_PRICE + SELL]:
        return CROSSED
    levels = 0
    orders = 0
    for side in range(2):
        finding, side_levels, side_orders = _check_side(view, side)
        if finding != SOUND:
            return finding
        levels += side_levels
        orders += side_orders
    if orders != view.state[ORDER_COUNT] or levels != view.state[LEVEL_COUNT]:
        return WRONG_COUNT
    if _count_bits(view) != levels - view.state[FAR_COUNT]:
        return WRONG_WINDOW
    entries = 0
    for position in range(view.state[MAP_MASK] + 1):
        entries += view.map[U(position)] != U(0)
    return SOUND if entries == orders else WRONG_MAP
