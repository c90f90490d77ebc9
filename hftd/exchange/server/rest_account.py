"""REST: the account, its configuration, statement and history; its positions."""

from typing import Any

import msgspec
from aiohttp import web

from hftd.exchange.server.call import Call, Fields, answer, error_body, flag, malformed, number, text
from hftd.exchange.server.render import account_json, configuration_json, order_json, position_json
from hftd.exchange.venue.accounts import Configuration
from hftd.exchange.venue.orders import Order
from hftd.exchange.venue.refusals import Refusal


async def account(call: Call) -> web.Response:
    """GET /v2/account"""
    venue = call.exchange.venue
    balance_day = call.exchange.calendar.day_of(call.now_ns).isoformat()
    return answer(account_json(venue.account(call.account_id), venue.figures(call.account_id), balance_day))


async def configuration(call: Call) -> web.Response:
    """GET /v2/account/configurations"""
    return answer(configuration_json(call.exchange.venue.account(call.account_id).configuration))


async def configure(call: Call) -> web.Response:
    """PATCH /v2/account/configurations"""
    present = call.exchange.venue.account(call.account_id).configuration
    changed = configuration_of(await call.body(), present)
    call.exchange.venue.configure(call.account_id, changed, call.now_ns)
    call.exchange.commit()
    return answer(configuration_json(changed))


def configuration_of(body: Fields, present: Configuration) -> Configuration:
    """`present` with the changes that `body` asks for. Raises Refusal."""
    multiplier = number(body, "max_margin_multiplier")
    if multiplier is not None and multiplier not in (1, 2, 4):
        raise malformed("invalid max_margin_multiplier: 1, 2 or 4 is expected")
    return msgspec.structs.replace(
        present,
        multiplier_max=present.multiplier_max if multiplier is None else int(multiplier),
        shorting=not flag(body, "no_shorting", not present.shorting),
        fractional=flag(body, "fractional_trading", present.fractional),
        suspended=flag(body, "suspend_trade", present.suspended),
        trade_confirm_email=_one_of(body, "trade_confirm_email", ("all", "none"), present.trade_confirm_email),
        ptp_no_exception_entry=flag(body, "ptp_no_exception_entry", present.ptp_no_exception_entry),
        disable_overnight_trading=flag(body, "disable_overnight_trading", present.disable_overnight_trading),
        pdt_check=_one_of(body, "pdt_check", ("both", "entry", "exit"), present.pdt_check),
        dtbp_check=_one_of(body, "dtbp_check", ("both", "entry", "exit"), present.dtbp_check),
    )


async def positions(call: Call) -> web.Response:
    """GET /v2/positions"""
    held = call.exchange.venue.positions(call.account_id)
    return answer([position_json(position, call.exchange.assets) for position in held])


async def position(call: Call) -> web.Response:
    """GET /v2/positions/{symbol_or_id}"""
    held = call.exchange.venue.position(call.account_id, _symbol(call))
    return answer(position_json(held, call.exchange.assets))


async def close_position(call: Call) -> web.Response:
    """DELETE /v2/positions/{symbol_or_id}"""
    quantity, percentage = number(call.query, "qty"), number(call.query, "percentage")
    if quantity is not None and percentage is not None:
        raise malformed("only one of qty or percentage is accepted")
    order = call.exchange.venue.close_position(call.account_id, _symbol(call), call.now_ns, quantity, percentage)
    call.exchange.commit()
    return answer(order_json(order, call.exchange.assets))


async def close_positions(call: Call) -> web.Response:
    """DELETE /v2/positions"""
    cancels = flag(call.query, "cancel_orders")
    outcomes = call.exchange.venue.close_positions(call.account_id, call.now_ns, cancel_orders=cancels)
    call.exchange.commit()
    return answer([_outcome(call, symbol, outcome) for symbol, outcome in outcomes], 207)


def _symbol(call: Call) -> str:
    wanted = call.path("symbol")
    by_id = (asset.symbol for asset in call.exchange.assets.values() if asset.id == wanted)
    return next(by_id, wanted.upper())


def _outcome(call: Call, symbol: str, outcome: Order | Refusal) -> dict[str, Any]:
    if isinstance(outcome, Refusal):
        return {"symbol": symbol, "status": outcome.status, "body": error_body(outcome)}
    return {"symbol": symbol, "status": 200, "body": order_json(outcome, call.exchange.assets)}


def _one_of(body: Fields, name: str, choices: tuple[str, ...], present: str) -> str:
    found = text(body, name)
    if found is not None and found not in choices:
        raise malformed(f"invalid {name}: expected one of {', '.join(choices)}")
    return found or present
