"""The queue of each symbol: orders that passed their model's gate stand in it until the account lets them leave."""

from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256

from msgspec.structs import replace

from hftd.domain.commands import CancelOrder, OrderDropped, OrderQueued, OrderRefused, SignalDropped, SubmitOrder
from hftd.domain.convert import MINUTE_NS
from hftd.domain.intents import Want
from hftd.domain.orders import OrderType
from hftd.engine.gate import refused_alone, refused_together
from hftd.engine.netting import in_the_way, is_crossable, may_leave
from hftd.engine.risk import Refusal
from hftd.engine.session_state import SessionState
from hftd.engine.state import OrderState, RunningModel, Waiting
from hftd.engine.wants import request_of, want_of

WAIT_NS = MINUTE_NS
"""How long a market order waits to be sent: as long as a bar, after which its model may want something else."""


class Dispatch:
    """Takes orders in and sends what may leave."""

    def __init__(self, state: SessionState) -> None:
        self._state = state

    def enter(self, running: RunningModel, want: Want, then_open: Want | None = None, *, forced: bool = False) -> None:
        """Put `want` in the queue. It leaves at once where no other model shares the account."""
        state = self._state
        if state.following:
            return  # what was sent then is adopted
        request = request_of(want, self.client_order_id(running, want.symbol))
        order = OrderState(running, request, state.prices.get(want.symbol), then_open=then_open)
        waiting = state.waiting[request.client_order_id] = Waiting(
            order, want.reason, state.time_ns, forced=forced, may_cross=not state.is_crossing
        )
        if len(state.models) == 1:
            self._leave(waiting, want.quantity)

    def release(self, symbol: str) -> None:
        """Send what may leave now, oldest first."""
        for waiting in [waiting for waiting in self._state.waiting.values() if waiting.symbol == symbol]:
            if cause := self._end_of(waiting):
                self.drop(waiting, cause)
            else:
                self._try(waiting)

    def tell(self) -> None:
        """Note what has to wait from this step on."""
        for waiting in self._state.waiting.values():
            waiting.may_cross = True
            if not waiting.is_told:
                waiting.is_told = True
                self._state.out.append(_queued(waiting))

    def drop(self, waiting: Waiting, cause: str) -> None:
        """Give a waiting order up."""
        order = waiting.order
        request, model_id = order.request, order.owner.model_id
        self._state.waiting.pop(request.client_order_id)
        if waiting.is_told:
            self._state.out.append(OrderDropped(model_id, request.client_order_id, cause))
        else:
            self._state.out.append(SignalDropped(model_id, request.symbol, request.side, request.quantity, cause))

    def put_back(self, order: OrderState) -> None:
        """Send what is left of an order that was withdrawn to make way, if its model's gate lets it pass again: trading
        may have been halted meanwhile."""
        rest = order.request.quantity - order.filled_quantity
        then_open, order.then_open = order.then_open, None
        want = want_of(replace(order.request, quantity=rest), "put back after making way")
        if refusal := refused_alone(self._state, order.owner, want):
            self.refuse(order.owner, want, refusal, "model")
            if then_open is not None:
                self.drop_signal(order.owner, then_open, "close_refused")
        else:
            self.enter(order.owner, want, then_open)

    def refuse(self, running: RunningModel, want: Want, refusal: Refusal, scope: str) -> None:
        """Note what the gate said."""
        rule, limit, value = refusal.rule, refusal.limit, refusal.value
        self._state.out.append(
            OrderRefused(running.model_id, want.symbol, want.side, want.quantity, rule, limit, value, scope)
        )

    def drop_signal(self, running: RunningModel, want: Want, cause: str) -> None:
        """Note that a signal becomes no order."""
        self._state.out.append(SignalDropped(running.model_id, want.symbol, want.side, want.quantity, cause))

    # -- one order -------------------------------------------------------------------------------------------------

    def _end_of(self, waiting: Waiting) -> str | None:
        """Why an order is not to be sent any more, in one word."""
        cause = self._state.no_trading(late=False)
        if waiting.forced and cause == "closed":
            return None
        waited_ns = self._state.time_ns - waiting.since_ns
        if not cause and not waiting.forced and waited_ns >= WAIT_NS and waiting.order.request.type is OrderType.MARKET:
            return "waited_too_long"
        return cause

    def _try(self, waiting: Waiting) -> None:
        state, request = self._state, waiting.order.request
        held = state.position(waiting.symbol)
        working = [order for order in state.working.values() if order.request.symbol == waiting.symbol]
        if waiting.forced and self._has_counterpart(waiting, held):
            waiting.cause = "counterpart"
        elif not waiting.forced or state.market_is_open:
            if quantity := may_leave(request, held, working):
                self._leave(waiting, quantity)
            else:
                self._make_way(waiting, held, working)

    def _has_counterpart(self, waiting: Waiting, held: Decimal) -> bool:
        """Whether closing this would open something for the account: then others hold the opposite, are about to close
        it too, and the two will be crossed."""
        opens = held * waiting.order.request.side.sign >= 0
        return opens and waiting.symbol in self._state.prices

    def _make_way(self, waiting: Waiting, held: Decimal, working: Sequence[OrderState]) -> None:
        """Withdraw resting orders for a market order; they are put back behind it."""
        request = waiting.order.request
        opposed = in_the_way(request, held, working)
        waiting.cause = "opposed" if opposed else "closing"
        if not is_crossable(request):
            return
        for order in opposed or [order for order in working if order.request.side is request.side]:
            if order.may_make_way(self._state.time_ns):
                order.mark_cancelled(put_back=True)
                reason = f"in the way of {request.client_order_id}"
                id = order.request.client_order_id
                self._state.out.append(CancelOrder(order.owner.model_id, id, reason, put_back=True))

    def _leave(self, waiting: Waiting, quantity: Decimal) -> None:
        """Send `quantity` shares, if the gate lets them pass; the rest waits on."""
        state, order, queue = self._state, waiting.order, self._state.waiting
        request = order.request
        state.waiting = {id: other for id, other in queue.items() if other is not waiting}
        if not waiting.forced and self._is_refused(waiting):
            return
        if quantity == request.quantity:
            self._submit(order, waiting.reason)
            return
        part = replace(request, quantity=quantity, client_order_id=self.client_order_id(order.owner, request.symbol))
        self._submit(OrderState(order.owner, part, order.reference_price), waiting.reason, request.client_order_id)
        waiting.reduce(quantity)
        waiting.cause, state.waiting = "closing", queue

    def _is_refused(self, waiting: Waiting) -> bool:
        order, state = waiting.order, self._state
        want = want_of(order.request, waiting.reason)
        refusal, scope = refused_alone(state, order.owner, want) if waiting.is_told else None, "model"
        if refusal is None:
            refusal, scope = refused_together(state, order.owner, want), "all"
        if refusal is None:
            return False
        self.refuse(order.owner, want, refusal, scope)
        if waiting.is_told:
            state.out.append(OrderDropped(order.owner.model_id, order.request.client_order_id, "refused"))
        if order.then_open is not None:
            self.drop_signal(order.owner, order.then_open, "close_refused")
        return True

    def _submit(self, order: OrderState, reason: str, part_of: str = "") -> None:
        self._state.keep(order)
        self._state.out.append(
            SubmitOrder(
                model_id=order.owner.model_id,
                order=order.request,
                reference_price=order.reference_price,
                fingerprint=order.owner.fingerprint,
                reason=reason,
                then_open=order.then_open.quantity if order.then_open else None,
                then_exits=order.then_open.exits if order.then_open else None,
                part_of=part_of,
            )
        )

    def client_order_id(self, running: RunningModel, symbol: str) -> str:
        """The same for the same decision in the same run, and for no other: a repeated order is refused by its id.

        Its time is part of it: where a power cut has cost the journal its last events, or a damaged one was moved away,
        the numbers of events come again.
        """
        state = self._state
        state.made += 1
        decision = f"{symbol}|{state.sequence}|{state.time_ns}|{state.made}"
        origin = f"{state.run_id}|{running.fingerprint}|{state.session.day}|{decision}"
        return f"hftd-{state.session.day:%Y%m%d}-{symbol}-{sha256(origin.encode()).hexdigest()[:24]}"


def _queued(waiting: Waiting) -> OrderQueued:
    order = waiting.order
    return OrderQueued(
        model_id=order.owner.model_id,
        order=order.request,
        reference_price=order.reference_price,
        cause=waiting.cause,
        reason=waiting.reason,
        then_open=order.then_open.quantity if order.then_open else None,
        then_exits=order.then_open.exits if order.then_open else None,
        forced=waiting.forced,
    )
