"""The end of a step: what models want of each other is crossed inside, the rest is sent or waits."""

from decimal import Decimal

from hftd.domain.commands import OrderCrossed, OrderQueued, SubmitOrder
from hftd.domain.convert import decimal_of
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.engine.desk import Desk
from hftd.engine.netting import Cross, crosses_of
from hftd.engine.reporting import Reporting
from hftd.engine.session_state import SessionState
from hftd.engine.state import OrderState, RunningModel, Waiting
from hftd.engine.wants import other_half


class Crossing:
    """Settles the queues of all symbols."""

    def __init__(self, state: SessionState, desk: Desk, reporting: Reporting) -> None:
        self._state = state
        self._desk = desk
        self._reporting = reporting

    def settle(self) -> None:
        """Cross what can be crossed, send what may leave, and note what waits."""
        if not self._state.no_trading(late=False):
            while self._cross_once():
                pass
        for symbol in dict.fromkeys(waiting.symbol for waiting in self._state.waiting.values()):
            self._desk.dispatch.release(symbol)
        self._desk.dispatch.tell()

    def _cross_once(self) -> bool:
        """Cross one pair; False when there is none. One at a time, for who is told may withdraw another order."""
        symbols = dict.fromkeys(waiting.symbol for waiting in self._state.waiting.values())
        for symbol in symbols if len(self._state.models) > 1 else ():
            waiting = [waiting for waiting in self._state.waiting.values() if waiting.symbol == symbol]
            cross = next(crosses_of(each.order for each in waiting if each.may_cross), None)
            if cross is not None and symbol in self._state.prices:
                self._cross(cross, decimal_of(self._state.prices[symbol]))
                return True
        return False

    def _cross(self, cross: Cross, price: Decimal) -> None:
        buy, sell = cross.buyer, cross.seller
        command = OrderCrossed(
            symbol=buy.request.symbol,
            quantity=cross.quantity,
            price=price,
            buyer_id=buy.owner.model_id,
            seller_id=sell.owner.model_id,
            buy_order_id=buy.request.client_order_id,
            sell_order_id=sell.request.client_order_id,
            number=len(self._state.out),
        )
        self._state.out.append(command)
        finished = [order for order in (buy, sell) if order.request.quantity == cross.quantity]
        self._state.is_crossing = True
        self._carry_out(command)
        self._state.is_crossing = False
        for order in finished:
            if order.then_open is not None and not order.owner.paused:
                self._reporting.open_other_side(order, order.then_open, filled=True)

    def _carry_out(self, command: OrderCrossed) -> None:
        buyer, seller = self._state.models[command.buyer_id], self._state.models[command.seller_id]
        for id in (command.buy_order_id, command.sell_order_id):
            self._take_from_queue(id, command.quantity)
        self._reporting.take_crossed(
            [
                self._side_of(command, buyer, Side.BUY, command.buy_order_id),
                self._side_of(command, seller, Side.SELL, command.sell_order_id),
            ]
        )

    def _take_from_queue(self, id: str, quantity: Decimal) -> None:
        if waiting := self._state.waiting.get(id):
            if waiting.order.request.quantity == quantity:
                del self._state.waiting[id]
            else:
                waiting.reduce(quantity)

    def _side_of(
        self, command: OrderCrossed, running: RunningModel, side: Side, id: str
    ) -> tuple[OrderState, ExecutionReport]:
        """One side as an order that was filled at once, with an id of its own."""
        own_id = f"{id}-x{self._state.sequence}-{command.number}"
        request = OrderRequest(own_id, command.symbol, side, command.quantity)
        report = ExecutionReport(
            kind=ReportKind.FILL,
            client_order_id=own_id,
            time_ns=self._state.time_ns,
            symbol=command.symbol,
            side=side,
            execution_id=own_id,
            quantity=command.quantity,
            price=command.price,
            filled_quantity=command.quantity,
        )
        return OrderState(running, request, float(command.price)), report

    # -- what was decided before -----------------------------------------------------------------------------------

    def adopt_sent(self, command: SubmitOrder) -> None:
        """An order was sent that had waited, or a part of one."""
        if waiting := self._state.waiting.get(command.part_of):
            waiting.reduce(command.order.quantity)
        self._state.waiting.pop(command.order.client_order_id, None)

    def adopt_queued(self, command: OrderQueued) -> None:
        """An order had to wait."""
        running, request = self._state.models[command.model_id], command.order
        order = OrderState(running, request, command.reference_price, then_open=other_half(command))
        self._state.waiting[request.client_order_id] = Waiting(
            order, command.reason, self._state.time_ns, command.forced, is_told=True, cause=command.cause
        )

    def adopt_crossed(self, command: OrderCrossed) -> None:
        """Two orders were crossed."""
        self._carry_out(command)
