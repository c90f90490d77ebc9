"""What the venue answers when it says no: HTTP status, Alpaca's code, message and extra fields, ready to be rendered.

The wording and the codes are Alpaca's, as seen on the wire: 403/40310000 for what the account may not do, 404/40410000
for what does not exist, 422/40010001 for a malformed request, 422/42210000 for a rule of the business.
"""

from decimal import Decimal

from hftd.domain.convert import text_of
from hftd.domain.orders import OrderStatus

FORBIDDEN, NOT_FOUND, MALFORMED, UNPROCESSABLE = 40310000, 40410000, 40010001, 42210000


class Refusal(Exception):
    """A request is not granted. `code` is None where Alpaca sends none; `extra` holds further fields, all text."""

    def __init__(self, status: int, code: int | None, message: str, **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra

    @property
    def reason(self) -> str:
        """What the order's owner is told: the message, with the ground for it if there is one besides."""
        ground = self.extra.get("reject_reason")
        return f"{self.message} ({ground})" if ground else self.message


def forbidden(message: str, **extra: str) -> Refusal:
    """The account may not do that."""
    return Refusal(403, FORBIDDEN, message, **extra)


def malformed(message: str, *, code: int = MALFORMED) -> Refusal:
    """The request's shape is wrong."""
    return Refusal(422, code, message)


def unprocessable(message: str, **extra: str) -> Refusal:
    """A rule of the market or of the order type is broken."""
    return Refusal(422, UNPROCESSABLE, message, **extra)


def order_not_found(order_id: str) -> Refusal:
    """No such order in this account."""
    return Refusal(404, NOT_FOUND, f"order not found for {order_id}")


def no_position() -> Refusal:
    """The account is flat in that symbol."""
    return Refusal(404, NOT_FOUND, "position does not exist")


def insufficient_buying_power(available: Decimal, cost: Decimal) -> Refusal:
    """An opening order costs more dollars than the account may spend."""
    return forbidden("insufficient buying power", buying_power=text_of(available), cost_basis=text_of(cost))


def insufficient_quantity(symbol: str, requested: Decimal, available: Decimal, existing: Decimal) -> Refusal:
    """A closing order wants more shares than no other order holds."""
    wanted, free = text_of(requested), text_of(available)
    return forbidden(
        f"insufficient qty available for order (requested: {wanted}, available: {free})",
        available=free,
        existing_qty=text_of(existing),
        held_for_orders=text_of(existing - available),
        symbol=symbol,
    )


def wash_trade(existing_order_id: str, reason: str) -> Refusal:
    """The order might trade with another one of the same account."""
    return forbidden(
        "potential wash trade detected. use complex orders", existing_order_id=existing_order_id, reject_reason=reason
    )


def already(status: OrderStatus) -> Refusal:
    """Nothing more can happen to that order."""
    return unprocessable(f'order is already in "{status}" state')


def not_replaceable() -> Refusal:
    """That order cannot be replaced now."""
    return unprocessable("unable to replace order in current state")
