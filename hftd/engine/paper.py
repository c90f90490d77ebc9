"""The desk of shadow models: their orders stand on paper and are filled there, by the rule in `shadow`."""

from collections.abc import Iterator

from hftd.domain.commands import ShadowFilled, ShadowOrdered, ShadowWithdrawn
from hftd.domain.intents import Exits, Want
from hftd.domain.market import Bar, Quote
from hftd.domain.orders import ExecutionReport, OrderClass, OrderRequest, OrderType, ReportKind
from hftd.engine.dispatch import Dispatch
from hftd.engine.session_state import SessionState
from hftd.engine.shadow import PaperOrder
from hftd.engine.state import OrderState, RunningModel
from hftd.engine.wants import request_of


class Paper:
    """Takes in what shadows want."""

    def __init__(self, state: SessionState, dispatch: Dispatch) -> None:
        self._state = state
        self._dispatch = dispatch

    def enter(self, running: RunningModel, want: Want, then_open: Want | None = None) -> None:
        """Write an order down."""
        state = self._state
        if state.following:
            return
        request = request_of(want, self._dispatch.client_order_id(running, want.symbol))
        price = state.prices.get(want.symbol)
        self._write(running, request, price, then_open)
        state.out.append(
            ShadowOrdered(
                model_id=running.model_id,
                order=request,
                reference_price=price,
                fingerprint=running.fingerprint,
                reason=want.reason,
                then_open=then_open.quantity if then_open else None,
                then_exits=then_open.exits if then_open else None,
            )
        )

    def protect(self, order: OrderState) -> None:
        """Write the exits of an order down that was filled: one order, filled at the one price or the other."""
        request = order.request
        if request.order_class in (OrderClass.BRACKET, OrderClass.OTO):
            exits = Exits(request.take_profit_price, request.stop_loss_price, request.stop_loss_limit_price)
            side = request.side.opposite
            self.enter(
                order.owner,
                Want(
                    side,
                    request.symbol,
                    request.quantity,
                    OrderType.LIMIT,
                    reason="exits",
                    exits=exits,
                    order_class=OrderClass.OCO,
                ),
            )

    def adopt(self, command: ShadowOrdered, then_open: Want | None) -> None:
        """Write an order down that was decided before."""
        shadow = self._state.shadows.setdefault(command.model_id, _unknown(command))
        self._write(shadow, command.order, command.reference_price, then_open)

    def withdraw(self, order: OrderState, reason: str) -> None:
        """Give an order up."""
        id = order.request.client_order_id
        if order.owner.paper.pop(id, None) is not None:
            self._state.out.append(ShadowWithdrawn(order.owner.model_id, id, reason))

    def filled_by(self, data: Bar | Quote) -> Iterator[ShadowFilled]:
        """What a bar or quote fills, noted one by one."""
        if self._state.following:
            return
        for running in list(self._state.shadows.values()):
            for order in [order for order in running.paper.values() if order.request.symbol == data.symbol]:
                if (fill := _fill_of(order, data)) and fill.client_order_id in running.paper:
                    self._state.out.append(fill)
                    yield fill

    def _write(self, running: RunningModel, request: OrderRequest, price: float | None, then_open: Want | None) -> None:
        order = OrderState(running, request, price, then_open=then_open)
        order.paper = PaperOrder(request, self._state.time_ns)
        running.paper[request.client_order_id] = order
        running.sent_ns.append(self._state.time_ns)


def _unknown(command: ShadowOrdered) -> RunningModel:
    """A shadow of which only its orders are known."""
    from hftd.model.contract import Model

    return RunningModel(command.model_id, Model(), command.fingerprint, (), shadow=True)


def _fill_of(order: OrderState, data: Bar | Quote) -> ShadowFilled | None:
    request = order.request
    assert order.paper is not None
    price = order.paper.by_bar(data) if isinstance(data, Bar) else order.paper.by_quote(data)
    if price is None:
        return None
    return ShadowFilled(
        order.owner.model_id, request.client_order_id, request.symbol, request.side, request.quantity, price
    )


def report_of(fill: ShadowFilled, time_ns: int) -> ExecutionReport:
    """What a shadow is told of a fill."""
    return ExecutionReport(
        kind=ReportKind.FILL,
        client_order_id=fill.client_order_id,
        time_ns=time_ns,
        symbol=fill.symbol,
        side=fill.side,
        execution_id=f"paper-{fill.client_order_id}",
        quantity=fill.quantity,
        price=fill.price,
        filled_quantity=fill.quantity,
    )
