"""What may be asked of the venue's records."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import islice

from msgspec import Struct

from hftd.domain.orders import Side
from hftd.exchange.venue.accounts import Activity, ActivityType, EquityMark
from hftd.exchange.venue.orders import Order


class Status(StrEnum):
    """Which orders are meant: those to which something can still happen, the others, or both."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class OrderFilter(Struct, frozen=True):
    """Which orders to list. Times and ids exclude themselves; times are those of submission.

    With `nested` legs stand under their parents only, else every order stands for itself.
    """

    status: Status = Status.OPEN
    limit: int = 50
    after_ns: int | None = None
    until_ns: int | None = None
    after_order_id: str | None = None
    before_order_id: str | None = None
    ascending: bool = False
    nested: bool = False
    symbols: frozenset[str] | None = None
    side: Side | None = None


class ActivityFilter(Struct, frozen=True):
    """Which activities to list. `after_ns`, `until_ns` exclude themselves; `page_token` is the last id seen."""

    types: frozenset[ActivityType] | None = None
    after_ns: int | None = None
    until_ns: int | None = None
    ascending: bool = False
    page_size: int | None = 100
    page_token: str | None = None


class EquityPoint(Struct, frozen=True):
    """One step of a portfolio history: dollars, and the change since the base as a fraction (None over a base of 0)."""

    time_ns: int
    equity: Decimal
    profit: Decimal
    profit_fraction: Decimal | None


def page_of_orders(orders: Sequence[Order], by_id: Mapping[str, Order], wanted: OrderFilter) -> list[Order]:
    """The orders that `wanted` describes out of an account's `orders`, which are in the order of their making."""
    after, before = _sequence_of(by_id, wanted.after_order_id), _sequence_of(by_id, wanted.before_order_id)
    direction = orders if wanted.ascending else reversed(orders)
    matching = (
        order
        for order in direction
        if _matches(order, wanted)
        and (after is None or order.sequence > after)
        and (before is None or order.sequence < before)
    )
    return list(islice(matching, wanted.limit))


def _sequence_of(by_id: Mapping[str, Order], order_id: str | None) -> int | None:
    order = by_id.get(order_id) if order_id else None
    return order.sequence if order else None


def _matches(order: Order, wanted: OrderFilter) -> bool:
    return (
        (wanted.status is Status.ALL or order.is_open == (wanted.status is Status.OPEN))
        and not (wanted.nested and order.parent is not None)
        and (wanted.symbols is None or order.symbol in wanted.symbols)
        and (wanted.side is None or order.side is wanted.side)
        and (wanted.after_ns is None or order.submitted_at_ns > wanted.after_ns)
        and (wanted.until_ns is None or order.submitted_at_ns < wanted.until_ns)
    )


def page_of_activities(activities: Sequence[Activity], wanted: ActivityFilter) -> list[Activity]:
    """The lines that `wanted` describes out of a statement in the order of time. An unknown token starts anew."""
    direction = activities if wanted.ascending else list(reversed(activities))
    start = next((index + 1 for index, line in enumerate(direction) if line.id == wanted.page_token), 0)
    matching = (
        line
        for line in islice(direction, start, None)
        if (wanted.types is None or line.type in wanted.types)
        and (wanted.after_ns is None or line.time_ns > wanted.after_ns)
        and (wanted.until_ns is None or line.time_ns < wanted.until_ns)
    )
    return list(islice(matching, wanted.page_size))


def steps_of_equity(marks: Sequence[EquityMark], start_ns: int, end_ns: int, step_ns: int) -> list[EquityPoint]:
    """The last mark of each step in [start_ns, end_ns). The base is the last mark before, or else the first one."""
    base: Decimal | None = None
    last_of_step: dict[int, EquityMark] = {}
    for mark in marks:
        if mark.time_ns < start_ns:
            base = mark.equity
        elif mark.time_ns < end_ns:
            last_of_step[(mark.time_ns - start_ns) // step_ns] = mark
    points = list(last_of_step.values())
    if base is None and points:
        base = points[0].equity
    return [_point(mark, base) for mark in points if base is not None]


def _point(mark: EquityMark, base: Decimal) -> EquityPoint:
    profit = mark.equity - base
    return EquityPoint(mark.time_ns, mark.equity, profit, profit / base if base else None)
