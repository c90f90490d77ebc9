"""The way of an order to the venue, compiled: what a model wants, the gate, sending and withdrawing."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"
# The types of compiled code are numba's.

from typing import Any

import numba

from hftd.backtest.kernel import inlined, outlined
from hftd.backtest.tick_fills import enter, over
from hftd.backtest.tick_state import (
    AHEAD,
    ARRIVES,
    ASK,
    BAD_LIMIT,
    BID,
    BUYS,
    CANCEL,
    CANCEL_ARRIVES,
    CANCELED,
    CASH,
    CENT,
    CLOSE,
    COLLAR,
    DECIDED,
    ERROR,
    FIRST,
    FLAT,
    INF,
    LAST,
    LATENCY,
    LEFT,
    LIMIT,
    MAX_NOTIONAL,
    MAX_ORDER,
    MAX_ORDERS,
    MAX_POSITION,
    MAX_QUANTITY,
    NEAR,
    NEVER,
    NO_MONEY,
    NO_QUOTE,
    NONE,
    NOT_EXACT,
    OPEN,
    ORDER,
    ORDERS,
    POSITION,
    PRICED,
    QUIET_AFTER,
    QUIET_BEFORE,
    QUOTED,
    REFUSED,
    ROW,
    SELLS,
    TICKS,
    TOUCH_ASK,
    TOUCH_BID,
    TOUCH_NS,
    TRAVELS,
)
from hftd.domain.convert import MINUTE_NS
from hftd.model.compiled import whole_cents

cents_of: Any = numba.njit(whole_cents)


@outlined()
def _decided(account, signed, limit, now):
    """An order is made: it leaves at the end of the instant."""
    state, worth, orders, references = account.state, account.worth, account.orders, account.references
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
def close_all(account, now):
    """While everything is being closed: close what is held, once no order works. `Closing.close`."""
    state, bounds = account.state, account.bounds
    if state[FLAT] != 0 and state[ORDER] == NONE and state[POSITION] != 0 and now < bounds[CLOSE]:
        _decided(account, -state[POSITION], 0, now)


@outlined()
def _beyond_collar(account, signed, limit, now):
    """`risk._price_collar`, with the touch of a quote that is fresh. Near the limit it is an error."""
    state, worth, dollars = account.state, account.worth, account.dollars
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
def _refused(account, signed, limit, now):
    """`risk.refusal_of`. An amount too near to its limit is an error."""
    state, worth, bounds = account.state, account.worth, account.bounds
    dollars, orders = account.dollars, account.orders
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
        or _beyond_collar(account, signed, limit, now)
        or sent >= bounds[MAX_ORDERS]
    )


@outlined()
def want(account, shares, dollars_limit, now):
    """What a model wants, when no order works: `CompiledTicks`, then the gate."""
    state, bounds = account.state, account.bounds
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
    if not _refused(account, shares, limit, now):
        _decided(account, shares, limit, now)
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
def flush(account, now):
    """What was decided leaves, and what comes of it at once is taken in."""
    state, worth, bounds, orders = account.state, account.worth, account.bounds, account.orders
    while state[ERROR] == 0:
        if state[ORDER] == DECIDED:
            _checked(state, worth)
            if now >= bounds[CLOSE] or state[ERROR] != 0:
                return
            if bounds[LATENCY] >= 0:
                state[ORDER], state[ARRIVES] = TRAVELS, now + bounds[LATENCY]
            else:
                enter(account, now)
        elif state[CANCEL] == 1 and state[ORDER] != NONE:
            state[CANCEL] = 2
            if bounds[LATENCY] >= 0:
                state[CANCEL_ARRIVES] = now + bounds[LATENCY]
            else:
                over(state, orders, CANCELED)
        else:
            return
        close_all(account, now)
