"""From a price to its level and to those near it; levels opened and closed. Compiled into the kernel."""

# mypy: disable-error-code="no-any-return"
# The types of compiled code are numba's: what comes out of an array is Any to mypy.

from hftd.exchange.book.compiling import inlined, leading_zeros, trailing_zeros
from hftd.exchange.book.layout import (
    BEST_LEVEL,
    BEST_PRICE,
    BUY,
    FAR_COUNT,
    LEVEL_COUNT,
    LEVEL_FREE,
    LEVEL_HIGH,
    NO_ASK_PRICE,
    NO_BID_PRICE,
    PRESSURE,
    SELL,
    WINDOW_BASE,
    WINDOW_TICKS,
)
from hftd.exchange.book.view import ONE, S, U, View

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
