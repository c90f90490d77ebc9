"""What a fill does to cash and holdings, in exact dollars and shares. Average costs are the only quotients."""

from decimal import ROUND_CEILING, Decimal

from hftd.domain.convert import CENT
from hftd.domain.orders import Side
from hftd.exchange.venue.accounts import Account, Holding
from hftd.exchange.venue.orders import ZERO, Execution
from hftd.exchange.venue.settings import FeeSchedule

_MILLION = Decimal(1_000_000)
_BPS = Decimal(10_000)


def book_fill(account: Account, symbol: str, side: Side, execution: Execution) -> None:
    """Move shares and cash of `account`. A holding that becomes flat vanishes."""
    account.cash -= side.sign * execution.price * execution.quantity
    before = account.holdings.get(symbol, Holding(symbol=symbol, quantity=ZERO, cost=ZERO))
    after = _changed(before, side.sign * execution.quantity, execution.price)
    if after.quantity:
        account.holdings[symbol] = after
    else:
        account.holdings.pop(symbol, None)


def _changed(holding: Holding, signed: Decimal, price: Decimal) -> Holding:
    """`holding` after `signed` shares more (fewer when negative) at `price`.

    Shares that enlarge a position cost what was paid; those that reduce it leave at the average cost. An order never
    crosses from long to short, which the rules see to.
    """
    quantity = holding.quantity + signed
    enlarges = holding.quantity * signed >= 0
    cost = holding.cost + signed * price if enlarges else holding.average_price * quantity
    overnight = holding.quantity - holding.day_quantity
    # What is sold goes out of the overnight shares first: what remains of them was held at the last close.
    overnight = overnight if enlarges else _nearer_zero(overnight, quantity)
    day_quantity = quantity - overnight
    return Holding(
        symbol=holding.symbol,
        quantity=quantity,
        cost=cost,
        day_quantity=day_quantity,
        day_cost=holding.day_cost + signed * price if enlarges else _share(cost, day_quantity, quantity),
    )


def _nearer_zero(first: Decimal, second: Decimal) -> Decimal:
    return min(first, second, key=abs)


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return cost * part / whole if whole else ZERO


def closed_day(holding: Holding) -> Holding:
    """The same holding after a session's close: nothing of it is of today any more."""
    return Holding(symbol=holding.symbol, quantity=holding.quantity, cost=holding.cost)


def fee_of(schedule: FeeSchedule, side: Side, execution: Execution, *, rested: bool = False) -> Decimal:
    """Dollars that a fill costs, each charge rounded up to the cent, as FINRA and the SEC's section 31 have it.

    `rested`: the order was in the market before the other side came. Below zero it is a rebate.
    """
    value = execution.price * execution.quantity
    charges = [
        schedule.commission_per_share * execution.quantity,
        (schedule.maker_bps if rested else schedule.taker_bps) * value / _BPS,
    ]
    if side is Side.SELL:
        charges.append(schedule.sell_per_million * value / _MILLION)
        charges.append(min(schedule.sell_per_share * execution.quantity, schedule.sell_per_share_max))
    return sum((charge.quantize(CENT, rounding=ROUND_CEILING) for charge in charges), ZERO)
