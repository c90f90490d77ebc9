"""The market of bots as it goes on, compiled: agents wake, decide, and their messages go through the order book.

Waking is a Poisson process whose rate follows the pace of the minute. Between two decisions stand the marks, one each
step: there the best prices are written down and the averages brought up to date. The book is called in one place; when
it needs room, the loop returns, and goes on with the same message when called again.
"""

# mypy: disable-error-code="no-any-return"

from typing import Any, Final

from hftd.exchange.book.compiling import compiled, inlined
from hftd.exchange.book.kernel import (
    FILL,
    NEED_ROOM,
    REPLACED,
    RESTED,
    enter,
)
from hftd.exchange.book.layout import (
    BEST_LEVEL,
    BEST_PRICE,
    BUY,
    REMAINING,
    REPORT_COUNT,
    REPORT_LIMIT,
    SELL,
)
from hftd.exchange.book.view import S, U, view_of
from hftd.exchange.book.view import View as BookView
from hftd.exchange.market.bots.agents import (
    MINUTE_NS,
    SECOND_NS,
    Bots,
    below,
    bots_of,
    chase,
    exponential,
    make,
    middle,
    profit,
    revert,
    stir,
    uniform,
)
from hftd.exchange.market.bots.layout import (
    BOOK,
    CLOSE_NS,
    FAST,
    FAST_KEPT,
    FLOW,
    FLOW_KEPT,
    INFORMED,
    LAST_ASK,
    LAST_ASK_QUANTITY,
    LAST_BID,
    LAST_BID_QUANTITY,
    LOG_COUNT,
    LOG_LIMIT,
    MAKERS,
    MARK_NS,
    MOMENTUM,
    NEXT_NS,
    NO_SLOT,
    NOISE,
    NOW_NS,
    OPEN_NS,
    OPENED,
    OUT_COUNT,
    OUT_DONE,
    PRINT_COUNT,
    PRINT_LIMIT,
    QUOTE_COUNT,
    QUOTE_LIMIT,
    RATE,
    RECORDS_LOG,
    REVERTING,
    SENT,
    SLOW,
    SLOW_KEPT,
    STEP_NS,
    TAKEN,
    TAKES_A_SECOND,
    UNIT,
    UP_TO_MAKERS,
    UP_TO_MOMENTUM,
    UP_TO_NOISE,
    UP_TO_REVERTING,
    VOLUME,
)

DONE, BOOK_NEEDS_ROOM, OUTPUT_NEEDS_ROOM = range(3)
"""What `play_until` answers."""

CATCH_UP_MOST: Final = 4.0
"""Orders are at most so many times as large, or as small, as usual to make up for volume missed or run ahead."""


# -------------------- output


@inlined
def write_print(bots: Bots, report: Any) -> None:
    cells = bots.cells
    row = bots.prints[U(cells[PRINT_COUNT])]
    row.time_ns = cells[NOW_NS]
    row.sequence = report.sequence
    row.price = report.price
    row.quantity = report.quantity
    row.maker_id = report.maker_id
    row.taker_id = report.taker_id
    row.maker_owner = report.maker_owner
    row.taker_owner = report.taker_owner
    row.taker_side = report.taker_side
    cells[PRINT_COUNT] += 1


@inlined
def settle(bots: Bots, owner: int, quantity: int) -> None:
    """Shares change hands; users' are not counted here."""
    if (
        owner
        <= bots.cells[MAKERS] + bots.cells[NOISE] + bots.cells[MOMENTUM] + bots.cells[REVERTING] + bots.cells[INFORMED]
    ):
        bots.inventory[U(owner - 1)] += quantity


@inlined
def absorb_reports(bots: Bots, book: BookView) -> None:
    """Take the book's reports: prints, inventories, what is left of resting orders. There must be room for them."""
    cells = bots.cells
    for index in range(book.state[REPORT_COUNT]):
        report = book.reports[U(index)]
        maker_id = report.maker_id
        if maker_id > 0:
            slot = maker_id & NO_SLOT
            bots.left[U(slot)] = report.maker_remaining
            if report.maker_remaining == 0:
                bots.ids[U(slot)] = 0
        if report.kind == FILL:
            write_print(bots, report)
            sign = 1 if report.taker_side == BUY else -1
            quantity = report.quantity
            cells[VOLUME] += quantity
            settle(bots, S(report.taker_owner), sign * quantity)
            settle(bots, S(report.maker_owner), -sign * quantity)
            bots.floats[FLOW] += sign * quantity / max(bots.floats[UNIT], 1.0)
    cells[TAKEN] += 1
    book.state[REPORT_COUNT] = 0


@inlined
def quantity_at_best(book: BookView, side: int) -> int:
    slot = book.state[BEST_LEVEL + side]
    return book.levels[U(slot)].quantity if slot >= 0 else 0


@inlined
def write_top(bots: Bots, book: BookView) -> None:
    """Write down the best prices, if they or the shares at them have changed since the last time."""
    cells = bots.cells
    bid_quantity = quantity_at_best(book, BUY)
    ask_quantity = quantity_at_best(book, SELL)
    bid = book.state[BEST_PRICE + BUY] if bid_quantity > 0 else 0
    ask = book.state[BEST_PRICE + SELL] if ask_quantity > 0 else 0
    if (
        bid == cells[LAST_BID]
        and ask == cells[LAST_ASK]
        and bid_quantity == cells[LAST_BID_QUANTITY]
        and ask_quantity == cells[LAST_ASK_QUANTITY]
    ):
        return
    cells[LAST_BID] = bid
    cells[LAST_ASK] = ask
    cells[LAST_BID_QUANTITY] = bid_quantity
    cells[LAST_ASK_QUANTITY] = ask_quantity
    row = bots.quotes[U(cells[QUOTE_COUNT])]
    row.time_ns = cells[NOW_NS]
    row.bid = bid
    row.bid_quantity = bid_quantity
    row.ask = ask
    row.ask_quantity = ask_quantity
    cells[QUOTE_COUNT] += 1


# -------------------- messages


@inlined
def note(bots: Bots, message: Any, outcome: int) -> None:
    row = bots.log[U(bots.cells[LOG_COUNT])]
    row.time_ns = bots.cells[NOW_NS]
    row.outcome = outcome
    row.message.order_id = message.order_id
    row.message.price = message.price
    row.message.quantity = message.quantity
    row.message.owner = message.owner
    row.message.operation = message.operation
    row.message.side = message.side
    row.message.self_trade = message.self_trade
    bots.cells[LOG_COUNT] += 1


@inlined
def remember(bots: Bots, book: BookView, message: Any, outcome: int) -> None:
    """What rests in the slot of the order now."""
    slot = S(message.order_id) & NO_SLOT
    if slot == NO_SLOT:
        return
    if outcome in (RESTED, REPLACED):
        bots.ids[U(slot)] = message.order_id
        bots.left[U(slot)] = book.state[REMAINING]
        bots.prices[U(slot)] = message.price
    else:
        bots.ids[U(slot)] = 0
        bots.left[U(slot)] = 0


@inlined
def has_output_room(bots: Bots, book: BookView) -> bool:
    """Whether there is room for whatever one message may bring."""
    cells = bots.cells
    return (
        cells[PRINT_COUNT] + book.state[REPORT_LIMIT] <= cells[PRINT_LIMIT]
        and cells[QUOTE_COUNT] < cells[QUOTE_LIMIT]
        and (cells[RECORDS_LOG] == 0 or cells[LOG_COUNT] < cells[LOG_LIMIT])
    )


@inlined
def send(bots: Bots, book: BookView) -> int:
    """Carry out the next message of the outbox."""
    message = bots.outbox[U(bots.cells[OUT_DONE])]
    outcome = enter(
        bots.cells[BOOK],
        S(message.operation),
        message.order_id,
        S(message.owner),
        S(message.side),
        message.price,
        message.quantity,
        S(message.self_trade),
    )
    if outcome == NEED_ROOM:
        return BOOK_NEEDS_ROOM
    bots.cells[OUT_DONE] += 1
    bots.cells[SENT] += 1
    if bots.cells[RECORDS_LOG] != 0:
        note(bots, message, outcome)
    remember(bots, book, message, outcome)
    return DONE


# -------------------- time


@inlined
def minute_now(bots: Bots) -> int:
    return (bots.cells[NOW_NS] - bots.cells[OPEN_NS]) // MINUTE_NS


@inlined
def plan_volume(bots: Bots) -> None:
    """Set the size of orders so that the day's volume comes about, whoever trades how often."""
    cells = bots.cells
    minute = minute_now(bots)
    since_ns = cells[NOW_NS] - cells[OPEN_NS] - minute * MINUTE_NS
    rate = bots.target[U(minute + 1)] - bots.target[U(minute)]
    missing = bots.target[U(minute)] + rate * since_ns / MINUTE_NS - cells[VOLUME]
    factor = min(max(1.0 + missing / (2.0 * rate), 1.0 / CATCH_UP_MOST), CATCH_UP_MOST)
    seconds = cells[STEP_NS] / SECOND_NS
    takes = bots.floats[TAKES_A_SECOND]
    takes += (cells[TAKEN] / seconds - takes) * (seconds / 60.0)
    bots.floats[TAKES_A_SECOND] = takes
    cells[TAKEN] = 0
    bots.floats[UNIT] = rate / 60.0 * factor / max(takes, 1e-3)


@inlined
def mark(bots: Bots, book: BookView) -> None:
    """A step has ended."""
    cells = bots.cells
    floats = bots.floats
    cells[NOW_NS] = cells[MARK_NS]
    cells[MARK_NS] += cells[STEP_NS]
    write_top(bots, book)
    centre = middle(bots, book)
    floats[FAST] = centre + (floats[FAST] - centre) * floats[FAST_KEPT]
    floats[SLOW] = centre + (floats[SLOW] - centre) * floats[SLOW_KEPT]
    floats[FLOW] *= floats[FLOW_KEPT]
    if cells[NOW_NS] < cells[CLOSE_NS]:
        plan_volume(bots)


@inlined
def wake(bots: Bots, book: BookView) -> None:
    """One agent decides."""
    cells = bots.cells
    floats = bots.floats
    cells[NOW_NS] = cells[NEXT_NS]
    kind = uniform(bots)
    if kind < floats[UP_TO_MAKERS]:
        make(bots, book, below(bots, cells[MAKERS]))
    elif kind < floats[UP_TO_NOISE]:
        stir(bots, book, below(bots, cells[NOISE]))
    elif kind < floats[UP_TO_MOMENTUM]:
        chase(bots, book, below(bots, cells[MOMENTUM]))
    elif kind < floats[UP_TO_REVERTING]:
        revert(bots, book, below(bots, cells[REVERTING]))
    else:
        profit(bots, book, below(bots, cells[INFORMED]))
    pace = max(bots.pace[U(minute_now(bots))], 0.05)
    cells[NEXT_NS] = cells[NOW_NS] + 1 + S(exponential(bots) / (floats[RATE] * pace))


@inlined
def play(bots: Bots, book: BookView, until_ns: int) -> int:
    """Everything before `until_ns`, and the mark at it."""
    cells = bots.cells
    while True:
        if not has_output_room(bots, book):
            return OUTPUT_NEEDS_ROOM
        if book.state[REPORT_COUNT] > 0:
            absorb_reports(bots, book)
        if cells[OUT_DONE] < cells[OUT_COUNT]:
            if send(bots, book) == BOOK_NEEDS_ROOM:
                return BOOK_NEEDS_ROOM
            continue
        cells[OUT_DONE] = 0
        cells[OUT_COUNT] = 0
        if cells[MARK_NS] <= until_ns and cells[MARK_NS] <= cells[NEXT_NS] and cells[OPENED] == cells[MAKERS]:
            mark(bots, book)
        elif cells[OPENED] < cells[MAKERS]:
            make(bots, book, cells[OPENED])
            cells[OPENED] += 1
        elif cells[NEXT_NS] < until_ns:
            wake(bots, book)
        else:
            return DONE


# -------------------- what Python calls


@compiled("int64(int64, int64)")
def play_until(handle: int, until_ns: int) -> int:
    """Take what a user's message has left to be taken, and play on."""
    bots = bots_of(handle)
    return play(bots, view_of(bots.cells[BOOK]), until_ns)
