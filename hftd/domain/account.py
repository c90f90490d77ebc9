"""What a broker says of the account. Money in dollars, quantities in shares, all Decimal."""

from decimal import Decimal

from msgspec import Struct


class Account(Struct, frozen=True):
    """Money at the broker. `account_id` tells one account from another."""

    account_id: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    status: str = "ACTIVE"
    trading_blocked: bool = False


class Position(Struct, frozen=True):
    """Shares held in one symbol; negative when short. `average_price` is what a share cost on entry."""

    symbol: str
    quantity: Decimal
    average_price: Decimal


class BrokerClock(Struct, frozen=True):
    """The broker's own word on time and whether the market is open."""

    time_ns: int
    is_open: bool
    next_open_ns: int
    next_close_ns: int
