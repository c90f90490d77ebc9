"""From what a model wants to what is sent: a signal, the gate, an order; and the withdrawal of orders."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from hftd.domain.commands import (
    CancelOrder,
    OrderRefused,
    SignalDropped,
    SignalRaised,
    SubmitOrder,
    TradingStopped,
)
from hftd.domain.events import Halt
from hftd.domain.intents import Cancel, Intent, Target, Want
from hftd.domain.orders import OrderRequest, Side
from hftd.engine.gate import refused
from hftd.engine.judge import Breach
from hftd.engine.risk import Refusal
from hftd.engine.session_state import SessionState
from hftd.engine.state import OrderState, RunningModel


class Desk:
    """Asks models, and carries out what they want: all commands of a step are written here."""

    def __init__(self, state: SessionState) -> None:
        self._state = state

    def ask(self, running: RunningModel, hook: str, argument: Any, *, late: bool = False) -> None:
        """Call a model's hook and carry out what it wants."""
        for intent in self._state.call(running, self._state.sequence, hook, (argument,)):
            self.decide(running, intent, late=late)

    def decide(self, running: RunningModel, intent: Intent, *, late: bool) -> None:
        """Carry out one intent of a model."""
        if isinstance(intent, Cancel):
            self._withdraw(running, intent)
            return
        want = self._want_of(running, intent) if isinstance(intent, Target) else intent
        if want is None:
            return
        self._state.out.append(SignalRaised(running.model_id, want.symbol, want.side, want.quantity, want.reason))
        self.place_if_trading(running, want, self._state.no_trading(late=late))

    def _want_of(self, running: RunningModel, intent: Target) -> Want | None:
        missing = intent.quantity - self._state.aim(running, intent.symbol)
        if not missing:
            return None
        side = Side.BUY if missing > 0 else Side.SELL
        return Want(side=side, symbol=intent.symbol, quantity=abs(missing), reason=intent.reason)

    def _withdraw(self, running: RunningModel, intent: Cancel) -> None:
        for order in self._state.working_of(running, intent.symbol):
            self.cancel(order, intent.reason)

    # -- sending ---------------------------------------------------------------------------------------------------

    def place_if_trading(self, running: RunningModel, want: Want, cause: str | None) -> None:
        """Send `want`, or drop it for `cause`."""
        if cause:
            self._drop(running, want, cause)
        else:
            self._place(running, want)

    def _place(self, running: RunningModel, want: Want) -> None:
        """Send `want`; what would cross from long to short (or back) closes first and opens after the fill."""
        exposure = self._state.exposure(running, want.symbol)
        if exposure * want.side.sign < 0 and want.quantity > abs(exposure):
            closing = replace(want, quantity=abs(exposure))
            opening = replace(want, quantity=want.quantity - abs(exposure))
            if not self._send(running, closing, then_open=opening):
                self._drop(running, opening, "close_refused")
        else:
            self._send(running, want)

    def _send(self, running: RunningModel, want: Want, then_open: Want | None = None) -> bool:
        """Pass `want` through the gate and send it; False if it was refused."""
        refusal = refused(self._state, running, want)
        if refusal is not None:
            self._refuse(running, want, *refusal)
            return False
        self.submit(running, want, then_open)
        return True

    def submit(self, running: RunningModel, want: Want, then_open: Want | None = None) -> None:
        """Send `want` as it is."""
        state = self._state
        if state.following:
            return  # the orders that were sent then are adopted
        request = OrderRequest(
            client_order_id=self._client_order_id(running, want.symbol),
            symbol=want.symbol,
            side=want.side,
            quantity=want.quantity,
            type=want.type,
            time_in_force=want.time_in_force,
            limit_price=want.limit_price,
            stop_price=want.stop_price,
        )
        reference_price = state.prices.get(want.symbol)
        state.keep(OrderState(running, request, reference_price, then_open=then_open))
        state.out.append(
            SubmitOrder(
                model_id=running.model_id,
                order=request,
                reference_price=reference_price,
                fingerprint=running.fingerprint,
                reason=want.reason,
                then_open=then_open.quantity if then_open else None,
            )
        )

    def _client_order_id(self, running: RunningModel, symbol: str) -> str:
        """The same for the same decision in the same run, and for no other: a repeated order is refused by its id."""
        state = self._state
        origin = f"{state.run_id}|{running.fingerprint}|{state.session.day}|{symbol}|{state.sequence}|{len(state.out)}"
        return f"hftd-{state.session.day:%Y%m%d}-{symbol}-{sha256(origin.encode()).hexdigest()[:24]}"

    def _refuse(self, running: RunningModel, want: Want, refusal: Refusal, scope: str) -> None:
        self._state.out.append(
            OrderRefused(
                running.model_id,
                want.symbol,
                want.side,
                want.quantity,
                refusal.rule,
                refusal.limit,
                refusal.value,
                scope,
            )
        )

    def _drop(self, running: RunningModel, want: Want, cause: str) -> None:
        self._state.out.append(SignalDropped(running.model_id, want.symbol, want.side, want.quantity, cause))

    # -- withdrawing and stopping ------------------------------------------------------------------------------------

    def cancel(self, order: OrderState, reason: str) -> None:
        """Ask for an order's withdrawal, once."""
        if not self._state.following and not order.cancel_requested:
            self._state.out.append(CancelOrder(order.owner.model_id, order.request.client_order_id, reason))
            order.mark_cancelled()

    def cancel_all(self, reason: str, running: RunningModel | None = None) -> None:
        """Ask for the withdrawal of all working orders, or of those of one model."""
        for order in list(self._state.working.values()):
            if running is None or order.owner is running:
                self.cancel(order, reason)

    def withdraw_opening(self, model_id: str, reason: str) -> None:
        """Withdraw the working orders, of one model or of all, that could make a position larger."""
        for order in list(self._state.working.values()):
            running, request = order.owner, order.request
            held = running.portfolio.quantity(request.symbol) * request.side.sign
            if model_id in ("", running.model_id) and not order.status.is_terminal and held > -order.remaining:
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


def other_half(command: SubmitOrder) -> Want | None:
    """What is to be opened when this order has closed a position."""
    order, quantity = command.order, command.then_open
    if quantity is None:
        return None
    return Want(
        side=order.side,
        symbol=order.symbol,
        quantity=quantity,
        type=order.type,
        time_in_force=order.time_in_force,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        reason=command.reason,
    )
