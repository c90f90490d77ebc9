"""What a session's journal tells, gathered step by step: bars, decisions, orders, fills, equity, and what went wrong.

Pure: the same events and commands give the same story, while they are still being written or years later. Whoever reads
them from a journal is `reading`; what is made of the story is `report`. Money in dollars, times in nanoseconds UTC.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

from hftd.analytics.shadows import Shadows, shadows_among
from hftd.analytics.versions import Handover, Participant, Versions, Who, who_of
from hftd.analytics.worths import Worths
from hftd.domain import commands, events
from hftd.domain.convert import text_of
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import OrderState, RunningModel
from hftd.model.contract import Model

NO_LIMITS = Limits(Decimal(1), Decimal(1), 1, None)
"""Never asked: what was decided then is followed."""
NOBODY = Who("")
"""Whoever bought or sold by hand what was adopted."""
BACKFILL, HISTORY = "backfill", "history"
"""Sources of bars that did not come through the socket: after a gap, and from before the session."""


@dataclass(slots=True)
class Order:
    """An order and what became of it. `decided_ns` and `heard_ns` are by the daemon's clock: when it was decided, and
    when its last fill was heard of; `cash` and `equity` stand after its last fill, before any at the decision.

    `slippage` is dollars lost (positive) against `reference_price`, the market's price at the decision.
    """

    decided_ns: int
    who: Who
    request: OrderRequest
    reference_price: float | None
    why: str
    cash: Decimal
    equity: float
    status: str = "unsent"
    filled_quantity: Decimal = Decimal(0)
    filled_notional: Decimal = Decimal(0)
    heard_ns: int | None = None
    reconciled: bool = False
    slippage: float = 0.0
    problem: str = ""

    @property
    def average_price(self) -> Decimal | None:
        """Dollars a share of all that was filled; None before any was."""
        return self.filled_notional / self.filled_quantity if self.filled_quantity else None


@dataclass(frozen=True, slots=True)
class Execution:
    """Shares (signed, negative when sold) at a price, and who was in the slot that got them: after a swap that may be
    another model than the one that ordered them."""

    time_ns: int
    who: Who
    symbol: str
    quantity: Decimal
    price: Decimal


@dataclass(slots=True)
class Decision:
    """What a model wanted. `fate` is sent, or why it was not: the rule that refused it, or the cause of its drop."""

    time_ns: int
    model_id: str
    symbol: str
    side: str
    quantity: Decimal
    reason: str
    fate: str = "sent"


@dataclass(frozen=True, slots=True)
class Incident:
    """Something out of the ordinary: its `noun.verb` name, and a sentence."""

    time_ns: int
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Point:
    """How it stood after all that happened at one moment. `profits` are each model's so far, `gross` the dollars in all
    positions, long and short added; `grosses` those of each model that is in a slot."""

    time_ns: int
    equity: float
    cash: float
    gross: float
    profits: dict[Who, float]
    grosses: dict[Who, float]


class SessionStory:
    """One session, which `participants` began. `take` each event with the commands that followed from it, in order."""

    def __init__(self, day: date, participants: Iterable[Participant] = (), run_id: str = "") -> None:
        self.day = day
        self.participants = {one.who: one for one in participants}
        models = [_slot(one) for one in self.participants.values()]
        self.engine = Engine(Session(0, 0, day), models, NO_LIMITS, run_id)
        self.worths = Worths(self.engine)
        self.versions, self.shadows = Versions(self.engine, self.worths), Shadows(self.engine)
        self.signals: Counter[str] = Counter()
        self.bars: dict[str, list[Bar]] = {}
        self._points: list[Point] = []
        self._is_news = False
        self.orders: dict[str, Order] = {}
        self.executions: list[Execution] = []
        self._open: dict[str, Order] = {}
        self.decisions: list[Decision] = []
        self.incidents: list[Incident] = []
        self.refusals: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.carried: tuple[events.CarriedPosition, ...] = ()
        self.adopted: list[Handover] = []
        self.has_opened = self.has_closed = False

    # -- what comes in -------------------------------------------------------------------------------------------

    def take(
        self, event: events.Event, out: Iterable[commands.Command], source: str = "", received_ns: int | None = None
    ) -> None:
        """The next event, where it came from, when it came in by the daemon's clock, and what followed from it."""
        followed = list(out)
        if self._is_news and event.time_ns > self.engine.time_ns:
            self._mark()
        self._admit(event, followed)
        self.versions.before(event, followed, len(self.executions))
        self.shadows.before(event)
        self.engine.follow(event, followed)
        self.worths.heard(event, followed)
        self.versions.after(event, len(self.executions))
        if self.shadows:
            self.shadows.after(event, followed)
        now_ns = self.engine.time_ns if received_ns is None else received_ns
        if followed or isinstance(event, events.OrderReported):
            self._catch_up(event, followed, now_ns)
        if teller := _EVENTS.get(type(event)):
            teller(self, event, source, now_ns)
        for command in followed:
            if tell := _COMMANDS.get(type(command)):
                tell(self, command, now_ns)

    def _admit(self, event: events.Event, out: Sequence[commands.Command]) -> None:
        """Make room for models that were not noted when their session began, as a crash may leave them."""
        if not out and not isinstance(event, events.PortfolioCarried | events.ModelFaulted):
            return
        shadows = shadows_among(out) | self.engine.shadows.keys()
        named = {command.model_id for command in out if command.model_id} - shadows
        if isinstance(event, events.PortfolioCarried):
            named |= {position.model_id for position in event.positions if not position.shadow}
            shadows |= {position.model_id for position in event.positions if position.shadow}
        elif isinstance(event, events.ModelFaulted) and event.model_id not in shadows:
            named.add(event.model_id)
        for model_id in named - self.engine.models.keys():
            self.engine.models[model_id] = _slot(Participant(model_id))
        for model_id in shadows - self.engine.shadows.keys():
            self.engine.shadows[model_id] = _slot(Participant(model_id, _mark(model_id, out), shadow=True))

    # -- market and money ----------------------------------------------------------------------------------------

    def _on_bar(self, event: events.BarReceived, source: str, _now_ns: int) -> None:
        if source == HISTORY or event.bar.time_ns < self.engine.session.open_ns or not self.has_opened:
            self.counts["warmup_bars"] += 1
            return
        self.counts["late_bars"] += event.late
        self.counts["backfilled_bars"] += source == BACKFILL
        self.bars.setdefault(event.bar.symbol, []).append(event.bar)
        self._is_news = True

    @property
    def points(self) -> list[Point]:
        """How it stood at the open, after the bars of each minute, and at the close."""
        if self._is_news:
            self._mark()
        return self._points

    def _mark(self) -> None:
        """Note how it stands; once for all that happens at one moment."""
        self._is_news = False
        point = self._point()
        if self._points and self._points[-1].time_ns == point.time_ns:
            self._points.pop()
        self._points.append(point)

    def _point(self) -> Point:
        engine = self.engine
        grosses = {who_of(running): self.worths.gross(running) for running in engine.models.values()}
        gross = self.worths.gross(*engine.models.values())
        return Point(engine.time_ns, self.worths.equity, float(engine.cash), gross, self.versions.profits, grosses)

    def _on_carried(self, event: events.PortfolioCarried, _source: str, _now_ns: int) -> None:
        self.carried = event.positions

    def _on_adopted(self, event: events.PositionAdopted, source: str, now_ns: int) -> None:
        """Shares that were found at the broker count as if they had been there from the beginning."""
        paid = float(event.quantity * event.price)
        self._points = [replace(point, equity=point.equity + paid) for point in self._points]
        taker, quantity, price = who_of(self.engine.models[event.model_id]), float(event.quantity), float(event.price)
        here = len(self.executions)
        self.adopted.append(Handover(here, event.time_ns, NOBODY, taker, event.symbol, quantity, price))
        self._on_incident(event, source, now_ns)

    def _on_fees(self, _event: events.FeesCharged, _source: str, _now_ns: int) -> None:
        self._is_news = True

    def _on_swapped(self, event: events.ModelSwapped, source: str, now_ns: int) -> None:
        came = Participant(event.name, event.fingerprint, event.symbols, event.parameters)
        self.participants[came.who] = came
        self._on_incident(event, source, now_ns)

    def _on_opened(self, event: events.SessionOpened, _source: str, _now_ns: int) -> None:
        self.engine.session = event.session
        self.has_opened = self._is_news = True

    def _on_closed(self, event: events.SessionClosed, _source: str, _now_ns: int) -> None:
        self.engine.session = event.session
        self.has_closed = self._is_news = True

    # -- orders --------------------------------------------------------------------------------------------------

    def _catch_up(self, event: events.Event, out: Iterable[commands.Command], now_ns: int) -> None:
        """Bring our orders to where the engine has them: those sent, those crossed inside, and those that the broker
        made as exits or successors."""
        if len(self.engine.orders) > len(self.orders):
            reasons = {one.order.client_order_id: one.reason for one in out if isinstance(one, commands.SubmitOrder)}
            self._enter_new(reasons, now_ns)
        changed = dict.fromkeys(self._open)
        if isinstance(event, events.OrderReported) and event.report.client_order_id in self.orders:
            changed[event.report.client_order_id] = None  # one that is over may be filled late
        for id in changed:
            self._bring_up(id, event.time_ns, now_ns)
        if isinstance(event, events.OrderReported):
            self._take_report(event.report)

    def _enter_new(self, reasons: Mapping[str, str], now_ns: int) -> None:
        known = self.engine.orders
        new = list(islice(reversed(known.values()), len(known) - len(self.orders)))
        for state in reversed(new):
            id = state.request.client_order_id
            self._open[id] = self.orders[id] = Order(
                decided_ns=now_ns,
                who=self._decider(state),
                request=state.request,
                reference_price=None
                if state.parent
                else state.reference_price,  # its price was decided, not its moment
                why=reasons.get(id, f"exit of {state.parent}" if state.parent else ""),
                cash=self.engine.cash,
                equity=self.worths.equity,
            )

    def _decider(self, state: OrderState) -> Who:
        """Exits that the broker made are of the one who ordered what they close."""
        parent = self.orders.get(state.parent)
        return parent.who if parent else who_of(state.owner)

    def _bring_up(self, id: str, time_ns: int, now_ns: int) -> None:
        order, state = self.orders[id], self.engine.orders[id]
        if state.filled_quantity > order.filled_quantity:
            self._on_fill(order, state, time_ns, now_ns)
        order.request, order.status = state.request, state.status.value
        if state.status.is_terminal:
            self._open.pop(id, None)

    def _take_report(self, report: ExecutionReport) -> None:
        order = self.orders.get(report.client_order_id)
        if order is None:
            self.counts["foreign_reports"] += 1
            return
        order.reconciled |= report.reconciled
        if report.kind is ReportKind.REJECTED:
            order.problem = report.reason or "no reason given"

    def _on_fill(self, order: Order, state: OrderState, time_ns: int, now_ns: int) -> None:
        quantity = state.filled_quantity - order.filled_quantity
        notional = state.filled_notional - order.filled_notional
        order.filled_quantity, order.filled_notional = state.filled_quantity, state.filled_notional
        order.heard_ns = now_ns
        order.cash, order.equity = self.engine.cash, self.worths.equity
        sign, symbol = order.request.side.sign, order.request.symbol
        if order.reference_price is not None:
            order.slippage += sign * (float(notional) - order.reference_price * float(quantity))
        self.executions.append(Execution(time_ns, who_of(state.owner), symbol, sign * quantity, notional / quantity))

    # -- decisions -----------------------------------------------------------------------------------------------

    def _on_signal(self, command: commands.SignalRaised, _now_ns: int) -> None:
        if not command.shadow:
            self.signals[str(command.side)] += 1
        now_ns, wanted = self.engine.time_ns, command.quantity
        self.decisions.append(
            Decision(now_ns, command.model_id, command.symbol, str(command.side), wanted, command.reason)
        )

    def _on_dropped(self, command: commands.SignalDropped, _now_ns: int) -> None:
        if command.model_id not in self.engine.shadows:
            self.drops[command.cause] += 1
        self._end(command.model_id, command.symbol, command.cause.replace("_", " "))

    def _on_order_dropped(self, command: commands.OrderDropped, _now_ns: int) -> None:
        self.drops[command.cause] += 1

    def _on_refused(self, command: commands.OrderRefused, _now_ns: int) -> None:
        if command.model_id not in self.engine.shadows:
            self.refusals[command.rule] += 1
        whose = "all models" if command.scope == "all" else "its model"
        limit, value = text_of(command.limit), text_of(command.value)
        self._end(command.model_id, command.symbol, f"{command.rule} of {whose}: {value}, the limit is {limit}")

    def _end(self, model_id: str, symbol: str, fate: str) -> None:
        """What became of the decision that was made last in this symbol."""
        for decision in reversed(self.decisions[-_LOOK_BACK:]):
            if (decision.model_id, decision.symbol) == (model_id, symbol):
                decision.fate = fate
                return

    # -- what went wrong -----------------------------------------------------------------------------------------

    def _on_incident(self, event: Any, _source: str, _now_ns: int) -> None:
        name, detail = events.name_of(event), _INCIDENTS[type(event)](event)
        self.counts[name] += 1
        self.incidents.append(Incident(event.time_ns, name, detail))

    def _on_remark(self, event: events.Remark, _source: str, _now_ns: int) -> None:
        self.counts[event.name] += 1
        if event.name != "feed.up" or self.counts["feed.down"]:  # as every session begins
            self.incidents.append(Incident(event.time_ns, event.name, event.detail))

    def _on_correction(self, _event: events.BarCorrected, _source: str, _now_ns: int) -> None:
        self.counts["bar.corrected"] += 1

    def _on_stopped(self, command: commands.TradingStopped, _now_ns: int) -> None:
        whose = f" of {command.model_id}" if command.model_id else ""
        self.counts["trading.halted"] += 1
        self.incidents.append(
            Incident(self.engine.time_ns, "trading.halted", f"{command.rule}{whose}: {command.reason}")
        )


_LOOK_BACK = 50
"""Decisions among which the one is looked for that was refused or dropped: it was made in the same step, or waits."""


def _slot(one: Participant) -> RunningModel:
    return RunningModel(one.model_id, Model(), one.fingerprint, one.symbols, shadow=one.shadow)


def _mark(model_id: str, out: Iterable[commands.Command]) -> str:
    """The fingerprint of a shadow that was not noted when its session began."""
    ordered = (one.fingerprint for one in out if isinstance(one, commands.ShadowOrdered) and one.model_id == model_id)
    return next(ordered, "")


def _swapped(event: events.ModelSwapped) -> str:
    came = f"{event.name} ({event.fingerprint[:12]}) took over"
    whose = f" from {event.model_id}" if event.name != event.model_id else ""
    return f"{came}{whose}: {_because(event.cause.replace('_', ' '), event.reason)}"


def _because(rule: str, reason: str) -> str:
    return f"{rule}: {reason}" if rule and reason else rule or reason


_INCIDENTS: dict[type, Callable[[Any], str]] = {
    events.TradingHalted: lambda event: _because(event.rule, event.reason),
    events.TradingResumed: lambda event: _because(event.rule, event.reason),
    events.SymbolHalted: lambda event: f"{event.symbol}: {_because(event.rule, event.reason)}",
    events.SymbolResumed: lambda event: _because(event.symbol, event.reason),
    events.PositionAdopted: lambda event: f"{event.model_id}: {event.quantity} {event.symbol} at {event.price}",
    events.PrintQuarantined: lambda event: f"{event.symbol}: {event.reason}: {event.prices}",
    events.ModelFaulted: lambda event: f"{event.model_id}: {event.error}",
    events.ModelSwapped: _swapped,
}

_EVENTS: dict[type, Callable[[SessionStory, Any, str, int], None]] = {
    events.BarReceived: SessionStory._on_bar,
    events.BarCorrected: SessionStory._on_correction,
    events.Remark: SessionStory._on_remark,
    events.PortfolioCarried: SessionStory._on_carried,
    events.SessionOpened: SessionStory._on_opened,
    events.SessionClosed: SessionStory._on_closed,
    **dict.fromkeys(_INCIDENTS, SessionStory._on_incident),
    events.ModelSwapped: SessionStory._on_swapped,
    events.PositionAdopted: SessionStory._on_adopted,
    events.FeesCharged: SessionStory._on_fees,
}

_COMMANDS: dict[type, Callable[[SessionStory, Any, int], None]] = {
    commands.SignalRaised: SessionStory._on_signal,
    commands.SignalDropped: SessionStory._on_dropped,
    commands.OrderRefused: SessionStory._on_refused,
    commands.OrderDropped: SessionStory._on_order_dropped,
    commands.TradingStopped: SessionStory._on_stopped,
}
