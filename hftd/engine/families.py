"""Orders that the broker makes: the exits of a bracket, oco or oto, and the successors of replaced orders.

They bear names that the broker gave them. An exit is known once its parent's report tells of it, a successor by the
order that it replaces; what is reported of a name before that is held back until then.
"""

from collections import OrderedDict

from msgspec.structs import replace

from hftd.domain.orders import ExecutionReport, OrderLeg, OrderRequest, OrderStatus
from hftd.engine.session_state import SessionState
from hftd.engine.state import OrderState

HELD_BACK_MAX = 1000
"""Names of which reports are held back; orders that people make by hand are among them, and never claimed."""


class Families:
    """Adopts what the broker made."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._held_back: OrderedDict[str, list[ExecutionReport]] = OrderedDict()

    def hold_back(self, report: ExecutionReport) -> None:
        """Keep a report of a name that is not known; the oldest are forgotten when there are too many."""
        self._held_back.setdefault(report.client_order_id, []).append(report)
        if len(self._held_back) > HELD_BACK_MAX:
            self._held_back.popitem(last=False)

    def adopt(self, parent: OrderState, legs: tuple[OrderLeg, ...]) -> list[ExecutionReport]:
        """Enter those of `legs` that are not known. Returns what was reported of them before."""
        unknown = [leg for leg in legs if leg.client_order_id not in self._state.orders]
        for leg in unknown:
            self._state.enter(_exit_of(parent, leg))
            parent.legs += (leg.client_order_id,)
        return [report for leg in unknown for report in self._held_back.pop(leg.client_order_id, ())]

    def successor(self, report: ExecutionReport) -> OrderState | None:
        """The order that `report` is of, entered in the place of the one that it replaces; None if that is not ours."""
        known = self._state.orders.values() if report.replaces else ()
        before = next((order for order in known if order.broker_order_id == report.replaces), None)
        if before is None:
            return None
        name = report.client_order_id
        request = replace(
            before.request, client_order_id=name, quantity=before.request.quantity - before.filled_quantity
        )
        order = OrderState(before.owner, request, before.reference_price, parent=before.parent, legs=before.legs)
        self._state.enter(order)
        self._take_place(before, order)
        return order

    def _take_place(self, before: OrderState, order: OrderState) -> None:
        old, new = before.request.client_order_id, order.request.client_order_id
        for leg in order.legs:
            self._state.orders[leg].parent = new
        if order.parent:
            parent = self._state.orders[order.parent]
            parent.legs = tuple(new if leg == old else leg for leg in parent.legs)

    def shrink_twins(self, order: OrderState, report: ExecutionReport) -> list[OrderState]:
        """Shares that one exit has closed are no longer the others' to close. Returns those with nothing left."""
        twins = [twin for twin in self._exits(order) if twin is not order and not twin.status.is_terminal]
        for twin in twins if order.status is not OrderStatus.FILLED else ():
            twin.request = replace(
                twin.request, quantity=max(twin.request.quantity - report.quantity, twin.filled_quantity)
            )
        return [twin for twin in twins if twin.filled_quantity and not twin.remaining]

    def _exits(self, order: OrderState) -> list[OrderState]:
        """The orders that close the same shares as `order`, itself among them; none if it is no exit."""
        root, *legs = self._state.family(order)
        if root.is_exit:
            return [root, *legs]
        return legs if order.parent else []


def _exit_of(parent: OrderState, leg: OrderLeg) -> OrderState:
    request = OrderRequest(
        client_order_id=leg.client_order_id,
        symbol=parent.request.symbol,
        side=leg.side,
        quantity=leg.quantity,
        type=leg.type,
        time_in_force=parent.request.time_in_force,
        limit_price=leg.limit_price,
        stop_price=leg.stop_price,
        order_class=parent.request.order_class,
    )
    return OrderState(
        parent.owner,
        request,
        parent.reference_price,
        status=OrderStatus.HELD,
        broker_order_id=leg.broker_order_id,
        parent=parent.request.client_order_id,
        cancel_requested=parent.cancel_requested,
    )
