"""How a book lies in memory: record types, words of the interface, and the cells of a book's state.

Every record is little-endian and aligned, so that numpy, compiled code and a file see the same bytes. Prices are whole
ticks, quantities whole lots, both int64. Bytes for a resting order: 32 for itself and 8 for each slot of the id map,
which in a large book is at most 5/8 full; levels and the price window are small beside them.
"""

from enum import IntEnum

import numpy as np

BUY, SELL = 0, 1
"""The two sides, as the book numbers them."""

MAX_QUANTITY = 1 << 62
"""The largest quantity of an order, and of all the orders at one price together: no sum can leave int64."""

MAX_PRICE = 1 << 60
"""The largest price in ticks, of either sign: no difference of prices can leave int64."""

MAX_OWNER = (1 << 31) - 1
NO_ASK_PRICE = 1 << 61
NO_BID_PRICE = -NO_ASK_PRICE


class Operation(IntEnum):
    """What a message asks for. All up to MARKET bring a new order; the others change one that rests."""

    LIMIT = 0
    """Trade up to the price, rest what remains."""
    IOC = 1
    """Trade up to the price, cancel what remains."""
    FOK = 2
    """Trade the whole quantity at once up to the price, or nothing."""
    POST_ONLY = 3
    """Rest, or be refused if it would trade."""
    MARKET = 4
    """Trade at any price, cancel what remains."""
    CANCEL = 5
    """Take the order out."""
    REDUCE = 6
    """Lower an order by `quantity`, keeping its place; by all it has or more: take it out."""
    REPLACE = 7
    """Give an order a new price and open quantity; it keeps its place if only the quantity falls."""


class SelfTrade(IntEnum):
    """What happens when an incoming order meets a resting one of the same owner."""

    ALLOW = 0
    CANCEL_RESTING = 1
    CANCEL_INCOMING = 2


class Outcome(IntEnum):
    """What became of a message. From UNKNOWN_ID on it was refused and changed nothing."""

    RESTED = 0
    """The order, or what remains of it, stands at the end of its queue."""
    FILLED = 1
    EXPIRED = 2
    """What remained of an IOC or market order was cancelled."""
    KILLED = 3
    """A fill-or-kill order could not be filled whole."""
    SELF_STOPPED = 4
    """What remained was cancelled because the next order to trade with has the same owner."""
    CANCELLED = 5
    REDUCED = 6
    REPLACED = 7
    """Changed in place: the order kept its position in the queue."""
    UNKNOWN_ID = 8
    DUPLICATE_ID = 9
    """An order with this id rests in the book."""
    BAD_QUANTITY = 10
    """Zero, negative, or above MAX_QUANTITY."""
    BAD_PRICE = 11
    """Above MAX_PRICE in size."""
    BAD_OWNER = 12
    """Negative or above MAX_OWNER."""
    BAD_WORD = 13
    """No such operation, side or self-trade policy."""
    WOULD_TRADE = 14
    """A post-only order would have traded."""
    LEVEL_FULL = 15
    """The orders at this price would exceed MAX_QUANTITY together."""
    NEED_ROOM = 16
    """Not refused: nothing has been done yet, since some array is too small. Make room and send it again."""

    @property
    def is_refusal(self) -> bool:
        """Whether the message was refused."""
        return Outcome.UNKNOWN_ID <= self < Outcome.NEED_ROOM


OUTCOMES = tuple(Outcome)
"""Outcomes by their number."""


class ReportKind(IntEnum):
    FILL = 0
    SELF_TRADE_CANCEL = 1
    """The maker was cancelled because the taker has the same owner; `quantity` is what it had left."""


MESSAGE = np.dtype(
    [
        ("order_id", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("owner", "<i4"),
        ("operation", "<i1"),
        ("side", "<i1"),
        ("self_trade", "<i1"),
    ],
    align=True,
)
"""One message of a batch, 32 bytes. Fields that an operation does not use are ignored."""

REPORT = np.dtype(
    [
        ("sequence", "<i8"),
        ("maker_id", "<i8"),
        ("taker_id", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("maker_remaining", "<i8"),
        ("maker_owner", "<i4"),
        ("taker_owner", "<i4"),
        ("kind", "<i1"),
        ("taker_side", "<i1"),
    ],
    align=True,
)
"""A fill, or a resting order cancelled by self-trade prevention (`ReportKind`): 64 bytes."""

CHANGE = np.dtype([("sequence", "<i8"), ("price", "<i8"), ("quantity", "<i8"), ("side", "<i1")], align=True)
"""What a price level holds from now on; quantity 0: it is gone. 32 bytes."""

DEPTH = np.dtype([("price", "<i8"), ("quantity", "<i8")], align=True)
"""A price level as `Book.depth` shows it."""

ORDER = np.dtype(
    [
        ("order_id", "<i8"),
        ("quantity", "<i8"),
        ("next", "<i4"),
        ("previous", "<i4"),
        ("level", "<i4"),
        ("owner", "<i4"),
    ],
    align=True,
)
"""A resting order, 32 bytes; `next` and `previous` are its neighbours in the queue, -1 for none."""

LEVEL = np.dtype(
    [("price", "<i8"), ("quantity", "<i8"), ("head", "<i4"), ("tail", "<i4"), ("better", "<i4"), ("worse", "<i4")],
    align=True,
)
"""A price with orders, 32 bytes; `better` and `worse` are its neighbours on the same side, -1 for none."""

STATE_CELLS = 48
"""int64 cells of a book's state. The handle of a book is the address of the first of them."""

(
    # Addresses of the arrays.
    ORDERS_AT,
    LEVELS_AT,
    WINDOW_AT,
    WORDS_AT,
    SUMMARY_AT,
    MAP_AT,
    FAR_AT,
    REPORTS_AT,
    CHANGES_AT,
    # How much they hold.
    ORDER_LIMIT,
    LEVEL_LIMIT,
    WINDOW_TICKS,
    MAP_MASK,
    REPORT_LIMIT,
    CHANGE_LIMIT,
    # Orders and levels: first freed slot or -1, slots ever used, slots in use.
    ORDER_FREE,
    ORDER_HIGH,
    ORDER_COUNT,
    LEVEL_FREE,
    LEVEL_HIGH,
    LEVEL_COUNT,
    # The window of prices: its lowest tick; levels outside it; levels opened outside it since it was placed.
    WINDOW_BASE,
    FAR_COUNT,
    PRESSURE,
    PRESSURE_LIMIT,
    # The best level and its price, bid first: BEST_LEVEL + side, BEST_PRICE + side.
    BEST_LEVEL,
    _BEST_ASK_LEVEL,
    BEST_PRICE,
    _BEST_ASK_PRICE,
    # Output: records written, numbers given, what the message at hand wants to write.
    REPORT_COUNT,
    CHANGE_COUNT,
    SEQUENCE,
    RECORDS_CHANGES,
    REPORTS_WANTED,
    CHANGES_WANTED,
    # Answers beside the outcome.
    REMAINING,
    ORDERS_AHEAD,
    QUANTITY_AHEAD,
) = range(38)
