"""What a model may want. `buy`, `sell`, `target` and `cancel` are the words of a model file."""

from decimal import Decimal

from msgspec import Struct

from hftd.domain.convert import decimal_of
from hftd.domain.orders import OrderType, Side, TimeInForce


class Want(Struct, frozen=True):
    """To buy or sell `quantity` shares of `symbol`. Prices are in dollars."""

    side: Side
    symbol: str
    quantity: Decimal
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""


class Target(Struct, frozen=True):
    """To hold `quantity` shares of `symbol` (negative: short), whatever is held now."""

    symbol: str
    quantity: Decimal
    reason: str = ""


class Cancel(Struct, frozen=True):
    """To withdraw working orders of `symbol`."""

    symbol: str
    reason: str = ""


Intent = Want | Target | Cancel
Number = int | float | str | Decimal


def _want(
    side: Side,
    quantity: Number,
    symbol: str,
    limit: Number | None,
    stop: Number | None,
    time_in_force: str,
    reason: str,
) -> Want:
    shares = decimal_of(quantity)
    if shares <= 0:
        raise ValueError(f"{side}({quantity!r}, {symbol!r}): the quantity must be above 0")
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    return Want(
        side=side,
        symbol=symbol,
        quantity=shares,
        type=kinds[limit is not None, stop is not None],
        time_in_force=TimeInForce(time_in_force),
        limit_price=None if limit is None else decimal_of(limit),
        stop_price=None if stop is None else decimal_of(stop),
        reason=reason,
    )


def buy(
    quantity: Number,
    symbol: str,
    *,
    limit: Number | None = None,
    stop: Number | None = None,
    time_in_force: str = "day",
    reason: str = "",
) -> Want:
    """Buy `quantity` shares: at the market, or with a `limit` and/or `stop` price in dollars.

    Raises ValueError for a quantity that is not a positive number.
    """
    return _want(Side.BUY, quantity, symbol, limit, stop, time_in_force, reason)


def sell(
    quantity: Number,
    symbol: str,
    *,
    limit: Number | None = None,
    stop: Number | None = None,
    time_in_force: str = "day",
    reason: str = "",
) -> Want:
    """Sell `quantity` shares, short if none are held: at the market, or with a `limit` and/or `stop` price in dollars.

    Raises ValueError for a quantity that is not a positive number.
    """
    return _want(Side.SELL, quantity, symbol, limit, stop, time_in_force, reason)


def target(symbol: str, quantity: Number, *, reason: str = "") -> Target:
    """Hold `quantity` shares of `symbol`, negative for short: the engine sends the difference as a market order."""
    return Target(symbol=symbol, quantity=decimal_of(quantity), reason=reason)


def cancel(symbol: str, *, reason: str = "") -> Cancel:
    """Withdraw this model's working orders in `symbol`."""
    return Cancel(symbol=symbol, reason=reason)
