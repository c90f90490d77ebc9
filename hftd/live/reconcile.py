"""Closing the difference between what we know of our orders and what the broker's books say of them."""

from decimal import Decimal

from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderStatus, ReportKind
from hftd.engine.state import OrderState

ENDS = {
    OrderStatus.CANCELED: ReportKind.CANCELED,
    OrderStatus.EXPIRED: ReportKind.EXPIRED,
    OrderStatus.REPLACED: ReportKind.REPLACED,
    OrderStatus.REJECTED: ReportKind.REJECTED,
}


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
    return reports


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
