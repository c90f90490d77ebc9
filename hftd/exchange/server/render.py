"""The venue's records as Alpaca writes them: trading objects, in which every decimal is text."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from hftd.domain.convert import billionths, rfc3339_of, text_of
from hftd.domain.orders import OrderClass
from hftd.exchange.venue.accounts import (
    Account,
    AccountFigures,
    Activity,
    ActivityType,
    Configuration,
    PositionFigures,
)
from hftd.exchange.venue.assets import Asset
from hftd.exchange.venue.happenings import OrderChanged
from hftd.exchange.venue.orders import Order

Json = dict[str, Any]
Assets = Mapping[str, Asset]


def decimal_text(number: Decimal) -> str:
    """A quantity, price or amount with up to nine decimals."""
    return text_of(billionths(number))


def optional_text(number: Decimal | None) -> str | None:
    return None if number is None else decimal_text(number)


def optional_time(time_ns: int | None) -> str | None:
    return None if time_ns is None else rfc3339_of(time_ns)


def order_json(order: Order, assets: Assets, legs: list[Json] | None = None) -> Json:
    """An order. `legs` are given where they are to be shown."""
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": rfc3339_of(order.created_at_ns),
        "updated_at": rfc3339_of(order.updated_at_ns),
        "submitted_at": rfc3339_of(order.submitted_at_ns),
        "filled_at": optional_time(order.filled_at_ns),
        "expired_at": optional_time(order.expired_at_ns),
        "expires_at": optional_time(order.expires_at_ns),
        "canceled_at": optional_time(order.canceled_at_ns),
        "failed_at": optional_time(order.failed_at_ns),
        "replaced_at": optional_time(order.replaced_at_ns),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": assets[order.symbol].id,
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": optional_text(order.notional),
        "qty": optional_text(order.quantity),
        "filled_qty": decimal_text(order.filled_quantity),
        "filled_avg_price": optional_text(order.filled_average_price),
        "order_class": "" if order.order_class is OrderClass.SIMPLE else order.order_class.value,
        "order_type": order.type.value,
        "type": order.type.value,
        "side": order.side.value,
        "position_intent": order.position_intent.value,
        "time_in_force": order.time_in_force.value,
        "limit_price": optional_text(order.limit_price),
        "stop_price": optional_text(order.stop_price),
        "trail_percent": optional_text(order.trail_percent),
        "trail_price": optional_text(order.trail_price),
        "hwm": optional_text(order.hwm),
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "ratio_qty": None,
        "subtag": None,
        "source": None,
    }


def update_json(change: OrderChanged, assets: Assets) -> Json:
    """What the trade-updates socket tells of a change."""
    assert change.kind is not None, "a change without a kind is not published"
    update: Json = {
        "event": change.kind.value,
        "timestamp": rfc3339_of(change.time_ns),
        "order": order_json(change.order, assets),
    }
    if change.execution is not None:
        update |= {
            "execution_id": change.execution_id,
            "price": decimal_text(change.execution.price),
            "qty": decimal_text(change.execution.quantity),
            "position_qty": optional_text(change.position_quantity),
        }
    return update if change.order.reject_reason is None else update | {"reason": change.order.reject_reason}


def account_json(account: Account, figures: AccountFigures, balance_day: str) -> Json:
    """The account, with the fields of pattern day trading that older clients still require."""
    equity, suspended = decimal_text(figures.equity), figures.suspended
    market_value = figures.long_market_value + figures.short_market_value
    buying_power = decimal_text(figures.buying_power)
    return {
        "id": account.id,
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": account.number,
        "status": account.status,
        "crypto_status": "INACTIVE",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "currency": "USD",
        "buying_power": buying_power,
        "regt_buying_power": decimal_text(figures.regt_buying_power),
        "daytrading_buying_power": decimal_text(figures.daytrading_buying_power),
        "effective_buying_power": buying_power,
        "non_marginable_buying_power": decimal_text(figures.non_marginable_buying_power),
        "options_buying_power": decimal_text(figures.non_marginable_buying_power),
        "bod_dtbp": "0",
        "cash": decimal_text(figures.cash),
        "accrued_fees": decimal_text(figures.accrued_fees),
        "pending_reg_taf_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "portfolio_value": equity,
        "equity": equity,
        "last_equity": decimal_text(figures.last_equity),
        "long_market_value": decimal_text(figures.long_market_value),
        "short_market_value": decimal_text(figures.short_market_value),
        "position_market_value": decimal_text(market_value),
        "initial_margin": decimal_text(figures.initial_margin),
        "maintenance_margin": decimal_text(figures.maintenance_margin),
        "last_maintenance_margin": decimal_text(figures.last_maintenance_margin),
        "sma": "0",
        "daytrade_count": 0,
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": suspended,
        "multiplier": str(figures.multiplier),
        "shorting_enabled": figures.shorting_enabled,
        "created_at": rfc3339_of(account.created_at_ns),
        "balance_asof": balance_day,
        "crypto_tier": 0,
        "intraday_adjustments": "0",
    }


def position_json(position: PositionFigures, assets: Assets) -> Json:
    asset = assets[position.symbol]
    return {
        "asset_id": asset.id,
        "symbol": position.symbol,
        "exchange": asset.exchange,
        "asset_class": "us_equity",
        "asset_marginable": asset.marginable,
        "qty": decimal_text(position.quantity),
        "qty_available": decimal_text(position.available),
        "avg_entry_price": decimal_text(position.average_entry_price),
        "side": "long" if position.quantity > 0 else "short",
        "market_value": decimal_text(position.market_value),
        "cost_basis": decimal_text(position.cost_basis),
        "unrealized_pl": decimal_text(position.unrealized),
        "unrealized_plpc": decimal_text(position.unrealized_fraction),
        "unrealized_intraday_pl": decimal_text(position.unrealized_today),
        "unrealized_intraday_plpc": decimal_text(position.unrealized_today_fraction),
        "current_price": decimal_text(position.current_price),
        "lastday_price": decimal_text(position.last_day_price),
        "change_today": decimal_text(position.change_today_fraction),
    }


def asset_json(asset: Asset) -> Json:
    return {
        "id": asset.id,
        "class": "us_equity",
        "exchange": asset.exchange,
        "symbol": asset.symbol,
        "name": asset.name,
        "status": "active",
        "tradable": asset.tradable,
        "marginable": asset.marginable,
        "shortable": asset.shortable,
        "easy_to_borrow": asset.easy_to_borrow,
        "borrow_status": "easy_to_borrow" if asset.easy_to_borrow else "hard_to_borrow",
        "fractionable": asset.fractionable,
        "maintenance_margin_requirement": asset.maintenance_margin_percent,
        "margin_requirement_long": str(asset.maintenance_margin_percent),
        "margin_requirement_short": str(asset.maintenance_margin_percent),
        "attributes": ["fractional_eh_enabled"] if asset.fractionable else [],
        "cusip": None,
    }


def configuration_json(configuration: Configuration) -> Json:
    """The owner's configuration, with the two fields that older clients still require."""
    return {
        "dtbp_check": configuration.dtbp_check,
        "pdt_check": configuration.pdt_check,
        "fractional_trading": configuration.fractional,
        "max_margin_multiplier": str(configuration.multiplier_max),
        "max_options_trading_level": None,
        "no_shorting": not configuration.shorting,
        "suspend_trade": configuration.suspended,
        "trade_confirm_email": configuration.trade_confirm_email,
        "ptp_no_exception_entry": configuration.ptp_no_exception_entry,
        "disable_overnight_trading": configuration.disable_overnight_trading,
    }


def activity_json(activity: Activity) -> Json:
    """One line of the statement: fills and other entries differ in their fields."""
    writer: Callable[[Activity], Json] = _fill_json if activity.type is ActivityType.FILL else _entry_json
    return {"id": activity.id, "activity_type": activity.type.value, **writer(activity)}


def _fill_json(fill: Activity) -> Json:
    return {
        "transaction_time": rfc3339_of(fill.time_ns),
        "type": fill.fill_type,
        "price": optional_text(fill.price),
        "qty": optional_text(fill.quantity),
        "side": fill.side,
        "symbol": fill.symbol,
        "leaves_qty": optional_text(fill.leaves_quantity),
        "order_id": fill.order_id,
        "cum_qty": optional_text(fill.cumulative_quantity),
        "order_status": fill.order_status,
        "execution_id": fill.execution_id,
    }


def _entry_json(entry: Activity) -> Json:
    return {
        "date": entry.day.isoformat() if entry.day else rfc3339_of(entry.time_ns)[:10],
        "created_at": rfc3339_of(entry.time_ns),
        "net_amount": optional_text(entry.net_amount),
        "description": entry.description or "",
        "status": "executed",
        "symbol": entry.symbol,
        "qty": optional_text(entry.quantity),
        "per_share_amount": optional_text(entry.price),
    }
