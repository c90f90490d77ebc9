"""REST: orders."""

from typing import Any

from aiohttp import web

from hftd.domain.orders import OrderClass, OrderType, Side, TimeInForce
from hftd.exchange.server.call import (
    Call,
    Fields,
    answer,
    error_body,
    flag,
    malformed,
    moment,
    names,
    nothing,
    number,
    text,
    whole,
    word,
)
from hftd.exchange.server.render import Json, order_json
from hftd.exchange.venue.orders import Changes, NewOrder, Order, PositionIntent
from hftd.exchange.venue.queries import OrderFilter, Status
from hftd.exchange.venue.refusals import Refusal

ORDERS_MAX = 500
ORDERS_DEFAULT = 50
CLIENT_ORDER_ID_MAX = 128


def new_order_of(body: Fields) -> NewOrder:
    """The order that a request's body asks for. Raises Refusal when it is not well formed."""
    symbol, side = text(body, "symbol"), word(body, "side", Side)
    if symbol is None:
        raise malformed("symbol is required")
    if side is None:
        raise malformed("side is required")
    kind, time_in_force = word(body, "type", OrderType), word(body, "time_in_force", TimeInForce)
    if kind is None:
        raise malformed("type is required")
    if time_in_force is None:
        raise malformed("time_in_force is required")
    take_profit, stop_loss = _leg(body, "take_profit"), _leg(body, "stop_loss")
    return NewOrder(
        symbol=symbol.upper(),
        side=side,
        quantity=number(body, "qty"),
        notional=number(body, "notional"),
        type=kind,
        time_in_force=time_in_force,
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        trail_price=number(body, "trail_price"),
        trail_percent=number(body, "trail_percent"),
        extended_hours=flag(body, "extended_hours"),
        client_order_id=_client_order_id(body),
        order_class=word(body, "order_class", OrderClass) or OrderClass.SIMPLE,
        take_profit_price=number(take_profit, "limit_price"),
        stop_loss_price=number(stop_loss, "stop_price"),
        stop_loss_limit_price=number(stop_loss, "limit_price"),
        position_intent=word(body, "position_intent", PositionIntent),
    )


async def submit(call: Call) -> web.Response:
    """POST /v2/orders"""
    wanted = new_order_of(await call.body())
    exchange = call.exchange
    order = exchange.venue.submit(call.account_id, wanted, exchange.timeline.now_ns())
    exchange.commit()
    return answer(_shown(call, order, with_legs=True))


async def replace(call: Call) -> web.Response:
    """PATCH /v2/orders/{id}"""
    body = await call.body()
    changes = Changes(
        quantity=number(body, "qty"),
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        trail=number(body, "trail"),
        time_in_force=word(body, "time_in_force", TimeInForce),
        client_order_id=_client_order_id(body),
    )
    exchange = call.exchange
    order = exchange.venue.replace(call.account_id, call.path("id"), changes, exchange.timeline.now_ns())
    exchange.commit()
    return answer(_shown(call, order, with_legs=True))


async def cancel(call: Call) -> web.Response:
    """DELETE /v2/orders/{id}"""
    call.exchange.venue.cancel(call.account_id, call.path("id"), call.now_ns)
    call.exchange.commit()
    return nothing()


async def cancel_all(call: Call) -> web.Response:
    """DELETE /v2/orders"""
    outcomes = call.exchange.venue.cancel_all(call.account_id, call.now_ns)
    call.exchange.commit()
    return answer([_outcome(order_id, refusal) for order_id, refusal in outcomes], 207)


async def listing(call: Call) -> web.Response:
    """GET /v2/orders"""
    query = call.query
    nested = flag(query, "nested")
    symbols = frozenset(symbol.upper() for symbol in names(query, "symbols"))
    wanted = OrderFilter(
        status=word(query, "status", Status) or Status.OPEN,
        limit=whole(query, "limit", 1, ORDERS_MAX, ORDERS_DEFAULT),
        after_ns=moment(query, "after"),
        until_ns=moment(query, "until"),
        after_order_id=text(query, "after_order_id"),
        before_order_id=text(query, "before_order_id"),
        ascending=_ascending(query),
        nested=nested,
        symbols=symbols or None,
        side=word(query, "side", Side),
    )
    orders = call.exchange.venue.orders(call.account_id, wanted)
    return answer([_shown(call, order, with_legs=nested) for order in orders])


async def by_id(call: Call) -> web.Response:
    """GET /v2/orders/{id}"""
    order = call.exchange.venue.order(call.account_id, call.path("id"))
    return answer(_shown(call, order, with_legs=True))


async def by_client_order_id(call: Call) -> web.Response:
    """GET /v2/orders:by_client_order_id"""
    client_order_id = text(call.query, "client_order_id")
    if client_order_id is None:
        raise malformed("client_order_id is required")
    order = call.exchange.venue.order_by_client_id(call.account_id, client_order_id)
    return answer(_shown(call, order, with_legs=True))


def _leg(body: Fields, name: str) -> Fields:
    leg = body.get(name)
    if leg is None:
        return {}
    if not isinstance(leg, dict):
        raise malformed(f"invalid {name}: an object is expected")
    return leg


def _client_order_id(body: Fields) -> str | None:
    found = text(body, "client_order_id")
    if found is not None and len(found) > CLIENT_ORDER_ID_MAX:
        raise malformed(f"client_order_id must be no more than {CLIENT_ORDER_ID_MAX} characters")
    return found


def _ascending(query: Fields) -> bool:
    direction = text(query, "direction") or "desc"
    if direction.lower() not in ("asc", "desc"):
        raise malformed("invalid direction: asc or desc is expected")
    return direction.lower() == "asc"


def _shown(call: Call, order: Order, *, with_legs: bool) -> Json:
    legs = [order_json(leg, call.exchange.assets) for leg in call.exchange.venue.legs(order)] if with_legs else []
    return order_json(order, call.exchange.assets, legs or None)


def _outcome(order_id: str, refusal: Refusal | None) -> dict[str, Any]:
    if refusal is None:
        return {"id": order_id, "status": 200}
    return {"id": order_id, "status": refusal.status, "body": error_body(refusal)}
