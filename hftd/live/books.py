"""Our journals held against the broker's books: is any order lost or doubled, and is the ledger the same?"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hftd.domain.orders import BrokerOrder, OrderStatus
from hftd.engine.engine import Engine
from hftd.engine.state import OrderState
from hftd.live.reconcile import ORDER_PREFIX, is_same_cash


@dataclass(frozen=True)
class Audit:
    """What was found. `lost`: orders that were decided and neither reached the broker nor were given up in writing;
    `doubled`: orders that the broker has and no journal, or has twice; `differences`: sentences about the ledger."""

    orders: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is off."""
        return not (self.lost or self.doubled or self.differences)


def audited(
    engines: Sequence[Engine], orders: Iterable[BrokerOrder], positions: Mapping[str, Decimal], cash: Decimal
) -> Audit:
    """Hold the engines at the end of all journals, oldest first, against the broker's orders, positions and cash."""
    ours = {id: order for engine in engines for id, order in engine.orders.items() if not order.was_crossed}
    booked = [
        order for order in orders if order.client_order_id.startswith(ORDER_PREFIX) or order.client_order_id in ours
    ]
    theirs = {order.client_order_id: order for order in booked}
    times = Counter(order.client_order_id for order in booked)
    lost = (id for id, order in ours.items() if id not in theirs and order.status is not OrderStatus.REJECTED)
    doubled = (id for id, count in times.items() if count > 1 or id not in ours)
    unequal = (_inequality(ours[id], theirs[id]) for id in ours.keys() & theirs.keys())
    return Audit(
        len(ours),
        tuple(lost),
        tuple(doubled),
        (*sorted(filter(None, unequal)), *_ledger_differences(engines[-1], positions, cash)),
    )


def _inequality(ours: OrderState, theirs: BrokerOrder) -> str | None:
    """How our picture of an order differs from the broker's."""
    if ours.filled_quantity != theirs.filled_quantity:
        return f"{theirs.client_order_id}: {ours.filled_quantity} filled here, {theirs.filled_quantity} at the broker"
    if ours.status.is_terminal != theirs.status.is_terminal:
        return f"{theirs.client_order_id}: {ours.status} here, {theirs.status} at the broker"
    return None


def _ledger_differences(engine: Engine, positions: Mapping[str, Decimal], cash: Decimal) -> Iterable[str]:
    if engine.positions != positions:
        yield f"positions: {_shares(engine.positions)} here, {_shares(positions)} at the broker"
    if not is_same_cash(engine.cash, cash):
        yield f"cash: {engine.cash} here, {cash} at the broker"


def _shares(positions: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{symbol} {quantity}" for symbol, quantity in positions.items()) or "flat"
