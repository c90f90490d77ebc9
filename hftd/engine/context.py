"""What a model sees of the engine: its own standing, past bars, the moment, chance, and timers."""

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from hftd.domain.convert import datetime_of
from hftd.domain.history import History
from hftd.domain.session import Session
from hftd.engine.session_state import SessionState
from hftd.engine.state import OrderState, RunningModel
from hftd.engine.timers import length_ns
from hftd.model.contract import WorkingOrder

if TYPE_CHECKING:
    from numpy.random import Generator


class ModelContext:
    """The `Context` of one model in one session."""

    def __init__(self, state: SessionState, running: RunningModel) -> None:
        self._state = state
        self._running = running

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._running.symbols

    @property
    def session(self) -> Session:
        return self._state.session

    @property
    def now_ns(self) -> int:
        return self._state.time_ns

    @property
    def now(self) -> datetime:
        return datetime_of(self._state.time_ns)

    # -- standing --------------------------------------------------------------------------------------------------

    @property
    def cash(self) -> Decimal:
        return self._running.portfolio.cash

    @property
    def equity(self) -> Decimal:
        return self._running.portfolio.equity(self._state.prices)

    def position(self, symbol: str) -> Decimal:
        return self._running.portfolio.quantity(symbol)

    @property
    def positions(self) -> dict[str, Decimal]:
        holdings = self._running.portfolio.holdings
        return {symbol: holding.quantity for symbol, holding in holdings.items() if holding.quantity}

    def price(self, symbol: str) -> float | None:
        return self._state.prices.get(symbol)

    def working_orders(self, symbol: str | None = None) -> tuple[WorkingOrder, ...]:
        return tuple(
            _shown(order)
            for order in self._state.unfinished_of(self._running)
            if symbol in (None, order.request.symbol)
            and not order.status.is_terminal  # one that is being reported as filled right now
        )

    # -- past, chance, and time to come ------------------------------------------------------------------------------

    def history(self, symbol: str, bars: int | None = None) -> History:
        known = self._state.histories.get(symbol)
        if known is None:
            raise ValueError(f"history of {symbol!r}; this model follows {', '.join(self.symbols)}")
        return known.last(self._running.model.history_bars if bars is None else bars)

    @cached_property
    def rng(self) -> "Generator":
        from numpy.random import default_rng

        origin = f"{self._running.fingerprint}|{self._running.model_id}|{self._state.session.day}"
        return default_rng(int.from_bytes(sha256(origin.encode()).digest()))

    def after(self, delay: float | str, name: str = "") -> None:
        self._set_timer(delay, name, again=False)

    def every(self, interval: float | str, name: str = "") -> None:
        self._set_timer(interval, name, again=True)

    def stop_timer(self, name: str = "") -> None:
        self._state.timers.stop(self._running.model_id, name)

    def _set_timer(self, length: float | str, name: str, *, again: bool) -> None:
        if not isinstance(name, str):
            raise ValueError(f"a timer named {name!r}; expected text, like 'rebalance'")
        state = self._state
        state.timers.set(self._running.model_id, name, state.time_ns, length_ns(length), again=again)


def _shown(order: OrderState) -> WorkingOrder:
    request = order.request
    return WorkingOrder(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        quantity=request.quantity,
        filled_quantity=order.filled_quantity,
        type=request.type,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        parent=order.parent,
    )
