"""What comes out of a step: orders to send, and remarks on what was decided.

Only `SubmitOrder`, `CancelOrder` and `ReplaceOrder` leave for the broker. The others say why something was or was not
done; they stand in the journal and the log beside the orders, so that a replay proves them too.
"""

from decimal import Decimal

from msgspec import Struct

from hftd.domain.intents import Exits
from hftd.domain.orders import OrderRequest, Side


class SignalRaised(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="signal.raised"):
    """A model wants something, a shadow only on paper. `quantity` in shares; `reason` is the model's own sentence."""

    model_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reason: str = ""
    shadow: bool = False


class SignalDropped(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="signal.dropped"):
    """A signal that became no order. `cause` is one word: after_close, late, closed; of the other half of a reversal,
    not_closed (the first half was not filled), close_refused (nor sent); of 0 shares, no_price (dollars cannot be
    counted in shares), below_one_share, nothing_held (and so nothing to protect)."""

    model_id: str
    symbol: str
    side: Side
    quantity: Decimal
    cause: str


class OrderRefused(Struct, frozen=True, tag_field="kind", tag="order.refused"):
    """The risk gate said no: the rule's name, its limit, and the value that broke it.

    `scope` tells whose: the `model`'s own, or that of `all` models together.
    """

    model_id: str
    symbol: str
    side: Side
    quantity: Decimal
    rule: str
    limit: Decimal
    value: Decimal
    scope: str = "model"


class SubmitOrder(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="order.submitted"):
    """Send this order. `reference_price` (dollars) is the market's price at the decision: slippage counts from it.

    `then_open` is the other half of a reversal: shares to open with an order of the same kind once this one is filled,
    `then_exits` the exits of that half. `part_of` is the waiting order, by its client order id, that it is the first
    part of.
    """

    model_id: str
    order: OrderRequest
    reference_price: float | None
    fingerprint: str
    reason: str = ""
    then_open: Decimal | None = None
    then_exits: Exits | None = None
    part_of: str = ""


class OrderQueued(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="order.queued"):
    """This order waits inside, for it cannot be sent beside what the account holds and has working.

    `cause` is one word: opposed (it might meet a working order of the account), closing (all that the account holds is
    being closed already, and beyond that it would go through zero), counterpart (everything is being closed, and
    another model is about to close the opposite position).
    """

    model_id: str
    order: OrderRequest
    reference_price: float | None
    cause: str
    reason: str = ""
    then_open: Decimal | None = None
    then_exits: Exits | None = None
    forced: bool = False


class OrderDropped(Struct, frozen=True, tag_field="kind", tag="order.dropped"):
    """A waiting order was never sent. `cause` is one word: withdrawn, waited_too_long, refused, after_close, closed."""

    model_id: str
    client_order_id: str
    cause: str


class ShadowOrdered(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="shadow.ordered"):
    """A shadow model would send this order. It stands on paper, and is filled there."""

    model_id: str
    order: OrderRequest
    reference_price: float | None
    fingerprint: str
    reason: str = ""
    then_open: Decimal | None = None
    then_exits: Exits | None = None


class ShadowFilled(Struct, frozen=True, tag_field="kind", tag="shadow.filled"):
    """A shadow's order would have been filled as a whole, at `price` dollars."""

    model_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal


class ShadowWithdrawn(Struct, frozen=True, tag_field="kind", tag="shadow.withdrawn"):
    """A shadow's order is given up."""

    model_id: str
    client_order_id: str
    reason: str


class OrderCrossed(Struct, frozen=True, tag_field="kind", tag="order.crossed"):
    """Two models wanted the opposite of each other: `quantity` shares changed hands inside at `price` dollars, and
    nothing of it was sent. The ids are those of the two orders before they were crossed; `number` tells several
    crossings of one step apart."""

    symbol: str
    quantity: Decimal
    price: Decimal
    buyer_id: str
    seller_id: str
    buy_order_id: str
    sell_order_id: str
    number: int

    @property
    def model_id(self) -> str:
        """Of no single model."""
        return ""


class CancelOrder(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="order.cancel_requested"):
    """Withdraw this order; with `put_back` only to make way, and what is left of it is sent again behind."""

    model_id: str
    client_order_id: str
    reason: str = ""
    put_back: bool = False


class ReplaceOrder(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="order.replace_requested"):
    """Change quantity (shares) or prices (dollars) of a working order; its successor bears `new_client_order_id`."""

    model_id: str
    client_order_id: str
    new_client_order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""


class TradingStopped(Struct, frozen=True, tag_field="kind", tag="engine.halted"):
    """The engine itself found something it must not trade on: no new exposure of the model, or of all when `model_id`
    is empty. Where a limit was broken, `limit` and `value` are the two numbers."""

    model_id: str
    rule: str
    reason: str
    limit: Decimal | None = None
    value: Decimal | None = None


Command = (
    SignalRaised
    | SignalDropped
    | OrderRefused
    | OrderQueued
    | OrderDropped
    | OrderCrossed
    | ShadowOrdered
    | ShadowFilled
    | ShadowWithdrawn
    | SubmitOrder
    | CancelOrder
    | ReplaceOrder
    | TradingStopped
)
