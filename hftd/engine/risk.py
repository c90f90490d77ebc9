"""The gate that every order passes. A refusal is a value with the rule's name, its limit and what broke it.

Limits hold for exposure: an order that only makes a position smaller passes the rules of size, so that nothing can
keep hftd from closing. The order rate holds for everything a model wants.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hftd.domain.convert import MINUTE_NS, decimal_of
from hftd.domain.orders import Side


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that a user sets. `max_position` in shares (long or short) of a symbol, `max_order_notional` in dollars,
    `flatten_before_close_ns` the time before the close at which positions are closed, None to keep them overnight."""

    max_position: Decimal
    max_order_notional: Decimal
    max_orders_per_minute: int
    flatten_before_close_ns: int | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """An order about to be sent, and what the rules need to know of the moment.

    `exposure` is the signed shares held plus what working orders would add; `sent_ns` are the times of the orders
    sent so far this session, oldest first.
    """

    side: Side
    quantity: Decimal
    exposure: Decimal
    reference_price: float | None
    time_ns: int
    sent_ns: Sequence[int]
    halted: bool
    flattening: bool

    @property
    def reduces(self) -> bool:
        """Whether the order only makes the position smaller."""
        return self.exposure * self.side.sign < 0 and self.quantity <= abs(self.exposure)

    @property
    def exposure_after(self) -> Decimal:
        return self.exposure + self.side.sign * self.quantity


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order may not go: `value` is beyond `limit` by `rule`."""

    rule: str
    limit: Decimal
    value: Decimal


def _halted(proposal: Proposal, limits: Limits) -> Refusal | None:
    if not proposal.halted or proposal.reduces:
        return None
    return Refusal("halted", Decimal(0), abs(proposal.exposure_after))


def _flattening(proposal: Proposal, limits: Limits) -> Refusal | None:
    if not proposal.flattening or proposal.reduces:
        return None
    return Refusal("flatten_before_close", Decimal(0), abs(proposal.exposure_after))


def _max_position(proposal: Proposal, limits: Limits) -> Refusal | None:
    after = abs(proposal.exposure_after)
    if proposal.reduces or after <= limits.max_position:
        return None
    return Refusal("max_position", limits.max_position, after)


def _max_order_notional(proposal: Proposal, limits: Limits) -> Refusal | None:
    if proposal.reduces:
        return None
    if proposal.reference_price is None:
        return Refusal("no_reference_price", limits.max_order_notional, proposal.quantity)
    notional = proposal.quantity * decimal_of(proposal.reference_price)
    if notional <= limits.max_order_notional:
        return None
    return Refusal("max_order_notional", limits.max_order_notional, notional)


def _max_orders_per_minute(proposal: Proposal, limits: Limits) -> Refusal | None:
    since = proposal.time_ns - MINUTE_NS
    recent = 0
    for sent in reversed(proposal.sent_ns):
        if sent <= since:
            break
        recent += 1
    if recent < limits.max_orders_per_minute:
        return None
    return Refusal("max_orders_per_minute", Decimal(limits.max_orders_per_minute), Decimal(recent + 1))


RULES: tuple[Callable[[Proposal, Limits], Refusal | None], ...] = (
    _halted,
    _flattening,
    _max_position,
    _max_order_notional,
    _max_orders_per_minute,
)


def refusal_of(proposal: Proposal, limits: Limits) -> Refusal | None:
    """The first rule that forbids the order, None when it may go."""
    return next((refusal for rule in RULES if (refusal := rule(proposal, limits))), None)
