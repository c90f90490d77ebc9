"""Orders as the venue holds them, and what clients ask for. Quantities are shares, prices dollars, all Decimal."""

import copy
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from hftd.domain.orders import OrderClass, OrderStatus, OrderType, Side, TimeInForce

ZERO = Decimal(0)


class PositionIntent(StrEnum):
    """What an order does to a position, in Alpaca's words."""

    BUY_TO_OPEN = "buy_to_open"
    BUY_TO_CLOSE = "buy_to_close"
    SELL_TO_OPEN = "sell_to_open"
    SELL_TO_CLOSE = "sell_to_close"

    @property
    def opens(self) -> bool:
        """Whether it begins or enlarges a position, and so needs buying power."""
        return self in (PositionIntent.BUY_TO_OPEN, PositionIntent.SELL_TO_OPEN)


class NewOrder(Struct, frozen=True, omit_defaults=True):
    """A well-formed request; whether it is allowed is the venue's to say. Exactly one of `quantity` and `notional`.

    `take_profit_price`, `stop_loss_price` and `stop_loss_limit_price` describe the legs of a bracket, oco or oto.
    An oco's own `limit_price` may stand for its take profit. `client_order_id` is made up when None.
    """

    symbol: str
    side: Side
    quantity: Decimal | None = None
    notional: Decimal | None = None
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    client_order_id: str | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    position_intent: PositionIntent | None = None


class Changes(Struct, frozen=True, omit_defaults=True):
    """What a replacement changes; None leaves a thing as it is. `trail` is dollars or percent, as the order has it."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_order_id: str | None = None


class Order(Struct):
    """One order and where it stands. Only the venue changes one; everybody else gets copies.

    `sequence` counts the venue's orders. `quantity` is None for an order by `notional` (dollars), whose `shares` are
    known once it has a price. `filled_value` is the sum of price times quantity over its fills, in dollars.
    `triggered` tells that a stop has been reached. `held_buying_power` (dollars) and `held_quantity` (shares) are what
    it keeps from other orders while it works; `hold_price` is what a share of an opening order holds, None while no
    price is known. `legs` and `parent` are order ids. `arrives_at_ns` and `cancel_arrives_at_ns` are set while
    the order itself, or its cancellation, is on its way to the market.
    """

    id: str
    client_order_id: str
    account_id: str
    sequence: int
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass
    position_intent: PositionIntent
    status: OrderStatus
    quantity: Decimal | None
    notional: Decimal | None
    shares: Decimal | None
    created_at_ns: int
    submitted_at_ns: int
    updated_at_ns: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    extended_hours: bool = False
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    filled_at_ns: int | None = None
    expires_at_ns: int | None = None
    expired_at_ns: int | None = None
    canceled_at_ns: int | None = None
    failed_at_ns: int | None = None
    replaced_at_ns: int | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    parent: str | None = None
    legs: tuple[str, ...] = ()
    reject_reason: str | None = None
    triggered: bool = False
    hold_price: Decimal | None = None
    held_buying_power: Decimal = ZERO
    held_quantity: Decimal = ZERO
    arrives_at_ns: int | None = None
    cancel_arrives_at_ns: int | None = None

    @property
    def remaining(self) -> Decimal:
        """Shares still to trade; zero while an order by notional has no price."""
        return ZERO if self.shares is None else self.shares - self.filled_quantity

    @property
    def filled_average_price(self) -> Decimal | None:
        """Dollars a share over all fills; None before the first."""
        return self.filled_value / self.filled_quantity if self.filled_quantity else None

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return not self.status.is_terminal

    def copy(self) -> "Order":
        """This order as it is now."""
        return copy.copy(self)


class Execution(Struct, frozen=True):
    """Shares that changed hands at one price (dollars)."""

    price: Decimal
    quantity: Decimal
