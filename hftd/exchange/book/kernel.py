"""Matching by price and time, compiled. Callable from Python and from other compiled code through a book's handle. The
map of orders is in `view`, prices and levels in `levels`, the queues in `queues`.

The handle is the address of the book's state (`layout`), which holds the addresses of its arrays: one int64 argument
instead of nine arrays, so that no call counts references. There are no bounds checks; `Book` owns the arrays.

How it works
- An order is a slot in `orders`, linked into the queue of its level. A freed slot is used again first.
- A level is a slot in `levels`, linked to the next better and next worse level of its side. Because bids stand below
  asks, the side of a level needs no field: it is a bid if its price is at most the best bid.
- A window of consecutive ticks maps a price to its level, with a bitmap of two storeys to find the nearest level above
  or below. Levels outside the window stand in `far`, sorted by price; opening them is slower and counted as pressure,
  until the window is placed anew.
- The map from id to order is open addressing with linear probing; an entry is 32 bits of hash and the slot plus one,
  and the id itself is read from the order. Erasing shifts back, so there are no tombstones.
- A message is refused, or needs room, before anything has changed: it happens whole or not at all.
- A slot plus one is stored in the map and in the window, so that fresh memory, all zeros, is empty.
"""

# mypy: disable-error-code="no-any-return"
# The types of compiled code are numba's: what comes out of an array is Any to mypy.

from typing import Any

import numpy as np

from hftd.exchange.book import layout
from hftd.exchange.book.compiling import compiled, inlined, outlined, pointer
from hftd.exchange.book.layout import (
    BEST_LEVEL,
    BEST_PRICE,
    BUY,
    CHANGE_COUNT,
    CHANGE_LIMIT,
    CHANGES_WANTED,
    LEVEL_COUNT,
    LEVEL_LIMIT,
    MAX_OWNER,
    MAX_PRICE,
    MAX_QUANTITY,
    MESSAGE,
    ORDER_COUNT,
    ORDER_LIMIT,
    PRESSURE,
    PRESSURE_LIMIT,
    REMAINING,
    REPORT_COUNT,
    REPORT_LIMIT,
    REPORTS_WANTED,
    SELL,
)
from hftd.exchange.book.levels import close_level, level_at
from hftd.exchange.book.queues import dequeue, enqueue, pop_head, record_change, record_report
from hftd.exchange.book.view import S, U, View, carray, find, order_at, view_of

# numba folds plain integers of the module into the code; members of an enum it would look up.
LIMIT, IOC, FOK, POST_ONLY, MARKET, CANCEL, REDUCE, REPLACE = (int(word) for word in layout.Operation)
ALLOW, CANCEL_RESTING, CANCEL_INCOMING = (int(word) for word in layout.SelfTrade)
FILL, SELF_TRADE_CANCEL = (int(word) for word in layout.ReportKind)
RESTED, FILLED, EXPIRED, KILLED, SELF_STOPPED, CANCELLED, REDUCED, REPLACED = (
    int(word) for word in layout.OUTCOMES[:8]
)
UNKNOWN_ID, DUPLICATE_ID, BAD_QUANTITY, BAD_PRICE, BAD_OWNER, BAD_WORD, WOULD_TRADE, LEVEL_FULL, NEED_ROOM = (
    int(word) for word in layout.OUTCOMES[8:]
)


# -------------------- matching


@inlined
def crosses(view: View, side: int, price: int) -> bool:
    """Whether an order to `side` at `price` meets the other side's best."""
    if side == BUY:
        return price >= view.state[BEST_PRICE + SELL]
    return price <= view.state[BEST_PRICE + BUY]


@inlined
def within(side: int, price: int, limit: int) -> bool:
    return price <= limit if side == BUY else price >= limit


@outlined
def sweep(handle: int, owner: int, side: int, limit: int, quantity: int, self_trade: int) -> tuple[int, int, int]:
    """What `match` would do, without doing it: reports, levels touched, quantity left unfilled."""
    view = view_of(handle)
    reports = 0
    levels = 0
    slot = view.state[BEST_LEVEL + 1 - side]
    while slot >= 0 and quantity > 0 and within(side, view.levels[U(slot)].price, limit):
        levels += 1
        order_slot = S(view.levels[U(slot)].head)
        while order_slot >= 0 and quantity > 0:
            order = view.orders[U(order_slot)]
            own = self_trade != ALLOW and order.owner == owner
            if own and self_trade == CANCEL_INCOMING:
                return reports, levels, quantity
            reports += 1
            if not own:
                quantity -= min(quantity, order.quantity)
            order_slot = S(order.next)
        slot = S(view.levels[U(slot)].worse)
    return reports, levels, quantity


@inlined
def match_level(
    view: View, level: Any, order_id: int, owner: int, side: int, quantity: int, self_trade: int
) -> tuple[int, bool]:
    """Trade with one level in order of arrival. What remains, and whether the taker met its own order and must stop."""
    before = level.quantity
    stopped = False
    slot = S(level.head)
    while quantity > 0 and slot >= 0:
        maker = view.orders[U(slot)]
        if self_trade != ALLOW and maker.owner == owner:
            if self_trade == CANCEL_INCOMING:
                stopped = True
                break
            cancelled = maker.quantity
            level.quantity -= cancelled
            maker.quantity = 0
            record_report(view, SELF_TRADE_CANCEL, maker, level.price, cancelled, order_id, owner, side)
            slot = pop_head(view, level)
            continue
        traded = min(quantity, maker.quantity)
        quantity -= traded
        level.quantity -= traded
        maker.quantity -= traded
        record_report(view, FILL, maker, level.price, traded, order_id, owner, side)
        if maker.quantity == 0:
            slot = pop_head(view, level)
    if level.quantity != before:
        record_change(view, 1 - side, level.price, level.quantity)
    return quantity, stopped


@inlined
def match(
    view: View, order_id: int, owner: int, side: int, limit: int, quantity: int, self_trade: int
) -> tuple[int, bool]:
    """Trade with the other side, best price first, up to `limit`. As `match_level`."""
    stopped = False
    while quantity > 0 and not stopped and crosses(view, side, limit):
        slot = view.state[BEST_LEVEL + 1 - side]
        level = view.levels[U(slot)]
        quantity, stopped = match_level(view, level, order_id, owner, side, quantity, self_trade)
        if level.head < 0:
            close_level(view, 1 - side, slot)
    return quantity, stopped


# -------------------- messages


@inlined
def has_room(view: View) -> bool:
    """Whether any message that does not trade can be carried out: it opens one level and changes two at most."""
    state = view.state
    return (
        state[ORDER_COUNT] < state[ORDER_LIMIT]
        and state[LEVEL_COUNT] < state[LEVEL_LIMIT]
        and state[CHANGE_COUNT] + 2 <= state[CHANGE_LIMIT]
        and state[PRESSURE] <= state[PRESSURE_LIMIT]
    )


@inlined
def has_output_room(view: View, owner: int, side: int, limit: int, quantity: int, self_trade: int) -> bool:
    """Whether the output holds all that trading will report. Counted exactly only when a bound does not do."""
    state = view.state
    report_room = state[REPORT_LIMIT] - state[REPORT_COUNT]
    change_room = state[CHANGE_LIMIT] - state[CHANGE_COUNT]
    bound = state[ORDER_COUNT] if self_trade == CANCEL_RESTING else min(quantity, state[ORDER_COUNT])
    if bound <= report_room and bound + 2 <= change_room:
        return True
    reports, levels, _ = sweep(view.handle, owner, side, limit, quantity, self_trade)
    if reports <= report_room and levels + 2 <= change_room:
        return True
    state[REPORTS_WANTED] = reports
    state[CHANGES_WANTED] = levels + 2
    return False


@inlined
def overfills(view: View, slot: int, quantity: int, released: int) -> bool:
    """Whether the level in `slot` (-1: none yet), less `released`, cannot take `quantity` more."""
    return slot >= 0 and view.levels[U(slot)].quantity - released > MAX_QUANTITY - quantity


@inlined
def trade(
    view: View, operation: int, order_id: int, owner: int, side: int, price: int, quantity: int, self_trade: int
) -> int:
    """Match, then rest or cancel what remains. The caller has seen to output room."""
    remaining, stopped = match(view, order_id, owner, side, price, quantity, self_trade)
    view.state[REMAINING] = remaining
    if remaining == 0:
        return FILLED
    if stopped:
        return SELF_STOPPED
    if operation != LIMIT:
        return EXPIRED
    enqueue(view, -1, order_id, owner, side, price, remaining)
    return RESTED


@inlined
def flaw(operation: int, owner: int, side: int, price: int, quantity: int, self_trade: int) -> int:
    """The refusal that the values of an order call for by themselves, or -1."""
    if side < 0 or side > 1 or self_trade < 0 or self_trade > 2:
        return BAD_WORD
    if quantity <= 0 or quantity > MAX_QUANTITY:
        return BAD_QUANTITY
    if operation != MARKET and (price > MAX_PRICE or price < -MAX_PRICE):
        return BAD_PRICE
    if owner < 0 or owner > MAX_OWNER:
        return BAD_OWNER
    return -1


@inlined
def place(
    view: View, operation: int, order_id: int, owner: int, side: int, price: int, quantity: int, self_trade: int
) -> int:
    """A new order."""
    refusal = flaw(operation, owner, side, price, quantity, self_trade)
    if refusal >= 0:
        return refusal
    if find(view, order_id) >= 0:
        return DUPLICATE_ID
    if operation == MARKET:
        price = MAX_PRICE if side == BUY else -MAX_PRICE
    if crosses(view, side, price):
        if operation == POST_ONLY:
            return WOULD_TRADE
        if operation == FOK and sweep(view.handle, owner, side, price, quantity, self_trade)[2] > 0:
            view.state[REMAINING] = quantity
            return KILLED
        if not has_output_room(view, owner, side, price, quantity, self_trade):
            return NEED_ROOM
        return trade(view, operation, order_id, owner, side, price, quantity, self_trade)
    view.state[REMAINING] = quantity
    if operation == FOK:
        return KILLED
    if operation in (IOC, MARKET):
        return EXPIRED
    level_slot = level_at(view, price)
    if overfills(view, level_slot, quantity, 0):
        return LEVEL_FULL
    enqueue(view, level_slot, order_id, owner, side, price, quantity)
    return RESTED


@inlined
def lower(view: View, slot: int, by: int) -> None:
    """Take `by` from an order that keeps its place."""
    if by == 0:
        return
    order = view.orders[U(slot)]
    level = view.levels[U(order.level)]
    side = BUY if level.price <= view.state[BEST_PRICE + BUY] else SELL
    order.quantity -= by
    level.quantity -= by
    record_change(view, side, level.price, level.quantity)


@outlined
def replace(handle: int, position: int, price: int, quantity: int, self_trade: int) -> int:
    """New price and open quantity for the order that stands in the map at `position`."""
    view = view_of(handle)
    slot = order_at(view, position)
    order = view.orders[U(slot)]
    order_id = order.order_id
    owner = S(order.owner)
    old_quantity = order.quantity
    old_price = view.levels[U(order.level)].price
    side = BUY if old_price <= view.state[BEST_PRICE + BUY] else SELL
    refusal = flaw(LIMIT, owner, side, price, quantity, self_trade)
    if refusal >= 0:
        return refusal
    view.state[REMAINING] = quantity
    if price == old_price and quantity <= old_quantity:
        lower(view, slot, old_quantity - quantity)
        return REPLACED
    if crosses(view, side, price):
        if not has_output_room(view, owner, side, price, quantity, self_trade):
            return NEED_ROOM
        dequeue(view, position)
        return trade(view, LIMIT, order_id, owner, side, price, quantity, self_trade)
    if overfills(view, level_at(view, price), quantity, old_quantity if price == old_price else 0):
        return LEVEL_FULL
    dequeue(view, position)
    enqueue(view, level_at(view, price), order_id, owner, side, price, quantity)
    return RESTED


@inlined
def amend(view: View, operation: int, order_id: int, price: int, quantity: int, self_trade: int) -> int:
    """A change of an order that rests."""
    position = find(view, order_id)
    if position < 0:
        return UNKNOWN_ID
    if operation == REPLACE:
        return replace(view.handle, position, price, quantity, self_trade)
    if operation == REDUCE:
        if quantity <= 0:
            return BAD_QUANTITY
        slot = order_at(view, position)
        remaining = view.orders[U(slot)].quantity - quantity
        if remaining > 0:
            lower(view, slot, quantity)
            view.state[REMAINING] = remaining
            return REDUCED
    dequeue(view, position)
    view.state[REMAINING] = 0
    return CANCELLED


@inlined
def step(
    view: View, operation: int, order_id: int, owner: int, side: int, price: int, quantity: int, self_trade: int
) -> int:
    """Carry out one message whole, refuse it, or do nothing for want of room. Returns an `Outcome`."""
    if not has_room(view):
        return NEED_ROOM
    if operation >= CANCEL:
        return amend(view, operation, order_id, price, quantity, self_trade) if operation <= REPLACE else BAD_WORD
    if operation < 0:
        return BAD_WORD
    return place(view, operation, order_id, owner, side, price, quantity, self_trade)


@compiled("int64(int64, int64, int64, int64, int64, int64, int64, int64)")
def enter(
    handle: int, operation: int, order_id: int, owner: int, side: int, price: int, quantity: int, self_trade: int
) -> int:
    """One message. Returns an `Outcome`; what rests or was cancelled of an order is then in state[REMAINING]."""
    return step(view_of(handle), operation, order_id, owner, side, price, quantity, self_trade)


@compiled("int64(int64, int64, int64, int64, int64)")
def run(handle: int, messages_at: int, outcomes_at: int, start: int, end: int) -> int:
    """Messages [start, end) of an array of MESSAGE; outcomes (int8) beside them. Returns where it stopped for room."""
    view = view_of(handle)
    messages = carray(pointer(messages_at), (1,), MESSAGE)
    outcomes = carray(pointer(outcomes_at), (1,), np.int8)
    for index in range(start, end):
        message = messages[U(index)]
        outcome = step(
            view,
            S(message.operation),
            message.order_id,
            S(message.owner),
            S(message.side),
            message.price,
            message.quantity,
            S(message.self_trade),
        )
        if outcome == NEED_ROOM:
            return index
        outcomes[U(index)] = outcome
    return end
