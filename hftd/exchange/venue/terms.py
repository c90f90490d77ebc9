"""What an order's own numbers say: its shares, what it holds, the price it goes out with, where its stop trails."""

from decimal import ROUND_DOWN, Decimal

from hftd.domain.orders import OrderType, Side
from hftd.exchange.venue.case import TICK, collared, opening_price
from hftd.exchange.venue.orders import ZERO, Order
from hftd.exchange.venue.prices import Prices
from hftd.exchange.venue.settings import VenueSettings

_BILLIONTH = Decimal("1e-9")
_HUNDRED = Decimal(100)


def has_terms(order: Order) -> bool:
    """Whether its shares are known, and what each of them holds if it opens a position."""
    return order.shares is not None and not (order.position_intent.opens and order.hold_price is None)


def set_terms(order: Order, prices: Prices) -> None:
    """Work out the terms, as soon as a price is known."""
    if has_terms(order):
        return
    ask = prices.ask(order.symbol)
    if order.notional is None:
        stop = order.stop_price
        if order.type is OrderType.TRAILING_STOP and stop is None:
            stop = prices.current(order.symbol)
        order.hold_price = opening_price(order.side, order.type, order.limit_price, stop, ask)
        return
    price = order.limit_price or (ask if order.side is Side.BUY else prices.bid(order.symbol))
    if price is not None:
        order.shares = (order.notional / price).quantize(_BILLIONTH, rounding=ROUND_DOWN)
        order.hold_price = price


def hold(order: Order, *, works: bool) -> None:
    """Set what the order keeps from others while it `works`: money if it opens, shares if it closes."""
    if order.position_intent.opens:
        value = order.notional if order.shares is None else (order.hold_price or ZERO) * order.remaining
        order.held_buying_power = (value or ZERO) if works else ZERO
    else:
        order.held_quantity = order.remaining if works else ZERO


def limit_of(order: Order, prices: Prices, settings: VenueSettings) -> Decimal | None:
    """The price that the order goes out with, None for any.

    A buy stop that was reached may run 4 % (from $50: 2.5 %) above its stop price, and no further.
    """
    if order.limit_price is not None or order.side is Side.SELL:
        return order.limit_price
    if order.type is OrderType.STOP and order.stop_price is not None:
        return _to_tick(collared(order.stop_price))
    if settings.collar_market_buys and order.type is OrderType.MARKET:
        ask = prices.ask(order.symbol)
        return None if ask is None else _to_tick(collared(ask))
    return None


def trailing_stop(order: Order, mark: Decimal) -> Decimal:
    """The stop that trails the best price `mark` by dollars or by percent."""
    if order.trail_price is not None:
        return mark + order.side.sign * order.trail_price
    assert order.trail_percent is not None
    return _to_tick(mark * (_HUNDRED + order.side.sign * order.trail_percent) / _HUNDRED)


def reaches(order: Order, price: Decimal) -> bool:
    """Whether the order's limit, if any, lets it trade at `price`."""
    return order.limit_price is None or order.side.sign * (order.limit_price - price) >= 0


def _to_tick(price: Decimal) -> Decimal:
    return price.quantize(TICK)
