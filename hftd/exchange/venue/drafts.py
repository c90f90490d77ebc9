"""From a request that was granted to the orders it makes: the order itself, and its legs."""

from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from hftd.domain.orders import OrderClass, OrderStatus, OrderType, Side
from hftd.exchange.venue.orders import Changes, NewOrder, Order, PositionIntent

_CLOSING = {Side.BUY: PositionIntent.BUY_TO_CLOSE, Side.SELL: PositionIntent.SELL_TO_CLOSE}


def draft(
    wanted: NewOrder, account_id: str, intent: PositionIntent, time_ns: int, new_id: Callable[[], str]
) -> list[Order]:
    """The order and its legs, unsent and unnumbered. In an oco the take profit is the order, the stop loss its leg."""
    order = _order(wanted, account_id, intent, time_ns, new_id)
    if wanted.order_class is OrderClass.OCO:
        order.limit_price = wanted.take_profit_price or wanted.limit_price
    legs = [_leg(order, leg, time_ns, new_id) for leg in _legs_wanted(wanted)]
    order.legs = tuple(leg.id for leg in legs)
    return [order, *legs]


def _order(wanted: NewOrder, account_id: str, intent: PositionIntent, time_ns: int, new_id: Callable[[], str]) -> Order:
    return Order(
        id=new_id(),
        client_order_id=wanted.client_order_id or new_id(),
        account_id=account_id,
        sequence=0,
        symbol=wanted.symbol,
        side=wanted.side,
        type=wanted.type,
        time_in_force=wanted.time_in_force,
        order_class=wanted.order_class,
        position_intent=intent,
        status=OrderStatus.UNSENT,
        quantity=wanted.quantity,
        notional=wanted.notional,
        shares=wanted.quantity,
        created_at_ns=time_ns,
        submitted_at_ns=time_ns,
        updated_at_ns=time_ns,
        limit_price=wanted.limit_price,
        stop_price=wanted.stop_price,
        trail_price=wanted.trail_price,
        trail_percent=wanted.trail_percent,
        extended_hours=wanted.extended_hours,
    )


def _legs_wanted(wanted: NewOrder) -> list[NewOrder]:
    is_oco = wanted.order_class is OrderClass.OCO
    common = NewOrder(
        symbol=wanted.symbol,
        side=wanted.side if is_oco else wanted.side.opposite,
        quantity=wanted.quantity,
        time_in_force=wanted.time_in_force,
        order_class=wanted.order_class,
    )
    legs = []
    if wanted.take_profit_price is not None and not is_oco:
        legs.append(replace(common, type=OrderType.LIMIT, limit_price=wanted.take_profit_price))
    if wanted.stop_loss_price is not None:
        kind = OrderType.STOP if wanted.stop_loss_limit_price is None else OrderType.STOP_LIMIT
        prices: dict[str, Decimal | None] = {
            "stop_price": wanted.stop_loss_price,
            "limit_price": wanted.stop_loss_limit_price,
        }
        legs.append(replace(common, type=kind, **prices))
    return legs


def _leg(parent: Order, wanted: NewOrder, time_ns: int, new_id: Callable[[], str]) -> Order:
    leg = _order(wanted, parent.account_id, _CLOSING[wanted.side], time_ns, new_id)
    leg.parent = parent.id
    return leg


def _either(new: Decimal | None, old: Decimal | None) -> Decimal | None:
    return old if new is None else new


def changed(order: Order, changes: Changes) -> NewOrder:
    """What `order` would be after `changes`. Its quantity is that of the whole: shares already filled count."""
    trail, is_trailing = changes.trail, order.type is OrderType.TRAILING_STOP
    return NewOrder(
        symbol=order.symbol,
        side=order.side,
        quantity=_either(changes.quantity, order.quantity),
        type=order.type,
        time_in_force=changes.time_in_force or order.time_in_force,
        limit_price=_either(changes.limit_price, order.limit_price),
        stop_price=_either(changes.stop_price, None if is_trailing else order.stop_price),
        trail_price=order.trail_price if order.trail_price is None or trail is None else trail,
        trail_percent=order.trail_percent if order.trail_percent is None or trail is None else trail,
        extended_hours=order.extended_hours,
        client_order_id=changes.client_order_id,
        order_class=order.order_class,
        position_intent=order.position_intent,
    )


def successor(order: Order, wanted: NewOrder, time_ns: int, new_id: Callable[[], str]) -> Order:
    """The order that takes the place of `order`, for the shares that `wanted` leaves to trade."""
    following = _order(wanted, order.account_id, order.position_intent, time_ns, new_id)
    following.replaces, following.parent, following.legs = order.id, order.parent, order.legs
    following.hwm = order.hwm
    return following
