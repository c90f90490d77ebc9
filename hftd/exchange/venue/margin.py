"""What an account is worth and may buy. Dollars, exact.

Sources: docs.alpaca.markets, "Margin and Short Selling" and "Placing Orders" (buying power); Regulation T (initial
margin of half the value).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from hftd.domain.convert import decimal_of
from hftd.exchange.venue.accounts import Account, AccountFigures, Holding, PositionFigures
from hftd.exchange.venue.assets import Asset
from hftd.exchange.venue.orders import ZERO, Order
from hftd.exchange.venue.prices import Prices

MARGIN_EQUITY_MIN = Decimal(2_000)
"""An account worth less may neither borrow nor go short (FINRA rule 4210)."""

_HALF, _HUNDRED = Decimal("0.5"), Decimal(100)
_CHEAP_LONG, _CHEAP_SHORT = Decimal("2.50"), Decimal(5)
_SHORT_FRACTION = Decimal("0.3")


def buying_power(multiplier: int, equity: Decimal, gross_value: Decimal, held: Decimal) -> Decimal:
    """What opening orders may still cost: `multiplier` times the equity, less what is held in shares and orders.

    With a multiplier of 1 that is the cash; with 2, twice the equity above Regulation T's initial margin, for
    2 * (equity - gross / 2) = 2 * equity - gross; with 4, the same at the intraday margin of a quarter.
    """
    return max(multiplier * equity - gross_value - held, ZERO)


def multiplier_of(account: Account, equity: Decimal) -> int:
    """How many times its equity an account may hold."""
    return account.configuration.multiplier_max if equity >= MARGIN_EQUITY_MIN else 1


def maintenance_margin(holding: Holding, price: Decimal, asset: Asset | None) -> Decimal:
    """The equity that a position must keep: Alpaca's table, by side and price."""
    shares, value = abs(holding.quantity), abs(holding.quantity) * price
    if holding.quantity > 0:
        percent = Decimal(asset.maintenance_margin_percent if asset else 30)
        return value if price < _CHEAP_LONG else value * percent / _HUNDRED
    if price < _CHEAP_SHORT:
        return max(shares * _CHEAP_LONG, value)
    return max(shares * _CHEAP_SHORT, value * _SHORT_FRACTION)


def price_of_holding(holding: Holding, prices: Prices) -> Decimal:
    """The current price, or the cost while none is known."""
    price = prices.current(holding.symbol)
    return holding.average_price if price is None else price


def equity_of(account: Account, prices: Prices) -> Decimal:
    """Cash and shares at current prices."""
    values = (holding.quantity * price_of_holding(holding, prices) for holding in account.holdings.values())
    return account.cash + sum(values, ZERO)


def figures_of(
    account: Account, orders: Iterable[Order], prices: Prices, assets: Mapping[str, Asset]
) -> AccountFigures:
    """Everything money in one place. `orders` are the account's open ones."""
    priced = [(holding, price_of_holding(holding, prices)) for holding in account.holdings.values()]
    values = [holding.quantity * price for holding, price in priced]
    long_value = sum((value for value in values if value > 0), ZERO)
    short_value = sum((value for value in values if value < 0), ZERO)
    gross, equity = long_value - short_value, account.cash + long_value + short_value
    held = sum((order.held_buying_power for order in orders), ZERO)
    multiplier = multiplier_of(account, equity)
    return AccountFigures(
        cash=account.cash,
        equity=equity,
        last_equity=account.last_equity,
        long_market_value=long_value,
        short_market_value=short_value,
        initial_margin=gross * _HALF,
        maintenance_margin=sum(
            (maintenance_margin(holding, price, assets.get(holding.symbol)) for holding, price in priced), ZERO
        ),
        last_maintenance_margin=account.last_maintenance_margin,
        multiplier=multiplier,
        buying_power=buying_power(multiplier, equity, gross, held),
        regt_buying_power=buying_power(min(multiplier, 2), equity, gross, held),
        non_marginable_buying_power=buying_power(1, equity, gross, held),
        daytrading_buying_power=buying_power(4, equity, gross, held) if multiplier == 4 else ZERO,
        accrued_fees=account.fees,
        shorting_enabled=account.configuration.shorting and multiplier > 1,
        suspended=account.configuration.suspended,
    )


def position_figures(holding: Holding, held: Decimal, prices: Prices) -> PositionFigures:
    """A holding at current prices, of which working orders hold `held` shares. A fraction of nothing is 0.

    Today's gain counts overnight shares from the last close, and today's from what they cost.
    """
    symbol, quantity = holding.symbol, holding.quantity
    price = price_of_holding(holding, prices)
    closing = prices.closing.get(symbol)
    last_day = price if closing is None else decimal_of(closing)
    value = quantity * price
    day_base = (quantity - holding.day_quantity) * last_day + holding.day_cost
    return PositionFigures(
        symbol=symbol,
        quantity=quantity,
        available=quantity - held if quantity > 0 else quantity + held,
        average_entry_price=holding.average_price,
        market_value=value,
        cost_basis=holding.cost,
        unrealized=value - holding.cost,
        unrealized_fraction=_fraction(value - holding.cost, holding.cost),
        unrealized_today=value - day_base,
        unrealized_today_fraction=_fraction(value - day_base, day_base),
        current_price=price,
        last_day_price=last_day,
        change_today_fraction=_fraction(price - last_day, last_day),
    )


def _fraction(part: Decimal, whole: Decimal) -> Decimal:
    return part / abs(whole) if whole else ZERO
