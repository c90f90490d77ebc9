"""`AlpacaTradeClient`: trading for notebooks and scripts, over the same safe order path as the daemon's."""

import os
import uuid
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from hftd.broker.alpaca import AlpacaBroker
from hftd.broker.base import Asset, Moment, Number, OrdersAsked, TradeClient
from hftd.broker.credentials import Keys, find_keys
from hftd.broker.endpoints import Endpoints, Patience, alpaca_endpoints
from hftd.broker.loop_thread import LoopThread
from hftd.broker.moments import moment_of
from hftd.domain.account import Account, BrokerClock, Position
from hftd.domain.convert import datetime_of, decimal_of, ns_of
from hftd.domain.orders import (
    BrokerOrder,
    ExecutionReport,
    OrderClass,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from hftd.errors import DataError
from hftd.wording import suggestion

TRADE_VARIABLES = (
    ("ALPACA_TRADE_PUBLIC_KEY", "ALPACA_TRADE_SECRET_KEY"),
    ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"),
)

Word = TypeVar("Word", bound=StrEnum)


class AlpacaTradeClient(TradeClient):
    """A paper account. Keys come from `keys`, else from the environment, systemd's credentials or `env_file`.

    Every call raises DataError for a strange argument, CredentialsError, BrokerRefused or BrokerUnavailable; an order
    that the broker rejects is a report of kind `rejected`, with its reason.
    """

    def __init__(
        self,
        env_file: str | Path = ".env",
        *,
        keys: Keys | None = None,
        endpoints: Endpoints | None = None,
        patience: Patience | None = None,
    ) -> None:
        keys = keys or find_keys(os.environ, Path(env_file), TRADE_VARIABLES)
        self._thread = LoopThread("hftd: trading")
        self._broker = AlpacaBroker(endpoints or alpaca_endpoints(), keys, patience=patience)

    def get_account(self) -> Account:
        """Cash, equity and buying power in dollars, and what the account may do."""
        return self._thread.run(self._broker.account())

    def get_clock(self) -> BrokerClock:
        """The broker's time, whether its market is open, and when it opens and closes next."""
        return self._thread.run(self._broker.clock())

    def get_asset(self, symbol: str) -> Asset | None:
        """What may be done with `symbol`; None when the broker does not know it."""
        return self._thread.run(self._broker.asset(symbol))

    def get_positions(self) -> list[Position]:
        """What the account holds: signed shares, negative when short."""
        return self._thread.run(self._broker.positions())

    def get_orders(self, status: str = "open", after: Moment = None) -> list[BrokerOrder]:
        """Orders that are `open`, `closed` or `all`, oldest first; only those submitted after `after` if given."""
        asked = _choice("status", status, OrdersAsked)
        after_ns = None if after is None else ns_of(moment_of(after, datetime_of(0)))
        return self._thread.run(self._broker.orders(asked, after_ns))

    def get_order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that name; None when the broker has never seen it."""
        return self._thread.run(self._broker.order(client_order_id))

    def submit_order(
        self,
        symbol: str,
        qty: Number,
        side: str,
        type: str = "market",
        time_in_force: str = "day",
        *,
        limit_price: Number | None = None,
        stop_price: Number | None = None,
        trail_price: Number | None = None,
        trail_percent: Number | None = None,
        extended_hours: bool = False,
        order_class: str = "simple",
        take_profit: Number | None = None,
        stop_loss: Number | None = None,
        stop_loss_limit: Number | None = None,
        client_order_id: str | None = None,
    ) -> ExecutionReport:
        """Send an order; the broker's first word of it. `take_profit`, `stop_loss` and `stop_loss_limit` are the
        prices of a bracket's legs. Without a `client_order_id` one is made; give your own to make a repetition
        harmless. Raises DataError for a word or a number that is none."""
        order = OrderRequest(
            client_order_id=client_order_id or str(uuid.uuid4()),
            symbol=symbol,
            side=_choice("side", side, Side),
            quantity=_number("qty", qty),
            type=_choice("type", type, OrderType),
            time_in_force=_choice("time_in_force", time_in_force, TimeInForce),
            limit_price=_optional("limit_price", limit_price),
            stop_price=_optional("stop_price", stop_price),
            trail_price=_optional("trail_price", trail_price),
            trail_percent=_optional("trail_percent", trail_percent),
            extended_hours=extended_hours,
            order_class=_choice("order_class", order_class, OrderClass),
            take_profit_price=_optional("take_profit", take_profit),
            stop_loss_price=_optional("stop_loss", stop_loss),
            stop_loss_limit_price=_optional("stop_loss_limit", stop_loss_limit),
        )
        return self._thread.run(self._broker.submit(order))

    def replace_order(
        self,
        client_order_id: str,
        *,
        qty: Number | None = None,
        limit_price: Number | None = None,
        stop_price: Number | None = None,
        trail: Number | None = None,
        new_client_order_id: str | None = None,
    ) -> ExecutionReport:
        """Change a working order; the first word of its successor, which has a name of its own."""
        replacing = self._broker.replace(
            client_order_id,
            new_client_order_id or str(uuid.uuid4()),
            _optional("qty", qty),
            _optional("limit_price", limit_price),
            _optional("stop_price", stop_price),
            _optional("trail", trail),
        )
        return self._thread.run(replacing)

    def cancel_order(self, client_order_id: str) -> ExecutionReport:
        """Ask for a cancellation: `pending_cancel`, or `order_cancel_rejected` with the reason."""
        return self._thread.run(self._broker.cancel(client_order_id))

    def cancel_all(self) -> list[ExecutionReport]:
        """Ask for the cancellation of every open order; a report for each."""
        return [self.cancel_order(order.client_order_id) for order in self.get_orders("open")]

    def close_position(self, symbol: str) -> ExecutionReport | None:
        """Trade the whole position in `symbol` away at the market; None when there is none."""
        held = next((position.quantity for position in self.get_positions() if position.symbol == symbol), Decimal(0))
        if held == 0:
            return None
        return self.submit_order(symbol, abs(held), "sell" if held > 0 else "buy")

    def close(self) -> None:
        """Close all connections. Harmless when closed."""
        if self._thread.is_running:
            self._thread.run(self._broker.disconnect())
            self._thread.stop()


def _choice(name: str, word: str, kind: type[Word]) -> Word:
    """`word` as a `kind`. Raises DataError with the nearest valid word."""
    try:
        return kind(word)
    except ValueError:
        raise DataError(f"{name} is {word!r}; {suggestion(word, [choice.value for choice in kind])}") from None


def _number(name: str, value: Number) -> Decimal:
    try:
        return decimal_of(value)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None


def _optional(name: str, value: Number | None) -> Decimal | None:
    return None if value is None else _number(name, value)
