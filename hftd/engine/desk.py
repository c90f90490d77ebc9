"""From what a model wants to what is sent: a signal, the gate, an order; and the withdrawal of orders."""

from collections.abc import Iterable
from typing import Any

from hftd.domain.commands import (
    CancelOrder,
    SignalRaised,
    TradingStopped,
)
from hftd.domain.events import Halt
from hftd.domain.intents import Cancel, Intent, Want
from hftd.engine.dispatch import Dispatch
from hftd.engine.gate import refused_alone
from hftd.engine.judge import Breach
from hftd.engine.netting import ENTRIES, is_crossable
from hftd.engine.paper import Paper
from hftd.engine.risk import Refusal
from hftd.engine.session_state import SessionState
from hftd.engine.sizing import sized
from hftd.engine.state import OrderState, RunningModel
from hftd.engine.wants import halves_of


class Desk:
    """Asks models, and carries out what they want: all commands of a step are written here."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self.dispatch = Dispatch(state)
        self.paper = Paper(state, self.dispatch)

    def ask(self, running: RunningModel, hook: str, argument: Any, *, late: bool = False) -> None:
        """Call a model's hook and carry out what it wants."""
        for intent in self._state.call(running, self._state.sequence, hook, (argument,)):
            self.decide(running, intent, late=late)

    def decide(self, running: RunningModel, intent: Intent, *, late: bool) -> None:
        """Carry out one intent of a model."""
        if isinstance(intent, Cancel):
            self._withdraw(running, intent)
        elif (found := sized(self._state, running, intent)) is not None:
            self._raise(running, *found, late=late)

    def _raise(self, running: RunningModel, want: Want, cause: str | None, *, late: bool) -> None:
        if cause is not None:
            self.dispatch.drop_signal(running, want, cause)
            return
        self._state.out.append(
            SignalRaised(running.model_id, want.symbol, want.side, want.quantity, want.reason, running.shadow)
        )
        self.place_if_trading(running, want, self._state.no_trading(late=late))

    def _withdraw(self, running: RunningModel, intent: Cancel) -> None:
        for order in self._state.unfinished_of(running):
            meant = order.request.symbol == intent.symbol or order.request.client_order_id == intent.client_order_id
            if meant and not (self._state.flattening and is_crossable(order.request)):
                self.cancel(order, intent.reason)  # while all is being closed, what does it is not the model's

    # -- sending ---------------------------------------------------------------------------------------------------

    def place_if_trading(self, running: RunningModel, want: Want, cause: str | None) -> None:
        """Send `want`, or drop it for `cause`."""
        if cause:
            self.dispatch.drop_signal(running, want, cause)
        else:
            self._place(running, want)

    def _place(self, running: RunningModel, want: Want) -> None:
        """Send `want`; what would cross from long to short (or back) closes first and opens after the fill."""
        exposure = self._state.exposure(running, want.symbol)
        if exposure * want.side.sign < 0 and want.quantity > abs(exposure):
            closing, opening = halves_of(want, abs(exposure))
            if not self._send(running, closing, then_open=opening):
                self.dispatch.drop_signal(running, opening, "close_refused")
        else:
            self._send(running, self._without_idle_exits(running, want))

    def _without_idle_exits(self, running: RunningModel, want: Want) -> Want:
        """What only closes has no exits: they would open something again."""
        free = self._state.closable(running, want.symbol)
        if want.order_class not in ENTRIES or free * want.side.sign >= 0 or want.quantity > abs(free):
            return want
        return halves_of(want, want.quantity)[0]

    def _send(self, running: RunningModel, want: Want, then_open: Want | None = None) -> bool:
        """Pass `want` through the gate and send it; False if it was refused."""
        refusal = refused_alone(self._state, running, want)
        if refusal is not None:
            self.dispatch.refuse(running, want, refusal, "model")
            return False
        if running.shadow:
            self.paper.enter(running, want, then_open)
        else:
            self.dispatch.enter(running, want, then_open)
        return True

    # -- withdrawing and stopping ------------------------------------------------------------------------------------

    def cancel(self, order: OrderState, reason: str) -> None:
        """Ask for the withdrawal of an order and its family, once; one that waits is dropped."""
        id = order.request.client_order_id
        if self._state.following:
            return
        if order.owner.shadow:
            self.paper.withdraw(order, reason)
        elif waiting := self._state.waiting.get(id):
            if not (waiting.forced and self._state.flattening):
                self.dispatch.drop(waiting, "withdrawn")
        elif order.put_back or not order.cancel_requested:
            self._state.out.append(CancelOrder(order.owner.model_id, id, reason))
            self._state.mark_cancelled(order)

    def cancel_all(self, reason: str, running: RunningModel | None = None) -> None:
        """Ask for the withdrawal of all orders that are not finished, or of those of one model."""
        for order in self._state.unfinished if running is None else self._state.unfinished_of(running):
            self.cancel(order, reason)

    def withdraw_opening(self, model_id: str, reason: str) -> None:
        """Withdraw the orders, of one model or of all, that could make a position larger."""
        for order in self._state.unfinished:
            running, request = order.owner, order.request
            held = running.portfolio.quantity(request.symbol) * request.side.sign
            opens = not order.parent and not order.status.is_terminal and held > -order.remaining
            if opens and model_id in ("", running.model_id):
                self.cancel(order, reason)

    def stop(self, rule: str, reason: str, model_id: str = "", breach: Refusal | None = None) -> None:
        """Open nothing any more, by what the engine itself has found."""
        if self._state.following:
            return
        self._state.halts.add(Halt(rule, reason, model_id))
        limit, value = (breach.limit, breach.value) if breach else (None, None)
        self._state.out.append(TradingStopped(model_id=model_id, rule=rule, reason=reason, limit=limit, value=value))

    def answer(self, breaches: Iterable[Breach]) -> None:
        """Halt for each breach that no halt in force stands for."""
        for breach in breaches:
            rule = breach.refusal.rule
            if not self._state.following and not self._state.halts.holds(rule, breach.model_id):
                self.stop(rule, breach.reason, breach.model_id, breach.refusal)
                self.withdraw_opening(breach.model_id, rule)
