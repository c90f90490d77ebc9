"""Between what is wanted and the order that is sent: the one says what for, the other what the broker is asked."""

from decimal import Decimal

from msgspec.structs import replace

from hftd.domain.commands import OrderQueued, ShadowOrdered, SubmitOrder
from hftd.domain.intents import Exits, Want
from hftd.domain.orders import OrderClass, OrderRequest


def request_of(want: Want, client_order_id: str) -> OrderRequest:
    """The order for the broker that `want`, in shares, comes to. The limit of an oco is its take profit."""
    exits = want.exits or Exits()
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=want.symbol,
        side=want.side,
        quantity=want.quantity,
        type=want.type,
        time_in_force=want.time_in_force,
        limit_price=None if want.order_class is OrderClass.OCO else want.limit_price,
        stop_price=want.stop_price,
        trail_price=want.trail_price,
        trail_percent=want.trail_percent,
        order_class=want.order_class,
        take_profit_price=exits.take_profit,
        stop_loss_price=exits.stop_loss,
        stop_loss_limit_price=exits.stop_loss_limit,
    )


def want_of(request: OrderRequest, reason: str) -> Want:
    """The want that an order was made of."""
    exits = Exits(request.take_profit_price, request.stop_loss_price, request.stop_loss_limit_price)
    is_exit = request.order_class is OrderClass.OCO
    return Want(
        side=request.side,
        symbol=request.symbol,
        quantity=request.quantity,
        type=request.type,
        time_in_force=request.time_in_force,
        limit_price=request.take_profit_price if is_exit else request.limit_price,
        stop_price=request.stop_price,
        reason=reason,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        exits=None if request.order_class is OrderClass.SIMPLE else exits,
        order_class=request.order_class,
    )


def halves_of(want: Want, closing: Decimal) -> tuple[Want, Want]:
    """A reversal in two: what closes so many shares, and what opens the rest, with the exits."""
    return (
        replace(want, quantity=closing, exits=None, order_class=OrderClass.SIMPLE),
        replace(want, quantity=want.quantity - closing),
    )


def other_half(command: SubmitOrder | OrderQueued | ShadowOrdered) -> Want | None:
    """What is to be opened when this order has closed a position."""
    if command.then_open is None:
        return None
    exits = command.then_exits
    return replace(
        want_of(command.order, command.reason),
        quantity=command.then_open,
        exits=exits,
        order_class=exits.order_class if exits else OrderClass.SIMPLE,
    )
