"""Several models on one account: what they want of each other is settled inside, and only the rest is sent.

A broker knows one account and refuses what would make it trade against itself: an order that might meet another one of
the account, an order that goes through zero, two orders that open in opposite directions. So an order that has passed
its model's gate first stands in the queue of its symbol, `SessionState.waiting`, and at the end of the step

1. market orders of different models that oppose each other are crossed inside, at the market's last price;
2. what is left leaves as far as the account's own position and working orders allow, `may_leave`;
3. a resting order that is in the way of a market order is withdrawn, and put back behind it;
4. the rest waits, and is tried again in each step. A market order waits for a minute at the most.

Where a model is alone on the account its orders leave at once: what they do to each other is its own business.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from hftd.domain.orders import OrderClass, OrderRequest, OrderType, Side, TimeInForce
from hftd.engine.portfolio import ZERO
from hftd.engine.state import OrderState, closing_of

ENTRIES = (OrderClass.BRACKET, OrderClass.OTO)


def may_meet(wanted: OrderRequest, working: OrderRequest) -> bool:
    """Whether two opposite orders might trade with each other: always, unless both have limits that do not cross.

    Orders of a bracket are linked at the broker, and are exempt from its rule.
    """
    if OrderClass.SIMPLE not in (wanted.order_class, working.order_class) or wanted.side is working.side:
        return False
    if wanted.limit_price is None or working.limit_price is None:
        return True
    return wanted.side.sign * (wanted.limit_price - working.limit_price) >= 0


def in_the_way(wanted: OrderRequest, held: Decimal, working: Iterable[OrderState]) -> list[OrderState]:
    """The working orders, all of one symbol, for whose end an order has to wait; `held` is the account's position in
    signed shares. Besides those that it might meet these are, while nothing is held, all on the other side."""
    opposite = [order for order in working if order.request.side is not wanted.side]
    return [order for order in opposite if not held or may_meet(wanted, order.request)]


def may_leave(wanted: OrderRequest, held: Decimal, working: Iterable[OrderState]) -> Decimal:
    """Shares of an order that may be sent now: all, as much as only closes what the account holds, or none."""
    orders = list(working)
    if in_the_way(wanted, held, orders):
        return ZERO
    if held * wanted.side.sign >= 0:
        return wanted.quantity
    if wanted.order_class in ENTRIES:
        return ZERO  # a broker takes exits only with what opens something for the account
    closing = closing_of(order for order in orders if order.request.side is wanted.side)
    return max(min(wanted.quantity, abs(held) - closing), ZERO)


@dataclass(frozen=True, slots=True)
class Cross:
    """Two orders that trade with each other inside, `quantity` shares."""

    buyer: OrderState
    seller: OrderState
    quantity: Decimal


def is_crossable(request: OrderRequest) -> bool:
    """Whether an order is for the market as it is, without a condition of its own."""
    plain = request.order_class is OrderClass.SIMPLE and request.type is OrderType.MARKET
    return plain and request.time_in_force not in (TimeInForce.OPG, TimeInForce.CLS)


def crosses_of(orders: Iterable[OrderState]) -> Iterator[Cross]:
    """Pairs among the waiting orders of one symbol, in the order in which they came; no model trades with itself.

    The pairs leave no share of two models on both sides.
    """
    able = [order for order in orders if is_crossable(order.request)]
    rest = {order.request.client_order_id: order.request.quantity for order in able}
    buyers = [order for order in able if order.request.side is Side.BUY]
    for buyer in buyers:
        for seller in able:
            if seller.request.side is Side.BUY or seller.owner is buyer.owner:
                continue
            quantity = min(rest[buyer.request.client_order_id], rest[seller.request.client_order_id])
            if quantity:
                rest[buyer.request.client_order_id] -= quantity
                rest[seller.request.client_order_id] -= quantity
                yield Cross(buyer, seller, quantity)
