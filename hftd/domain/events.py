"""Everything that may change a decision. The engine sees nothing else.

Each event has `time_ns`, the moment at which it is known; for a bar that is the end of its minute. As JSON an event is
tagged with its name, `noun.verb`, which is also its name in the log and in the journal.
"""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport
from hftd.domain.session import Session


class BarReceived(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="bar.received"):
    """A bar is known. A late one updates the model and does not trade; `late` is decided once, where bars come in."""

    bar: Bar
    late: bool = False

    @property
    def time_ns(self) -> int:
        return self.bar.time_ns + MINUTE_NS  # its `known_at_ns`; asked for with every bar


class BarCorrected(Struct, frozen=True, tag_field="kind", tag="bar.corrected"):
    """A bar published before was revised after late trades. What was decided on it stands."""

    bar: Bar

    @property
    def time_ns(self) -> int:
        return self.bar.known_at_ns


class QuoteReceived(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="quote.received"):
    quote: Quote
    late: bool = False

    @property
    def time_ns(self) -> int:
        return self.quote.time_ns


class TradeReceived(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="trade.received"):
    trade: Trade
    late: bool = False

    @property
    def time_ns(self) -> int:
        return self.trade.time_ns


class OrderReported(Struct, frozen=True, tag_field="kind", tag="order.reported"):
    """The broker told something about an order."""

    report: ExecutionReport

    @property
    def time_ns(self) -> int:
        return self.report.time_ns


class CarriedPosition(Struct, frozen=True, omit_defaults=True):
    """What a model holds when a session begins: shares (negative when short) and their whole signed cost in dollars.
    A `shadow` holds it on paper only."""

    model_id: str
    symbol: str
    quantity: Decimal
    cost: Decimal
    shadow: bool = False


class Halt(Struct, frozen=True):
    """Why there is no new exposure: of one model, or of all when `model_id` is empty. With `flatten` what is held is
    closed too."""

    rule: str
    reason: str
    model_id: str = ""
    flatten: bool = False


class CarriedStanding(Struct, frozen=True):
    """How a model, or all together when `model_id` is empty, stood when a session ended: dollars below the best, and
    losing trades in a row."""

    model_id: str
    drawdown: float
    losses: int


class PortfolioCarried(Struct, frozen=True, tag_field="kind", tag="portfolio.carried"):
    """The first event of a session that is traded: cash in dollars at the broker, each model's positions from before,
    the last good price of each symbol in dollars, the halts that last, and standings from before."""

    time_ns: int
    cash: Decimal
    positions: tuple[CarriedPosition, ...] = ()
    prices: dict[str, float] = {}
    halts: tuple[Halt, ...] = ()
    standings: tuple[CarriedStanding, ...] = ()


class PositionAdopted(Struct, frozen=True, tag_field="kind", tag="position.adopted"):
    """Shares that were found at the broker beyond ours, and that a model is given as its own from now on: `quantity` is
    signed, `price` in dollars a share is what they count as bought or sold at, so that they begin without a profit."""

    time_ns: int
    model_id: str
    symbol: str
    quantity: Decimal
    price: Decimal


class FeesCharged(Struct, frozen=True, tag_field="kind", tag="fees.charged"):
    """Dollars that the broker has taken for trading in this session, beyond those told of before. Reports of fills do
    not tell of them: they are asked for when the session is over, so that no decision in it knows them, and booked at
    its last moment."""

    time_ns: int
    amount: Decimal


class SessionOpened(Struct, frozen=True, tag_field="kind", tag="session.opened"):
    """The market is open, by the calendar and by the broker."""

    time_ns: int
    session: Session


class SessionClosed(Struct, frozen=True, tag_field="kind", tag="session.closed"):
    time_ns: int
    session: Session


class TimerFired(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="timer.fired"):
    """A moment the engine had asked to be woken at. `name` says what for: the engine's own word, or that of the model
    `model_id`, which is not traded for when the moment is long past (`late`)."""

    time_ns: int
    name: str
    model_id: str = ""
    late: bool = False


class TradingHalted(Struct, frozen=True, tag_field="kind", tag="trading.halted"):
    """No new exposure from now on; what reduces a position may still go. With `flatten` all positions are closed."""

    time_ns: int
    rule: str
    reason: str
    flatten: bool = False


class TradingResumed(Struct, frozen=True, tag_field="kind", tag="trading.resumed"):
    """The cause of the halt `rule` is gone; without a rule, a person lifts every halt that a person may lift."""

    time_ns: int
    reason: str = ""
    rule: str = ""


class SymbolHalted(Struct, frozen=True, tag_field="kind", tag="symbol.halted"):
    """No new exposure in one symbol for the rest of the session; what reduces a position may still go."""

    time_ns: int
    symbol: str
    rule: str
    reason: str


class SymbolResumed(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="symbol.resumed"):
    """Trading in a halted symbol goes on: the exchange says so or, for a `reason` of his own, a person."""

    time_ns: int
    symbol: str
    reason: str = ""


class PrintQuarantined(Struct, frozen=True, tag_field="kind", tag="print.quarantined"):
    """A bar, quote or trade that no model is shown. Its prices are kept as text, for they may be no numbers at all.
    `bar_time_ns` is 0 where it says nothing of the bars that were seen."""

    time_ns: int
    symbol: str
    bar_time_ns: int
    reason: str
    prices: str


class ModelFaulted(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="model.faulted"):
    """A model raised or overran its budget in the step of event `of_sequence`: what it wanted in that call of `hook` is
    void. Without a hook, as in journals of before it was noted, in all of that step."""

    time_ns: int
    model_id: str
    of_sequence: int
    error: str
    hook: str = ""


class Remark(Struct, frozen=True, tag_field="kind", tag="remark.made"):
    """Something that happened around the trading and that no model is told, such as a restart, a socket that was lost,
    a difference from the broker's books. `name` is its `noun.verb` in the log, `detail` a few words."""

    time_ns: int
    name: str
    detail: str


class ModelSwapped(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="model.swapped"):
    """From now on another model decides in the slot `model_id`, which is called `name` henceforth. `cause` is one word:
    reload, hand, promoted, rolled_back, restart; `reason` says more. The files of the model are found by `fingerprint`.
    """

    time_ns: int
    model_id: str
    name: str
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any] = {}
    cause: str = ""
    reason: str = ""


class CandidateEntered(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="candidate.entered"):
    """A model begins to decide on paper beside the one in the slot `model_id`, to take its place after `promote_after`
    bars (0: when a person says so)."""

    time_ns: int
    model_id: str
    name: str
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any] = {}
    promote_after: int = 0


class CandidateDropped(Struct, frozen=True, tag_field="kind", tag="candidate.dropped"):
    """The candidate for the slot `model_id` is given up."""

    time_ns: int
    model_id: str
    reason: str


Bound = Decimal | int | None
"""A limit: shares or dollars as Decimal, counts and nanoseconds as int, None for off."""


class LimitsChanged(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="limits.changed"):
    """Other risk limits hold from now on: those of all, and whole sets of single models by model_id."""

    time_ns: int
    limits: dict[str, Bound]
    of_models: dict[str, dict[str, Bound]] = {}


Event = (
    BarReceived
    | BarCorrected
    | QuoteReceived
    | TradeReceived
    | OrderReported
    | PortfolioCarried
    | PositionAdopted
    | FeesCharged
    | SessionOpened
    | SessionClosed
    | TimerFired
    | TradingHalted
    | TradingResumed
    | SymbolHalted
    | SymbolResumed
    | PrintQuarantined
    | ModelFaulted
    | Remark
    | ModelSwapped
    | CandidateEntered
    | CandidateDropped
    | LimitsChanged
)


def name_of(message: Struct) -> str:
    """The `noun.verb` name of an event or command: its tag."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str), f"{type(message).__name__} has no tag"
    return tag
