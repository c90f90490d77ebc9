"""What comes out of a step: orders to send, and remarks on what was decided.

Only `SubmitOrder`, `CancelOrder` and `ReplaceOrder` leave for the broker. The others say why something was or was not
done; they stand in the journal and the log beside the orders, so that a replay proves them too.
"""

from decimal import Decimal

from msgspec import Struct

from hftd.domain.orders import OrderRequest, Side


class SignalRaised(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="signal.raised"):
    """A model wants something. `quantity` in shares; `reason` is the model's own sentence."""

    model_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reason: str = ""


class SignalDropped(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="signal.dropped"):
    """A signal that became no order. `cause` is one word: after_close, late, closed; of the other half of a reversal,
    not_closed (the first half was not filled), close_refused (nor sent)."""

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

    `then_open` is the other half of a reversal: shares to open with an order of the same kind once this one is filled.
    """

    model_id: str
    order: OrderRequest
    reference_price: float | None
    fingerprint: str
    reason: str = ""
    then_open: Decimal | None = None


class CancelOrder(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="order.cancel_requested"):
    model_id: str
    client_order_id: str
    reason: str = ""


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


Command = SignalRaised | SignalDropped | OrderRefused | SubmitOrder | CancelOrder | ReplaceOrder | TradingStopped
