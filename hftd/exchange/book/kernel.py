"""Matching by price and time, compiled. Callable from Python and from other compiled code through a book's handle.

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

from typing import Any, NamedTuple

import numba
import numpy as np

from hftd.exchange.book import layout
from hftd.exchange.book.compiling import compiled, inlined, leading_zeros, outlined, pointer, trailing_zeros
from hftd.exchange.book.layout import (
    BEST_LEVEL,
    BEST_PRICE,
    BUY,
    CHANGE,
    CHANGE_COUNT,
    CHANGE_LIMIT,
    CHANGES_AT,
    CHANGES_WANTED,
    DEPTH,
    FAR_AT,
    FAR_COUNT,
    LEVEL,
    LEVEL_COUNT,
    LEVEL_FREE,
    LEVEL_HIGH,
    LEVEL_LIMIT,
    LEVELS_AT,
    MAP_AT,
    MAP_MASK,
    MAX_OWNER,
    MAX_PRICE,
    MAX_QUANTITY,
    MESSAGE,
    NO_ASK_PRICE,
    NO_BID_PRICE,
    ORDER,
    ORDER_COUNT,
    ORDER_FREE,
    ORDER_HIGH,
    ORDER_LIMIT,
    ORDERS_AHEAD,
    ORDERS_AT,
    PRESSURE,
    PRESSURE_LIMIT,
    QUANTITY_AHEAD,
    RECORDS_CHANGES,
    REMAINING,
    REPORT,
    REPORT_COUNT,
    REPORT_LIMIT,
    REPORTS_AT,
    REPORTS_WANTED,
    SELL,
    SEQUENCE,
    STATE_CELLS,
    SUMMARY_AT,
    WINDOW_AT,
    WINDOW_BASE,
    WINDOW_TICKS,
    WORDS_AT,
)

carray: Any = numba.carray  # type: ignore[attr-defined]
S: Any = np.int64
U: Any = np.uint64
"""Indices are cast to it: an unsigned index needs no test for counting from the end."""
ONE = np.uint64(1)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4)."""

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


class View(NamedTuple):
    """A book's handle and arrays as compiled code sees them. Lengths given to `carray` are nominal: none is checked."""

    handle: int
    state: Any
    orders: Any
    levels: Any
    window: Any
    words: Any
    summary: Any
    map: Any
    far: Any
    reports: Any
    changes: Any


@inlined
def view_of(handle: int) -> View:
    state = carray(pointer(handle), (STATE_CELLS,), np.int64)
    return View(
        handle,
        state,
        carray(pointer(state[ORDERS_AT]), (1,), ORDER),
        carray(pointer(state[LEVELS_AT]), (1,), LEVEL),
        carray(pointer(state[WINDOW_AT]), (1,), np.int32),
        carray(pointer(state[WORDS_AT]), (1,), np.uint64),
        carray(pointer(state[SUMMARY_AT]), (1,), np.uint64),
        carray(pointer(state[MAP_AT]), (1,), np.uint64),
        carray(pointer(state[FAR_AT]), (1,), np.int32),
        carray(pointer(state[REPORTS_AT]), (1,), REPORT),
        carray(pointer(state[CHANGES_AT]), (1,), CHANGE),
    )


# -------------------- the map from id to order


@inlined
def hash_of(order_id: int) -> Any:
    """32 bits."""
    return (U(order_id) * GOLDEN) >> U(32)


@inlined
def find(view: View, order_id: int) -> int:
    """Where in the map `order_id` stands, or -1."""
    mask = U(view.state[MAP_MASK])
    tag = hash_of(order_id)
    position = tag & mask
    while True:
        entry = view.map[position]
        if entry == U(0):
            return -1
        if (entry >> U(32)) == tag and view.orders[(entry & U(0xFFFFFFFF)) - ONE].order_id == order_id:
            return S(position)
        position = (position + ONE) & mask


@inlined
def order_at(view: View, position: int) -> int:
    """The slot of the order that stands in the map at `position`."""
    return S(view.map[U(position)] & U(0xFFFFFFFF)) - 1


@inlined
def insert(view: View, order_id: int, slot: int) -> None:
    mask = U(view.state[MAP_MASK])
    tag = hash_of(order_id)
    position = tag & mask
    while view.map[position] != U(0):
        position = (position + ONE) & mask
    view.map[position] = (tag << U(32)) | U(slot + 1)


@inlined
def erase(view: View, position: int) -> None:
    """Empty `position` and move back the entries that had been pushed on by it."""
    mask = U(view.state[MAP_MASK])
    hole = U(position)
    probe = hole
    while True:
        probe = (probe + ONE) & mask
        entry = view.map[probe]
        if entry == U(0):
            break
        home = (entry >> U(32)) & mask
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            view.map[hole] = entry
            hole = probe
    view.map[hole] = U(0)


# -------------------- from price to level, and near


@inlined
def in_window(view: View, price: int) -> bool:
    offset = price - view.state[WINDOW_BASE]
    return offset >= 0 and offset < view.state[WINDOW_TICKS]


@inlined
def far_position(view: View, price: int) -> int:
    """How many of the far levels have a price below `price`."""
    low = 0
    high = view.state[FAR_COUNT]
    while low < high:
        middle = (low + high) >> 1
        if view.levels[U(view.far[U(middle)])].price < price:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def level_at(view: View, price: int) -> int:
    """The level of exactly this price, or -1."""
    if in_window(view, price):
        return S(view.window[U(price - view.state[WINDOW_BASE])]) - 1
    position = far_position(view, price)
    if position < view.state[FAR_COUNT]:
        slot = S(view.far[U(position)])
        if view.levels[U(slot)].price == price:
            return slot
    return -1


@inlined
def set_bit(view: View, offset: int) -> None:
    word = offset >> 6
    view.words[U(word)] |= ONE << U(offset & 63)
    view.summary[U(word >> 6)] |= ONE << U(word & 63)


@inlined
def clear_bit(view: View, offset: int) -> None:
    word = offset >> 6
    view.words[U(word)] &= ~(ONE << U(offset & 63))
    if view.words[U(word)] == U(0):
        view.summary[U(word >> 6)] &= ~(ONE << U(word & 63))


@inlined
def bit_from(view: View, offset: int) -> int:
    """The lowest set bit at or above `offset`, or -1."""
    ticks = view.state[WINDOW_TICKS]
    if offset >= ticks:
        return -1
    word = offset >> 6
    bits = view.words[U(word)] >> U(offset & 63)
    if bits != U(0):
        return offset + trailing_zeros(bits)
    word += 1
    group = word >> 6
    groups = ticks >> 12
    if group >= groups:
        return -1
    bits = (view.summary[U(group)] >> U(word & 63)) << U(word & 63)
    while bits == U(0):
        group += 1
        if group >= groups:
            return -1
        bits = view.summary[U(group)]
    word = (group << 6) + trailing_zeros(bits)
    return (word << 6) + trailing_zeros(view.words[U(word)])


@inlined
def bit_to(view: View, offset: int) -> int:
    """The highest set bit at or below `offset`, or -1."""
    if offset < 0:
        return -1
    word = offset >> 6
    bits = view.words[U(word)] << U(63 - (offset & 63))
    if bits != U(0):
        return offset - leading_zeros(bits)
    word -= 1
    if word < 0:
        return -1
    group = word >> 6
    bits = view.summary[U(group)] << U(63 - (word & 63))
    if bits != U(0):
        word -= leading_zeros(bits)
    else:
        group -= 1
        while group >= 0 and view.summary[U(group)] == U(0):
            group -= 1
        if group < 0:
            return -1
        word = (group << 6) + 63 - leading_zeros(view.summary[U(group)])
    return (word << 6) + 63 - leading_zeros(view.words[U(word)])


@inlined
def level_above(view: View, price: int) -> int:
    """The level with the lowest price above `price`, of either side, or -1."""
    state = view.state
    base = state[WINDOW_BASE]
    position = far_position(view, price + 1)
    if price < base and position < state[FAR_COUNT] and view.levels[U(view.far[U(position)])].price < base:
        return S(view.far[U(position)])
    if price < base + state[WINDOW_TICKS]:
        bit = bit_from(view, max(price + 1 - base, 0))
        if bit >= 0:
            return S(view.window[U(bit)]) - 1
    return S(view.far[U(position)]) if position < state[FAR_COUNT] else -1


@inlined
def level_below(view: View, price: int) -> int:
    """The level with the highest price below `price`, of either side, or -1."""
    state = view.state
    base = state[WINDOW_BASE]
    end = base + state[WINDOW_TICKS]
    position = far_position(view, price) - 1
    if price > end and position >= 0 and view.levels[U(view.far[U(position)])].price >= end:
        return S(view.far[U(position)])
    if price > base:
        bit = bit_to(view, min(price - 1, end - 1) - base)
        if bit >= 0:
            return S(view.window[U(bit)]) - 1
    return S(view.far[U(position)]) if position >= 0 else -1


@inlined
def near_level_above(view: View, price: int) -> int:
    """As `level_above`, trying the window first: nearly always there is one."""
    offset = price + 1 - view.state[WINDOW_BASE]
    if offset > 0:
        bit = bit_from(view, offset)
        if bit >= 0:
            return S(view.window[U(bit)]) - 1
    return level_above(view, price)


@inlined
def near_level_below(view: View, price: int) -> int:
    """As `level_below`, trying the window first."""
    offset = price - 1 - view.state[WINDOW_BASE]
    if offset < view.state[WINDOW_TICKS]:
        bit = bit_to(view, offset)
        if bit >= 0:
            return S(view.window[U(bit)]) - 1
    return level_below(view, price)


# -------------------- opening and closing levels


@inlined
def register(view: View, price: int, slot: int) -> None:
    """Make `level_at(price)` answer `slot`."""
    state = view.state
    if in_window(view, price):
        offset = price - state[WINDOW_BASE]
        view.window[U(offset)] = slot + 1
        set_bit(view, offset)
        return
    position = far_position(view, price)
    index = state[FAR_COUNT]
    while index > position:
        view.far[U(index)] = view.far[U(index - 1)]
        index -= 1
    view.far[U(position)] = slot
    state[FAR_COUNT] += 1
    state[PRESSURE] += 1


@inlined
def unregister(view: View, price: int) -> None:
    state = view.state
    if in_window(view, price):
        offset = price - state[WINDOW_BASE]
        view.window[U(offset)] = 0
        clear_bit(view, offset)
        return
    index = far_position(view, price)
    state[FAR_COUNT] -= 1
    while index < state[FAR_COUNT]:
        view.far[U(index)] = view.far[U(index + 1)]
        index += 1


@inlined
def next_better(view: View, side: int, price: int) -> int:
    """The level on `side` next to a new one at `price`, towards the market; -1 if the new one is the best."""
    if side == BUY:
        return -1 if price > view.state[BEST_PRICE + BUY] else near_level_above(view, price)
    return -1 if price < view.state[BEST_PRICE + SELL] else near_level_below(view, price)


@inlined
def set_best(view: View, side: int, slot: int) -> None:
    view.state[BEST_LEVEL + side] = slot
    if slot >= 0:
        view.state[BEST_PRICE + side] = view.levels[U(slot)].price
    else:
        view.state[BEST_PRICE + side] = NO_BID_PRICE if side == BUY else NO_ASK_PRICE


@inlined
def open_level(view: View, side: int, price: int) -> int:
    """A new, empty level at `price`, linked and registered."""
    state = view.state
    slot = state[LEVEL_FREE]
    if slot >= 0:
        state[LEVEL_FREE] = view.levels[U(slot)].worse
    else:
        slot = state[LEVEL_HIGH]
        state[LEVEL_HIGH] += 1
    state[LEVEL_COUNT] += 1
    better = next_better(view, side, price)
    worse = state[BEST_LEVEL + side] if better < 0 else S(view.levels[U(better)].worse)
    level = view.levels[U(slot)]
    level.price = price
    level.quantity = 0
    level.head = -1
    level.tail = -1
    level.better = better
    level.worse = worse
    if worse >= 0:
        view.levels[U(worse)].better = slot
    if better >= 0:
        view.levels[U(better)].worse = slot
    else:
        set_best(view, side, slot)
    register(view, price, slot)
    return slot


@inlined
def close_level(view: View, side: int, slot: int) -> None:
    level = view.levels[U(slot)]
    unregister(view, level.price)
    better = S(level.better)
    worse = S(level.worse)
    if worse >= 0:
        view.levels[U(worse)].better = better
    if better >= 0:
        view.levels[U(better)].worse = worse
    else:
        set_best(view, side, worse)
    level.worse = view.state[LEVEL_FREE]
    view.state[LEVEL_FREE] = slot
    view.state[LEVEL_COUNT] -= 1


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
