"""Proving a session: its journal replayed, then its day traded again from recorded data, and both held against it.

A replay must give every command again, byte for byte: the engine is pure, so anything else is a changed model or a
fault of ours. The same day on recorded data may differ for reasons that can be named; each difference is.
"""

import asyncio
import dataclasses
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import msgspec
import numpy as np

from hftd.broker.inprocess import InProcessBroker
from hftd.calendar import Calendar
from hftd.clock import ManualClock
from hftd.data.reading import Reading
from hftd.domain.commands import Command, OrderRefused, SignalRaised, SubmitOrder
from hftd.domain.convert import MINUTE_NS, rfc3339_of, text_of
from hftd.domain.events import BarReceived, Event, ModelFaulted, OrderReported, PortfolioCarried, name_of
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.order_states import FILLS
from hftd.engine.state import ModelLoader
from hftd.errors import DataError, ModelError
from hftd.exchange.market.course import make_course
from hftd.exchange.market.latencies import latency_of
from hftd.exchange.market.queues import Queue
from hftd.exchange.market.recorded import RecordedMarket
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.market.tick_tape import tape_of
from hftd.exchange.venue.accounts import Holding
from hftd.exchange.venue.fees import SCHEDULES, Fees
from hftd.exchange.venue.settings import VenueSettings
from hftd.journal import Journal, Reader, journal_path, journals
from hftd.live.beginning import beginning_of, engine_again
from hftd.live.daemon import Daemon
from hftd.live.guard import Guard
from hftd.live.library import Library
from hftd.live.plan import Plan
from hftd.live.recovery import Step, replayed, retired_of, reviewer_of, session_of, steps_of
from hftd.live.run import make_plan
from hftd.live.systemd import Notifier
from hftd.model.kept import kept
from hftd.model.verify import VerifiedModel, verified
from hftd.settings import Settings

SHOWN = 20
LEAD_NS = 5 * MINUTE_NS


class Cause(StrEnum):
    """Why a session and its day on recorded data differ."""

    LATE_BAR = "late bar"
    MISSED_BAR = "missed bar"
    FILL_MODEL = "fill model"
    LATENCY = "latency"
    RISK = "risk"
    CODE_CHANGED = "code changed"
    CONSEQUENCE = "consequence of an earlier one"


@dataclass(frozen=True)
class Mismatch:
    """A step of which other commands followed than when it was journaled; both as text."""

    sequence: int
    event: str
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """Something that one of both did and the other did not, or did otherwise."""

    cause: Cause
    time: str
    what: str


@dataclass(frozen=True)
class ModelProof:
    """A model of the session, and whether the code that decided then was found."""

    model_id: str
    fingerprint: str
    found: bool
    remark: str = ""


@dataclass(frozen=True)
class Backtested:
    """The day on recorded data. `differences` counts by cause; `examples` are the first of them."""

    data: str
    decisions: int
    fills: int
    agreeing: int
    differences: dict[str, int]
    examples: tuple[Difference, ...]


@dataclass(frozen=True)
class Receipt:
    """What a verification found. `decisions` are all commands of the journal, `mismatches` those replayed otherwise."""

    session: str
    run_id: str
    models: tuple[ModelProof, ...]
    events: int
    decisions: int
    mismatches: int
    first_mismatches: tuple[Mismatch, ...] = ()
    backtest: Backtested | None = None
    remarks: tuple[str, ...] = field(default=())

    @property
    def proves(self) -> bool:
        """Whether the replay gave every command again."""
        return not self.mismatches


def verify_session(path: Path, state: Path, settings: Settings, data: Path | None) -> Receipt:
    """Verify the journal at `path`. `data` are recorded data of its day; None leaves the second part out.

    Raises StateError for a journal that cannot be read, DataError for data that cannot.
    """
    with Journal.read(path) as journal:
        steps, meta = steps_of(journal), journal.meta()
        models, proofs = _models_of(journal, state, settings)
        plan = dataclasses.replace(make_plan(settings, state, models), run_id=meta["run_id"])
        session = session_of(reviewer_of(journal).session, steps)
        mismatches = list(_mismatches(journal, plan, session, steps, Library(state).load))
        remarks = [f"{proof.model_id}: code changed: {proof.remark}" for proof in proofs if not proof.found]
    backtest = None
    if data is None:
        remarks.append("no recorded data of the day: not traded again")
    elif session.open_ns:
        backtest = _backtest(settings, plan, path, steps, session, data, is_same=all(proof.found for proof in proofs))
    return Receipt(
        session=session.day.isoformat(),
        run_id=meta["run_id"],
        models=tuple(proofs),
        events=len(steps),
        decisions=sum(len(commands) for _, commands in steps),
        mismatches=len(mismatches),
        first_mismatches=tuple(mismatches[:SHOWN]),
        backtest=backtest,
        remarks=tuple(remarks),
    )


# -- the replay ------------------------------------------------------------------------------------------------------


def _models_of(journal: Reader, state: Path, settings: Settings) -> tuple[list[VerifiedModel], list[ModelProof]]:
    """The models that the settings name, each with the code that decided then where it is found."""
    begun = beginning_of(journal)
    marks = {model.model_id: model.fingerprint for model in begun.models} if begun else {}
    then = {
        model.model_id: model
        for model in journal.models()
        if marks.get(model.model_id, model.fingerprint) == model.fingerprint  # not what it was swapped for later
    }
    models, proofs = [], []
    for chosen in settings.chosen_models:
        journaled = then.get(chosen.name)
        if journaled is None:
            continue
        try:
            model = kept(state, journaled.fingerprint, journaled.symbols, journaled.parameters)
            model = model or verified(chosen, settings.models_folder)
        except ModelError as error:
            proofs.append(ModelProof(chosen.name, journaled.fingerprint, False, str(error)))
            continue
        found = model.fingerprint == journaled.fingerprint
        remark = "" if found else f"it was {journaled.fingerprint[:12]}, its file is {model.fingerprint[:12]} now"
        models.append(model)
        proofs.append(ModelProof(chosen.name, journaled.fingerprint, found, remark))
    return models, proofs


def _mismatches(
    journal: Reader, plan: Plan, session: Session, steps: Sequence[Step], load: ModelLoader
) -> Iterator[Mismatch]:
    guard = Guard([event for event, _ in steps if isinstance(event, ModelFaulted)])
    engine = _engine_of(journal, plan, session, guard, load)
    for event, then, now in replayed(engine, steps):
        was_killed = not then and engine.sequence == len(steps)
        if _bytes_of(then) != _bytes_of(now) and not was_killed:
            yield Mismatch(engine.sequence, name_of(event), _texts(then), _texts(now))


def _engine_of(journal: Reader, plan: Plan, session: Session, guard: Guard, load: ModelLoader) -> Engine:
    """What the session began with; where that was not noted, or its code is gone, what the settings ask for."""
    begun = beginning_of(journal)
    if begun is not None:
        with suppress(ModelError):
            return engine_again(begun, session, plan.run_id, guard, load)
    return plan.engine(session, guard, retired_of(journal))


def _bytes_of(commands: Iterable[Command]) -> list[bytes]:
    return [msgspec.json.encode(command) for command in commands]


def _texts(commands: Iterable[Command]) -> tuple[str, ...]:
    return tuple(body.decode() for body in _bytes_of(commands))


# -- the day again ---------------------------------------------------------------------------------------------------


def _backtest(
    settings: Settings, plan: Plan, path: Path, steps: Sequence[Step], session: Session, data: Path, *, is_same: bool
) -> Backtested:
    again = _traded_again(settings, plan, path, steps, session, data)
    differences = list(_differences(_Told(steps), _Told(again), is_same=is_same))
    told = _Told(again)
    counts = Counter(str(difference.cause) for difference in differences)
    return Backtested(
        data=str(data),
        decisions=len(told.decisions),
        fills=sum(map(len, told.fills.values())),
        agreeing=len(_Told(steps).decisions & told.decisions),
        differences=dict(counts),
        examples=tuple(differences[:SHOWN]),
    )


def _traded_again(
    settings: Settings, plan: Plan, path: Path, steps: Sequence[Step], session: Session, data: Path
) -> list[Step]:
    """The steps of the same daemon on an exchange in process that plays `data`, begun with what it held then."""
    carried = next((event for event, _ in steps if isinstance(event, PortfolioCarried)), None)
    market = _market_of(settings, plan, session, data)
    with tempfile.TemporaryDirectory(prefix="hftd-verify-") as folder:
        state = Path(folder)
        (state / "run_id").write_text(f"{plan.run_id}\n")
        _copy_journal_before(path, state)
        own = dataclasses.replace(plan, state=state)
        asyncio.run(_live(settings, own, market, session, carried))
        with Journal.read(journal_path(state, session.day)) as journal:
            return steps_of(journal)


def _market_of(settings: Settings, plan: Plan, session: Session, data: Path) -> RecordedMarket:
    exchange = settings.exchange
    liquidity = None
    if exchange.queue != "off" or exchange.participation is not None:
        queue = Queue.BACK if exchange.queue == "off" else Queue(exchange.queue)
        liquidity = TapeLiquidity(queue, exchange.participation)
    reading = Reading(**settings.data.as_reading())
    market = tape_of(data, Calendar(), plan.symbols, liquidity=liquidity, reading=reading)
    if session.day not in market.days:
        there = f"it has {market.days[0]} to {market.days[-1]}"
        raise DataError(f"{data}: nothing of session {session.day} is in there; {there}")
    return market


def _copy_journal_before(path: Path, state: Path) -> None:
    """The session before is where positions and halts are carried from."""
    before = [journal for journal in journals(path.parents[1]) if journal.stem < path.stem]
    if before:
        (state / "journal").mkdir()
        shutil.copy(before[0], state / "journal")


async def _live(
    settings: Settings, plan: Plan, market: RecordedMarket, session: Session, carried: PortfolioCarried | None
) -> None:
    exchange, calendar, clock = settings.exchange, Calendar(), ManualClock(session.open_ns - LEAD_NS)
    venue = VenueSettings(
        partial_fill_chance=exchange.partial_fill_chance,
        reject_chance=exchange.reject_chance,
        fees=SCHEDULES[Fees(exchange.fees)],
        latency=latency_of(exchange.latency),
    )
    course = make_course(calendar, market, clock.now_ns(), venue, np.random.default_rng(exchange.seed).random)
    broker = InProcessBroker(clock, course, carried.cash if carried else exchange.cash)
    for holding in _held(carried):
        broker.venue.transfer_in(broker.account_id, holding, clock.now_ns())
    daemon = Daemon(plan, broker, clock, calendar, Notifier(""), broker.connect_clock, broker.release)
    living = asyncio.create_task(daemon.run(1))
    await broker.play_until(session.close_ns + LEAD_NS)
    daemon.stop()
    await living


def _held(carried: PortfolioCarried | None) -> list[Holding]:
    """What the account held, all models together."""
    quantities: defaultdict[str, Decimal] = defaultdict(Decimal)
    costs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for position in carried.positions if carried else ():
        quantities[position.symbol] += position.quantity
        costs[position.symbol] += position.cost
    return [Holding(symbol, held, costs[symbol]) for symbol, held in quantities.items() if held]


# -- differences -----------------------------------------------------------------------------------------------------

Decision = tuple[int, str, str, str, Decimal, str]
"""Time, model, symbol, side, shares, and what was done: signal, order, or refused by which rule."""
Fill = tuple[int, Decimal, Decimal]
"""Time, price in dollars, shares."""


class _Told:
    """What steps tell: decisions, fills by order, and the bars that came in time and late, by (symbol, minute)."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.decisions: set[Decision] = set()
        self.fills: defaultdict[Decision, list[Fill]] = defaultdict(list)
        self.bars: dict[tuple[str, int], bool] = {}
        self._orders: dict[str, Decision] = {}
        self._executions: set[str] = set()
        for event, commands in steps:
            self._see(event)
            for command in commands:
                self._note(event.time_ns, command)

    def _see(self, event: Event) -> None:
        if isinstance(event, BarReceived):
            self.bars[event.bar.symbol, event.bar.known_at_ns] = event.late
        elif isinstance(event, OrderReported) and event.report.kind in FILLS:
            report = event.report
            order = self._orders.get(report.client_order_id)
            if order is not None and report.execution_id not in self._executions:
                self._executions.add(report.execution_id)
                self.fills[order].append((report.time_ns, report.price, report.quantity))

    def _note(self, time_ns: int, command: Command) -> None:
        match command:
            case SignalRaised(model_id=model, symbol=symbol, side=side, quantity=quantity):
                self.decisions.add((time_ns, model, symbol, str(side), quantity, "signal"))
            case OrderRefused(model_id=model, symbol=symbol, side=side, quantity=quantity, rule=rule):
                self.decisions.add((time_ns, model, symbol, str(side), quantity, f"refused by {rule}"))
            case SubmitOrder(model_id=model, order=order):
                decision = (time_ns, model, order.symbol, str(order.side), order.quantity, "order")
                self.decisions.add(decision)
                self._orders[order.client_order_id] = decision


def _differences(live: _Told, again: _Told, *, is_same: bool) -> Iterator[Difference]:
    yield from _bar_differences(live, again)
    for decision in sorted(live.decisions ^ again.decisions):
        who = "the session alone" if decision in live.decisions else "the recorded day alone"
        cause = _cause_of(decision, live, again, is_same=is_same)
        yield Difference(cause, rfc3339_of(decision[0]), f"{who}: {_words(decision)}")
    for decision in sorted(live.decisions & again.decisions):
        then, now = live.fills.get(decision, []), again.fills.get(decision, [])
        if then != now:
            cause = Cause.LATENCY if [fill[0] for fill in then] != [fill[0] for fill in now] else Cause.FILL_MODEL
            both = f"{_prices(then)} in the session, {_prices(now)} on the recorded day"
            yield Difference(cause, rfc3339_of(decision[0]), f"{_words(decision)}: {both}")


def _bar_differences(live: _Told, again: _Told) -> Iterator[Difference]:
    for symbol, known_ns in sorted(live.bars.keys() ^ again.bars.keys(), key=lambda place: (place[1], place[0])):
        where = "in the session" if (symbol, known_ns) in live.bars else "in the recorded data"
        yield Difference(Cause.MISSED_BAR, rfc3339_of(known_ns), f"{symbol}: the bar is only {where}")
    for place in sorted(live.bars.keys() & again.bars.keys(), key=lambda place: (place[1], place[0])):
        if live.bars[place] != again.bars[place]:
            yield Difference(Cause.LATE_BAR, rfc3339_of(place[1]), f"{place[0]}: the bar was late")


def _cause_of(decision: Decision, live: _Told, again: _Told, *, is_same: bool) -> Cause:
    time_ns, _, symbol, *_ = decision
    if not is_same:
        return Cause.CODE_CHANGED
    if (symbol, time_ns) in live.bars.keys() ^ again.bars.keys():
        return Cause.MISSED_BAR
    if live.bars.get((symbol, time_ns)) != again.bars.get((symbol, time_ns)):
        return Cause.LATE_BAR
    refused = (other for other in live.decisions | again.decisions if other[5].startswith("refused"))
    if any(other[:4] == decision[:4] for other in refused):
        return Cause.RISK
    return Cause.CONSEQUENCE


def _words(decision: Decision) -> str:
    _, model, symbol, side, quantity, what = decision
    return f"{model} {side} {text_of(quantity)} {symbol} ({what})"


def _prices(fills: Sequence[Fill]) -> str:
    return " and ".join(f"{text_of(quantity)} at {text_of(price)}" for _, price, quantity in fills) or "not filled"
