"""From what a model wants to an order in shares: dollars and equity counted, targets compared, exits placed."""

from decimal import ROUND_DOWN, Context, Decimal

from msgspec.structs import replace

from hftd.domain.convert import decimal_of
from hftd.domain.intents import Exits, Measure, Protect, Target, Want
from hftd.domain.orders import OrderClass, OrderType, Side
from hftd.engine.portfolio import ZERO
from hftd.engine.session_state import SessionState
from hftd.engine.state import RunningModel

WHOLE = Decimal(1)
FINEST = Decimal("0.000000001")
"""The smallest part of a share that Alpaca trades."""
_ROOMY = Context(prec=60)
"""More digits than any amount of a model has; with fewer it would raise, and absurd amounts are for the gate."""


def sized(
    state: SessionState, running: RunningModel, intent: Want | Target | Protect
) -> tuple[Want, str | None] | None:
    """The order in shares that `intent` comes to, and in one word why it cannot be sent, if it cannot; None when
    nothing is left to do."""
    match intent:
        case Want(measure=Measure.SHARES):
            return intent, None
        case Want():
            return _counted(state, running, intent)
        case Target():
            return _missing(state, running, intent)
        case Protect():
            return _exit(state, running, intent)


def _counted(state: SessionState, running: RunningModel, want: Want) -> tuple[Want, str | None]:
    price = state.prices.get(want.symbol) if want.limit_price is None else want.limit_price
    shares = _shares(want, price, running.portfolio.equity(state.prices))
    cause = "no_price" if shares is None else None if shares else "below_one_share"
    return replace(want, quantity=shares or ZERO, measure=Measure.SHARES), cause


def _missing(state: SessionState, running: RunningModel, target: Target) -> tuple[Want, str | None] | None:
    wanted = _shares(target, state.prices.get(target.symbol), running.portfolio.equity(state.prices))
    if wanted is None:
        return Want(_side(target.quantity), target.symbol, ZERO, reason=target.reason), "no_price"
    missing = wanted - state.aim(running, target.symbol)
    if not missing:
        return None
    return Want(_side(missing), target.symbol, abs(missing), reason=target.reason), None


def _shares(intent: Want | Target, price: float | Decimal | None, equity: Decimal) -> Decimal | None:
    """Signed shares, rounded towards zero; None when there is no price to count them by."""
    if intent.measure is Measure.SHARES:
        return intent.quantity
    if price is None:
        return None
    dollars = intent.quantity * (max(equity, ZERO) if intent.measure is Measure.EQUITY else 1)
    return (dollars / decimal_of(price)).quantize(FINEST if intent.fractional else WHOLE, ROUND_DOWN, _ROOMY)


def _side(signed: Decimal) -> Side:
    return Side.BUY if signed > 0 else Side.SELL


def _exit(state: SessionState, running: RunningModel, protect: Protect) -> tuple[Want, str | None]:
    """One order for one price, an oco for two; never for more than is held and not being closed."""
    free = state.closable(running, protect.symbol)
    quantity = abs(free) if protect.quantity is None else min(protect.quantity, abs(free))
    want = Want(
        side=_side(-free),
        symbol=protect.symbol,
        quantity=quantity,
        type=_exit_type(protect.exits),
        time_in_force=protect.time_in_force,
        reason=protect.reason,
    )
    return _with_prices(want, protect.exits), None if quantity else "nothing_held"


def _exit_type(exits: Exits) -> OrderType:
    if exits.take_profit is not None:
        return OrderType.LIMIT
    return OrderType.STOP if exits.stop_loss_limit is None else OrderType.STOP_LIMIT


def _with_prices(want: Want, exits: Exits) -> Want:
    if exits.take_profit is None:
        return replace(want, stop_price=exits.stop_loss, limit_price=exits.stop_loss_limit)
    if exits.stop_loss is None:
        return replace(want, limit_price=exits.take_profit)
    return replace(want, limit_price=exits.take_profit, exits=exits, order_class=OrderClass.OCO)
