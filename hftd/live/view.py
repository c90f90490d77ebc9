"""What may be asked of a daemon, running or not: status, orders, positions, as plain values for JSON and tables."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hftd.domain.convert import cents, decimal_of, rfc3339_of, text_of
from hftd.domain.events import Halt
from hftd.engine.engine import Engine
from hftd.engine.halts import ends_of
from hftd.engine.state import OrderState, RunningModel


def number(value: Decimal) -> int | float:
    """A Decimal as a JSON number: whole ones as integers."""
    return int(value) if value == value.to_integral_value() else float(value)


def session_view(engine: Engine) -> dict[str, Any]:
    """The session: day, hours, event count, money. Dollars; times RFC 3339."""
    return {
        "day": engine.session.day.isoformat(),
        "opens": rfc3339_of(engine.session.open_ns),
        "closes": rfc3339_of(engine.session.close_ns),
        "time": rfc3339_of(engine.time_ns),
        "events": engine.sequence,
        "halted": engine.halted,
        "halted_symbols": dict(engine.halted_symbols),
        "models": [
            {"model": running.model_id, "fingerprint": running.fingerprint[:12], "paused": running.paused}
            for running in engine.models.values()
        ],
        "shadows": [_shadow_view(engine, shadow) for shadow in engine.shadows.values()],
        "position": positions_of(engine),
        "cash": number(cents(engine.cash)),
        "equity": number(cents(engine.equity)),
        "pnl": number(cents(engine.profit)),
    }


def _shadow_view(engine: Engine, shadow: RunningModel) -> dict[str, Any]:
    """What a shadow holds on paper and has gained, beside the model whose candidate it is, in dollars since then. How
    many bars it was shown is not known of one that is read back from a journal, by its orders alone."""
    portfolio = shadow.portfolio
    held = {symbol: number(holding.quantity) for symbol, holding in portfolio.holdings.items() if holding.quantity}
    return {
        "model": shadow.model_id,
        "fingerprint": shadow.fingerprint[:12],
        "paused": shadow.paused,
        "bars": shadow.bars_heard if shadow.symbols else None,
        "promote_after": shadow.promote_after or None,
        "orders": len(shadow.sent_ns),
        "position": held,
        "pnl": number(cents(portfolio.realised + portfolio.unrealised(engine.prices))),
    }


def positions_of(engine: Engine) -> dict[str, int | float]:
    """Signed shares by symbol, without what is flat."""
    return {symbol: number(quantity) for symbol, quantity in engine.positions.items()}


def halts_view(halts: Iterable[Halt]) -> list[dict[str, Any]]:
    """The halts in force: the rule, the model it stops (None: all), why, what ends it."""
    return [
        {
            "rule": halt.rule,
            "model": halt.model_id or None,
            "reason": halt.reason,
            "flatten": halt.flatten,
            "ends": " or ".join(ends_of(halt.rule)),
        }
        for halt in halts
    ]


def orders_view(engine: Engine) -> list[dict[str, Any]]:
    """The session's orders, oldest first. Quantities in shares, prices in dollars."""
    return [_order_view(order) for order in engine.orders.values()]


def _order_view(order: OrderState) -> dict[str, Any]:
    request = order.request
    filled = order.filled_quantity
    return {
        "client_order_id": request.client_order_id,
        "model": order.owner.model_id,
        "symbol": request.symbol,
        "side": str(request.side),
        "quantity": number(request.quantity),
        "type": str(request.type),
        "limit_price": None if request.limit_price is None else number(request.limit_price),
        "status": str(order.status),
        "filled": number(filled),
        "average_price": float(order.filled_notional / filled) if filled else None,
    }


def positions_view(engine: Engine) -> list[dict[str, Any]]:
    """What each model holds. `cost` and the profits in dollars, `average_price` dollars a share."""
    rows = []
    for running in engine.models.values():
        for symbol, holding in running.portfolio.holdings.items():
            if not holding.quantity and not holding.realised:
                continue
            price = engine.prices.get(symbol)
            rows.append(
                {
                    "model": running.model_id,
                    "symbol": symbol,
                    "quantity": number(holding.quantity),
                    "average_price": round(float(holding.average_price), 4),
                    "last_price": None if price is None else float(text_of(decimal_of(price))),
                    "realised": number(cents(holding.realised)),
                    "unrealised": number(cents(holding.unrealised(price))),
                }
            )
    return rows
