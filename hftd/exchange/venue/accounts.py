"""Accounts: cash, holdings, configuration, and the records of what happened to them. Money in dollars, Decimal."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, field

from hftd.exchange.venue.orders import ZERO


class Configuration(Struct, frozen=True):
    """What the account's owner may set. `multiplier_max` is 1, 2 or 4 times the equity."""

    multiplier_max: int = 4
    shorting: bool = True
    fractional: bool = True
    suspended: bool = False
    trade_confirm_email: str = "all"
    ptp_no_exception_entry: bool = False
    disable_overnight_trading: bool = False
    pdt_check: str = "entry"
    dtbp_check: str = "entry"


class Holding(Struct, frozen=True):
    """Shares of one symbol, negative when short, and their whole signed cost in dollars.

    `day_quantity` and `day_cost` are the part bought or sold since the last session's close.
    """

    symbol: str
    quantity: Decimal
    cost: Decimal
    day_quantity: Decimal = ZERO
    day_cost: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """What a share cost on entry, in dollars."""
        return self.cost / self.quantity


class Account(Struct):
    """One account. Only the venue changes it; everybody else gets copies.

    `last_equity` and `last_maintenance_margin` are those of the last session's close.
    """

    id: str
    name: str
    number: str
    created_at_ns: int
    cash: Decimal
    last_equity: Decimal
    last_maintenance_margin: Decimal = ZERO
    fees: Decimal = ZERO
    holdings: dict[str, Holding] = field(default_factory=dict)
    configuration: Configuration = Configuration()
    status: str = "ACTIVE"


class ActivityType(StrEnum):
    """Alpaca's names: a fill, a fee, cash paid in."""

    FILL = "FILL"
    FEE = "FEE"
    CASH_DEPOSIT = "CSD"


class Activity(Struct, frozen=True, omit_defaults=True):
    """One line of an account's statement. `id` sorts by time: YYYYMMDDHHMMSSmmm::uuid.

    Fills have price, quantities (shares), side, symbol, order id and status; the others `net_amount` (dollars).
    `fill_type` is fill or partial_fill; `side` is buy, sell or sell_short.
    """

    id: str
    account_id: str
    type: ActivityType
    time_ns: int
    symbol: str | None = None
    side: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    cumulative_quantity: Decimal | None = None
    leaves_quantity: Decimal | None = None
    order_id: str | None = None
    order_status: str | None = None
    fill_type: str | None = None
    execution_id: str | None = None
    net_amount: Decimal | None = None
    description: str | None = None
    day: date | None = None


class EquityMark(Struct, frozen=True):
    """An account's equity (dollars) at a moment."""

    account_id: str
    time_ns: int
    equity: Decimal


class AccountFigures(Struct, frozen=True):
    """What an account is worth and may do, in dollars. `short_market_value` is negative."""

    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    long_market_value: Decimal
    short_market_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    last_maintenance_margin: Decimal
    multiplier: int
    buying_power: Decimal
    regt_buying_power: Decimal
    non_marginable_buying_power: Decimal
    daytrading_buying_power: Decimal
    accrued_fees: Decimal
    shorting_enabled: bool
    suspended: bool


class PositionFigures(Struct, frozen=True):
    """A holding at the price of the moment. Quantities in shares, money in dollars, `_fraction` 0.01 for 1 %.

    Market value, cost and quantity are negative when short. `available` is what no working order holds.
    """

    symbol: str
    quantity: Decimal
    available: Decimal
    average_entry_price: Decimal
    market_value: Decimal
    cost_basis: Decimal
    unrealized: Decimal
    unrealized_fraction: Decimal
    unrealized_today: Decimal
    unrealized_today_fraction: Decimal
    current_price: Decimal
    last_day_price: Decimal
    change_today_fraction: Decimal
