"""Ticks of one symbol, compiled: a model's own `decide` at each, one order at a time through latency and queue.

The second implementation of what engine and venue do together for a `CompiledTicks` model; the plain driver is the
first, and a property test holds both equal, trade for trade. What this one does not cover ends it with an error in the
state, and the plain driver takes over. Prices of orders and fills are integer ticks of $0.0001, fees integer cents.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return"
# The types of compiled code are numba's.

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

from hftd.backtest.kernel import inlined
from hftd.backtest.tick_fills import enter, over, printed, quoted, reprice
from hftd.backtest.tick_orders import close_all, flush, want
from hftd.backtest.tick_state import (
    ARRIVES,
    BARS_DONE,
    CANCEL,
    CANCEL_ARRIVES,
    CANCELED,
    CASH,
    CLOSE,
    EQUITY,
    ERROR,
    EXPIRED,
    FILLS,
    FLAT,
    FLATTEN,
    HEARD_ASK,
    HEARD_ASK_SIZE,
    HEARD_BID,
    HEARD_BID_SIZE,
    LAST,
    LEFT,
    NEVER,
    NONE,
    NOT_TICKS,
    OFF,
    ORDER,
    ORDERS,
    POSITION,
    QUEUE,
    QUOTES_DONE,
    RESTS,
    TICKS,
    TOUCH_ASK,
    TOUCH_BID,
    TOUCH_NS,
    TRADES_DONE,
    TRAVELS,
)
from hftd.model.compiled import Tick


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
def _hear(account, bid, bid_size, ask, ask_size, now):
    """The model and the gate are told a quote."""
    state, worth = account.state, account.worth
    worth[HEARD_BID], worth[HEARD_ASK] = bid, ask
    state[HEARD_BID_SIZE], state[HEARD_ASK_SIZE] = bid_size, ask_size
    if bid > 0 and ask > 0:
        worth[TOUCH_BID], worth[TOUCH_ASK], state[TOUCH_NS] = bid, ask, now
        reprice(account, (bid + ask) / 2)


@cache
def player_of(decide: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled loop over ticks that asks `decide` at each. Compiled once a process."""
    ask = numba.njit(decide, error_model="python")

    @numba.njit(error_model="python", nogil=True)
    def play(
        feed: Any,
        until_ns: Any,
        account: Any,
        equity: Any,
        parameters: Any,
        memory: Any,
    ) -> Any:
        """Live through all rows from those that are done, and, where `until_ns` is not 0, on to that time. Returns
        whether it did: not when `orders` or `fills` must grow."""
        state, worth, bounds = account.state, account.worth, account.bounds
        orders, fills = account.orders, account.fills
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
                    printed(account, ticks, sizes[row], now)
            for row in range(quote, quotes_end):
                quoted(
                    account,
                    _ticks_of(state, bids[row]),
                    bid_sizes[row],
                    _ticks_of(state, asks[row]),
                    ask_sizes[row],
                    now,
                )
            if state[ORDER] == TRAVELS and state[ARRIVES] <= now:
                enter(account, now)
            if state[ORDER] == RESTS and state[CANCEL_ARRIVES] <= now:
                over(state, orders, CANCELED)
            if now >= bounds[CLOSE] and state[ORDER] != NONE:
                over(state, orders, EXPIRED)
            if state[FLAT] == 0 and now >= flatten_ns:
                state[FLAT] = 1
                if state[ORDER] != NONE and state[CANCEL] == 0:
                    state[CANCEL] = 1
            close_all(account, now)
            for row in range(bar, bars_end):
                reprice(account, closes[row])
            while quote < quotes_end or trade < trades_end:
                price, size = 0.0, 0
                if quote < quotes_end and not (is_paired and trade == quote):
                    _hear(account, bids[quote], bid_sizes[quote], asks[quote], ask_sizes[quote], now)
                    quote += 1
                else:
                    price, size = prices[trade], sizes[trade]
                    reprice(account, price)
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
                        want(account, shares, limit, now)
                    elif state[CANCEL] == 0 and state[FLAT] == 0:  # what closes everything is not the model's
                        state[CANCEL] = 1
            flush(account, now)
            if bar < bars_end:
                value = state[POSITION] * worth[LAST]
                cash = state[CASH] / TICKS
                mark = state[EQUITY]
                equity[0, mark], equity[1, mark], equity[2, mark], equity[3, mark] = now, cash + value, cash, abs(value)
                state[EQUITY] = mark + 1
        if is_whole and until_ns and state[ORDER] != NONE:
            over(state, orders, EXPIRED)
        return is_whole

    return play
