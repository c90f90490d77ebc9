"""The venue and the tape, compiled, for one order of one account: what quotes and prints fill."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"
# The types of compiled code are numba's.

from hftd.backtest.kernel import fee_of, inlined, outlined
from hftd.backtest.tick_state import (
    AHEAD,
    ARRIVES,
    ASK,
    ASK_SIZE,
    BID,
    BID_SIZE,
    BREACH,
    CANCEL,
    CANCEL_ARRIVES,
    CASH,
    ERROR,
    FILLED,
    FILLS,
    FLOW,
    FRONT,
    INF,
    LAST,
    LEFT,
    LIMIT,
    MAX_DRAWDOWN,
    MAX_LOSS,
    MINUTE,
    NEVER,
    NO_QUOTE,
    NONE,
    OFF,
    ORDER,
    PARTICIPATION,
    PEAK,
    POSITION,
    PRICED,
    PRINTED,
    QUEUE,
    QUOTED,
    RESTS,
    ROW,
    START,
    TAKEN_BUY,
    TAKEN_SELL,
    TICKS,
    USED,
    WORTH,
)
from hftd.domain.convert import MINUTE_NS


@inlined()
def _revalue(account):
    """`Judge.revalued`; a breach is left to the plain driver."""
    state, worth, dollars = account.state, account.worth, account.dollars
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
def reprice(account, price):
    state, worth = account.state, account.worth
    worth[LAST] = price
    state[PRICED] = 1
    if state[POSITION] != 0:
        _revalue(account)


@inlined()
def over(state, orders, status):
    """The order is over; while everything is being closed, what is held still is closed by another."""
    orders[state[ROW], 3] = status
    state[ORDER] = NONE
    state[CANCEL] = 0
    state[ARRIVES] = state[CANCEL_ARRIVES] = NEVER


@outlined()
def _trade(account, shares, price, now):
    """`shares` of the order are filled at `price` ticks."""
    state, charges, orders, fills = account.state, account.charges, account.orders, account.fills
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
    _revalue(account)
    if state[LEFT] == 0:
        over(state, orders, FILLED)


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
def _match(account, own_price, now):
    """What the quote serves: at the quote, but at the limit (`own_price`) what rested where sizes count."""
    state, bounds = account.state, account.bounds
    price = _far(state)
    if price == 0:
        return
    if bounds[QUEUE] == OFF:
        _trade(account, abs(state[LEFT]), price, now)
        return
    taken, shown = (TAKEN_BUY, ASK_SIZE) if state[LEFT] > 0 else (TAKEN_SELL, BID_SIZE)
    shares = min(abs(state[LEFT]), state[shown] - state[taken], _allowed(state, bounds))
    if shares > 0:
        state[taken] += shares
        state[USED] += shares
        if own_price and state[LIMIT] != 0:
            price = state[LIMIT]
        _trade(account, shares, price, now)


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
def printed(account, price, size, now):
    """`TapeLiquidity.on_trade`."""
    state, bounds = account.state, account.bounds
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
        _trade(account, shares, state[LIMIT], now)


@inlined()
def quoted(account, bid, bid_size, ask, ask_size, now):
    """The liquidity takes over a quote, and serves the order that it reaches."""
    state, bounds = account.state, account.bounds
    anew = state[QUOTED] == 0
    state[BID], state[BID_SIZE], state[ASK], state[ASK_SIZE], state[QUOTED] = bid, bid_size, ask, ask_size, 1
    state[TAKEN_BUY] = state[TAKEN_SELL] = 0
    if state[ORDER] == RESTS:
        if bounds[QUEUE] != OFF:
            _requeue(state, bounds, anew)
        _match(account, True, now)


@outlined()
def enter(account, now):
    """The order has come to the venue: it takes what the quote gives, and rests with the remainder."""
    state, bounds = account.state, account.bounds
    if state[QUOTED] == 0 or state[BID] <= 0 or state[ASK] <= 0:
        state[ERROR] = NO_QUOTE
        return
    state[ORDER] = RESTS
    state[ARRIVES] = NEVER
    _match(account, False, now)
    if state[ORDER] == RESTS and bounds[QUEUE] != OFF:
        _requeue(state, bounds, True)
