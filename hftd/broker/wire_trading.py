"""Reading Alpaca's orders and trade updates. Pure. Decimals come from text, never through binary float arithmetic.

Words we do not know are kept: an unknown event becomes a report of kind UNKNOWN with the word as its reason.
"""

from decimal import Decimal

import msgspec
from msgspec import Struct

from hftd.broker.base import Feed, Mark, Message, UnknownMessage
from hftd.broker.wire_market import TEXT_MAX, UNREADABLE
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderLeg, OrderStatus, OrderType, ReportKind, Side

ZERO = Decimal(0)

_SIDES = {side.value: side for side in Side}
_TYPES = {kind.value: kind for kind in OrderType}
_STATUSES = {status.value: status for status in OrderStatus if status is not OrderStatus.UNSENT}
_KINDS = {kind.value: kind for kind in ReportKind if kind is not ReportKind.UNKNOWN}

STAND_IN = OrderStatus.PENDING_REVIEW
"""Shown for a status we do not know: still working, nothing more assumed."""

_FIRST_WORDS = {
    OrderStatus.ACCEPTED: ReportKind.ACCEPTED,
    OrderStatus.ACCEPTED_FOR_BIDDING: ReportKind.ACCEPTED,
    OrderStatus.PENDING_NEW: ReportKind.PENDING_NEW,
    OrderStatus.PENDING_REVIEW: ReportKind.PENDING_REVIEW,
    OrderStatus.HELD: ReportKind.HELD,
    OrderStatus.REJECTED: ReportKind.REJECTED,
    OrderStatus.CANCELED: ReportKind.CANCELED,
    OrderStatus.EXPIRED: ReportKind.EXPIRED,
    OrderStatus.SUSPENDED: ReportKind.SUSPENDED,
}
"""What the answer to a submission tells; a status not here (new, filled, ...) is an acknowledgement: `new`. Fills
are told by the trade-updates socket alone, with their execution ids, and so are counted once."""


class WireOrder(Struct, frozen=True):
    """Those keys of Alpaca's order that hftd reads. `symbol` and `side` are absent from multi-leg orders."""

    id: str
    client_order_id: str
    status: str
    submitted_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    symbol: str | None = None
    side: str | None = None
    type: str | None = None
    qty: Decimal | None = None
    filled_qty: Decimal | None = None
    filled_avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    reject_reason: str | None = None
    legs: "list[WireOrder] | None" = None


class WireUpdate(Struct, frozen=True):
    """One trade update. `price` and `qty` are of this execution."""

    event: str
    order: WireOrder
    timestamp: str | None = None
    execution_id: str | None = None
    price: Decimal | None = None
    qty: Decimal | None = None
    reason: str | None = None


class Authorization(Struct, frozen=True):
    """The answer to an authentication on the trade-updates socket."""

    status: str = ""
    action: str = ""
    message: str = ""


class Listening(Struct, frozen=True):
    """The streams now listened to."""

    streams: list[str] = []


class _Envelope(Struct):
    data: msgspec.Raw
    stream: str = ""
    action: str = ""


class _Hold(Struct):
    hold: int


_envelope = msgspec.json.Decoder(_Envelope)
_order = msgspec.json.Decoder(WireOrder)
_update = msgspec.json.Decoder(WireUpdate)
_authorization = msgspec.json.Decoder(Authorization)
_listening = msgspec.json.Decoder(Listening)
_hold = msgspec.json.Decoder(_Hold)


def read_trade_frame(frame: bytes, received_ns: int) -> Message | Authorization | Listening:
    """What one frame of the trade-updates socket says. Never raises: what cannot be read is an UnknownMessage."""
    try:
        envelope = _envelope.decode(frame)
        if envelope.stream == "trade_updates":
            return report_of(_update.decode(envelope.data), received_ns)
        if envelope.stream == "authorization":
            return _authorization.decode(envelope.data)
        if envelope.stream == "listening":
            return _listening.decode(envelope.data)
        if envelope.stream == "hftd":
            return Mark(Feed.TRADES, _hold.decode(envelope.data).hold)
        problem = f"no stream is named {envelope.stream!r}"
    except UNREADABLE as error:
        problem = str(error)
    return UnknownMessage(Feed.TRADES, received_ns, frame.decode("utf-8", "replace")[:TEXT_MAX], problem)


def report_of(update: WireUpdate, received_ns: int) -> ExecutionReport:
    """A trade update as a report. A fill without an execution id gets one made of the order and what is filled so far.

    Raises ValueError for a quantity or price that is no finite number, or a time that is none.
    """
    order = update.order
    kind = _KINDS.get(update.event, ReportKind.UNKNOWN)
    filled = _finite(order.filled_qty)
    execution_id = update.execution_id or ""
    if kind in (ReportKind.FILL, ReportKind.PARTIAL_FILL) and not execution_id:
        execution_id = f"{order.id}:{filled}"
    return ExecutionReport(
        kind=kind,
        client_order_id=order.client_order_id,
        time_ns=ns_of_rfc3339(update.timestamp) if update.timestamp else received_ns,
        broker_order_id=order.id,
        symbol=order.symbol or "",
        side=_SIDES.get(order.side or ""),
        execution_id=execution_id,
        quantity=_finite(update.qty),
        price=_finite(update.price),
        filled_quantity=filled,
        reason=update.event if kind is ReportKind.UNKNOWN else (update.reason or order.reject_reason or ""),
        legs=_legs_of(order),
        replaces=order.replaces or "",
    )


def read_order(body: bytes) -> WireOrder:
    """An order out of an answer. Raises ValueError when the body is none."""
    return _order.decode(body)


def first_word(order: WireOrder, received_ns: int) -> ExecutionReport:
    """The report that the answer to a submission or a question amounts to; never a fill."""
    status = _STATUSES.get(order.status)
    kind = ReportKind.UNKNOWN if status is None else _FIRST_WORDS.get(status, ReportKind.NEW)
    return ExecutionReport(
        kind=kind,
        client_order_id=order.client_order_id,
        time_ns=_time_of(order, received_ns),
        broker_order_id=order.id,
        symbol=order.symbol or "",
        side=_SIDES.get(order.side or ""),
        filled_quantity=_finite(order.filled_qty),
        reason=order.status if status is None else (order.reject_reason or ""),
        legs=_legs_of(order),
        replaces=order.replaces or "",
    )


def _legs_of(order: WireOrder) -> tuple[OrderLeg, ...]:
    """The exits of a bracket, oco or oto. Raises ValueError for one without a side."""
    return tuple(_leg_of(leg) for leg in order.legs or ())


def _leg_of(leg: WireOrder) -> OrderLeg:
    side = _SIDES.get(leg.side or "")
    if side is None:
        raise ValueError(f"leg {leg.id} has side {leg.side!r}")
    return OrderLeg(
        client_order_id=leg.client_order_id,
        broker_order_id=leg.id,
        side=side,
        quantity=_finite(leg.qty),
        type=_TYPES.get(leg.type or "", OrderType.MARKET),
        limit_price=leg.limit_price,
        stop_price=leg.stop_price,
    )


def knows_status(order: WireOrder) -> bool:
    """Whether the order's status is a word we know."""
    return order.status in _STATUSES


def broker_order_of(order: WireOrder) -> BrokerOrder:
    """An order as the broker's books show it. Raises ValueError for what hftd does not trade: no side, no symbol."""
    side = _SIDES.get(order.side or "")
    if side is None or not order.symbol:
        raise ValueError(f"order {order.id} has side {order.side!r} and symbol {order.symbol!r}")
    submitted_at_ns = submitted_ns(order)
    return BrokerOrder(
        broker_order_id=order.id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=side,
        quantity=_finite(order.qty),
        filled_quantity=_finite(order.filled_qty),
        filled_average_price=None if order.filled_avg_price is None else _finite(order.filled_avg_price),
        status=_STATUSES.get(order.status, STAND_IN),
        submitted_at_ns=submitted_at_ns,
        updated_at_ns=ns_of_rfc3339(order.updated_at) if order.updated_at else submitted_at_ns,
        type=_TYPES.get(order.type or "", OrderType.MARKET),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        legs=_legs_of(order),
    )


def submitted_ns(order: WireOrder) -> int:
    """When an order came to the broker, 0 if that is not told. Raises ValueError for a time that is none."""
    return _time_of(order, 0)


def _time_of(order: WireOrder, otherwise_ns: int) -> int:
    text = order.submitted_at or order.created_at
    return ns_of_rfc3339(text) if text else otherwise_ns


def _finite(number: Decimal | None) -> Decimal:
    if number is None:
        return ZERO
    if not number.is_finite():
        raise ValueError(f"{number} is no finite number")
    return number
