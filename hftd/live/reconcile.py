"""Closing the difference between what we know of orders and positions and what the broker's books say of them.

Every difference has a name and one answer, `ANSWERS`; nothing is decided elsewhere. An answer is never repeated: what
was recorded, sent or cancelled is no difference any more when it is looked at again.

    of an order of ours            found at the broker                          answer
    fresh (decided, no word since) nothing                                      send it: the same id, once
    stale (the same, too old)      nothing                                      record it as rejected
    unanswered                     the order                                    record its acceptance
    contradicted                   another order under its id, or fewer shares
                                   filled than were heard, or filled at no price  halt, record nothing
    vanished (was acknowledged)    nothing                                      record it as rejected, and halt
    filled_away                    more filled than was heard                   record the missing execution
    ended_away                     canceled, expired, replaced or rejected      record that
    legs_unheard                   with exits whose names we do not know        record their names
    cancel_unheard                 still open, though we had decided to cancel  cancel it again
    of no order in this session
    stray                          an open order with our prefix                cancel it
    foreign                        an open order of somebody else               leave it, show it
    of a position
    by_hand                        what we hold, and more beside it             leave it, show it; or adopt it, if told
    missing                        less than we hold, or the other side         halt
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec.structs import replace

from hftd.domain.account import Position
from hftd.domain.convert import BILLIONTH, CENT, billionths, cents, text_of
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderStatus, ReportKind
from hftd.engine.state import OrderState

ORDER_PREFIX = "hftd-"
"""What every client_order_id that the engine makes begins with."""

ENDS = {
    OrderStatus.CANCELED: ReportKind.CANCELED,
    OrderStatus.EXPIRED: ReportKind.EXPIRED,
    OrderStatus.REPLACED: ReportKind.REPLACED,
    OrderStatus.REJECTED: ReportKind.REJECTED,
}


class Difference(StrEnum):
    """What was found; the lines of the table above."""

    FRESH = "fresh"
    STALE = "stale"
    UNANSWERED = "unanswered"
    CONTRADICTED = "contradicted"
    VANISHED = "vanished"
    FILLED_AWAY = "filled_away"
    ENDED_AWAY = "ended_away"
    LEGS_UNHEARD = "legs_unheard"
    CANCEL_UNHEARD = "cancel_unheard"
    STRAY = "stray"
    FOREIGN = "foreign"
    BY_HAND = "by_hand"
    MISSING = "missing"


class Answer(StrEnum):
    """What is done about it."""

    SEND = "send"
    RECORD = "record"
    RECORD_AND_HALT = "record_and_halt"
    CANCEL = "cancel"
    LEAVE = "leave"
    HALT = "halt"
    ADOPT = "adopt"


ANSWERS = {
    Difference.FRESH: Answer.SEND,
    Difference.STALE: Answer.RECORD,
    Difference.UNANSWERED: Answer.RECORD,
    Difference.CONTRADICTED: Answer.HALT,
    Difference.VANISHED: Answer.RECORD_AND_HALT,
    Difference.FILLED_AWAY: Answer.RECORD,
    Difference.ENDED_AWAY: Answer.RECORD,
    Difference.LEGS_UNHEARD: Answer.RECORD,
    Difference.CANCEL_UNHEARD: Answer.CANCEL,
    Difference.STRAY: Answer.CANCEL,
    Difference.FOREIGN: Answer.LEAVE,
    Difference.BY_HAND: Answer.LEAVE,
    Difference.MISSING: Answer.HALT,
}


def difference_of(order: OrderState, found: BrokerOrder | None, *, fresh: bool) -> Difference | None:
    """How `order`, which we believe to be working, differs from the broker's; None when it does not.

    `found` is None when the broker never saw it; `fresh` tells whether it may still be sent.
    """
    if found is None:
        if order.status is not OrderStatus.UNSENT:
            return Difference.VANISHED
        return Difference.FRESH if fresh else Difference.STALE
    if contradiction_of(order, found):
        return Difference.CONTRADICTED
    if found.filled_quantity > order.filled_quantity:
        return Difference.FILLED_AWAY
    if found.status in ENDS and not order.status.is_terminal:
        return Difference.ENDED_AWAY
    if order.awaits_legs and found.legs:
        return Difference.LEGS_UNHEARD
    if order.cancel_requested and not found.status.is_terminal:
        return Difference.CANCEL_UNHEARD
    return Difference.UNANSWERED if order.status is OrderStatus.UNSENT else None


def contradiction_of(order: OrderState, found: BrokerOrder) -> str:
    """What of `found` cannot be true of our order, in words; "" when it can. Nothing is recorded of such an answer."""
    request, heard = order.request, order.filled_quantity
    if (found.symbol, found.side) != (request.symbol, request.side):
        return f"it is to {found.side} {found.symbol}, ours was to {request.side} {request.symbol}"
    if found.filled_quantity < heard:
        return f"{text_of(found.filled_quantity)} shares are filled, {text_of(heard)} were reported"
    if found.filled_quantity > found.quantity:
        return f"{text_of(found.filled_quantity)} shares are filled of {text_of(found.quantity)}"
    if found.filled_quantity > heard and not found.filled_average_price:
        return f"{text_of(found.filled_quantity)} shares are filled at no price"
    if found.status is OrderStatus.FILLED and found.filled_quantity < found.quantity:
        return f"it is filled, and {text_of(found.filled_quantity)} of {text_of(found.quantity)} shares are"
    return ""


def stray_orders(open_orders: Iterable[BrokerOrder], ours: Iterable[str]) -> Iterator[tuple[Difference, BrokerOrder]]:
    """The broker's open orders that are none of `ours` (client order ids of this session)."""
    known = set(ours)
    for order in open_orders:
        if order.client_order_id not in known:
            is_ours = order.client_order_id.startswith(ORDER_PREFIX)
            yield Difference.STRAY if is_ours else Difference.FOREIGN, order


def position_differences(
    ours: Mapping[str, Decimal], theirs: Iterable[Position]
) -> Iterator[tuple[Difference, str, Decimal]]:
    """(difference, symbol, signed shares that the broker has beyond ours), by symbol."""
    held = {position.symbol: position.quantity for position in theirs}
    for symbol in sorted(ours.keys() | held.keys()):
        own, beyond = ours.get(symbol, Decimal(0)), held.get(symbol, Decimal(0)) - ours.get(symbol, Decimal(0))
        if beyond:
            yield (Difference.MISSING if own * beyond < 0 else Difference.BY_HAND), symbol, beyond


def is_same_cash(ours: Decimal, theirs: Decimal) -> bool:
    """Whether the broker's cash is ours, as finely as it tells it: the simulated exchange in billionths, Alpaca in
    cents, however small the parts are that it reckons in. What a session began with was told so, too."""
    is_told_in_cents = theirs == cents(theirs) and billionths(ours) != cents(ours)
    return abs(ours - theirs) <= (CENT if is_told_in_cents else BILLIONTH)


def missing_reports(order: OrderState, found: BrokerOrder | None, time_ns: int) -> list[ExecutionReport]:
    """The reports that bring `order` to where the broker has it; `found` is None when the broker never saw it."""
    if found is None:
        return [_report(order, ReportKind.REJECTED, time_ns, reason="the broker has no such order")]
    reports = []
    if found.filled_quantity > order.filled_quantity:
        reports.append(_missing_fill(order, found, time_ns))
    if (kind := ENDS.get(found.status)) and not order.status.is_terminal:
        reports.append(_report(order, kind, time_ns, broker_order_id=found.broker_order_id))
    elif not reports and order.status is OrderStatus.UNSENT:
        reports.append(_report(order, ReportKind.ACCEPTED, time_ns, broker_order_id=found.broker_order_id))
    return _with_legs(order, found, reports, time_ns) if order.awaits_legs and found.legs else reports


def _with_legs(
    order: OrderState, found: BrokerOrder, reports: list[ExecutionReport], time_ns: int
) -> list[ExecutionReport]:
    """The names of the exits come with the first of `reports`, or else with a repeated acceptance."""
    first, *rest = reports or [_report(order, ReportKind.ACCEPTED, time_ns, broker_order_id=found.broker_order_id)]
    return [replace(first, legs=found.legs), *rest]


def _missing_fill(order: OrderState, found: BrokerOrder, time_ns: int) -> ExecutionReport:
    """One execution for all that was filled unheard, at the price that brings the average to the broker's."""
    missing = found.filled_quantity - order.filled_quantity
    average = found.filled_average_price or Decimal(0)
    whole = found.filled_quantity >= found.quantity
    return _report(
        order,
        ReportKind.FILL if whole else ReportKind.PARTIAL_FILL,
        time_ns,
        broker_order_id=found.broker_order_id,
        execution_id=f"reconciled-{found.broker_order_id}-{found.filled_quantity}",
        quantity=missing,
        price=(found.filled_quantity * average - order.filled_notional) / missing,
        filled_quantity=found.filled_quantity,
    )


def _report(
    order: OrderState,
    kind: ReportKind,
    time_ns: int,
    *,
    broker_order_id: str = "",
    execution_id: str = "",
    quantity: Decimal = Decimal(0),
    price: Decimal = Decimal(0),
    filled_quantity: Decimal = Decimal(0),
    reason: str = "",
) -> ExecutionReport:
    return ExecutionReport(
        kind=kind,
        client_order_id=order.request.client_order_id,
        time_ns=time_ns,
        broker_order_id=broker_order_id,
        symbol=order.request.symbol,
        side=order.request.side,
        execution_id=execution_id,
        quantity=quantity,
        price=price,
        filled_quantity=filled_quantity,
        reason=reason,
        reconciled=True,
    )
