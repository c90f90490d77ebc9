"""How a market of bots lies in memory: the cells of its state, and the records that it puts out.

As with the order book, compiled code gets one int64: the address of the whole numbers, among which stand the addresses
of everything else.
"""

import numpy as np

from hftd.exchange.book.layout import MESSAGE

SLOTS_A_MAKER = 6
"""A maker's orders: bids at three distances, then asks at three distances."""
SLOTS_A_NOISE = 4
SLOTS_A_REVERTING = 2
SLOT_BITS = 20
NO_SLOT = (1 << SLOT_BITS) - 1
"""An order's id is a serial number and the slot of its agent that it rests in; this one is for what never rests."""

OUTBOX_SIZE = 2 * SLOTS_A_MAKER
"""The most messages that one decision sends."""

CELLS = 64
(
    # Addresses.
    BOOK,
    FLOATS_AT,
    INVENTORY_AT,
    IDS_AT,
    LEFT_AT,
    PRICES_AT,
    VALUES_AT,
    PACE_AT,
    TARGET_AT,
    DEVIATION_AT,
    OUTBOX_AT,
    PRINTS_AT,
    QUOTES_AT,
    LOG_AT,
    # Output: records written, and how many there is room for.
    PRINT_COUNT,
    PRINT_LIMIT,
    QUOTE_COUNT,
    QUOTE_LIMIT,
    LOG_COUNT,
    LOG_LIMIT,
    RECORDS_LOG,
    # What the last decision has sent, and how much of it has been carried out.
    OUT_DONE,
    OUT_COUNT,
    # Time, in nanoseconds.
    OPEN_NS,
    CLOSE_NS,
    NOW_NS,
    NEXT_NS,
    MARK_NS,
    STEP_NS,
    # The agents, in this order, how many all together, and how many makers have quoted at the open.
    MAKERS,
    NOISE,
    MOMENTUM,
    REVERTING,
    INFORMED,
    AGENTS,
    OPENED,
    # Counts.
    SERIAL,
    SENT,
    VOLUME,
    TAKEN,
    # The rest.
    RANDOM,
    CENT,
    LAST_BID,
    LAST_BID_QUANTITY,
    LAST_ASK,
    LAST_ASK_QUANTITY,
) = range(46)

FLOATS = 16
(
    # Wakes in a nanosecond at the usual pace; which kind wakes: the sums of shares up to each kind.
    RATE,
    UP_TO_MAKERS,
    UP_TO_NOISE,
    UP_TO_MOMENTUM,
    UP_TO_REVERTING,
    # Mean shares of an order that takes liquidity; such orders in a second, lately.
    UNIT,
    TAKES_A_SECOND,
    # Net purchases lately, in units; fast and slow averages of the middle, in ticks.
    FLOW,
    FAST,
    SLOW,
    # What is left of FLOW and of the distances to the averages after a step.
    FLOW_KEPT,
    FAST_KEPT,
    SLOW_KEPT,
) = range(13)

PRINT = np.dtype(
    [
        ("time_ns", "<i8"),
        ("sequence", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("maker_id", "<i8"),
        ("taker_id", "<i8"),
        ("maker_owner", "<i4"),
        ("taker_owner", "<i4"),
        ("taker_side", "<i8"),
    ],
    align=True,
)
"""A trade: price in ticks, quantity in shares. Ids of bots' orders are above 0, of users' orders below."""

TOP = np.dtype(
    [("time_ns", "<i8"), ("bid", "<i8"), ("bid_quantity", "<i8"), ("ask", "<i8"), ("ask_quantity", "<i8")], align=True
)
"""The best prices in ticks and the shares at them; 0 and 0 for a side without orders."""

LOGGED = np.dtype([("time_ns", "<i8"), ("outcome", "<i8"), ("message", MESSAGE)], align=True)
"""A message to the book and what became of it (`book.layout.Outcome`)."""
