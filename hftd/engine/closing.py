"""Closing positions: before the session's close, and when a halt says so."""

from hftd.domain.intents import Want
from hftd.domain.orders import OrderStatus, Side
from hftd.engine.desk import Desk
from hftd.engine.netting import is_crossable
from hftd.engine.session_state import SessionState
from hftd.engine.state import OrderState, RunningModel

BEFORE_CLOSE = "flatten before the close"
FLATTEN_ATTEMPTS = 3
"""How often a closing order may be refused, or end unfilled, before the engine stops trying and says so."""


class Closing:
    """Flattens what models hold, one order at a time for each model and symbol."""

    def __init__(self, state: SessionState, desk: Desk) -> None:
        self._state = state
        self._desk = desk
        self._refusals: dict[tuple[str, str], int] = {}

    def begin(self, reason: str) -> None:
        """Withdraw every order and close every position."""
        self._desk.cancel_all(reason)
        for running in self._state.shadows.values():
            self._desk.cancel_all(reason, running)
        self.go_on()

    def begin_anew(self) -> None:
        """Forget what could not be closed before."""
        self._refusals.clear()

    def go_on(self) -> None:
        """Close what is held and not being closed yet."""
        for running in self._state.everyone:
            for symbol in list(running.portfolio.holdings):
                self.close(running, symbol)

    def finished(self, order: OrderState) -> None:
        """An order is over while everything is being closed: count it if it has closed nothing, and go on."""
        symbol = order.request.symbol
        if order.status is not OrderStatus.FILLED and not order.cancel_requested:
            key = (order.owner.model_id, symbol)
            self._refusals[key] = self._refusals.get(key, 0) + 1
        self.close(order.owner, symbol)

    def close(self, running: RunningModel, symbol: str) -> None:
        """Close what a model holds of `symbol`, once none of its orders there is working any more."""
        held = running.portfolio.quantity(symbol)
        if not held or not self._state.market_is_open or self._is_working(running, symbol):
            return
        if self._refusals.get((running.model_id, symbol), 0) >= FLATTEN_ATTEMPTS:
            self._desk.stop("not_flattened", f"{held} {symbol} of {running.model_id} could not be closed")
            return
        side = Side.SELL if held > 0 else Side.BUY
        want = Want(side=side, symbol=symbol, quantity=abs(held), reason=self._reason)
        if running.shadow:
            self._desk.paper.enter(running, want)
        else:
            self._desk.dispatch.enter(running, want, forced=True)

    def _is_working(self, running: RunningModel, symbol: str) -> bool:
        """Whether orders of a model are still working; those that rest, placed since everything was withdrawn, are
        withdrawn too."""
        for order in self._state.working_of(running, symbol):
            if not is_crossable(order.request):
                self._desk.cancel(order, self._reason)
        return bool(self._state.working_of(running, symbol))

    @property
    def _reason(self) -> str:
        return BEFORE_CLOSE if self._state.is_before_close else f"halted: {self._state.halted}"
