"""What each kind of agent decides when it wakes, compiled. A decision is a few messages put into the outbox.

- A maker keeps bids and asks around what it takes for the value: its own, slightly late reading of it, moved by the
  net purchases of late, and away from its inventory (the reservation price of Avellaneda and Stoikov, 2008).
- A noise trader cancels, rests or takes, without a reason.
- A momentum trader buys when the fast average of prices stands above the slow one; a reverting trader rests on the
  other side of a move.
- An informed trader knows the value and takes what is offered on the wrong side of it (Glosten and Milgrom, 1985).
"""

# mypy: disable-error-code="no-any-return"
# The types of compiled code are numba's: what comes out of an array is Any to mypy.

from math import floor, log
from typing import Any, Final, NamedTuple

import numpy as np

from hftd.exchange.book.compiling import inlined, pointer
from hftd.exchange.book.kernel import CANCEL, IOC, LIMIT, REPLACE
from hftd.exchange.book.layout import BEST_PRICE, BUY, MESSAGE, NO_ASK_PRICE, NO_BID_PRICE, SELL
from hftd.exchange.book.view import S, U, carray
from hftd.exchange.book.view import View as BookView
from hftd.exchange.market.bots.layout import (
    CELLS,
    CENT,
    DEVIATION_AT,
    FAST,
    FLOATS,
    FLOATS_AT,
    FLOW,
    IDS_AT,
    INVENTORY_AT,
    LEFT_AT,
    LOG_AT,
    LOGGED,
    MAKERS,
    MOMENTUM,
    NO_SLOT,
    NOISE,
    NOW_NS,
    OPEN_NS,
    OUT_COUNT,
    OUTBOX_AT,
    PACE_AT,
    PRICES_AT,
    PRINT,
    PRINTS_AT,
    QUOTES_AT,
    RANDOM,
    REVERTING,
    SERIAL,
    SLOT_BITS,
    SLOTS_A_MAKER,
    SLOTS_A_NOISE,
    SLOTS_A_REVERTING,
    SLOW,
    TARGET_AT,
    TOP,
    UNIT,
    VALUES_AT,
)

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS

MAKER_DEPTH: Final = 4.0
"""Mean shares of a maker's order, in units."""
MAKER_LAG: Final = 0.15
"""Mean seconds by which makers know the value late: the latest of them is twice as late."""
IMPACT: Final = 0.002
"""By how much of a minute's deviation a unit of net purchases moves the makers' quotes."""
SKEW: Final = 0.002
"""By how much of a minute's deviation a unit of inventory moves its maker's quotes."""
SKEW_MOST: Final = 0.5
WIDTH: Final = 0.03
"""By how much of a minute's deviation a maker quotes away from its price, beside half a cent to a cent."""
EDGE: Final = 0.5
"""How many cents an informed trader wants to gain by a share."""
CHASE: Final = 1.0
"""How many of a minute's deviations a move must have to call momentum and reverting traders."""


class Bots(NamedTuple):
    """The state of a market of bots as compiled code sees it."""

    cells: Any
    floats: Any
    inventory: Any
    ids: Any
    left: Any
    prices: Any
    values: Any
    pace: Any
    target: Any
    deviation: Any
    outbox: Any
    prints: Any
    quotes: Any
    log: Any


@inlined
def bots_of(handle: int) -> Bots:
    cells = carray(pointer(handle), (CELLS,), np.int64)
    return Bots(
        cells,
        carray(pointer(cells[FLOATS_AT]), (FLOATS,), np.float64),
        carray(pointer(cells[INVENTORY_AT]), (1,), np.int64),
        carray(pointer(cells[IDS_AT]), (1,), np.int64),
        carray(pointer(cells[LEFT_AT]), (1,), np.int64),
        carray(pointer(cells[PRICES_AT]), (1,), np.int64),
        carray(pointer(cells[VALUES_AT]), (1,), np.float64),
        carray(pointer(cells[PACE_AT]), (1,), np.float64),
        carray(pointer(cells[TARGET_AT]), (1,), np.float64),
        carray(pointer(cells[DEVIATION_AT]), (1,), np.float64),
        carray(pointer(cells[OUTBOX_AT]), (1,), MESSAGE),
        carray(pointer(cells[PRINTS_AT]), (1,), PRINT),
        carray(pointer(cells[QUOTES_AT]), (1,), TOP),
        carray(pointer(cells[LOG_AT]), (1,), LOGGED),
    )


# -------------------- chance


@inlined
def uniform(bots: Bots) -> float:
    """A number in [0, 1): xorshift64* (Vigna, 2016)."""
    word = U(bots.cells[RANDOM])
    word ^= word >> U(12)
    word ^= word << U(25)
    word ^= word >> U(27)
    bots.cells[RANDOM] = S(word)
    return np.float64((word * U(0x2545F4914F6CDD1D)) >> U(11)) * (1.0 / 9007199254740992.0)


@inlined
def exponential(bots: Bots) -> float:
    """A number above 0, 1 on average."""
    return -log(1.0 - uniform(bots))


@inlined
def below(bots: Bots, count: int) -> int:
    """A whole number in [0, count)."""
    return S(uniform(bots) * count)


@inlined
def shares(bots: Bots, units: float) -> int:
    """Shares of an order of about `units` units: 0 when it comes to less than one share and chance is against it."""
    wanted = bots.floats[UNIT] * units * (0.25 + 0.75 * exponential(bots))
    return S(floor(wanted + uniform(bots)))


# -------------------- what they see


@inlined
def value_at(bots: Bots, time_ns: int) -> float:
    """The value in ticks at `time_ns`, before the open what it is then."""
    since_ns = max(time_ns - bots.cells[OPEN_NS], 0)
    second = since_ns // SECOND_NS
    part = (since_ns - second * SECOND_NS) / SECOND_NS
    before = bots.values[U(second)]
    return before + (bots.values[U(second + 1)] - before) * part


@inlined
def minute_deviation(bots: Bots) -> float:
    """Standard deviation of the value's change over a minute as things are, in ticks: at least half a cent."""
    minute = (bots.cells[NOW_NS] - bots.cells[OPEN_NS]) // MINUTE_NS
    return max(bots.deviation[U(minute)] * 7.75, 0.5 * bots.cells[CENT])


@inlined
def middle(bots: Bots, book: BookView) -> float:
    """Halfway between the best prices in ticks; the value while a side is empty."""
    bid = book.state[BEST_PRICE + BUY]
    ask = book.state[BEST_PRICE + SELL]
    if bid == NO_BID_PRICE or ask == NO_ASK_PRICE:
        return value_at(bots, bots.cells[NOW_NS])
    return 0.5 * (bid + ask)


# -------------------- what they send


@inlined
def put(bots: Bots, operation: int, order_id: int, owner: int, side: int, price: int, quantity: int) -> None:
    message = bots.outbox[U(bots.cells[OUT_COUNT])]
    message.operation = operation
    message.order_id = order_id
    message.owner = owner
    message.side = side
    message.price = max(price, bots.cells[CENT])
    message.quantity = quantity
    message.self_trade = 1
    bots.cells[OUT_COUNT] += 1


@inlined
def new_id(bots: Bots, slot: int) -> int:
    bots.cells[SERIAL] += 1
    return (bots.cells[SERIAL] << SLOT_BITS) | slot


@inlined
def take(bots: Bots, owner: int, side: int, price: int, quantity: int) -> None:
    """Take up to `quantity` shares at `price` or better."""
    if quantity > 0:
        put(bots, IOC, new_id(bots, NO_SLOT), owner, side, price, quantity)


@inlined
def keep(bots: Bots, slot: int, owner: int, side: int, price: int, quantity: int) -> None:
    """Let the order of `slot` stand at `price`, anew if it is not there or mostly gone."""
    if bots.ids[U(slot)] == 0:
        if quantity > 0:
            put(bots, LIMIT, new_id(bots, slot), owner, side, price, quantity)
    elif bots.prices[U(slot)] != price or 2 * bots.left[U(slot)] < quantity:
        put(bots, REPLACE, bots.ids[U(slot)], owner, side, price, max(quantity, 1))


@inlined
def drop(bots: Bots, slot: int) -> None:
    if bots.ids[U(slot)] != 0:
        put(bots, CANCEL, bots.ids[U(slot)], 0, 0, 0, 0)


@inlined
def to_cents(bots: Bots, price: float) -> int:
    """The price in ticks at or below `price` that bots may quote."""
    cent = bots.cells[CENT]
    return S(floor(price / cent)) * cent


# -------------------- the kinds


@inlined
def reservation(bots: Bots, maker: int) -> float:
    """The price in ticks at which the maker would as soon buy as sell."""
    place = (maker + 0.5) / bots.cells[MAKERS]
    known_at_ns = bots.cells[NOW_NS] - S(2 * MAKER_LAG * place * SECOND_NS)
    deviation = minute_deviation(bots)
    inventory = bots.inventory[U(maker)] / max(bots.floats[UNIT], 1.0)
    skew = min(max(SKEW * inventory, -SKEW_MOST), SKEW_MOST)
    return value_at(bots, known_at_ns) + deviation * (IMPACT * bots.floats[FLOW] - skew)


@inlined
def make(bots: Bots, book: BookView, maker: int) -> None:
    """Quote at three distances on both sides; first on the side that makes room for the other."""
    centre = reservation(bots, maker)
    cent = bots.cells[CENT]
    best_bid = book.state[BEST_PRICE + BUY]
    best_ask = book.state[BEST_PRICE + SELL]
    half = cent * (0.5 + 0.5 * uniform(bots)) + WIDTH * minute_deviation(bots)
    rising = centre > middle(bots, book)
    for turn in range(2):
        side = SELL if (turn == 0) == rising else BUY
        for distance in range(3):
            away = half + cent * (distance + distance * distance)
            if side == BUY:
                price = min(to_cents(bots, centre - away), best_ask - cent)
            else:
                price = max(-to_cents(bots, -centre - away), best_bid + cent)
            slot = maker * SLOTS_A_MAKER + 3 * side + distance
            keep(bots, slot, maker + 1, side, price, shares(bots, MAKER_DEPTH * (1 + 0.5 * distance)))


@inlined
def stir(bots: Bots, book: BookView, agent: int) -> None:
    """A noise trader."""
    cells = bots.cells
    chance = uniform(bots)
    side = BUY if uniform(bots) < 0.5 else SELL
    slot = cells[MAKERS] * SLOTS_A_MAKER + agent * SLOTS_A_NOISE + below(bots, SLOTS_A_NOISE)
    owner = cells[MAKERS] + agent + 1
    if bots.ids[U(slot)] != 0:
        drop(bots, slot)
        return
    cent = cells[CENT]
    centre = middle(bots, book)
    sign = 1 if side == BUY else -1
    if chance < 0.4:
        take(bots, owner, side, to_cents(bots, centre) + sign * 20 * cent, shares(bots, 1.0))
        return
    best = book.state[BEST_PRICE + side]
    if best in (NO_BID_PRICE, NO_ASK_PRICE):
        return
    price = best - sign * S(4.0 * exponential(bots) - 0.5) * cent
    keep(bots, slot, owner, side, price, shares(bots, 1.5))


@inlined
def chase(bots: Bots, book: BookView, agent: int) -> None:
    """A momentum trader: buys what rises, unless it holds too much."""
    cells = bots.cells
    owner = cells[MAKERS] + cells[NOISE] + agent + 1
    move = bots.floats[FAST] - bots.floats[SLOW]
    side = BUY if move > 0 else SELL
    sign = 1 if side == BUY else -1
    held = sign * bots.inventory[U(owner - 1)] / max(bots.floats[UNIT], 1.0)
    if abs(move) < CHASE * minute_deviation(bots) or held > 50.0:
        return
    take(bots, owner, side, to_cents(bots, middle(bots, book)) + sign * 3 * cells[CENT], shares(bots, 0.7))


@inlined
def revert(bots: Bots, book: BookView, agent: int) -> None:
    """A reverting trader: offers what has risen, a little above it."""
    cells = bots.cells
    before = cells[MAKERS] + cells[NOISE] + cells[MOMENTUM]
    owner = before + agent + 1
    first = cells[MAKERS] * SLOTS_A_MAKER + cells[NOISE] * SLOTS_A_NOISE + agent * SLOTS_A_REVERTING
    move = bots.floats[FAST] - bots.floats[SLOW]
    side = SELL if move > 0 else BUY
    drop(bots, first + 1 - side)
    if abs(move) < CHASE * minute_deviation(bots):
        return
    best = book.state[BEST_PRICE + side]
    if best != NO_BID_PRICE and best != NO_ASK_PRICE:
        keep(bots, first + side, owner, side, best, shares(bots, 2.0))


@inlined
def profit(bots: Bots, book: BookView, agent: int) -> None:
    """An informed trader: takes what stands on the wrong side of the value."""
    cells = bots.cells
    owner = cells[MAKERS] + cells[NOISE] + cells[MOMENTUM] + cells[REVERTING] + agent + 1
    value = value_at(bots, cells[NOW_NS])
    edge = EDGE * cells[CENT]
    if book.state[BEST_PRICE + SELL] <= value - edge:
        take(bots, owner, BUY, to_cents(bots, value - edge), shares(bots, 2.0))
    elif book.state[BEST_PRICE + BUY] >= value + edge:
        take(bots, owner, SELL, -to_cents(bots, -value - edge), shares(bots, 2.0))
