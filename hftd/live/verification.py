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
from math import inf
from operator import itemgetter
from pathlib import Path

import msgspec
import numpy as np

from hftd.broker.inprocess import InProcessBroker
from hftd.calendar import Calendar
from hftd.clock import ManualClock
from hftd.data.reading import Reading
from hftd.domain.account import Account
from hftd.domain.commands import Command
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived, ModelFaulted, ModelSwapped, PortfolioCarried, name_of
from hftd.domain.market import Bar
from hftd.domain.session import Session
from hftd.engine.engine import Engine
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
from hftd.journal import Journal, JournaledModel, Reader, journal_path, journals
from hftd.journal.begun import BegunModel, beginning_of
from hftd.live.beginning import VERSION_KEY, engine_again, hftd_version
from hftd.live.daemon import Daemon
from hftd.live.differences import Difference, Told, differences
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


@dataclass(frozen=True)
class Mismatch:
    """A step of which other commands followed than when it was journaled; both as text."""

    sequence: int
    event: str
    then: tuple[str, ...]
    now: tuple[str, ...]


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


@dataclass(frozen=True)
class Morning:
    """What a session began with, as its journal tells it: the account's name, if it was noted, what was held, and the
    bars of days before."""

    account_id: str | None
    carried: PortfolioCarried | None
    bars: tuple[Bar, ...]


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
        remarks += _other_version(meta)
    backtest = None
    same_until_ns = -inf if remarks else _first_swap_ns(steps)
    if data is None:
        remarks.append("no recorded data of the day: not traded again")
    elif session.open_ns:
        backtest = _backtest(settings, plan, path, steps, session, data, same_until_ns)
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


def _other_version(meta: dict[str, str]) -> list[str]:
    """A remark when another hftd than this one decided; a journal of before versions were noted tells nothing."""
    then, now = meta.get(VERSION_KEY), hftd_version()
    return [] if then in (None, now) else [f"hftd: code changed: it was {then}, it is {now} now"]


def _first_swap_ns(steps: Sequence[Step]) -> float:
    """The day is traded again with the models that it began with."""
    return next((event.time_ns for event, _ in steps if isinstance(event, ModelSwapped)), inf)


# -- the replay ------------------------------------------------------------------------------------------------------


def _models_of(journal: Reader, state: Path, settings: Settings) -> tuple[list[VerifiedModel], list[ModelProof]]:
    """The models that the settings name, each with the code that decided then where it is found."""
    begun = beginning_of(journal)  # shadows too, and not what they were swapped for later
    took_part: Sequence[BegunModel | JournaledModel] = begun.models if begun else journal.models()
    then = {model.model_id: model for model in took_part}
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
    settings: Settings,
    plan: Plan,
    path: Path,
    steps: Sequence[Step],
    session: Session,
    data: Path,
    same_until_ns: float,
) -> Backtested:
    then, told = Told(steps), Told(_traded_again(settings, plan, path, steps, session, data))
    found = list(differences(then, told, same_until_ns))
    counts = Counter(str(difference.cause) for difference in found)
    return Backtested(
        data=str(data),
        decisions=len(told.decisions),
        fills=sum(map(len, told.fills.values())),
        agreeing=len(then.decisions & told.decisions),
        differences=dict(counts),
        examples=tuple(found[:SHOWN]),
    )


def _traded_again(
    settings: Settings, plan: Plan, path: Path, steps: Sequence[Step], session: Session, data: Path
) -> list[Step]:
    """The steps of the same daemon on an exchange in process that plays `data`, begun with what it held then."""
    morning = _morning_of(path, steps, session)
    market = _market_of(settings, plan, session, data)
    with tempfile.TemporaryDirectory(prefix="hftd-verify-") as folder:
        state = Path(folder)
        (state / "run_id").write_text(f"{plan.run_id}\n")
        _copy_journal_before(path, state)
        own = dataclasses.replace(plan, state=state)
        asyncio.run(_live(settings, own, market, session, morning))
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


def _morning_of(path: Path, steps: Sequence[Step], session: Session) -> Morning:
    with Journal.read(path) as journal:
        account_id = journal.meta().get("account_id")
    carried = next((event for event, _ in steps if isinstance(event, PortfolioCarried)), None)
    bars = (event.bar for event, _ in steps if isinstance(event, BarReceived))
    return Morning(account_id, carried, tuple(bar for bar in bars if bar.time_ns < session.open_ns))


class BrokerAgain(InProcessBroker):
    """A broker that looks like the session's: its account's name, and the bars of before, which the recorded day may
    lack."""

    morning: Morning

    async def account(self) -> Account:
        account = await super().account()
        return msgspec.structs.replace(account, account_id=self.morning.account_id or account.account_id)

    async def bars(self, symbols: Sequence[str], start_ns: int, end_ns: int) -> list[Bar]:
        found = {(bar.time_ns, bar.symbol): bar for bar in await super().bars(symbols, start_ns, end_ns)}
        for bar in self.morning.bars:
            if bar.symbol in symbols and start_ns <= bar.time_ns <= end_ns:
                found.setdefault((bar.time_ns, bar.symbol), bar)
        return [bar for _, bar in sorted(found.items(), key=itemgetter(0))]


async def _live(settings: Settings, plan: Plan, market: RecordedMarket, session: Session, morning: Morning) -> None:
    exchange, calendar, clock = settings.exchange, Calendar(), ManualClock(session.open_ns - LEAD_NS)
    venue = VenueSettings(
        partial_fill_chance=exchange.partial_fill_chance,
        reject_chance=exchange.reject_chance,
        fees=SCHEDULES[Fees(exchange.fees)],
        latency=latency_of(exchange.latency),
    )
    course = make_course(calendar, market, clock.now_ns(), venue, np.random.default_rng(exchange.seed).random)
    broker = BrokerAgain(clock, course, morning.carried.cash if morning.carried else exchange.cash)
    broker.morning = morning
    for holding in _held(morning.carried):
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
