"""What the venue has done, to be persisted and published in order. Each carries a copy, as things stood then."""

from decimal import Decimal

from msgspec import Struct

from hftd.domain.orders import ReportKind
from hftd.exchange.venue.accounts import Account, Activity, EquityMark
from hftd.exchange.venue.orders import Execution, Order


class OrderChanged(Struct, frozen=True):
    """An order has a new state. With `kind` None there is nothing to publish, only to persist (a trailing stop's mark).

    `execution`, `execution_id` and `position_quantity` (signed shares held after it) stand with a fill only.
    """

    time_ns: int
    kind: ReportKind | None
    order: Order
    execution_id: str | None = None
    execution: Execution | None = None
    position_quantity: Decimal | None = None


class AccountChanged(Struct, frozen=True):
    """An account's cash, holdings or configuration changed."""

    time_ns: int
    account: Account


class ActivityAdded(Struct, frozen=True):
    """Something for the account's statement."""

    time_ns: int
    activity: Activity


class EquityMarked(Struct, frozen=True):
    """One more point of an account's equity curve."""

    time_ns: int
    mark: EquityMark


Happening = OrderChanged | AccountChanged | ActivityAdded | EquityMarked
