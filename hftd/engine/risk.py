"""The gate that every order passes. A refusal is a value with the rule's name, its limit and what broke it.

A rule is named like its setting. Limits hold for exposure: an order that only makes a position smaller passes all
rules but the order rate, so that nothing can keep hftd from closing. Each order is judged twice where there are several
models: by what its model would hold and by that model's limits, then by what all together would hold.

What halts trading instead of refusing one order stands in `breaches`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hftd.domain.convert import MINUTE_NS, decimal_of
from hftd.domain.orders import Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that a user sets; None is off.

    `max_position` and `max_order_quantity` in shares, `max_position_notional`, exposures, `max_order_notional`, loss
    and drawdown in dollars, `flatten_before_close_ns` the time before the close at which positions are closed (None
    keeps them overnight). `max_move_percent` is a price's move within `max_move_within_ns`.
    """

    max_position: Decimal
    max_order_notional: Decimal
    max_orders_per_minute: int
    flatten_before_close_ns: int | None
    max_position_notional: Decimal | None = None
    max_gross_exposure: Decimal | None = None
    max_net_exposure: Decimal | None = None
    max_order_quantity: Decimal | None = None
    price_collar_percent: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    max_consecutive_losses: int | None = None
    max_move_percent: Decimal | None = None
    max_move_within_ns: int = 5 * MINUTE_NS
    quiet_after_open_ns: int | None = None
    quiet_before_close_ns: int | None = None

    @property
    def needs_exposures(self) -> bool:
        """Whether other symbols matter to an order."""
        return self.max_gross_exposure is not None or self.max_net_exposure is not None

    @property
    def needs_worth(self) -> bool:
        """Whether what is held has to be valued at every price."""
        return self.max_daily_loss is not None or self.max_drawdown is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An order about to be sent, and what the rules need to know of the moment.

    `exposure` is the signed shares held plus what working orders of the same side would add, `closable` the signed
    shares held that no working order closes yet: working orders of the other side may never be filled, and make room
    for nothing. `others_gross` and `others_net` are the dollars that other symbols come to, unsigned and signed;
    `sent_ns` are the times of the orders sent so far this session, oldest first. `limit_price`, `stop_price` and the
    `touch` (what a market order would be filled at by the last quote, None without a fresh one) are in dollars.
    `closes` says that the order closes a position of its model, whatever it does to all together.
    """

    side: Side
    quantity: Decimal
    exposure: Decimal
    reference_price: float | None
    time_ns: int
    open_ns: int
    close_ns: int
    closable: Decimal
    sent_ns: Sequence[int] = ()
    others_gross: Decimal = ZERO
    others_net: Decimal = ZERO
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    touch: float | None = None
    halted: bool = False
    flattening: bool = False
    closes: bool = False

    @property
    def reduces(self) -> bool:
        """Whether the order only makes the position smaller."""
        return self.closes or (self.closable * self.side.sign < 0 and self.quantity <= abs(self.closable))

    @property
    def exposure_after(self) -> Decimal:
        return self.exposure + self.side.sign * self.quantity

    @property
    def opened(self) -> Decimal:
        """Shares that may be held after it, at the least those of the order that close nothing."""
        return abs(self.exposure_after) or self.quantity

    @property
    def price(self) -> Decimal:
        """The market's price; only asked for when there is one."""
        assert self.reference_price is not None
        return decimal_of(self.reference_price)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order may not go: `value` is beyond `limit` by `rule`."""

    rule: str
    limit: Decimal
    value: Decimal


def _above(rule: str, limit: Decimal | None, value: Decimal) -> Refusal | None:
    return Refusal(rule, limit, value) if limit is not None and value > limit else None


def _halted(proposal: Proposal, limits: Limits) -> Refusal | None:
    return Refusal("halted", ZERO, proposal.opened) if proposal.halted else None


def _flattening(proposal: Proposal, limits: Limits) -> Refusal | None:
    return Refusal("flatten_before_close", ZERO, proposal.opened) if proposal.flattening else None


def _quiet_after_open(proposal: Proposal, limits: Limits) -> Refusal | None:
    return _too_near("quiet_after_open", limits.quiet_after_open_ns, proposal.time_ns - proposal.open_ns)


def _quiet_before_close(proposal: Proposal, limits: Limits) -> Refusal | None:
    return _too_near("quiet_before_close", limits.quiet_before_close_ns, proposal.close_ns - proposal.time_ns)


def _too_near(rule: str, limit_ns: int | None, distance_ns: int) -> Refusal | None:
    """Both numbers in minutes."""
    if limit_ns is None or distance_ns >= limit_ns:
        return None
    return Refusal(rule, Decimal(limit_ns) / MINUTE_NS, round(Decimal(distance_ns) / MINUTE_NS, 2))


def _max_position(proposal: Proposal, limits: Limits) -> Refusal | None:
    return _above("max_position", limits.max_position, abs(proposal.exposure_after))


def _max_order_quantity(proposal: Proposal, limits: Limits) -> Refusal | None:
    return _above("max_order_quantity", limits.max_order_quantity, proposal.quantity)


def _no_reference_price(proposal: Proposal, limits: Limits) -> Refusal | None:
    if proposal.reference_price is not None:
        return None
    return Refusal("no_reference_price", limits.max_order_notional, proposal.quantity)


def _max_order_notional(proposal: Proposal, limits: Limits) -> Refusal | None:
    return _above("max_order_notional", limits.max_order_notional, proposal.quantity * proposal.price)


def _max_position_notional(proposal: Proposal, limits: Limits) -> Refusal | None:
    if limits.max_position_notional is None:
        return None
    return _above("max_position_notional", limits.max_position_notional, abs(proposal.exposure_after) * proposal.price)


def _max_gross_exposure(proposal: Proposal, limits: Limits) -> Refusal | None:
    if limits.max_gross_exposure is None:
        return None
    gross = proposal.others_gross + abs(proposal.exposure_after) * proposal.price
    return _above("max_gross_exposure", limits.max_gross_exposure, gross)


def _max_net_exposure(proposal: Proposal, limits: Limits) -> Refusal | None:
    """An order that brings the net nearer to zero passes, however far from it that still is."""
    if limits.max_net_exposure is None:
        return None
    net_before = proposal.others_net + proposal.exposure * proposal.price
    net = proposal.others_net + proposal.exposure_after * proposal.price
    if abs(net) <= abs(net_before):
        return None
    return _above("max_net_exposure", limits.max_net_exposure, abs(net))


def _price_collar(proposal: Proposal, limits: Limits) -> Refusal | None:
    """How far, in percent of the market's price, the order could be filled to its own harm: a buy above it, a sell
    below. A stop-limit order is measured from its stop, a stop order without a limit not at all."""
    worst = proposal.limit_price
    if worst is None and proposal.stop_price is None and proposal.touch is not None:
        worst = decimal_of(proposal.touch)
    if worst is None or limits.price_collar_percent is None:
        return None
    market = proposal.price if proposal.stop_price is None else proposal.stop_price
    beyond = proposal.side.sign * (worst / market - 1) * 100
    return _above("price_collar_percent", limits.price_collar_percent, round(beyond, 4))


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


Rule = Callable[[Proposal, Limits], Refusal | None]

EXPOSURE_RULES: tuple[Rule, ...] = (
    _halted,
    _flattening,
    _quiet_after_open,
    _quiet_before_close,
    _max_position,
    _max_order_quantity,
    _no_reference_price,
    _max_order_notional,
    _max_position_notional,
    _max_gross_exposure,
    _max_net_exposure,
    _price_collar,
)
"""Rules for orders that open something."""

RULES: tuple[Rule, ...] = (_max_orders_per_minute,)
"""Rules for every order."""


def refusal_of(proposal: Proposal, limits: Limits) -> Refusal | None:
    """The first rule that forbids the order, None when it may go."""
    rules = RULES if proposal.reduces else EXPOSURE_RULES + RULES
    return next((refusal for rule in rules if (refusal := rule(proposal, limits))), None)
