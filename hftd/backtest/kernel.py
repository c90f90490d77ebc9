"""The account of one symbol, compiled: limits, fills at the quote, fees, equity, from decisions that are known.

The second implementation of what engine and venue do together, for market orders of whole shares in one symbol; the
plain driver is the first, and a property test holds both equal, trade for trade. What this one does not cover ends it
with an error in the state, and the plain driver takes over.

Prices of fills and cash are integer ticks of $0.0001, fees integer cents: exact, as in the ledger. Worth and equity are
floats computed as in `engine.portfolio` and `backtest.record`.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"
# The types of compiled code are numba's.

from collections.abc import Callable
from enum import IntEnum, auto
from functools import partial
from math import ceil, floor
from typing import Any

import numba

from hftd.domain.convert import MINUTE_NS, TICKS_PER_DOLLAR
from hftd.exchange.book.compiling import compiled
from hftd.exchange.market.minutes import TICK_TOLERANCE

inlined: Any = partial(numba.njit, error_model="numpy", forceinline=True, _nrt=False)
outlined: Any = partial(numba.njit, error_model="numpy", _nrt=False)
"""Parts of `advance`. Counting references to its arrays in each of them would take two thirds of its time."""


class Index(IntEnum):
    """Places in an array, numbered from 0."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class State(Index):
    """Places in the integer state."""

    ROW = auto()
    SESSION = auto()
    BEGUN = auto()
    POSITION = auto()
    CASH = auto()
    FLOW = auto()
    FIRED = auto()
    HALTED = auto()
    LASTING = auto()
    RATE_TIME = auto()
    RATE_COUNT = auto()
    DECISION = auto()
    FILLS = auto()
    REFUSED = auto()
    BUYS = auto()
    SELLS = auto()
    ERROR = auto()
    PRICED = auto()


class Worth(Index):
    """Places in the float state, dollars."""

    START = auto()
    PEAK = auto()
    WORTH = auto()
    DRAWDOWN = auto()
    LAST = auto()


class Bound(Index):
    """Places in the integer limits; -1 is off where a time may be."""

    POSITION = auto()
    QUANTITY = auto()
    ORDERS = auto()
    FLATTEN = auto()
    QUIET_AFTER = auto()
    QUIET_BEFORE = auto()
    MOVE_WITHIN = auto()
    WIDTH = auto()


class Dollars(Index):
    """Places in the float limits; infinite is off."""

    ORDER = auto()
    POSITION = auto()
    LOSS = auto()
    DRAWDOWN = auto()
    MOVE = auto()


class Charge(Index):
    """Places in the fees: millionths of a dollar a share, hundredths of a basis point, cents a million, and cents."""

    SHARE = auto()
    TAKER = auto()
    SALE = auto()
    SALE_SHARE = auto()
    SALE_MOST = auto()


class Error(Index):
    """Why the kernel gave up."""

    NONE = auto()
    MONEY = auto()
    EXACT = auto()
    NO_QUOTE = auto()


WANT, TARGET = 0, 1
"""Kinds of decision: signed shares to trade, signed shares to hold."""

ROW, SESSION, BEGUN, POSITION = map(int, (State.ROW, State.SESSION, State.BEGUN, State.POSITION))
CASH, FLOW, FIRED, HALTED = map(int, (State.CASH, State.FLOW, State.FIRED, State.HALTED))
LASTING, RATE_TIME, RATE_COUNT = map(int, (State.LASTING, State.RATE_TIME, State.RATE_COUNT))
DECISION, FILLS, REFUSED, BUYS, SELLS = map(int, (State.DECISION, State.FILLS, State.REFUSED, State.BUYS, State.SELLS))
ERROR, PRICED = int(State.ERROR), int(State.PRICED)
START, PEAK, WORTH, DRAWDOWN, LAST = map(int, Worth)
MAX_POSITION, MAX_QUANTITY, MAX_ORDERS, FLATTEN, QUIET_AFTER, QUIET_BEFORE, MOVE_WITHIN, WIDTH = map(int, Bound)
MAX_ORDER, MAX_NOTIONAL, MAX_LOSS, MAX_DRAWDOWN, MAX_MOVE = map(int, Dollars)
SHARE, TAKER, SALE, SALE_SHARE, SALE_MOST = map(int, Charge)
NO_MONEY, NOT_EXACT, NO_QUOTE = int(Error.MONEY), int(Error.EXACT), int(Error.NO_QUOTE)

TICKS = TICKS_PER_DOLLAR
NEAR = 1e-9
"""Amounts closer than this part of a limit are left to exact arithmetic."""

INF = float("inf")


@inlined
def _quote(opening, high, low, close, width, side):
    """The price in ticks at which an order trades after a bar: `minutes.quote_around` of its last print."""
    rising = close >= high if close >= opening else close >= low
    unit = 100 if close >= 1 else TICKS
    ticks = close * unit
    below, above = floor(ticks + TICK_TOLERANCE), ceil(ticks - TICK_TOLERANCE)
    bid = above - width if rising else below
    ask = above if rising else below + width
    if bid < 1:
        bid, ask = 1, max(ask, 2)
    return (ask if side > 0 else bid) * (TICKS // unit)


@inlined
def _up(value, unit):
    return -((-value) // unit)


@inlined
def fee_of(charges, shares, price, side):
    """Cents, each charge rounded up: `venue.ledger.fee_of`."""
    value = shares * price
    cents = _up(shares * charges[SHARE], 10_000) + _up(value * charges[TAKER], 100_000_000)
    if side < 0:
        cents += _up(value * charges[SALE], 10_000_000_000)
        cents += min(_up(shares * charges[SALE_SHARE], 10_000), charges[SALE_MOST])
    return cents


@inlined
def _revalue(state, worth, dollars):
    """What is held has another price, or something else is held: `Judge.revalued`."""
    if dollars[MAX_LOSS] == INF and dollars[MAX_DRAWDOWN] == INF:
        return
    now = state[FLOW] / TICKS
    if state[POSITION] != 0:
        now += float(state[POSITION]) * worth[LAST]
    worth[WORTH] = now
    worth[PEAK] = max(worth[PEAK], now)
    if worth[START] - now >= dollars[MAX_LOSS]:
        state[HALTED] = 1
    if worth[PEAK] - now >= dollars[MAX_DRAWDOWN]:
        state[LASTING] = 1


@inlined
def _covered(state, worth, side, shares, price):
    """Whether money surely suffices to open: `venue.rules`, with a margin for floats."""
    ask = price / TICKS
    cost = shares * ask * ((1.04 if ask < 50 else 1.025) if side > 0 else 1.04)
    held = state[POSITION] * worth[LAST]
    equity = state[CASH] / TICKS + held
    return equity > 2001.0 and cost < (4 * equity - abs(held)) * (1 - 1e-6)


@inlined
def _fill(state, worth, dollars, charges, fills, decision, row, time_ns, signed, price):
    side = 1 if signed > 0 else -1
    shares = signed * side
    cents = fee_of(charges, shares, price, side)
    state[POSITION] += signed
    state[CASH] -= signed * price + cents * 100
    state[FLOW] -= signed * price
    at = state[FILLS]
    fills[at, 0], fills[at, 1], fills[at, 2], fills[at, 3] = time_ns, signed, price, cents
    fills[at, 4], fills[at, 5] = row, decision
    state[FILLS] = at + 1
    if state[RATE_TIME] != time_ns:
        state[RATE_TIME], state[RATE_COUNT] = time_ns, 0
    state[RATE_COUNT] += 1
    _revalue(state, worth, dollars)


@inlined
def _refused(state, worth, bounds, dollars, signed, time_ns, open_ns, close_ns):
    """Whether the gate refuses: `risk.refusal_of`. An amount too near to its limit is an error."""
    position = state[POSITION]
    shares = abs(signed)
    sent = state[RATE_COUNT] if state[RATE_TIME] == time_ns else 0
    if position * signed < 0 and shares <= abs(position):
        return sent >= bounds[MAX_ORDERS]
    after = abs(position + signed)
    order, held = shares * worth[LAST], after * worth[LAST]
    for amount, limit in ((order, dollars[MAX_ORDER]), (held, dollars[MAX_NOTIONAL])):
        if abs(amount - limit) <= NEAR * amount:
            state[ERROR] = NOT_EXACT
    return (
        state[HALTED] != 0
        or state[LASTING] != 0
        or state[FIRED] != 0
        or (bounds[QUIET_AFTER] >= 0 and time_ns - open_ns < bounds[QUIET_AFTER])
        or (bounds[QUIET_BEFORE] >= 0 and close_ns - time_ns < bounds[QUIET_BEFORE])
        or after > bounds[MAX_POSITION]
        or shares > bounds[MAX_QUANTITY]
        or order > dollars[MAX_ORDER]
        or held > dollars[MAX_NOTIONAL]
        or sent >= bounds[MAX_ORDERS]
    )


@inlined
def _trade(state, worth, bounds, dollars, charges, fills, decision, row, signed, time_ns, hours, prices):
    """One order through the gate and to the venue. Returns whether it was filled."""
    if _refused(state, worth, bounds, dollars, signed, time_ns, hours[0], hours[1]):
        state[REFUSED] += 1
        return False
    price = _quote(prices[0, row], prices[1, row], prices[2, row], prices[3, row], bounds[WIDTH], signed)
    if state[POSITION] * signed >= 0 and not _covered(state, worth, signed, abs(signed), price):
        state[ERROR] = NO_MONEY
        return False
    _fill(state, worth, dollars, charges, fills, decision, row, time_ns, signed, price)
    return True


@inlined
def _decide(state, worth, bounds, dollars, charges, fills, decision, row, kind, amount, time_ns, hours, prices, flat):
    """What a model wants, as `engine.desk` carries it out. `flat`: everything is being closed in this instant."""
    exposure = 0 if flat else state[POSITION]
    signed = amount if kind == WANT else amount - exposure
    if signed == 0:
        return
    state[BUYS if signed > 0 else SELLS] += 1
    if time_ns >= hours[1]:
        return
    if flat:
        state[REFUSED] += 1
        return
    if exposure * signed < 0 and abs(signed) > abs(exposure):
        if _trade(state, worth, bounds, dollars, charges, fills, decision, row, -exposure, time_ns, hours, prices):
            _trade(
                state, worth, bounds, dollars, charges, fills, decision, row, signed + exposure, time_ns, hours, prices
            )
    else:
        _trade(state, worth, bounds, dollars, charges, fills, decision, row, signed, time_ns, hours, prices)


@inlined
def _flatten(state, worth, bounds, dollars, charges, fills, row, time_ns, prices):
    """Close what is held, at the quote that the bar of `row` left."""
    held = state[POSITION]
    if held != 0:
        price = _quote(prices[0, row], prices[1, row], prices[2, row], prices[3, row], bounds[WIDTH], -held)
        _fill(state, worth, dollars, charges, fills, -1, row, time_ns, -held, price)


@inlined
def _begin(state, worth):
    """A session begins with what was carried: `Judge.begin`."""
    state[BEGUN], state[FLOW], state[FIRED], state[HALTED], state[RATE_TIME] = 1, 0, 0, 0, 0
    worth[START] = 0.0
    if state[POSITION] != 0:
        worth[START] += float(state[POSITION]) * worth[LAST]
    worth[WORTH] = worth[START]
    worth[PEAK] = worth[START] + worth[DRAWDOWN]


@inlined
def _moved(times, prices, admitted, first, row, within_ns):
    """Percent by which a bar closed away from any close shortly before: `breaches.Moves`."""
    close = prices[3, row]
    lowest = highest = close
    since_ns = times[row] - within_ns
    for before in range(row - 1, first - 1, -1):
        if times[before] < since_ns:
            break
        if admitted[before]:
            lowest, highest = min(lowest, prices[3, before]), max(highest, prices[3, before])
    return 100.0 * max(close / lowest - 1.0, 1.0 - close / highest)


@outlined
def _coast(row, stop, first, due_ns, times, prices, admitted, bounds, dollars, state, worth, equity):
    """Live through the rows from `row` on in which nothing is decided: to `stop`, or to where a timer is due.

    The same as a row of `advance`, kept in local numbers: that is most of the speed. Returns the row come to.
    """
    position, cash, flow = float(state[POSITION]), state[CASH] / TICKS, state[FLOW] / TICKS
    last, peak, now = worth[LAST], worth[PEAK], worth[WORTH]
    most, within_ns, moves = dollars[MAX_MOVE], bounds[MOVE_WITHIN], dollars[MAX_MOVE] != INF
    values = position != 0 and (dollars[MAX_LOSS] != INF or dollars[MAX_DRAWDOWN] != INF)
    waits = state[FIRED] == 0
    while row < stop and not (waits and times[row] + MINUTE_NS >= due_ns):
        if admitted[row]:
            last = prices[3, row]
            if moves and _moved(times, prices, admitted, first, row, within_ns) >= most:
                state[LASTING] = 1
            if values:
                now = flow + position * last
                peak = max(peak, now)
                if worth[START] - now >= dollars[MAX_LOSS]:
                    state[HALTED] = 1
                if peak - now >= dollars[MAX_DRAWDOWN]:
                    state[LASTING] = 1
        value = position * last
        equity[0, row], equity[1, row], equity[2, row] = cash + value, cash, abs(value)
        row += 1
    worth[LAST], worth[PEAK], worth[WORTH] = last, peak, now
    return row


@compiled(
    "void(int64, int64[::1], float64[:, ::1], boolean[::1], int64[:, ::1], int64[:, ::1], int64[::1], float64[::1],"
    " int64[::1], int64[::1], float64[::1], int64[:, ::1], float64[:, ::1])",
    counts=False,
)
def _advance(
    until, times, prices, admitted, sessions, decisions, bounds, dollars, charges, state, worth, fills, equity
):
    """Live on to row `until`, whose model has not been asked yet; beyond the last row, to the end.

    `prices` are open, high, low, close by row; `sessions` rows of (first row, end row, open ns, close ns); `decisions`
    rows of (row, kind, amount) in order; `fills` gets (time ns, signed shares, price in ticks, fee in cents, row,
    decision or -1), `equity` columns of worth, cash, gross in dollars.
    """
    while state[SESSION] < len(sessions) and state[ERROR] == 0:
        first, end, hours = sessions[state[SESSION], 0], sessions[state[SESSION], 1], sessions[state[SESSION], 2:]
        due_ns = hours[1] - bounds[FLATTEN] if bounds[FLATTEN] >= 0 else hours[1] + MINUTE_NS
        if state[BEGUN] == 0:
            _begin(state, worth)
        row = state[ROW]
        while row < end:
            stop = min(end, until)
            if state[DECISION] < len(decisions):
                stop = min(stop, decisions[state[DECISION], 0])
            row = _coast(row, stop, first, due_ns, times, prices, admitted, bounds, dollars, state, worth, equity)
            if row >= end:
                break
            time_ns = times[row] + MINUTE_NS
            if state[FIRED] == 0 and due_ns < time_ns:
                state[FIRED] = 1
                if row == first and state[POSITION] != 0:
                    state[ERROR] = NO_QUOTE
                    return
                _flatten(state, worth, bounds, dollars, charges, fills, row - 1, due_ns, prices)
            if row >= until:
                state[ROW] = row
                return
            flat = state[FIRED] == 0 and due_ns == time_ns
            if flat:
                state[FIRED] = 1
            if admitted[row]:
                close = prices[3, row]
                if (
                    dollars[MAX_MOVE] != INF
                    and _moved(times, prices, admitted, first, row, bounds[MOVE_WITHIN]) >= dollars[MAX_MOVE]
                ):
                    state[LASTING] = 1
                worth[LAST] = close
                if state[POSITION] != 0:
                    _revalue(state, worth, dollars)
                next_decision = state[DECISION]
                if next_decision < len(decisions) and decisions[next_decision, 0] == row:
                    state[DECISION] += 1
                    _decide(
                        state, worth, bounds, dollars, charges, fills, next_decision, row,
                        decisions[next_decision, 1], decisions[next_decision, 2], time_ns, hours, prices, flat,
                    )  # fmt: skip
            if flat:
                _flatten(state, worth, bounds, dollars, charges, fills, row, time_ns, prices)
            value = float(state[POSITION]) * worth[LAST] if state[POSITION] != 0 else 0.0
            cash = state[CASH] / TICKS
            equity[0, row], equity[1, row], equity[2, row] = cash + value, cash, abs(value)
            if state[ERROR] != 0:
                return
            row += 1
        state[ROW] = row
        if state[FIRED] == 0 and due_ns < hours[1]:
            _flatten(state, worth, bounds, dollars, charges, fills, row - 1, due_ns, prices)
        if until < len(times) and until <= row:
            return
        worth[DRAWDOWN] = floor((worth[PEAK] - worth[WORTH]) * 100 + 0.5) / 100
        state[SESSION] += 1
        state[BEGUN] = 0
        if state[SESSION] < len(sessions):
            state[ROW] = sessions[state[SESSION], 0]


@compiled("int64(float64[:, ::1], int64[::1], float64, float64, boolean[::1])", counts=False)
def _first_irregular(prices, volumes, anchor, bound, admitted):
    """The first row that `engine.admission` would not simply accept, -1 for none. `anchor` below 0: none is known."""
    for row in range(len(volumes)):
        opening, high, low, close = prices[0, row], prices[1, row], prices[2, row], prices[3, row]
        whole = 0 < low <= min(opening, close) and max(opening, close) <= high < INF and volumes[row] >= 0
        near = anchor < 0 or (high < anchor * (1 + bound) and low > anchor * (1 - bound))
        if not (whole and near):
            return row
        admitted[row] = True
        anchor = close
    return -1


advance: Callable[..., None] = _advance
first_irregular: Callable[..., int] = _first_irregular
