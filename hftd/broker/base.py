"""What hftd asks of a broker, and the messages it gets back.

`Broker` is the one asyncio face that the daemon uses; everything that arrives by itself (market data, execution
reports, the state of the sockets, the exchange's clock) comes to the one `Sink` given to `connect`, on the event
loop, in the order of arrival. `DataClient`, `RealtimeClient` and `TradeClient` are the three clients for notebooks and
scripts, in the shape of the student library cpquant.

This module is light: it imports no broker's library.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from hftd.domain.account import Account, BrokerClock, Position
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderRequest

if TYPE_CHECKING:
    from pandas import DataFrame


class Feed(StrEnum):
    """The sockets to a broker. `CLOCK` is the simulated exchange's alone."""

    DATA = "data"
    TRADES = "trades"
    CLOCK = "clock"


class FeedState(StrEnum):
    """`UP`: authenticated and subscribed. `DOWN`: lost, and being connected again. `DEGRADED`: up, but something was
    refused or dropped. `FAILED`: given up, until `Broker.reconnect` is called.
    """

    UP = "up"
    DOWN = "down"
    DEGRADED = "degraded"
    FAILED = "failed"


class MarketMessage(Struct, frozen=True):
    """Market data from the socket, received at `received_ns` of the adapter's clock.

    `correction` marks a bar that replaces one published before, after late trades; `daily` marks a bar that covers
    the day so far instead of a minute.
    """

    data: Bar | Quote | Trade
    received_ns: int
    correction: bool = False
    daily: bool = False


class TradeWithdrawn(Struct, frozen=True):
    """A print that the exchange took back; `replacement` is what it should have been, None when it never was."""

    trade: Trade
    received_ns: int
    replacement: Trade | None = None


class TradingStatus(Struct, frozen=True):
    """A halt, a resumption or another status of one symbol, in the tape's own codes and words."""

    symbol: str
    time_ns: int
    received_ns: int
    code: str
    message: str = ""
    reason_code: str = ""
    reason: str = ""


class FeedStatus(Struct, frozen=True):
    """A socket changed its state, or tries again.

    `attempt` counts connection attempts since it was last up; `code` is the server's own error number, 0 if none.
    `quiet_since_ns` (adapter's clock) is when its last frame came: with `UP` after an interruption, everything since
    then may have been missed.
    """

    feed: Feed
    state: FeedState
    time_ns: int
    detail: str = ""
    code: int = 0
    attempt: int = 0
    quiet_since_ns: int = 0


class ClockAnnouncement(Struct, frozen=True):
    """The exchange's time (nanoseconds since 1970 UTC) and speed. `jump`: it skipped closed hours.

    `hold` is 0 unless in lockstep, where time stands still until `done(hold)` was said for the latest one.
    """

    time_ns: int
    speed: float
    jump: bool = False
    hold: int = 0


class Mark(Struct, frozen=True):
    """Lockstep: all that the exchange had to say on `feed` before hold number `hold` has been delivered."""

    feed: Feed
    hold: int


class HoldBegun(Struct, frozen=True):
    """Lockstep: a request was answered during hold number `hold`, so what it did is told before that hold's marks."""

    hold: int


class UnknownMessage(Struct, frozen=True):
    """Something the broker sent and we do not understand, as text: to be journaled and reported, never dropped."""

    feed: Feed
    received_ns: int
    text: str
    problem: str = ""


Message = (
    MarketMessage
    | TradeWithdrawn
    | TradingStatus
    | ExecutionReport
    | FeedStatus
    | ClockAnnouncement
    | Mark
    | HoldBegun
    | UnknownMessage
)
Sink = Callable[[Message], None]
"""Called on the event loop for each message in turn. It must be quick, and must not raise."""


class Asset(Struct, frozen=True):
    """What a broker lets one do with a symbol."""

    symbol: str
    name: str
    exchange: str
    tradable: bool
    shortable: bool
    fractionable: bool


class OrdersAsked(StrEnum):
    """Which orders `Broker.orders` returns."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class Broker(Protocol):
    """A paper-trading broker. Every method but `connect` may be called before `connect`.

    Raises, wherever a broker is asked: `CredentialsError` when the keys are refused, `BrokerRefused` when the broker
    answers no, `BrokerUnavailable` when it does not answer in time.
    """

    async def connect(self, sink: Sink) -> None:
        """Open and authenticate the sockets that are not open yet, one attempt each (a connection limit is outlasted:
        see docs/broker.md).

        From then on lost sockets are connected and subscribed again by themselves, each step told as a `FeedStatus`.
        """
        ...

    async def disconnect(self) -> None:
        """Close everything, in under a second. Harmless when not connected."""
        ...

    async def disconnect_feeds(self) -> None:
        """Close the sockets of market data and reports, as between two sessions; requests stay possible."""
        ...

    async def reconnect(self, feed: Feed) -> None:
        """Drop the socket `feed` now and connect it again: what a watchdog does with a mute one. Returns at once."""
        ...

    async def subscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        """Add symbols; returns when the broker has confirmed them, at once when the socket is down (they are asked for
        when it is up again). Raises `BrokerRefused` (code 405, 409, 410) when it refuses. May be called from anywhere
        on the loop.
        """
        ...

    async def unsubscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        """Take symbols away; as `subscribe`."""
        ...

    async def clock(self) -> BrokerClock:
        """The broker's time, whether its market is open, and when it opens and closes next."""
        ...

    async def account(self) -> Account:
        """Cash, equity and buying power in dollars, and what the account may do."""
        ...

    async def positions(self) -> list[Position]:
        """What the account holds: signed shares, negative when short."""
        ...

    async def fees(self, after_ns: int) -> Decimal:
        """Dollars that the account was charged for trading, by its statement, after `after_ns`."""
        ...

    async def orders(self, status: OrdersAsked = OrdersAsked.OPEN, after_ns: int | None = None) -> list[BrokerOrder]:
        """All orders, every page, oldest first; only those submitted after `after_ns` if given."""
        ...

    async def order(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that name; None when the broker has never seen it."""
        ...

    async def asset(self, symbol: str) -> Asset | None:
        """What the broker lets one do with `symbol`; None when it does not know it."""
        ...

    async def bars(self, symbols: Sequence[str], start_ns: int, end_ns: int) -> list[Bar]:
        """Minute bars that start in [start_ns, end_ns], all pages, sorted by time and symbol."""
        ...

    async def submit(self, order: OrderRequest) -> ExecutionReport:
        """Send an order; never twice without having asked whether it exists.

        Returns the broker's first word: an acknowledgement (`pending_new`, `accepted`, `new`, `held`) or `rejected`
        with its reason. Never a fill: those come to the sink, each with its execution id. Raises `BrokerUnavailable`
        only when it is unknown whether the order exists; asking `order(client_order_id)` later will tell.
        """
        ...

    async def cancel(self, client_order_id: str) -> ExecutionReport:
        """Ask for a cancellation: `pending_cancel`, or `order_cancel_rejected` with the reason."""
        ...

    async def replace(
        self,
        client_order_id: str,
        new_client_order_id: str,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail: Decimal | None = None,
    ) -> ExecutionReport:
        """Ask for a change: the successor's acknowledgement, under its own `new_client_order_id`, or
        `order_replace_rejected` for the old one with the reason.
        """
        ...


class LockstepBroker(Broker, Protocol):
    """A broker whose time can be held still: the simulated exchange."""

    async def done(self, hold: int, wake_ns: int | None = None) -> None:
        """Say that everything before hold number `hold` has been dealt with, so that time may go on: to `wake_ns` at
        most, where it stands still again whether anything happens then or not."""
        ...


Symbols = str | Sequence[str]
"""A list of symbols, or one text with commas between them."""

Number = int | float | str | Decimal

Moment = str | date | datetime | None
"""ISO text, a date or a datetime; without a zone it is UTC. None: a default named where it is taken."""


class DataClient(Protocol):
    """History, in cpquant's shape: a dict from symbol to DataFrame, index `time` (UTC, naive), oldest first."""

    def get_bars(
        self,
        symbols: Symbols,
        timeframe: str = "1D",
        start: Moment = None,
        end: Moment = None,
        adjustment: str = "raw",
        limit: int | None = 1000,
        asof: str | None = None,
        feed: str = "iex",
        currency: str = "USD",
        page_token: str | None = None,
        only_market: bool = False,
    ) -> "dict[str, DataFrame]": ...

    def get_latest_bars(self, symbols: Symbols, feed: str = "iex", currency: str = "USD") -> "dict[str, DataFrame]": ...

    def get_trades(
        self,
        symbols: Symbols,
        start: Moment = None,
        end: Moment = None,
        limit: int | None = 10_000,
        asof: str | None = None,
        feed: str = "iex",
        currency: str = "USD",
        page_token: str | None = None,
    ) -> "tuple[dict[str, DataFrame], str | None, list[str]]": ...

    def get_trades_iterator(
        self,
        symbols: Symbols,
        start: Moment = None,
        end: Moment = None,
        limit: int | None = 10_000,
        asof: str | None = None,
        feed: str = "iex",
        currency: str = "USD",
        page_token: str | None = None,
    ) -> "Iterator[dict[str, DataFrame]]": ...


Handler = Callable[[Message], Awaitable[None] | None]


class RealtimeClient(Protocol):
    """The real-time socket: subscribe, then listen, synchronously or as a coroutine."""

    def subscribe_bars(self, symbols: Symbols, timeframe: str = "1Min") -> None: ...
    def subscribe_quotes(self, symbols: Symbols) -> None: ...
    def subscribe_trades(self, symbols: Symbols) -> None: ...
    def unsubscribe_bars(self, symbols: Symbols, timeframe: str = "1Min") -> None: ...
    def unsubscribe_quotes(self, symbols: Symbols) -> None: ...
    def unsubscribe_trades(self, symbols: Symbols) -> None: ...
    def listen(self, handler: Handler | None = None) -> None: ...
    async def async_listen(self, handler: Handler | None = None) -> None: ...
    def close(self) -> None: ...


class TradeClient(Protocol):
    """Trading, synchronously. Numbers may be ints, floats, text or Decimal; prices are dollars."""

    def get_account(self) -> Account: ...
    def get_clock(self) -> BrokerClock: ...
    def get_positions(self) -> list[Position]: ...
    def get_orders(self, status: str = "open", after: Moment = None) -> list[BrokerOrder]: ...
    def get_order_by_client_id(self, client_order_id: str) -> BrokerOrder | None: ...
    def submit_order(
        self,
        symbol: str,
        qty: Number,
        side: str,
        type: str = "market",
        time_in_force: str = "day",
        *,
        limit_price: Number | None = None,
        stop_price: Number | None = None,
        client_order_id: str | None = None,
    ) -> ExecutionReport: ...
    def replace_order(
        self,
        client_order_id: str,
        *,
        qty: Number | None = None,
        limit_price: Number | None = None,
        stop_price: Number | None = None,
    ) -> ExecutionReport: ...
    def cancel_order(self, client_order_id: str) -> ExecutionReport: ...
    def cancel_all(self) -> list[ExecutionReport]: ...
    def close_position(self, symbol: str) -> ExecutionReport | None: ...
    def close(self) -> None: ...
