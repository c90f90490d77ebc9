"""Ticks of one symbol, compiled: a model's own `decide` at each, one order at a time through latency and queue.

The second implementation of what engine and venue do together for a `CompiledTicks` model; the plain driver is the
first, and a property test holds both equal, trade for trade. What this one does not cover ends it with an error in the
state, and the plain driver takes over. Prices of orders and fills are integer ticks of $0.0001, fees integer cents.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"
# The types of compiled code are numba's.

from collections import namedtuple
from collections.abc import Callable
from enum import auto
from functools import cache
from typing import Any

import numba
import numpy as np

from hftd.backtest.kernel import Index, fee_of, inlined, outlined
from hftd.domain.convert import MINUTE_NS, TICKS_PER_DOLLAR
from hftd.model.compiled import Tick, whole_cents

cents_of: Any = numba.njit(whole_cents)

Feed = namedtuple(
    "Feed",
    "bars_ns closes quotes_ns bids bid_sizes asks ask_sizes trades_ns prices sizes is_paired",
)
"""Rows of three kinds, each in order of the time at which they are known, as they were read: dollars and shares.

At one moment bars come before quotes, quotes before trades; where `is_paired`, each trade before the quote of the same
number, which it left.
"""


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


@inlined()
def _revalue(state, worth, dollars):
    """`Judge.revalued`; a breach is left to the plain driver."""
    if dollars[MAX_LOSS] == INF and dollars[MAX_DRAWDOWN] == INF:
        return
    now = state[FLOW] / TICKS
    if state[POSITION] != 0:
        now += float(state[POSITION]) * worth[LAST]
    worth[WORTH] = now
    worth[PEAK] = max(worth[PEAK], now)
    if worth[START] - now >= dollars[MAX_LOSS] or worth[PEAK] - now >= dollars[MAX_DRAWDOWN]:
        state[ERROR] = BREACH


@inlined()
def _reprice(state, worth, dollars, price):
    worth[LAST] = price
    state[PRICED] = 1
    if state[POSITION] != 0:
        _revalue(state, worth, dollars)


@inlined()
def _over(state, orders, status):
    """The order is over; while everything is being closed, what is held still is closed by another."""
    orders[state[ROW], 3] = status
    state[ORDER] = NONE
    state[CANCEL] = 0
    state[ARRIVES] = state[CANCEL_ARRIVES] = NEVER


@outlined()
def _trade(state, worth, dollars, charges, orders, fills, shares, price, now):
    """`shares` of the order are filled at `price` ticks."""
    signed = shares if state[LEFT] > 0 else -shares
    cents = fee_of(charges, shares, price, 1 if signed > 0 else -1)
    state[POSITION] += signed
    state[CASH] -= signed * price + cents * 100
    state[FLOW] -= signed * price
    state[LEFT] -= signed
    row, at = state[ROW], state[FILLS]
    orders[row, 4] += shares
    orders[row, 5] += shares * price
    fills[at, 0], fills[at, 1], fills[at, 2], fills[at, 3], fills[at, 4] = now, row, signed, price, cents
    state[FILLS] = at + 1
    _revalue(state, worth, dollars)
    if state[LEFT] == 0:
        _over(state, orders, FILLED)


@inlined()
def _allowed(state, bounds):
    """`TapeLiquidity._allowance`."""
    if bounds[PARTICIPATION] < 0:
        return NEVER
    return max(bounds[PARTICIPATION] * state[PRINTED] // 1_000_000 - state[USED], 0)


@inlined()
def _far(state):
    """The price in ticks at which the quote serves the order, 0 for none."""
    side = 1 if state[LEFT] > 0 else -1
    price = state[ASK] if side > 0 else state[BID]
    return price if price > 0 and (state[LIMIT] == 0 or side * (state[LIMIT] - price) >= 0) else 0


@outlined()
def _match(state, worth, bounds, dollars, charges, orders, fills, own_price, now):
    """What the quote serves: at the quote, but at the limit (`own_price`) what rested where sizes count."""
    price = _far(state)
    if price == 0:
        return
    if bounds[QUEUE] == OFF:
        _trade(state, worth, dollars, charges, orders, fills, abs(state[LEFT]), price, now)
        return
    taken, shown = (TAKEN_BUY, ASK_SIZE) if state[LEFT] > 0 else (TAKEN_SELL, BID_SIZE)
    shares = min(abs(state[LEFT]), state[shown] - state[taken], _allowed(state, bounds))
    if shares > 0:
        state[taken] += shares
        state[USED] += shares
        if own_price and state[LIMIT] != 0:
            price = state[LIMIT]
        _trade(state, worth, dollars, charges, orders, fills, shares, price, now)


@outlined()
def _requeue(state, bounds, anew):
    """`TapeLiquidity._requeue`."""
    buys = state[LEFT] > 0
    side, best, shown = (1, state[BID], state[BID_SIZE]) if buys else (-1, state[ASK], state[ASK_SIZE])
    if state[LIMIT] == 0 or side * (state[LIMIT] - best) > 0:
        state[AHEAD] = 0
    elif state[LIMIT] != best:
        state[AHEAD] = -1
    elif state[AHEAD] < 0 or anew:
        state[AHEAD] = 0 if bounds[QUEUE] == FRONT else shown
    else:
        state[AHEAD] = min(state[AHEAD], shown)


@outlined()
def _printed(state, worth, bounds, dollars, charges, orders, fills, price, size, now):
    """`TapeLiquidity.on_trade`."""
    minute = now // MINUTE_NS
    if state[MINUTE] != minute:
        if state[MINUTE] >= 0:
            state[USED] = 0
        state[MINUTE], state[PRINTED] = minute, 0
    state[PRINTED] += size
    if state[ORDER] != RESTS or state[LIMIT] == 0 or state[QUOTED] == 0:
        return
    through = (1 if state[LEFT] > 0 else -1) * (state[LIMIT] - price)
    if through < 0 or (through == 0 and state[AHEAD] < 0):
        return
    available = size
    if through == 0:
        passed = min(state[AHEAD], available)
        state[AHEAD] -= passed
        available -= passed
    shares = min(abs(state[LEFT]), available, _allowed(state, bounds))
    if shares > 0:
        state[USED] += shares
        _trade(state, worth, dollars, charges, orders, fills, shares, state[LIMIT], now)


@inlined()
def _quoted(state, worth, bounds, dollars, charges, orders, fills, bid, bid_size, ask, ask_size, now):
    """The liquidity takes over a quote, and serves the order that it reaches."""
    anew = state[QUOTED] == 0
    state[BID], state[BID_SIZE], state[ASK], state[ASK_SIZE], state[QUOTED] = bid, bid_size, ask, ask_size, 1
    state[TAKEN_BUY] = state[TAKEN_SELL] = 0
    if state[ORDER] == RESTS:
        if bounds[QUEUE] != OFF:
            _requeue(state, bounds, anew)
        _match(state, worth, bounds, dollars, charges, orders, fills, True, now)


@outlined()
def _enter(state, worth, bounds, dollars, charges, orders, fills, now):
    """The order has come to the venue: it takes what the quote gives, and rests with the remainder."""
    if state[QUOTED] == 0 or state[BID] <= 0 or state[ASK] <= 0:
        state[ERROR] = NO_QUOTE
        return
    state[ORDER] = RESTS
    state[ARRIVES] = NEVER
    _match(state, worth, bounds, dollars, charges, orders, fills, False, now)
    if state[ORDER] == RESTS and bounds[QUEUE] != OFF:
        _requeue(state, bounds, True)


@outlined()
def _decided(state, worth, orders, references, signed, limit, now):
    """An order is made: it leaves at the end of the instant."""
    row = state[ORDERS]
    orders[row, 0], orders[row, 1], orders[row, 2], orders[row, 3] = now, signed, limit, DECIDED
    orders[row, 4] = orders[row, 5] = 0
    orders[row, 6] = state[FLAT]
    references[row] = worth[LAST]
    state[ORDERS] = row + 1
    state[ORDER], state[LEFT], state[LIMIT], state[AHEAD], state[ROW] = DECIDED, signed, limit, -1, row
    state[CANCEL] = 0
    state[ARRIVES] = state[CANCEL_ARRIVES] = NEVER


@inlined()
def _close_all(state, worth, bounds, orders, references, now):
    """While everything is being closed: close what is held, once no order works. `Closing.close`."""
    if state[FLAT] != 0 and state[ORDER] == NONE and state[POSITION] != 0 and now < bounds[CLOSE]:
        _decided(state, worth, orders, references, -state[POSITION], 0, now)


@outlined()
def _beyond_collar(state, worth, dollars, signed, limit, now):
    """`risk._price_collar`, with the touch of a quote that is fresh. Near the limit it is an error."""
    if dollars[COLLAR] == INF:
        return False
    worst = limit / TICKS
    if limit == 0:
        if now - state[TOUCH_NS] >= MINUTE_NS:
            return False
        worst = worth[TOUCH_ASK] if signed > 0 else worth[TOUCH_BID]
    beyond = (1 if signed > 0 else -1) * (worst / worth[LAST] - 1.0) * 100.0
    if abs(beyond - dollars[COLLAR]) < 2e-4:
        state[ERROR] = NOT_EXACT
    return beyond > dollars[COLLAR]


@outlined()
def _refused(state, worth, bounds, dollars, orders, signed, limit, now):
    """`risk.refusal_of`. An amount too near to its limit is an error."""
    sent = 0
    for row in range(state[ORDERS] - 1, state[FIRST] - 1, -1):
        if orders[row, 0] <= now - MINUTE_NS:
            break
        sent += 1
    if state[POSITION] * signed < 0:
        return sent >= bounds[MAX_ORDERS]
    shares, after = abs(signed), abs(state[POSITION] + signed)
    order, held = shares * worth[LAST], after * worth[LAST]
    if abs(order - dollars[MAX_ORDER]) <= NEAR * order or abs(held - dollars[MAX_NOTIONAL]) <= NEAR * held:
        state[ERROR] = NOT_EXACT
    return (
        state[FLAT] != 0
        or (bounds[QUIET_AFTER] >= 0 and now - bounds[OPEN] < bounds[QUIET_AFTER])
        or (bounds[QUIET_BEFORE] >= 0 and bounds[CLOSE] - now < bounds[QUIET_BEFORE])
        or after > bounds[MAX_POSITION]
        or shares > bounds[MAX_QUANTITY]
        or order > dollars[MAX_ORDER]
        or held > dollars[MAX_NOTIONAL]
        or _beyond_collar(state, worth, dollars, signed, limit, now)
        or sent >= bounds[MAX_ORDERS]
    )


@outlined()
def _want(state, worth, bounds, dollars, orders, references, shares, dollars_limit, now):
    """What a model wants, when no order works: `CompiledTicks`, then the gate."""
    held = state[POSITION]
    if held * shares < 0 and abs(shares) > abs(held):
        shares = -held
    limit = 0
    if dollars_limit > 0:
        limit = cents_of(dollars_limit) * CENT
    state[BUYS if shares > 0 else SELLS] += 1
    if now >= bounds[CLOSE] or now <= bounds[OPEN]:
        return
    if state[PRICED] == 0:
        state[ERROR] = NO_QUOTE
        return
    if not _refused(state, worth, bounds, dollars, orders, shares, limit, now):
        _decided(state, worth, orders, references, shares, limit, now)
    else:
        state[REFUSED] += 1


@outlined()
def _checked(state, worth):
    """The venue's rules, with a margin for floats: an order that might break one is left to the plain driver."""
    if state[QUOTED] == 0 or state[BID] <= 0 or state[ASK] <= 0:
        state[ERROR] = NO_QUOTE
        return
    side = 1 if state[LEFT] > 0 else -1
    far = state[ASK] if side > 0 else state[BID]
    if state[LIMIT] != 0 and (state[LIMIT] < TICKS or side * (state[LIMIT] - far) * 100 > far):
        state[ERROR] = BAD_LIMIT
    if state[POSITION] * state[LEFT] >= 0:
        price = max(state[ASK], state[LIMIT]) / TICKS
        held = abs(state[POSITION]) * max(price, worth[LAST])
        equity = state[CASH] / TICKS + state[POSITION] * worth[LAST]
        if equity <= 2001.0 or abs(state[LEFT]) * price * 1.04 >= (3.9 * equity - 2 * held):
            state[ERROR] = NO_MONEY


@outlined()
def _flush(state, worth, bounds, dollars, charges, orders, references, fills, now):
    """What was decided leaves, and what comes of it at once is taken in."""
    while state[ERROR] == 0:
        if state[ORDER] == DECIDED:
            _checked(state, worth)
            if now >= bounds[CLOSE] or state[ERROR] != 0:
                return
            if bounds[LATENCY] >= 0:
                state[ORDER], state[ARRIVES] = TRAVELS, now + bounds[LATENCY]
            else:
                _enter(state, worth, bounds, dollars, charges, orders, fills, now)
        elif state[CANCEL] == 1 and state[ORDER] != NONE:
            state[CANCEL] = 2
            if bounds[LATENCY] >= 0:
                state[CANCEL_ARRIVES] = now + bounds[LATENCY]
            else:
                _over(state, orders, CANCELED)
        else:
            return
        _close_all(state, worth, bounds, orders, references, now)


@inlined()
def _next_ns(times_ns, row):
    return times_ns[row] if row < len(times_ns) else NEVER


@inlined()
def _end_of(times_ns, row, now):
    """The first row from `row` on that is not known `now`."""
    while row < len(times_ns) and times_ns[row] == now:
        row += 1
    return row


@inlined()
def _ticks_of(state, price):
    """Dollars in ticks. A price between them is an error."""
    ticks = np.rint(price * TICKS)
    if ticks / TICKS != price:
        state[ERROR] = NOT_TICKS
    return int(ticks)


@inlined()
def _hear(state, worth, dollars, bid, bid_size, ask, ask_size, now):
    """The model and the gate are told a quote."""
    worth[HEARD_BID], worth[HEARD_ASK] = bid, ask
    state[HEARD_BID_SIZE], state[HEARD_ASK_SIZE] = bid_size, ask_size
    if bid > 0 and ask > 0:
        worth[TOUCH_BID], worth[TOUCH_ASK], state[TOUCH_NS] = bid, ask, now
        _reprice(state, worth, dollars, (bid + ask) / 2)


@cache
def player_of(decide: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled loop over ticks that asks `decide` at each. Compiled once a process."""
    ask = numba.njit(decide, error_model="python")

    @numba.njit(error_model="python", nogil=True)
    def play(
        feed: Any,
        until_ns: Any,
        state: Any,
        worth: Any,
        bounds: Any,
        dollars: Any,
        charges: Any,
        orders: Any,
        references: Any,
        fills: Any,
        equity: Any,
        parameters: Any,
        memory: Any,
    ) -> Any:
        """Live through all rows from those that are done, and, where `until_ns` is not 0, on to that time. Returns
        whether it did: not when `orders` or `fills` must grow."""
        bars_ns, closes, quotes_ns, bids, bid_sizes, asks, ask_sizes, trades_ns, prices, sizes, is_paired = feed
        bars_end, quotes_end, trades_end = state[BARS_DONE], state[QUOTES_DONE], state[TRADES_DONE]
        sized = bounds[QUEUE] != OFF
        flatten_ns = bounds[CLOSE] - bounds[FLATTEN] if bounds[FLATTEN] >= 0 else NEVER
        is_whole = True
        while state[ERROR] == 0:
            bar, quote, trade = bars_end, quotes_end, trades_end
            state[BARS_DONE], state[QUOTES_DONE], state[TRADES_DONE] = bar, quote, trade
            due_ns = min(state[ARRIVES], state[CANCEL_ARRIVES])
            if state[FLAT] == 0 and flatten_ns < due_ns:
                due_ns = flatten_ns
            bar_ns, quote_ns = _next_ns(bars_ns, bar), _next_ns(quotes_ns, quote)
            now = min(bar_ns, quote_ns, _next_ns(trades_ns, trade))
            if now < NEVER and now <= due_ns:
                bars_end, quotes_end = _end_of(bars_ns, bar, now), _end_of(quotes_ns, quote, now)
                trades_end = _end_of(trades_ns, trade, now)
            elif now < NEVER or due_ns <= until_ns:
                now = due_ns
            else:
                break
            room = 2 * (bars_end - bar + quotes_end - quote + trades_end - trade) + 4
            if len(orders) - state[ORDERS] < room or len(fills) - state[FILLS] < room:
                is_whole = False
                break
            for row in range(trade, trades_end):
                ticks = _ticks_of(state, prices[row])
                if sized:
                    _printed(state, worth, bounds, dollars, charges, orders, fills, ticks, sizes[row], now)
            for row in range(quote, quotes_end):
                _quoted(
                    state,
                    worth,
                    bounds,
                    dollars,
                    charges,
                    orders,
                    fills,
                    _ticks_of(state, bids[row]),
                    bid_sizes[row],
                    _ticks_of(state, asks[row]),
                    ask_sizes[row],
                    now,
                )
            if state[ORDER] == TRAVELS and state[ARRIVES] <= now:
                _enter(state, worth, bounds, dollars, charges, orders, fills, now)
            if state[ORDER] == RESTS and state[CANCEL_ARRIVES] <= now:
                _over(state, orders, CANCELED)
            if now >= bounds[CLOSE] and state[ORDER] != NONE:
                _over(state, orders, EXPIRED)
            if state[FLAT] == 0 and now >= flatten_ns:
                state[FLAT] = 1
                if state[ORDER] != NONE and state[CANCEL] == 0:
                    state[CANCEL] = 1
            _close_all(state, worth, bounds, orders, references, now)
            for row in range(bar, bars_end):
                _reprice(state, worth, dollars, closes[row])
            while quote < quotes_end or trade < trades_end:
                price, size = 0.0, 0
                if quote < quotes_end and not (is_paired and trade == quote):
                    _hear(state, worth, dollars, bids[quote], bid_sizes[quote], asks[quote], ask_sizes[quote], now)
                    quote += 1
                else:
                    price, size = prices[trade], sizes[trade]
                    _reprice(state, worth, dollars, price)
                    trade += 1
                tick = Tick(
                    now,
                    price,
                    size,
                    worth[HEARD_BID],
                    state[HEARD_BID_SIZE],
                    worth[HEARD_ASK],
                    state[HEARD_ASK_SIZE],
                    state[POSITION],
                    state[LEFT] if state[ORDER] != NONE else 0,
                )
                shares, limit = ask(tick, parameters, memory)
                if shares != 0:
                    if state[ORDER] == NONE:
                        _want(state, worth, bounds, dollars, orders, references, shares, limit, now)
                    elif state[CANCEL] == 0:
                        state[CANCEL] = 1
            _flush(state, worth, bounds, dollars, charges, orders, references, fills, now)
            if bar < bars_end:
                value = state[POSITION] * worth[LAST]
                cash = state[CASH] / TICKS
                mark = state[EQUITY]
                equity[0, mark], equity[1, mark], equity[2, mark], equity[3, mark] = now, cash + value, cash, abs(value)
                state[EQUITY] = mark + 1
        if is_whole and until_ns and state[ORDER] != NONE:
            _over(state, orders, EXPIRED)
        return is_whole

    return play
