"""What became of orders: each execution report moves its order, its model's portfolio, and what follows from that."""

from collections.abc import Iterable

from msgspec.structs import replace

from hftd.domain.commands import ShadowFilled
from hftd.domain.intents import Want
from hftd.domain.orders import ExecutionReport, OrderStatus, ReportKind
from hftd.engine.closing import Closing
from hftd.engine.desk import Desk
from hftd.engine.families import Families
from hftd.engine.judge import Judge
from hftd.engine.order_states import NAMED_STATUS, Effect, effect_of
from hftd.engine.paper import report_of
from hftd.engine.session_state import SessionState
from hftd.engine.state import OrderState

UNGRANTED = (ReportKind.ORDER_CANCEL_REJECTED, ReportKind.ORDER_REPLACE_REJECTED)
"""Reports that change no order, and that its model asked for all the same."""


class Reporting:
    """Takes execution reports in."""

    def __init__(self, state: SessionState, desk: Desk, judge: Judge, closing: Closing) -> None:
        self._state = state
        self._desk = desk
        self._judge = judge
        self._closing = closing
        self._families = Families(state)

    def take(self, report: ExecutionReport) -> None:
        """Take in one report."""
        order = self._state.orders.get(report.client_order_id) or self._families.successor(report)
        if order is None:
            self._families.hold_back(report)  # the broker's name for an exit, or none of ours
            return
        order.broker_order_id = report.broker_order_id or order.broker_order_id
        before = self._families.adopt(order, report.legs)
        self._move(order, report)
        for held_back in before:
            self.take(held_back)

    def _move(self, order: OrderState, report: ExecutionReport) -> None:
        effect = effect_of(order.status, report.kind)
        if effect is Effect.HALT:
            reason = f"{report.client_order_id} is {order.status} and was reported {report.kind}"
            self._desk.stop("contradiction", reason)
        elif effect in (Effect.FILL, Effect.LATE_FILL):
            self._fill(order, report, keep_status=effect is Effect.LATE_FILL)
        elif effect is Effect.ADVANCE:
            order.status = NAMED_STATUS[report.kind]
            self._tell("on_order", order, report)
        elif report.kind in UNGRANTED:
            if report.kind is ReportKind.ORDER_CANCEL_REJECTED:
                for member in self._state.family(order):  # it may be asked for again
                    member.cancel_requested = member.put_back = False
                order.cancel_rejected_ns = self._state.time_ns
            self._tell("on_order", order, report)
        if order.status.is_terminal:
            self._finish(order)

    def take_crossed(self, orders: Iterable[tuple[OrderState, ExecutionReport]]) -> None:
        """Take in both sides of what was crossed inside; then the models are told."""
        pairs = list(orders)
        for order, report in pairs:
            order.count(report)
            order.status = OrderStatus.FILLED
            self._state.orders[report.client_order_id] = order
            self._book(order, report)
        for order, report in pairs:
            self._tell("on_order", order, report)
            self._tell("on_fill", order, report)
            self._desk.answer(self._judge.traded(order.owner, order.realised))
        if self._state.flattening:
            for order, _ in pairs:
                self._closing.close(order.owner, order.request.symbol)

    def open_other_side(self, order: OrderState, want: Want, *, filled: bool) -> None:
        """Go on with the other half of a reversal, if the first was filled."""
        cause = self._state.no_trading(late=False) if filled else "not_closed"
        self._desk.place_if_trading(order.owner, want, cause)

    def take_on_paper(self, fills: Iterable[ShadowFilled]) -> None:
        """Take in what was filled on paper."""
        for fill in fills:
            running = self._state.shadows[fill.model_id]
            order = running.paper.pop(fill.client_order_id)
            report = report_of(fill, self._state.time_ns)
            order.count(report)
            order.status = OrderStatus.FILLED
            self._desk.paper.protect(order)
            running.portfolio.fill(fill.symbol, fill.side, fill.quantity, fill.price)
            self._tell("on_order", order, report)
            self._tell("on_fill", order, report)
            follow_up, order.then_open = order.then_open, None
            if follow_up is not None and not running.paused:
                self.open_other_side(order, follow_up, filled=True)

    def _fill(self, order: OrderState, report: ExecutionReport, *, keep_status: bool) -> None:
        if order.knows(report):
            return
        if order.filled_quantity + report.quantity > order.request.quantity:
            reason = f"{report.client_order_id} was filled beyond its {order.request.quantity} shares"
            self._desk.stop("overfilled", reason)
        order.count(report)
        if not keep_status:
            complete = order.remaining <= 0
            order.status = OrderStatus.FILLED if complete else OrderStatus.PARTIALLY_FILLED
        for emptied in self._families.shrink_twins(order, report):
            emptied.status = OrderStatus.FILLED
            self._finish(emptied)
        self._book(order, report)
        self._tell("on_order", order, report)
        self._tell("on_fill", order, report)
        if self._state.flattening and keep_status:
            self._closing.close(order.owner, order.request.symbol)

    def _tell(self, hook: str, order: OrderState, report: ExecutionReport) -> None:
        """Tell the model, which may rely on symbol and side: not every report of a broker names them."""
        if order.owner.hears(hook):
            whole = replace(report, symbol=order.request.symbol, side=order.request.side)
            self._desk.ask(order.owner, hook, whole)

    def _book(self, order: OrderState, report: ExecutionReport) -> None:
        symbol, portfolio = order.request.symbol, order.owner.portfolio
        realised = portfolio.holding(symbol).realised
        portfolio.fill(symbol, order.request.side, report.quantity, report.price)
        order.realised += portfolio.holding(symbol).realised - realised
        self._state.note_held(symbol)
        self._desk.answer(self._judge.revalued())

    def _finish(self, order: OrderState) -> None:
        """An order is over: open the other half of a reversal, or go on flattening."""
        if self._state.working.pop(order.request.client_order_id, None) is None:
            return
        self._desk.answer(self._judge.traded(order.owner, order.realised))
        if order.put_back and order.status is OrderStatus.CANCELED:
            self._desk.dispatch.put_back(order)
        follow_up, order.then_open = order.then_open, None
        if follow_up is not None and not order.owner.paused:
            self.open_other_side(order, follow_up, filled=order.status is OrderStatus.FILLED)
        if self._state.flattening:
            self._closing.finished(order)
