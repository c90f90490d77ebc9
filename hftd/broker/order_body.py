"""An order as JSON for the wire, decimals as strings, and what alpaca-py's request models have to say against it."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from hftd.broker.library import preload
from hftd.domain.convert import text_of
from hftd.domain.orders import OrderClass, OrderRequest, OrderType

if TYPE_CHECKING:
    from pydantic import ValidationError

CLIENT_ORDER_ID_MAX = 128
ONE = Decimal(1)
PRICES = (
    "limit_price",
    "stop_price",
    "trail_price",
    "trail_percent",
    "take_profit_price",
    "stop_loss_price",
    "stop_loss_limit_price",
)


def fields_of(order: OrderRequest) -> dict[str, Any]:
    """The fields of `POST /v2/orders`, only those that say something."""
    prices = {
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "trail_price": order.trail_price,
        "trail_percent": order.trail_percent,
    }
    fields: dict[str, Any] = {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "qty": text_of(order.quantity),
        "time_in_force": order.time_in_force.value,
    }
    fields.update({name: text_of(price) for name, price in prices.items() if price is not None})
    if order.extended_hours:
        fields["extended_hours"] = True
    if order.order_class is not OrderClass.SIMPLE:
        fields.update(_legs_of(order))
    return fields


def _legs_of(order: OrderRequest) -> dict[str, Any]:
    legs: dict[str, Any] = {"order_class": order.order_class.value}
    if order.take_profit_price is not None:
        legs["take_profit"] = {"limit_price": text_of(order.take_profit_price)}
    if order.stop_loss_price is not None:
        legs["stop_loss"] = {"stop_price": text_of(order.stop_loss_price)}
        if order.stop_loss_limit_price is not None:
            legs["stop_loss"]["limit_price"] = text_of(order.stop_loss_limit_price)
    return legs


def body_of(order: OrderRequest) -> bytes:
    """The body of `POST /v2/orders`."""
    return msgspec.json.encode(fields_of(order))


def objection_to(order: OrderRequest) -> str:
    """Why alpaca-py's own request models would not send this order; "" when they would."""
    if len(order.client_order_id) > CLIENT_ORDER_ID_MAX:
        return f"client_order_id must be no more than {CLIENT_ORDER_ID_MAX} characters"
    if order.quantity <= 0:
        return f"qty must be above 0, not {text_of(order.quantity)}"
    return _objection_to_shape(_shape_of(order))


def _shape_of(order: OrderRequest) -> OrderRequest:
    """`order` without its own names and numbers: the models look only at which fields there are, and at words."""
    prices = {name: ONE for name in PRICES if getattr(order, name) is not None}
    return replace(order, client_order_id="", symbol="SPY", quantity=ONE, **prices)


@cache  # there are few shapes, and an order is on its way
def _objection_to_shape(order: OrderRequest) -> str:
    from pydantic import ValidationError

    try:
        _request_models()[order.type](**fields_of(order))
    except ValidationError as error:
        return _first_sentence(error)
    return ""


@cache
def _request_models() -> dict[OrderType, Callable[..., object]]:
    preload()
    from alpaca.trading import requests

    return {
        OrderType.MARKET: requests.MarketOrderRequest,
        OrderType.LIMIT: requests.LimitOrderRequest,
        OrderType.STOP: requests.StopOrderRequest,
        OrderType.STOP_LIMIT: requests.StopLimitOrderRequest,
        OrderType.TRAILING_STOP: requests.TrailingStopOrderRequest,
    }


def _first_sentence(error: "ValidationError") -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
