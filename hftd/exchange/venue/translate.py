"""Between the venue and the domain's words for orders, for whoever trades at the venue without a wire in between."""

from collections.abc import Iterable

from msgspec.structs import replace

from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderLeg, OrderRequest, OrderStatus, ReportKind
from hftd.exchange.venue.happenings import OrderChanged
from hftd.exchange.venue.orders import ZERO, NewOrder, Order

FIRST_WORDS = {
    OrderStatus.PENDING_NEW: ReportKind.PENDING_NEW,
    OrderStatus.ACCEPTED: ReportKind.ACCEPTED,
    OrderStatus.HELD: ReportKind.HELD,
    OrderStatus.REJECTED: ReportKind.REJECTED,
    OrderStatus.CANCELED: ReportKind.CANCELED,
    OrderStatus.EXPIRED: ReportKind.EXPIRED,
}
"""What the answer to a submission says of an order's status; any other is an acknowledgement, never a fill."""


def new_order_of(request: OrderRequest) -> NewOrder:
    """What the venue is asked by a request."""
    return NewOrder(
        symbol=request.symbol,
        side=request.side,
        quantity=request.quantity,
        type=request.type,
        time_in_force=request.time_in_force,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        extended_hours=request.extended_hours,
        client_order_id=request.client_order_id,
        order_class=request.order_class,
        take_profit_price=request.take_profit_price,
        stop_loss_price=request.stop_loss_price,
        stop_loss_limit_price=request.stop_loss_limit_price,
    )


def report_of(change: OrderChanged) -> ExecutionReport | None:
    """What the order's owner is told of a change; None when there is nothing to tell."""
    if change.kind is None:
        return None
    order = change.order
    report = ExecutionReport(
        kind=change.kind,
        client_order_id=order.client_order_id,
        time_ns=change.time_ns,
        broker_order_id=order.id,
        symbol=order.symbol,
        side=order.side,
        filled_quantity=order.filled_quantity,
        reason=order.reject_reason or "",
        replaces=order.replaces or "",
    )
    if change.execution is None:
        return report
    return replace(
        report,
        execution_id=change.execution_id or "",
        quantity=change.execution.quantity,
        price=change.execution.price,
    )


def broker_order_of(order: Order, legs: Iterable[Order] = ()) -> BrokerOrder:
    """The order and its `legs` as its owner's books show them. One in dollars has no quantity until it has a price."""
    return BrokerOrder(
        broker_order_id=order.id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.shares or ZERO,
        filled_quantity=order.filled_quantity,
        filled_average_price=order.filled_average_price,
        status=order.status,
        submitted_at_ns=order.submitted_at_ns,
        updated_at_ns=order.updated_at_ns,
        type=order.type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        legs=tuple(map(_leg_of, legs)),
    )


def _leg_of(leg: Order) -> OrderLeg:
    return OrderLeg(
        client_order_id=leg.client_order_id,
        broker_order_id=leg.id,
        side=leg.side,
        quantity=leg.shares or ZERO,
        type=leg.type,
        limit_price=leg.limit_price,
        stop_price=leg.stop_price,
    )


def first_word(order: Order, legs: Iterable[Order] = ()) -> ExecutionReport:
    """What the answer to a request says of `order` and its `legs`."""
    return ExecutionReport(
        kind=FIRST_WORDS.get(order.status, ReportKind.NEW),
        client_order_id=order.client_order_id,
        time_ns=order.submitted_at_ns,
        broker_order_id=order.id,
        symbol=order.symbol,
        side=order.side,
        filled_quantity=order.filled_quantity,
        reason=order.reject_reason or "",
        legs=tuple(map(_leg_of, legs)),
        replaces=order.replaces or "",
    )
