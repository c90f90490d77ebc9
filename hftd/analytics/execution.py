"""How well orders were carried out: what was filled, how fast, at what price against the market at the decision."""

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np
from msgspec import Struct

from hftd.analytics.session import Order
from hftd.domain.convert import SECOND_NS

BPS = 10_000


class Execution(Struct, frozen=True):
    """Rates are parts of one, `slippage` dollars lost (positive) against the market's price at the decision,
    `slippage_bps` the same over the dollars traded by orders that have such a price; times in seconds from the decision
    to the last fill, as the daemon heard of it. None where there is no such figure.

    Fills that were found in the broker's books after an interruption are left out of the times.
    """

    orders: int
    filled: int
    partly_filled: int
    rejected: int
    canceled: int
    working: int
    fill_rate: float | None
    slippage: float
    slippage_bps: float | None
    median_fill_s: float | None
    slow_fill_s: float | None


def execution_of(orders: Collection[Order]) -> Execution:
    """The quality of these orders. `slow_fill_s` is the time that one in twenty filled orders took longer than."""
    states = Counter(map(_state, orders))
    asked = sum(float(order.request.quantity) for order in orders)
    notional = sum(float(order.filled_notional) for order in orders if order.reference_price is not None)
    slippage = sum(order.slippage for order in orders)
    seconds = list(_fill_seconds(orders))
    return Execution(
        orders=len(orders),
        filled=states["filled"],
        partly_filled=states["partly_filled"],
        rejected=states["rejected"],
        canceled=states["canceled"],
        working=states["working"],
        fill_rate=sum(float(order.filled_quantity) for order in orders) / asked if asked else None,
        slippage=slippage,
        slippage_bps=slippage / notional * BPS if notional else None,
        median_fill_s=float(np.median(seconds)) if seconds else None,
        slow_fill_s=float(np.quantile(seconds, 0.95)) if seconds else None,
    )


_ENDS = {
    "filled": "filled",
    "rejected": "rejected",
    "canceled": "canceled",
    "expired": "canceled",
    "replaced": "canceled",
}


def _state(order: Order) -> str:
    end = _ENDS.get(order.status, "working")
    return "partly_filled" if order.filled_quantity and end != "filled" else end


def _fill_seconds(orders: Iterable[Order]) -> Iterable[float]:
    for order in orders:
        if order.heard_ns is not None and not order.reconciled:
            yield (order.heard_ns - order.decided_ns) / SECOND_NS
