"""The venue's books: every account, order, activity and equity mark, and what has happened since the last drain."""

import copy
from collections.abc import Callable
from decimal import Decimal

from hftd.domain.convert import datetime_of
from hftd.exchange.venue.accounts import Account, Activity, ActivityType, EquityMark
from hftd.exchange.venue.happenings import AccountChanged, ActivityAdded, EquityMarked, Happening
from hftd.exchange.venue.orders import Order


class Records:
    """All that is known, and the ways to find it. `open_of` holds an account's open orders by id."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self.new_id = new_id
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.orders_of: dict[str, list[Order]] = {}
        self.open_of: dict[str, dict[str, Order]] = {}
        self.client_ids: dict[str, dict[str, str]] = {}
        self.activities: dict[str, list[Activity]] = {}
        self.marks: dict[str, list[EquityMark]] = {}
        self.happenings: list[Happening] = []
        self._sequence = 0

    def next_sequence(self) -> int:
        """The number of the next order."""
        self._sequence += 1
        return self._sequence

    def open_orders(self) -> list[Order]:
        """The open orders of all accounts in the order of their making."""
        orders = [order for of_account in self.open_of.values() for order in of_account.values()]
        return sorted(orders, key=lambda order: order.sequence)

    def add_account(self, account: Account) -> None:
        """Enter an account, with empty books."""
        self.accounts[account.id] = account
        self.orders_of[account.id], self.open_of[account.id], self.client_ids[account.id] = [], {}, {}
        self.activities[account.id], self.marks[account.id] = [], []

    def add_order(self, order: Order) -> None:
        """Enter an order under its ids."""
        self._sequence = max(self._sequence, order.sequence)
        self.orders[order.id] = order
        self.orders_of[order.account_id].append(order)
        self.client_ids[order.account_id][order.client_order_id] = order.id
        if order.is_open:
            self.open_of[order.account_id][order.id] = order

    def end_order(self, order: Order) -> None:
        """The order has come to its end."""
        del self.open_of[order.account_id][order.id]

    def touch_account(self, account: Account, time_ns: int) -> None:
        """Note that the account has changed."""
        self.happenings.append(AccountChanged(time_ns, copy_of_account(account)))

    def add_activity(self, activity: Activity) -> None:
        """Enter a line of an account's statement."""
        self.activities[activity.account_id].append(activity)
        self.happenings.append(ActivityAdded(activity.time_ns, activity))

    def add_cash_activity(
        self, account: Account, kind: ActivityType, amount: Decimal, description: str, time_ns: int
    ) -> None:
        """Enter dollars paid in (or out, when negative) otherwise than by a trade."""
        self.add_activity(
            Activity(
                id=self.activity_id(time_ns),
                account_id=account.id,
                type=kind,
                time_ns=time_ns,
                net_amount=amount,
                description=description,
                day=datetime_of(time_ns).date(),
            )
        )

    def add_mark(self, mark: EquityMark) -> None:
        """Enter a point of an account's equity curve."""
        self.marks[mark.account_id].append(mark)
        self.happenings.append(EquityMarked(mark.time_ns, mark))

    def activity_id(self, time_ns: int) -> str:
        """A new id that sorts by time: YYYYMMDDHHMMSSmmm::uuid."""
        return f"{datetime_of(time_ns):%Y%m%d%H%M%S}{time_ns // 1_000_000 % 1000:03d}::{self.new_id()}"


def copy_of_account(account: Account) -> Account:
    """The account as it is now; its holdings are frozen, so that their table alone needs copying."""
    duplicate = copy.copy(account)
    duplicate.holdings = dict(account.holdings)
    return duplicate
