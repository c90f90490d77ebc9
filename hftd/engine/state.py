"""What the engine keeps of each model and of each order while a session lasts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from hftd.domain.convert import SECOND_NS
from hftd.domain.events import CandidateEntered, ModelSwapped
from hftd.domain.intents import Intent, Want
from hftd.domain.orders import ExecutionReport, OrderClass, OrderRequest, OrderStatus, OrderType
from hftd.engine.portfolio import ZERO, Portfolio
from hftd.engine.risk import Limits
from hftd.engine.shadow import PaperOrder
from hftd.engine.timers import Timer
from hftd.model.contract import HOOKS, Model, intents_of, overrides


@dataclass(slots=True)
class RunningModel:
    """A model at work: its name, itself, the fingerprint stamped on its orders, the symbols it hears of.

    `limits` are its own, None when those of all hold for it too; `sent_ns` are the times of its orders this session.
    A `shadow` sends nothing: its `paper` orders are filled inside. `before` is who was in its slot. A candidate takes
    its slot over after it has heard `promote_after` bars.
    """

    model_id: str
    model: Model
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    portfolio: Portfolio = field(default_factory=Portfolio)
    paused: bool = False
    limits: Limits | None = None
    sent_ns: list[int] = field(default_factory=list)
    shadow: bool = False
    paper: "dict[str, OrderState]" = field(default_factory=dict)
    bars_heard: int = 0
    promote_after: int = 0
    before: "Former | None" = None
    hooks: dict[str, Callable[..., Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.find_hooks()

    def find_hooks(self) -> None:
        """Take over the hooks of `model`."""
        self.hooks = {hook: getattr(self.model, hook) for hook in HOOKS if overrides(type(self.model), hook)}

    def hears(self, hook: str, symbol: str | None = None) -> bool:
        """Whether `hook` is to be called: the model has it, is not paused, and follows `symbol`."""
        return hook in self.hooks and not self.paused and (symbol is None or symbol in self.symbols)


WITHDRAW_AGAIN_NS = 5 * SECOND_NS
"""How long an order whose withdrawal was refused is not asked to make way again: it is over, most likely, and its
report is under way; two such orders would be asked in turns without end."""


@dataclass(frozen=True, slots=True)
class Former:
    """A model that was swapped for another, how many bars the session had had by then, and its timers."""

    model_id: str
    model: Model
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any]
    bars_seen: int
    timers: tuple[Timer, ...] = ()


@dataclass(slots=True)
class OrderState:
    """An order of this session and how far it has come.

    `filled_notional` is dollars paid or received. Executions up to `reconciled_quantity` have been taken from the
    broker's books, and are old news when their own reports arrive. `then_open` waits for the fill: the other half of
    a reversal. `realised` is dollars gained or lost on what it closed. `put_back` says that its withdrawal only makes
    way for another order; `cancel_rejected_ns` is when its withdrawal was refused last. The exits that the broker made
    of an order are its `legs`, orders that have it as their `parent` (client order ids). `paper` is how far
    a shadow's order has come on paper.
    """

    owner: RunningModel
    request: OrderRequest
    reference_price: float | None
    status: OrderStatus = OrderStatus.UNSENT
    filled_quantity: Decimal = ZERO
    filled_notional: Decimal = ZERO
    reconciled_quantity: Decimal = ZERO
    executions: set[str] = field(default_factory=set)
    cancel_requested: bool = False
    then_open: Want | None = None
    realised: Decimal = ZERO
    put_back: bool = False
    broker_order_id: str = ""
    parent: str = ""
    legs: tuple[str, ...] = ()
    cancel_rejected_ns: int = -WITHDRAW_AGAIN_NS
    paper: PaperOrder | None = None

    def knows(self, report: ExecutionReport) -> bool:
        """Whether this execution has been counted."""
        known_quantity = self.filled_quantity if report.reconciled else self.reconciled_quantity
        covered = 0 < report.filled_quantity <= known_quantity
        return covered or report.execution_id in self.executions

    def count(self, report: ExecutionReport) -> None:
        """Add an execution."""
        self.executions.add(report.execution_id)
        self.filled_quantity += report.quantity
        self.filled_notional += report.quantity * report.price
        if report.reconciled:
            self.reconciled_quantity = report.filled_quantity

    @property
    def is_exit(self) -> bool:
        """Whether the order closes, at one of two prices, what is held already."""
        return self.request.order_class is OrderClass.OCO

    @property
    def was_crossed(self) -> bool:
        """Whether it was crossed inside and never sent: then its only execution bears its own name."""
        return self.request.client_order_id in self.executions

    @property
    def awaits_legs(self) -> bool:
        """Whether the broker has made exits of this order whose names are not known yet."""
        is_family = self.request.order_class is not OrderClass.SIMPLE
        return is_family and not self.legs and not self.parent and self.status is not OrderStatus.REJECTED

    def mark_cancelled(self, *, put_back: bool = False) -> None:
        """Its withdrawal is asked for; unless it is to be put back, the other half of a reversal is given up too."""
        self.cancel_requested, self.put_back = True, put_back
        if not put_back:
            self.then_open = None

    def may_make_way(self, time_ns: int) -> bool:
        """Whether it rests in the book, and its withdrawal may be asked for."""
        rests = self.request.type is not OrderType.MARKET and self.request.order_class is OrderClass.SIMPLE
        return rests and not self.cancel_requested and time_ns - self.cancel_rejected_ns >= WITHDRAW_AGAIN_NS

    @property
    def remaining(self) -> Decimal:
        """Shares that may still be filled: 0 when the order is over."""
        return ZERO if self.status.is_terminal else self.request.quantity - self.filled_quantity


def closing_of(orders: Iterable[OrderState]) -> Decimal:
    """Shares that orders of one side may close: of the exits of one order, which share theirs, only once."""
    by_family: dict[str, Decimal] = {}
    for order in orders:
        family = order.parent or order.request.client_order_id
        by_family[family] = max(by_family.get(family, ZERO), order.remaining)
    return sum(by_family.values(), ZERO)


@dataclass(slots=True)
class Waiting:
    """An order that stands in the queue of its symbol since `since_ns`; `cause` is why, in one word.

    One that is `forced` closes a position because everything is being closed, and passes no gate. `may_cross` tells
    whether it may be crossed inside in this step, `is_told` whether it has waited since an earlier one.
    """

    order: OrderState
    reason: str
    since_ns: int
    forced: bool = False
    may_cross: bool = True
    is_told: bool = False
    cause: str = ""

    @property
    def symbol(self) -> str:
        return self.order.request.symbol

    def reduce(self, quantity: Decimal) -> None:
        """So many shares of it are dealt with."""
        self.order.request = replace(self.order.request, quantity=self.order.request.quantity - quantity)


ModelLoader = Callable[[ModelSwapped | CandidateEntered], Model]
"""Makes a fresh instance of the model that an event names. It is there, and was tried."""


def nobody(_event: ModelSwapped | CandidateEntered) -> Model:
    """A model that decides nothing, for whoever only follows what was decided."""
    return Model()


HookCaller = Callable[[RunningModel, int, str, tuple[Any, ...]], Iterable[Intent]]
"""Calls hook `name` of a model in the step of event number `sequence`. A driver may put a guard here, which answers
with no intents when the model fails and then tells the engine so by a `ModelFaulted` event."""


def call_hook(running: RunningModel, sequence: int, name: str, arguments: tuple[Any, ...]) -> Iterable[Intent]:
    """Call a hook and return what it wants. Raises whatever the model raises, and ModelError as `intents_of` does."""
    answer = running.hooks[name](*arguments)
    return () if answer is None else intents_of(answer, running.symbols)
