"""What may be asked of the venue's records."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from hftd.domain.orders import Side
from hftd.exchange.venue.accounts import ActivityType


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
