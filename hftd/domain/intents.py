"""What a model may want. `buy`, `sell`, `target`, `protect` and `cancel` are the words of a model file."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypedDict, Unpack

from msgspec import Struct

from hftd.domain.convert import decimal_of
from hftd.domain.orders import OrderClass, OrderType, Side, TimeInForce

Number = int | float | str | Decimal


class Measure(StrEnum):
    """What a quantity counts: shares, dollars' worth of shares, or parts of the model's equity (0.25: a quarter)."""

    SHARES = "shares"
    DOLLARS = "dollars"
    EQUITY = "equity"


class Exits(Struct, frozen=True, omit_defaults=True):
    """The prices in dollars at which what an order opened is closed again, whichever comes first: `take_profit` by a
    limit order, `stop_loss` by a stop order, with `stop_loss_limit` by a stop-limit order."""

    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None

    @property
    def order_class(self) -> OrderClass:
        """The class of an entry that brings these exits."""
        return OrderClass.BRACKET if None not in (self.take_profit, self.stop_loss) else OrderClass.OTO


class Want(Struct, frozen=True):
    """To buy or sell `quantity`, by its `measure`, of `symbol`. Prices are in dollars; `exits` belong to a bracket, an
    oto or an oco. The engine turns dollars and parts of equity into shares: whole ones, unless `fractional`."""

    side: Side
    symbol: str
    quantity: Decimal
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    exits: Exits | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    measure: Measure = Measure.SHARES
    fractional: bool = False


class Target(Struct, frozen=True):
    """To hold `quantity`, by its `measure`, of `symbol` (negative: short), whatever is held now."""

    symbol: str
    quantity: Decimal
    reason: str = ""
    measure: Measure = Measure.SHARES
    fractional: bool = False


class Protect(Struct, frozen=True):
    """To close what is held of `symbol`, or `quantity` shares of it, at whichever of two prices comes first."""

    symbol: str
    exits: Exits
    quantity: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    reason: str = ""


class Cancel(Struct, frozen=True):
    """To withdraw the working orders of `symbol`, or one order by its client_order_id (the other is empty then)."""

    symbol: str
    reason: str = ""
    client_order_id: str = ""


Intent = Want | Target | Protect | Cancel


class Terms(TypedDict, total=False):
    """How an order is to be carried out; `buy` explains the words."""

    dollars: Number
    equity: Number
    fractional: bool
    limit: Number
    stop: Number
    trail: Number
    trail_percent: Number
    take_profit: Number
    stop_loss: Number
    stop_loss_limit: Number
    time_in_force: str
    reason: str


class Named(Protocol):
    """An order that has a name, as those of `context.working_orders`."""

    @property
    def client_order_id(self) -> str: ...


def buy(quantity: Number | None = None, symbol: str = "", **terms: Unpack[Terms]) -> Want:
    """Buy `quantity` shares of `symbol`; or `dollars` worth, or a part of the model's `equity` (0.25 is a quarter),
    counted in whole shares at the last price, rounded down, unless `fractional=True`.

    At the market, or by a `limit` price, a `stop` price, both, or a stop that trails the market by dollars (`trail`)
    or percent (`trail_percent`). With `take_profit` and `stop_loss` prices what was bought is sold again at whichever
    comes first; `stop_loss_limit` makes the latter a limit order. `time_in_force`: day, gtc, ioc, fok, opg, cls.
    Prices from a dollar on are whole cents (`round(price, 2)`): the broker rejects finer ones. `reason` is logged.

        buy(5, "SPY", limit=270.10)
        buy(symbol="SPY", equity=0.1, take_profit=280, stop_loss=265)

    Raises ValueError for what is no such order.
    """
    return _want(Side.BUY, quantity, symbol, terms)


def sell(quantity: Number | None = None, symbol: str = "", **terms: Unpack[Terms]) -> Want:
    """Sell, short if none are held; the words are those of `buy`. Raises ValueError for what is no such order."""
    return _want(Side.SELL, quantity, symbol, terms)


def target(
    symbol: str,
    quantity: Number | None = None,
    *,
    dollars: Number | None = None,
    equity: Number | None = None,
    fractional: bool = False,
    reason: str = "",
) -> Target:
    """Hold `quantity` shares, `dollars` worth, or a part of the model's `equity`, negative for short: the engine sends
    the difference as a market order. Raises ValueError unless exactly one of the three is given."""
    call = f"target({symbol!r})"
    measure, amount = _measured(call, quantity, dollars, equity)
    return Target(
        symbol=_symbol(call, symbol),
        quantity=amount,
        reason=_text(reason),
        measure=measure,
        fractional=bool(fractional),
    )


def protect(
    symbol: str,
    *,
    take_profit: Number | None = None,
    stop_loss: Number | None = None,
    stop_loss_limit: Number | None = None,
    quantity: Number | None = None,
    time_in_force: str = "day",
    reason: str = "",
) -> Protect:
    """Close what is held of `symbol`, or `quantity` shares of it, at `take_profit` or at `stop_loss`, whichever comes
    first; one of the two will do. Raises ValueError for neither."""
    call = f"protect({symbol!r})"
    exits = _exits(call, {"take_profit": take_profit, "stop_loss": stop_loss, "stop_loss_limit": stop_loss_limit})
    _check_exits(call, exits, TimeInForce(time_in_force))
    amount = _positive(call, "quantity", quantity)
    return Protect(_symbol(call, symbol), exits, amount, TimeInForce(time_in_force), _text(reason))


def cancel(symbol: str = "", *, order: str | Named = "", reason: str = "") -> Cancel:
    """Withdraw this model's working orders in `symbol`, or one `order` of `context.working_orders()`, by itself or by
    its client_order_id. Raises ValueError unless one of them is given."""
    name = order if isinstance(order, str) else order.client_order_id
    if bool(symbol) == bool(name):
        raise ValueError("cancel: expected a symbol, or an order")
    return Cancel(_symbol("cancel", symbol), _text(reason), _symbol("cancel", name))


# Reading the words ---------------------------------------------------------------------------------------------------

_TYPES = {
    frozenset[str](): OrderType.MARKET,
    frozenset({"limit"}): OrderType.LIMIT,
    frozenset({"stop"}): OrderType.STOP,
    frozenset({"limit", "stop"}): OrderType.STOP_LIMIT,
    frozenset({"trail"}): OrderType.TRAILING_STOP,
    frozenset({"trail_percent"}): OrderType.TRAILING_STOP,
}
MOST = Decimal(10) ** 15
"""Of anything in an order. Beyond it is a division by next to nothing, and more digits than money has."""
_LASTING = (TimeInForce.DAY, TimeInForce.GTC)


def _want(side: Side, quantity: Number | None, symbol: str, terms: Terms) -> Want:
    call = f"{side}({quantity!r}, {symbol!r})" if quantity is not None else f"{side}(symbol={symbol!r})"
    for name in terms.keys() - Terms.__annotations__.keys():
        raise ValueError(f"{call}: {name} is no term of an order; valid: {', '.join(Terms.__annotations__)}")
    measure, amount = _measured(call, quantity, terms.get("dollars"), terms.get("equity"))
    if amount <= 0:
        raise ValueError(f"{call}: the quantity must be above 0")
    exits = _exits(call, terms)
    has_exits = exits != Exits()
    time_in_force = TimeInForce(terms.get("time_in_force", "day"))
    if has_exits:
        _check_exits(call, exits, time_in_force)
    return Want(
        side=side,
        symbol=_symbol(call, symbol),
        quantity=amount,
        type=_type_of(call, terms),
        time_in_force=time_in_force,
        limit_price=_positive(call, "limit", terms.get("limit")),
        stop_price=_positive(call, "stop", terms.get("stop")),
        trail_price=_positive(call, "trail", terms.get("trail")),
        trail_percent=_positive(call, "trail_percent", terms.get("trail_percent")),
        exits=exits if has_exits else None,
        order_class=exits.order_class if has_exits else OrderClass.SIMPLE,
        measure=measure,
        fractional=bool(terms.get("fractional", False)),
        reason=_text(terms.get("reason", "")),
    )


def _measured(
    call: str, quantity: Number | None, dollars: Number | None, equity: Number | None
) -> tuple[Measure, Decimal]:
    given = {Measure.SHARES: quantity, Measure.DOLLARS: dollars, Measure.EQUITY: equity}
    amounts = [(measure, decimal_of(amount)) for measure, amount in given.items() if amount is not None]
    if len(amounts) != 1:
        raise ValueError(f"{call}: expected a quantity of shares, or dollars=..., or equity=...; exactly one of them")
    if abs(amounts[0][1]) > MOST:
        raise ValueError(f"{call}: more than {MOST:g} shares, dollars or times the equity")
    return amounts[0]


def _type_of(call: str, terms: Terms) -> OrderType:
    names = frozenset(name for name in ("limit", "stop", "trail", "trail_percent") if terms.get(name) is not None)
    if names not in _TYPES:
        raise ValueError(f"{call}: {' and '.join(sorted(names))} do not go together")
    return _TYPES[names]


def _check_exits(call: str, exits: Exits, time_in_force: TimeInForce) -> None:
    if exits.take_profit is None and exits.stop_loss is None:
        raise ValueError(f"{call}: expected a take_profit or a stop_loss price")
    if time_in_force not in _LASTING:
        raise ValueError(f"{call}: time_in_force {time_in_force} does not go with exits; expected day or gtc")


def _exits(call: str, prices: Mapping[str, Any]) -> Exits:
    names = ("take_profit", "stop_loss", "stop_loss_limit")
    return Exits(*(_positive(call, name, prices.get(name)) for name in names))


def _positive(call: str, name: str, value: Number | None) -> Decimal | None:
    if value is None:
        return None
    number = decimal_of(value)
    if number <= 0:
        raise ValueError(f"{call}: {name} must be above 0, not {value!r}")
    return number


def _symbol(call: str, symbol: object) -> str:
    if not isinstance(symbol, str):
        raise ValueError(f"{call}: expected a name as text, like 'SPY', found {type(symbol).__name__}")
    return _text(symbol)


def _text(given: object) -> str:
    """What a model gives for words, a number or nothing at all included, as text that the journal can hold and read
    back."""
    if type(given) is str and given.isascii():
        return given
    return "" if given is None else str(given).encode("utf-8", "replace").decode()
