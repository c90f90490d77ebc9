"""Orders in and out of the queue of their level, and what is told of it. Compiled into the kernel."""

# mypy: disable-error-code="no-any-return"
# The types of compiled code are numba's: what comes out of an array is Any to mypy.

from typing import Any

from hftd.exchange.book.compiling import inlined
from hftd.exchange.book.layout import (
    BEST_PRICE,
    BUY,
    CHANGE_COUNT,
    ORDER_COUNT,
    ORDER_FREE,
    ORDER_HIGH,
    RECORDS_CHANGES,
    REPORT_COUNT,
    SELL,
    SEQUENCE,
)
from hftd.exchange.book.levels import close_level, open_level
from hftd.exchange.book.view import S, U, View, erase, find, insert, order_at

# -------------------- output


@inlined
def record_change(view: View, side: int, price: int, quantity: int) -> None:
    state = view.state
    state[SEQUENCE] += 1
    if state[RECORDS_CHANGES] != 0:
        change = view.changes[U(state[CHANGE_COUNT])]
        change.sequence = state[SEQUENCE]
        change.price = price
        change.quantity = quantity
        change.side = side
        state[CHANGE_COUNT] += 1


@inlined
def record_report(
    view: View, kind: int, maker: Any, price: int, quantity: int, taker_id: int, taker_owner: int, taker_side: int
) -> None:
    """Report what just happened to `maker`, whose quantity is already what remains of it."""
    state = view.state
    state[SEQUENCE] += 1
    report = view.reports[U(state[REPORT_COUNT])]
    report.sequence = state[SEQUENCE]
    report.maker_id = maker.order_id
    report.taker_id = taker_id
    report.price = price
    report.quantity = quantity
    report.maker_remaining = maker.quantity
    report.maker_owner = maker.owner
    report.taker_owner = taker_owner
    report.kind = kind
    report.taker_side = taker_side
    state[REPORT_COUNT] += 1


# -------------------- orders in and out of a queue


@inlined
def enqueue(view: View, level_slot: int, order_id: int, owner: int, side: int, price: int, quantity: int) -> None:
    """Let an order rest at the end of the queue at `price`, whose level is `level_slot` or, if that is -1, a new one.

    The caller has seen to room and to the level's sum.
    """
    state = view.state
    slot = state[ORDER_FREE]
    if slot >= 0:
        state[ORDER_FREE] = view.orders[U(slot)].next
    else:
        slot = state[ORDER_HIGH]
        state[ORDER_HIGH] += 1
    state[ORDER_COUNT] += 1
    if level_slot < 0:
        level_slot = open_level(view, side, price)
    level = view.levels[U(level_slot)]
    order = view.orders[U(slot)]
    order.order_id = order_id
    order.quantity = quantity
    order.next = -1
    order.previous = level.tail
    order.level = level_slot
    order.owner = owner
    if level.tail >= 0:
        view.orders[U(level.tail)].next = slot
    else:
        level.head = slot
    level.tail = slot
    level.quantity += quantity
    insert(view, order_id, slot)
    record_change(view, side, price, level.quantity)


@inlined
def free_order(view: View, slot: int) -> None:
    view.orders[U(slot)].next = view.state[ORDER_FREE]
    view.state[ORDER_FREE] = slot
    view.state[ORDER_COUNT] -= 1


@inlined
def dequeue(view: View, position: int) -> None:
    """Take out the order that stands in the map at `position`."""
    slot = order_at(view, position)
    erase(view, position)
    order = view.orders[U(slot)]
    level_slot = S(order.level)
    level = view.levels[U(level_slot)]
    side = BUY if level.price <= view.state[BEST_PRICE + BUY] else SELL
    level.quantity -= order.quantity
    if order.previous >= 0:
        view.orders[U(order.previous)].next = order.next
    else:
        level.head = order.next
    if order.next >= 0:
        view.orders[U(order.next)].previous = order.previous
    else:
        level.tail = order.previous
    record_change(view, side, level.price, level.quantity)
    if level.head < 0:
        close_level(view, side, level_slot)
    free_order(view, slot)


@inlined
def pop_head(view: View, level: Any) -> int:
    """Take out the first order of `level`, whose quantity no longer counts; the slot of the next one, or -1."""
    slot = S(level.head)
    following = S(view.orders[U(slot)].next)
    erase(view, find(view, view.orders[U(slot)].order_id))
    free_order(view, slot)
    level.head = following
    if following >= 0:
        view.orders[U(following)].previous = -1
    else:
        level.tail = -1
    return following
