"""Orders, their states, and what a broker says of them. Quantities are shares, prices dollars, both Decimal."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a filled share adds to a position."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class OrderStatus(StrEnum):
    """Where an order stands. The words are Alpaca's, which are FIX's; `UNSENT` is ours, before any answer."""

    UNSENT = "unsent"
    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    PENDING_REVIEW = "pending_review"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    STOPPED = "stopped"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    HELD = "held"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self in TERMINAL


TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED, OrderStatus.REJECTED}
)


class OrderRequest(Struct, frozen=True, omit_defaults=True):
    """An order as hftd asks for it. `client_order_id` is ours, unique for ever, and makes a repetition harmless.

    Exactly one of `trail_price` (dollars) and `trail_percent` belongs to a trailing stop. `take_profit_price`,
    `stop_loss_price` and `stop_loss_limit_price` describe the legs of a bracket, oco or oto order.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None


class OrderLeg(Struct, frozen=True, omit_defaults=True):
    """An exit that the broker made of a bracket, oco or oto order, under a name of its own."""

    client_order_id: str
    broker_order_id: str
    side: Side
    quantity: Decimal
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class ReportKind(StrEnum):
    """What an execution report tells; Alpaca's trade-update events. `UNKNOWN` keeps a word we do not know."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    PARTIAL_FILL = "partial_fill"
    FILL = "fill"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    HELD = "held"
    RESTATED = "restated"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    PENDING_REVIEW = "pending_review"
    ORDER_CANCEL_REJECTED = "order_cancel_rejected"
    ORDER_REPLACE_REJECTED = "order_replace_rejected"
    UNKNOWN = "unknown"


class ExecutionReport(Struct, frozen=True, omit_defaults=True):
    """One thing that happened to one order, as the broker told it.

    `quantity` and `price` are of this execution alone and stand only with a fill or partial fill;
    `filled_quantity` is the order's whole fill so far. `execution_id` names a fill once and for all.
    `reason` is the broker's sentence for a rejection, or the unknown word of an UNKNOWN report. A `reconciled` report
    was made from the order's books instead of heard: it stands for every execution up to `filled_quantity`. `legs` are
    told with their parent, and `replaces` is the broker's id of the order whose place this one has taken.
    """

    kind: ReportKind
    client_order_id: str
    time_ns: int
    broker_order_id: str = ""
    symbol: str = ""
    side: Side | None = None
    execution_id: str = ""
    quantity: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    filled_quantity: Decimal = Decimal(0)
    reason: str = ""
    reconciled: bool = False
    legs: tuple[OrderLeg, ...] = ()
    replaces: str = ""


class BrokerOrder(Struct, frozen=True):
    """An order as the broker's books show it when asked."""

    broker_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal
    filled_average_price: Decimal | None
    status: OrderStatus
    submitted_at_ns: int
    updated_at_ns: int
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    legs: tuple[OrderLeg, ...] = ()
