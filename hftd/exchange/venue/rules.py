"""What an order must satisfy before it is accepted: a table of small checks, each of which refuses or lets pass.

The rules are Alpaca's (docs.alpaca.markets: "Placing Orders", "Fractional Trading", "Margin and Short Selling", "User
Protection"); the messages are those seen on the wire.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from hftd.domain.convert import CENT, MINUTE_NS, datetime_of, text_of
from hftd.domain.orders import OrderClass, OrderType, Side, TimeInForce
from hftd.exchange.venue.case import STOPS, TICK, Case, cost_of
from hftd.exchange.venue.margin import figures_of
from hftd.exchange.venue.orders import ZERO, NewOrder, PositionIntent
from hftd.exchange.venue.refusals import (
    forbidden,
    insufficient_buying_power,
    insufficient_quantity,
    malformed,
    unprocessable,
    wash_trade,
)

QUANTITY_MAX = Decimal(10**9)
PRICE_MAX = Decimal(10**6)
"""Bounds within which 28 digits hold every product of a price and a quantity exactly."""

CLIENT_ORDER_ID_LENGTH_MAX = 128
NOTIONAL_MIN = Decimal(1)
DOLLAR = Decimal(1)

LASTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_NEW_YORK = ZoneInfo("America/New_York")


# The request's shape


def _quantity_or_notional(case: Case) -> None:
    wanted = case.wanted
    if wanted.quantity is None and wanted.notional is None:
        raise malformed("qty or notional is required")
    if wanted.quantity is not None and wanted.notional is not None:
        raise malformed("only one of qty or notional is accepted")


def _within(amount: Decimal, maximum: Decimal) -> bool:
    return amount.is_finite() and ZERO < amount <= maximum


def _amounts(case: Case) -> None:
    wanted = case.wanted
    for name, amount in (("qty", wanted.quantity), ("notional", wanted.notional)):
        if amount is not None and not _within(amount, QUANTITY_MAX):
            raise malformed(f"{name} must be > 0 and <= {QUANTITY_MAX}")
    if wanted.notional is not None and wanted.notional < NOTIONAL_MIN:
        raise forbidden("cost basis must be >= minimal amount of order 1", cost_basis=text_of(wanted.notional))


def _client_order_id(case: Case) -> None:
    if len(case.wanted.client_order_id or "") > CLIENT_ORDER_ID_LENGTH_MAX:
        raise malformed(f"client_order_id must be no more than {CLIENT_ORDER_ID_LENGTH_MAX} characters")
    if case.known_client_id:
        raise malformed("client_order_id must be unique", code=case.settings.client_order_id_code)


_NEEDED: dict[OrderType, tuple[bool, bool, str]] = {
    OrderType.MARKET: (False, False, "market orders must not have a limit price or a stop price"),
    OrderType.LIMIT: (True, False, "limit orders require a limit price and no stop price"),
    OrderType.STOP: (False, True, "stop orders require a stop price and no limit price"),
    OrderType.STOP_LIMIT: (True, True, "stop limit orders require both stop and limit price"),
    OrderType.TRAILING_STOP: (False, False, "trailing stop orders must not have a limit price or a stop price"),
}


def _prices_of_type(case: Case) -> None:
    wanted = case.wanted
    limit, stop, message = _NEEDED[wanted.type]
    if wanted.order_class is OrderClass.OCO and wanted.take_profit_price is not None:
        limit = wanted.limit_price is not None
    if ((wanted.limit_price is not None), (wanted.stop_price is not None)) != (limit, stop):
        raise malformed(message)


def _trail(case: Case) -> None:
    wanted = case.wanted
    given = [trail for trail in (wanted.trail_price, wanted.trail_percent) if trail is not None]
    if wanted.type is not OrderType.TRAILING_STOP:
        if given:
            raise malformed("only trailing stop orders may have a trail_price or a trail_percent")
        return
    if len(given) != 1:
        raise malformed("trailing stop orders must specify exactly one of trail_price and trail_percent")
    if not _within(given[0], PRICE_MAX) or (wanted.trail_percent is not None and wanted.trail_percent >= 100):
        raise malformed("trail_price must be > 0, trail_percent > 0 and < 100")


def _prices_of(wanted: NewOrder) -> list[tuple[str, Decimal]]:
    named = (
        ("limit_price", wanted.limit_price),
        ("stop_price", wanted.stop_price),
        ("take_profit.limit_price", wanted.take_profit_price),
        ("stop_loss.stop_price", wanted.stop_loss_price),
        ("stop_loss.limit_price", wanted.stop_loss_limit_price),
    )
    return [(name, price) for name, price in named if price is not None]


def _increments(case: Case) -> None:
    """SEC rule 612: cents from one dollar on, hundredths of a cent below."""
    for name, price in _prices_of(case.wanted):
        if not _within(price, PRICE_MAX):
            raise malformed(f"{name} must be > 0 and <= {PRICE_MAX}")
        if price % (CENT if price >= DOLLAR else TICK):
            raise unprocessable(
                f"invalid {name} {text_of(price)}. sub-penny increment does not fulfill minimum pricing criteria"
            )


# The account and the asset


def _suspended(case: Case) -> None:
    if case.account.configuration.suspended:
        raise forbidden("new orders are rejected by user request")


def _asset(case: Case) -> None:
    if case.asset is None:
        raise unprocessable(f'asset "{case.wanted.symbol}" not found')
    if not case.asset.tradable:
        raise unprocessable(f'asset "{case.wanted.symbol}" is not tradable')


def _fractions(case: Case) -> None:
    if not case.is_fractional:
        return
    wanted = case.wanted
    assert case.asset is not None
    if not (case.asset.fractionable and case.account.configuration.fractional):
        raise forbidden(f'asset "{wanted.symbol}" is not fractionable')
    if wanted.quantity is not None and wanted.quantity != round(wanted.quantity, 9):
        raise malformed("qty must have no more than 9 decimal places")
    if wanted.time_in_force is not TimeInForce.DAY:
        raise unprocessable("fractional orders must be DAY orders")
    if wanted.order_class is not OrderClass.SIMPLE:
        raise unprocessable("fractional orders must be simple orders")
    if wanted.type is not OrderType.MARKET and not case.settings.fractional_limits:
        raise unprocessable("fractional orders must be market orders")
    if wanted.type in STOPS and wanted.notional is not None:
        raise unprocessable("notional orders must be market or limit orders")


# Type, time in force, hours

_TIMES_IN_FORCE: dict[OrderType, frozenset[TimeInForce]] = {
    OrderType.MARKET: frozenset(TimeInForce),
    OrderType.LIMIT: frozenset(TimeInForce),
    OrderType.STOP: LASTING,
    OrderType.STOP_LIMIT: LASTING,
    OrderType.TRAILING_STOP: LASTING,
}


def _time_in_force(case: Case) -> None:
    wanted = case.wanted
    allowed = LASTING if wanted.order_class is not OrderClass.SIMPLE else _TIMES_IN_FORCE[wanted.type]
    if wanted.time_in_force not in allowed:
        kind = wanted.type if wanted.order_class is OrderClass.SIMPLE else wanted.order_class
        raise unprocessable(f"invalid time in force {wanted.time_in_force} for {kind} orders")


def _extended_hours(case: Case) -> None:
    wanted = case.wanted
    if not wanted.extended_hours:
        return
    if wanted.order_class is not OrderClass.SIMPLE:
        raise unprocessable(f"{wanted.order_class} orders cannot be placed for extended hours")
    allowed = LASTING if case.settings.extended_hours_gtc else {TimeInForce.DAY}
    if wanted.type is not OrderType.LIMIT or wanted.time_in_force not in allowed:
        raise unprocessable("extended hours order must be DAY limit orders")


_OPENING_CUTOFF, _AUCTION_AGAIN = time(9, 28), time(19, 0)
_CLOSING_LEAD_NS = 10 * MINUTE_NS
_CLOSING_CUTOFF = time(15, 50)


def _local(time_ns: int) -> datetime:
    return datetime_of(time_ns).astimezone(_NEW_YORK)


def _opening_auction(case: Case) -> None:
    """No opg order from 09:28 to 19:00 New York time of a weekday: the auction is closed until the next day's."""
    if case.wanted.time_in_force is not TimeInForce.OPG:
        return
    local = _local(case.time_ns)
    if case.is_open or (local.weekday() < 5 and _OPENING_CUTOFF <= local.time() < _AUCTION_AGAIN):
        raise unprocessable("opg orders are not accepted from 9:28am to 7:00pm ET")


def _closing_auction(case: Case) -> None:
    """No cls order from ten minutes before the close to 19:00 New York time."""
    if case.wanted.time_in_force is not TimeInForce.CLS:
        return
    local = _local(case.time_ns)
    late = case.is_open and case.session is not None and case.time_ns >= case.session.close_ns - _CLOSING_LEAD_NS
    if late or (local.weekday() < 5 and _CLOSING_CUTOFF <= local.time() < _AUCTION_AGAIN):
        raise unprocessable("cls orders are not accepted from 3:50pm to 7:00pm ET")


# Prices against the market


def _stop_side(case: Case) -> None:
    wanted = case.wanted
    current = case.prices.current(wanted.symbol)
    if wanted.stop_price is None or current is None:
        return
    extra = {"market_price": text_of(current), "stop_price": text_of(wanted.stop_price)}
    if wanted.side is Side.SELL and wanted.stop_price >= current:
        raise unprocessable("stop price must be less than current price", **extra)
    if wanted.side is Side.BUY and wanted.stop_price <= current:
        raise unprocessable("stop price must be greater than current price", **extra)


def _limit_distance(case: Case) -> None:
    """A limit far through the market is taken for a slip of the finger."""
    wanted, distance = case.wanted, case.settings.limit_distance_max
    current = case.prices.current(wanted.symbol)
    if distance is None or wanted.limit_price is None or current is None:
        return
    through = wanted.side.sign * (wanted.limit_price - current) / current
    if through > distance:
        raise unprocessable(
            "limit price is too far away from the market price",
            limit_price=text_of(wanted.limit_price),
            market_price=text_of(current),
        )


# Classes


def _class_legs(case: Case) -> None:
    wanted = case.wanted
    profit, loss = wanted.take_profit_price is not None, wanted.stop_loss_price is not None
    if wanted.stop_loss_limit_price is not None and not loss:
        raise malformed("stop_loss.stop_price is required")
    if wanted.order_class is OrderClass.SIMPLE and (profit or loss):
        raise malformed("take_profit and stop_loss need an order_class of bracket, oco or oto")
    if wanted.order_class is OrderClass.BRACKET and not (profit and loss):
        raise malformed("bracket orders require take_profit.limit_price and stop_loss.stop_price")
    if wanted.order_class is OrderClass.OTO and profit == loss:
        raise malformed("oto orders require exactly one of take_profit and stop_loss")
    if wanted.order_class is OrderClass.OCO and not (loss and (profit or wanted.limit_price is not None)):
        raise malformed("oco orders require take_profit.limit_price and stop_loss.stop_price")


def _class_type(case: Case) -> None:
    wanted = case.wanted
    if wanted.order_class is OrderClass.OCO and wanted.type is not OrderType.LIMIT:
        raise unprocessable("oco orders must be limit orders")
    if wanted.order_class in (OrderClass.BRACKET, OrderClass.OTO) and wanted.type is OrderType.TRAILING_STOP:
        raise unprocessable(f"{wanted.order_class} orders must be market, limit or stop orders")


def _class_direction(case: Case) -> None:
    wanted = case.wanted
    if wanted.order_class is OrderClass.OCO and case.intent.opens:
        raise unprocessable("oco orders must be exit orders")
    if wanted.order_class in (OrderClass.BRACKET, OrderClass.OTO) and not case.intent.opens:
        raise unprocessable(f"{wanted.order_class} orders must be entry orders")


def _base_price(case: Case) -> Decimal | None:
    """What the legs' prices are measured from: the entry's price, and for an oco the market's."""
    wanted = case.wanted
    if wanted.order_class is OrderClass.OCO:
        return case.prices.current(wanted.symbol)
    return wanted.limit_price or wanted.stop_price or case.prices.current(wanted.symbol)


def _class_geometry(case: Case) -> None:
    """The exit of a long position takes its profit above and its loss below the base price; of a short, mirrored."""
    wanted = case.wanted
    if wanted.order_class is OrderClass.SIMPLE:
        return
    is_exit = wanted.order_class is OrderClass.OCO
    sign = -wanted.side.sign if is_exit else wanted.side.sign
    profit = wanted.take_profit_price or (wanted.limit_price if is_exit else None)
    loss = wanted.stop_loss_price
    if profit is not None and loss is not None and sign * (profit - loss) <= 0:
        order = "greater" if sign > 0 else "less"
        raise unprocessable(f"take_profit.limit_price must be {order} than stop_loss.stop_price")
    base = _base_price(case)
    if base is None:
        return
    if profit is not None and not is_exit and sign * (profit - base) < CENT:
        raise unprocessable(
            f"take_profit.limit_price must be {'>=' if sign > 0 else '<='} base_price {'+' if sign > 0 else '-'} 0.01",
            base_price=text_of(base),
        )
    if loss is not None and sign * (base - loss) < CENT:
        raise unprocessable(
            f"stop_loss.stop_price must be {'<=' if sign > 0 else '>='} base_price {'-' if sign > 0 else '+'} 0.01",
            base_price=text_of(base),
        )


# Positions and money


def _stated_intent(case: Case) -> None:
    stated = case.wanted.position_intent
    if stated is not None and stated is not case.intent:
        raise unprocessable(f"position intent mismatch, inferred: {case.intent}, specified: {stated}")


def _available(case: Case) -> None:
    """A closing order may not want more than is free: so nothing goes from long to short in one order."""
    quantity = case.quantity
    if not case.intent.opens and quantity is not None and quantity > case.available:
        raise insufficient_quantity(case.wanted.symbol, quantity, case.available, abs(case.position))


def _short(case: Case) -> None:
    if case.intent is not PositionIntent.SELL_TO_OPEN:
        return
    assert case.asset is not None
    if not case.account.configuration.shorting:
        raise forbidden("account is not allowed to short")
    if not (case.asset.shortable and case.asset.easy_to_borrow):
        raise unprocessable(f'asset "{case.wanted.symbol}" cannot be sold short')
    if case.is_fractional:
        raise unprocessable("fractional orders cannot be sold short")


_OPPOSITE = {
    PositionIntent.SELL_TO_OPEN: (
        PositionIntent.BUY_TO_OPEN,
        "cannot open a short sell while a long buy order is open",
    ),
    PositionIntent.BUY_TO_OPEN: (
        PositionIntent.SELL_TO_OPEN,
        "cannot open a long buy while a short sell order is open",
    ),
}


def _pending_opposite(case: Case) -> None:
    """Two orders that open in opposite directions would make the sign of the position a matter of luck."""
    if not case.intent.opens:
        return
    opposite, message = _OPPOSITE[case.intent]
    if any(order.position_intent is opposite and order.parent is None for order in case.symbol_orders):
        raise forbidden(message)


def _wash(case: Case) -> None:
    """No order may meet another one of the same account. Complex orders are exempt: their members are linked."""
    wanted = case.wanted
    if not case.settings.wash_trades_refused or wanted.order_class is not OrderClass.SIMPLE:
        return
    for order in case.symbol_orders:
        if order.side is wanted.side or order.order_class is not OrderClass.SIMPLE:
            continue
        if order.limit_price is None:
            raise wash_trade(order.id, "opposite side market/stop order exists")
        crosses = wanted.limit_price is None or wanted.side.sign * (wanted.limit_price - order.limit_price) >= 0
        if crosses:
            raise wash_trade(order.id, "opposite side limit order exists. use complex/limit/stop_limit orders")


def _buying_power(case: Case) -> None:
    if not case.intent.opens:
        return
    cost = cost_of(case)
    if cost is None:
        return
    figures = figures_of(case.account, case.open_orders, case.prices, case.assets)
    if case.intent is PositionIntent.SELL_TO_OPEN and not figures.shorting_enabled:
        raise forbidden("account is not allowed to short")
    assert case.asset is not None
    free = figures.buying_power if case.asset.marginable else figures.non_marginable_buying_power
    if cost > free:
        raise insufficient_buying_power(free, cost)


RULES: tuple[Callable[[Case], None], ...] = (
    _quantity_or_notional,
    _amounts,
    _client_order_id,
    _class_legs,
    _prices_of_type,
    _trail,
    _increments,
    _suspended,
    _asset,
    _fractions,
    _time_in_force,
    _extended_hours,
    _opening_auction,
    _closing_auction,
    _class_type,
    _stop_side,
    _limit_distance,
    _stated_intent,
    _class_direction,
    _class_geometry,
    _short,
    _pending_opposite,
    _wash,
    _available,
    _buying_power,
)
"""In the order in which they are asked: the first refusal is the answer."""


REPLACEMENT_RULES: tuple[Callable[[Case], None], ...] = (
    _amounts,
    _client_order_id,
    _prices_of_type,
    _trail,
    _increments,
    _suspended,
    _fractions,
    _time_in_force,
    _extended_hours,
    _opening_auction,
    _closing_auction,
    _stop_side,
    _limit_distance,
    _short,
    _wash,
    _available,
    _buying_power,
)
"""What is asked of a successor; the rest was asked of the order it replaces."""

_NOT_OF_HELD = frozenset({_stop_side, _limit_distance, _short, _available, _buying_power})
HELD_REPLACEMENT_RULES = tuple(rule for rule in REPLACEMENT_RULES if rule not in _NOT_OF_HELD)
"""A leg that is still held meets neither the market nor the position yet."""


def check(case: Case, rules: Sequence[Callable[[Case], None]] = RULES) -> None:
    """Raise the first refusal, if any."""
    for rule in rules:
        rule(case)
