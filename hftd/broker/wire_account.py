"""Reading Alpaca's account, clock, positions, lists of orders, assets and bars. Pure, decimals exact."""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import Struct

from hftd.broker.answers import strange
from hftd.broker.base import Asset
from hftd.broker.wire_trading import WireOrder
from hftd.domain.account import Account, BrokerClock, Position
from hftd.domain.convert import decimal_of, ns_of_rfc3339
from hftd.domain.market import Bar

ZERO = Decimal(0)
Wire = TypeVar("Wire")
Meaning = TypeVar("Meaning")


class WireAccount(Struct):
    """Keys of Alpaca's account that hftd reads."""

    id: str
    cash: Decimal | None = None
    equity: Decimal | None = None
    buying_power: Decimal | None = None
    status: str = ""
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False


class WireClock(Struct):
    timestamp: str
    is_open: bool
    next_open: str
    next_close: str


class WirePosition(Struct):
    symbol: str
    qty: Decimal
    avg_entry_price: Decimal
    side: str = ""


class WireFee(Struct):
    """A line of the account's statement: `net_amount` is negative when it was taken."""

    id: str
    net_amount: Decimal


class WireAsset(Struct):
    symbol: str
    name: str | None = ""
    exchange: str = ""
    status: str = "active"
    tradable: bool = False
    shortable: bool = False
    fractionable: bool = False


class WireBar(Struct, gc=False):
    t: str
    o: float
    h: float
    l: float  # noqa: E741 - the wire's name
    c: float
    v: float
    n: int | None = None
    vw: float | None = None


def read(what: str, content: bytes, kind: type[Wire]) -> Wire:
    """`content` as a `kind`. Raises BrokerUnavailable when it is none: HTML, or fields missing or ill-typed."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:
        raise strange(f"{what} ({error})", content.decode("utf-8", "replace")) from None


def understood(what: str, content: bytes, kind: type[Wire], meaning: Callable[[Wire], Meaning]) -> Meaning:
    """What `content`, read as a `kind`, means. Raises BrokerUnavailable also for words of which nothing can be made."""
    wire = read(what, content, kind)
    try:
        return meaning(wire)
    except (ValueError, OverflowError) as error:
        raise strange(f"{what} ({error})", content.decode("utf-8", "replace")) from None


def account_of(wire: WireAccount) -> Account:
    return Account(
        account_id=wire.id,
        cash=decimal_of(wire.cash or ZERO),
        equity=decimal_of(wire.equity or ZERO),
        buying_power=decimal_of(wire.buying_power or ZERO),
        status=wire.status,
        trading_blocked=wire.trading_blocked or wire.account_blocked or wire.trade_suspended_by_user,
    )


def clock_of(wire: WireClock) -> BrokerClock:
    return BrokerClock(
        ns_of_rfc3339(wire.timestamp), wire.is_open, ns_of_rfc3339(wire.next_open), ns_of_rfc3339(wire.next_close)
    )


def position_of(wire: WirePosition) -> Position:
    """A position; negative when short, however the broker writes that."""
    quantity = -abs(wire.qty) if wire.side == "short" else wire.qty
    return Position(wire.symbol, decimal_of(quantity), decimal_of(wire.avg_entry_price))


def asset_of(wire: WireAsset) -> Asset:
    return Asset(
        symbol=wire.symbol,
        name=wire.name or "",
        exchange=wire.exchange,
        tradable=wire.tradable and wire.status == "active",
        shortable=wire.shortable,
        fractionable=wire.fractionable,
    )


def bar_of(symbol: str, wire: WireBar) -> Bar:
    return Bar(symbol, ns_of_rfc3339(wire.t), wire.o, wire.h, wire.l, wire.c, int(wire.v), wire.n or 0, wire.vw)


def orders_in(what: str, content: bytes) -> list[WireOrder]:
    return read(what, content, list[WireOrder])
