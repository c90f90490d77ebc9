"""What the compiled ticks are played from and what they leave: arrays, and the places in them by name."""

from collections import namedtuple
from enum import auto

from hftd.backtest.kernel import Index
from hftd.domain.convert import TICKS_PER_DOLLAR

Feed = namedtuple(
    "Feed",
    "bars_ns closes quotes_ns bids bid_sizes asks ask_sizes trades_ns prices sizes is_paired",
)
"""Rows of three kinds, each in order of the time at which they are known, as they were read: dollars and shares.

At one moment bars come before quotes, quotes before trades; where `is_paired`, each trade before the quote of the same
number, which it left.
"""


Account = namedtuple("Account", "state worth bounds dollars charges orders references fills")
"""How the account stands, what holds for it, and what is written down: arrays by the places named below; `orders` has
(decided_ns, signed shares, limit in ticks, status, filled, value in ticks, whether forced) of each order, `references`
the price at its decision, `fills` (time_ns, order, signed shares, ticks, cents of fees)."""


class State(Index):
    """Places in the integer state."""

    POSITION = auto()
    CASH = auto()
    FLOW = auto()
    QUOTED = auto()
    BID = auto()
    BID_SIZE = auto()
    ASK = auto()
    ASK_SIZE = auto()
    TAKEN_BUY = auto()
    TAKEN_SELL = auto()
    MINUTE = auto()
    PRINTED = auto()
    USED = auto()
    ORDER = auto()
    LEFT = auto()
    LIMIT = auto()
    AHEAD = auto()
    ROW = auto()
    ARRIVES = auto()
    CANCEL = auto()
    CANCEL_ARRIVES = auto()
    FLAT = auto()
    ORDERS = auto()
    FIRST = auto()
    FILLS = auto()
    REFUSED = auto()
    BUYS = auto()
    SELLS = auto()
    EQUITY = auto()
    PRICED = auto()
    ERROR = auto()
    HEARD_BID_SIZE = auto()
    HEARD_ASK_SIZE = auto()
    TOUCH_NS = auto()
    BARS_DONE = auto()
    QUOTES_DONE = auto()
    TRADES_DONE = auto()


class Worth(Index):
    """Places in the float state, dollars."""

    START = auto()
    PEAK = auto()
    WORTH = auto()
    DRAWDOWN = auto()
    LAST = auto()
    HEARD_BID = auto()
    HEARD_ASK = auto()
    TOUCH_BID = auto()
    TOUCH_ASK = auto()


class Bound(Index):
    """Places in the integer limits and terms; -1 is off, `PARTICIPATION` is millionths of a minute's volume."""

    POSITION = auto()
    QUANTITY = auto()
    RATE = auto()
    FLATTEN = auto()
    QUIET_AFTER = auto()
    QUIET_BEFORE = auto()
    LATENCY = auto()
    QUEUE = auto()
    PARTICIPATION = auto()
    OPEN = auto()
    CLOSE = auto()


class Status(Index):
    """How an order stands; beyond `RESTS` it is over."""

    NONE = auto()
    DECIDED = auto()
    TRAVELS = auto()
    RESTS = auto()
    FILLED = auto()
    CANCELED = auto()
    EXPIRED = auto()


class Error(Index):
    """Why the kernel gave up."""

    NONE = auto()
    MONEY = auto()
    EXACT = auto()
    NO_QUOTE = auto()
    BREACH = auto()
    LIMIT = auto()
    FRACTION = auto()


OFF, FRONT, BACK = 0, 1, 2
"""Queues."""

POSITION, CASH, FLOW, QUOTED, BID = map(int, (State.POSITION, State.CASH, State.FLOW, State.QUOTED, State.BID))
BID_SIZE, ASK, ASK_SIZE, TAKEN_BUY = map(int, (State.BID_SIZE, State.ASK, State.ASK_SIZE, State.TAKEN_BUY))
TAKEN_SELL, MINUTE, PRINTED, USED = map(int, (State.TAKEN_SELL, State.MINUTE, State.PRINTED, State.USED))
ORDER, LEFT, LIMIT, AHEAD, ROW = map(int, (State.ORDER, State.LEFT, State.LIMIT, State.AHEAD, State.ROW))
ARRIVES, CANCEL, CANCEL_ARRIVES, FLAT = map(int, (State.ARRIVES, State.CANCEL, State.CANCEL_ARRIVES, State.FLAT))
ORDERS, FIRST, FILLS, REFUSED, BUYS = map(int, (State.ORDERS, State.FIRST, State.FILLS, State.REFUSED, State.BUYS))
SELLS, EQUITY, PRICED, ERROR = map(int, (State.SELLS, State.EQUITY, State.PRICED, State.ERROR))
HEARD_BID_SIZE, HEARD_ASK_SIZE, TOUCH_NS = map(int, (State.HEARD_BID_SIZE, State.HEARD_ASK_SIZE, State.TOUCH_NS))
BARS_DONE, QUOTES_DONE, TRADES_DONE = map(int, (State.BARS_DONE, State.QUOTES_DONE, State.TRADES_DONE))
START, PEAK, WORTH, DRAWDOWN, LAST, HEARD_BID, HEARD_ASK, TOUCH_BID, TOUCH_ASK = map(int, Worth)
MAX_POSITION, MAX_QUANTITY, MAX_ORDERS, FLATTEN = map(int, (Bound.POSITION, Bound.QUANTITY, Bound.RATE, Bound.FLATTEN))
QUIET_AFTER, QUIET_BEFORE, LATENCY = map(int, (Bound.QUIET_AFTER, Bound.QUIET_BEFORE, Bound.LATENCY))
QUEUE, PARTICIPATION, OPEN, CLOSE = map(int, (Bound.QUEUE, Bound.PARTICIPATION, Bound.OPEN, Bound.CLOSE))
NONE, DECIDED, TRAVELS, RESTS, FILLED, CANCELED, EXPIRED = map(int, Status)
NO_MONEY, NOT_EXACT, NO_QUOTE, BREACH, BAD_LIMIT, NOT_TICKS = map(int, list(Error)[1:])
MAX_ORDER, MAX_NOTIONAL, MAX_LOSS, MAX_DRAWDOWN, COLLAR = range(5)
TICKS, CENT = TICKS_PER_DOLLAR, TICKS_PER_DOLLAR // 100
NEVER = 2**62
NEAR = 1e-9
INF = float("inf")
