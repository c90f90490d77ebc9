"""Getting back to where we were: an engine rebuilt from a session's journal.

The same models are run through the same events and must decide the same; then the engine is as if it had never
stopped. Where that cannot be (a model file was edited, or is gone) the engine takes over what was decided then, and
the new models start knowing nothing of the session so far.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import structlog

from hftd.domain.commands import Command, SubmitOrder
from hftd.domain.events import (
    CarriedPosition,
    Event,
    ModelFaulted,
    SessionClosed,
    SessionOpened,
    TradingHalted,
    TradingResumed,
)
from hftd.domain.orders import OrderStatus
from hftd.domain.session import Session
from hftd.engine.carried import Carried, carried_of
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import HookCaller, RunningModel
from hftd.errors import StateError
from hftd.journal import Journal, Reader, journal_path, journals
from hftd.live.guard import Guard
from hftd.model.contract import Model

log = structlog.get_logger()

Step = tuple[Event, list[Command]]
MakeEngine = Callable[[HookCaller, Iterable[RunningModel]], Engine]
"""Builds an engine of the settings' models and of the models given besides."""

NO_LIMITS = Limits(
    Decimal("Infinity"),
    Decimal("Infinity"),
    1_000_000_000,
    flatten_before_close_ns=None,
    max_drawdown=Decimal("Infinity"),
)
"""Nothing is forbidden, and the drawdown is watched all the same."""


class Decided(NamedTuple):
    """An order, and when it was decided (nanoseconds UTC)."""

    time_ns: int
    command: SubmitOrder


@dataclass(frozen=True)
class Recovered:
    """An engine that knows its session so far; `steps` is what it knows."""

    engine: Engine
    guard: Guard
    steps: Sequence[Step]

    def unanswered(self) -> dict[str, Decided]:
        """Orders of which no word has come, by client order id."""
        submitted = (
            Decided(event.time_ns, command)
            for event, commands in self.steps
            for command in commands
            if isinstance(command, SubmitOrder)
        )
        by_id = {decided.command.order.client_order_id: decided for decided in submitted}
        return {id: decided for id, decided in by_id.items() if self.engine.orders[id].status is OrderStatus.UNSENT}


def _unheard() -> None:
    """Nobody wants to know of progress."""


def steps_of(journal: Reader, progress: Callable[[], None] = _unheard) -> list[Step]:
    """Every event of a journal with the commands that followed from it. `progress` is told of each: a day of quotes
    takes minutes."""
    grouped = groupby(journal.commands(), key=lambda row: row[0])
    commands = {sequence: [command for _, command in rows] for sequence, rows in grouped}
    steps = []
    for sequence, event in journal.events():
        progress()
        steps.append((event, commands.get(sequence, [])))
    return steps


def recover(
    journal: Journal,
    carried: Iterable[CarriedPosition],
    make_engine: MakeEngine,
    progress: Callable[[], None] = _unheard,
    *,
    begins_alike: bool = False,
) -> Recovered:
    """The engine of the session that `journal` is of, after everything in it. `progress` is told of every event.

    `begins_alike` says that `make_engine` makes what the session began with, and nothing has to be compared.
    """
    steps = steps_of(journal, progress)
    guard = Guard([event for event, _ in steps if isinstance(event, ModelFaulted)])
    if not steps:
        return Recovered(make_engine(guard, _retired(carried)), guard, steps)
    engine = make_engine(guard, retired_of(journal))
    if (begins_alike or _same_models(journal, engine)) and _replay(engine, steps, journal, progress):
        log.info("session.recovered", events=len(steps), how="replayed through the same models")
    else:
        engine = make_engine(guard, retired_of(journal))
        _follow(engine, steps if steps[-1][1] else steps[:-1], progress)
        _finish(engine, steps, journal)
        log.warning("session.recovered", events=len(steps), how="orders taken over; models begin anew")
    return Recovered(engine, guard, steps)


def _retired(carried: Iterable[CarriedPosition]) -> list[RunningModel]:
    return [RunningModel(position.model_id, Model(), "", ()) for position in carried if not position.shadow]


def retired_of(journal: Reader) -> list[RunningModel]:
    """The models of a journal by name, doing nothing."""
    return [RunningModel(model.model_id, Model(), model.fingerprint, model.symbols) for model in journal.models()]


def _same_models(journal: Reader, engine: Engine) -> bool:
    then = {(model.model_id, model.fingerprint) for model in journal.models()}
    now = {(running.model_id, running.fingerprint) for running in engine.models.values()}
    return then == now or not then  # it holds no more than a halt from before the session


def _replay(engine: Engine, steps: list[Step], journal: Journal, progress: Callable[[], None]) -> bool:
    """Step every event; False as soon as other commands come out than did then."""
    for event, commands, decided in replayed(engine, list(steps)):
        progress()
        if decided and not commands and engine.sequence == len(steps):
            journal.append_commands(engine.sequence, decided)  # we were killed just before these were written
            steps[-1] = (event, decided)
        elif decided != commands:
            log.warning("journal.differs", sequence=engine.sequence, then=len(commands), now=len(decided))
            return False
    return True


def replayed(engine: Engine, steps: Iterable[Step]) -> Iterator[tuple[Event, list[Command], list[Command]]]:
    """Step every event: (event, what followed then, what follows now)."""
    for event, commands in steps:
        yield event, commands, engine.step(event)


def _finish(engine: Engine, steps: list[Step], journal: Journal) -> None:
    """Decide what the engine itself has to do about a last event of which nothing followed: we may have been killed
    before it was written."""
    event, commands = steps[-1]
    if not commands:
        decided = engine.finish(event)
        journal.append_commands(engine.sequence, decided)
        steps[-1] = (event, decided)


def _follow(engine: Engine, steps: Iterable[Step], progress: Callable[[], None]) -> None:
    for event, commands in steps:
        progress()
        engine.follow(event, commands)


def reviewed(journal: Reader, progress: Callable[[], None] = _unheard) -> Engine:
    """The engine as it stood at the end of a journal, with models that do nothing: positions, orders, cash."""
    steps = steps_of(journal, progress)
    engine = reviewer_of(journal)
    engine.session = session_of(engine.session, steps)
    _follow(engine, steps, progress)
    return engine


def reviewer_of(journal: Reader) -> Engine:
    """The engine that is to follow a journal, with models that do nothing, before anything in it."""
    meta = journal.meta()
    session = Session(0, 0, date.fromisoformat(meta["session"]))
    return Engine(session, retired_of(journal), NO_LIMITS, meta["run_id"])


def session_of(unknown: Session, steps: Iterable[Step]) -> Session:
    """The session with its hours, once it has opened."""
    hours = (event.session for event, _ in steps if isinstance(event, SessionOpened | SessionClosed))
    return next(hours, unknown)


def last_begun(state: Path) -> Reader | None:
    """The newest journal that holds an event, to be closed by whoever asked: one may have been opened, and then nothing
    more. Opening it again would cost what SQLite pays for the log that a killed writer has left."""
    for path in journals(state):
        journal = Journal.read(path)
        if journal.has_events():
            return journal
        journal.close()
    return None


def check_account(state: Path, account_id: str) -> None:
    """Raise StateError when the last session was traded on another account: nothing of it would be found there."""
    journal = last_begun(state)
    if journal is None:
        return
    with journal:
        before = journal.meta().get("account_id", account_id)
    if before != account_id:
        raise StateError(
            f"{journal.path}: it is of account {before}, and the broker's keys are of account {account_id}; give each "
            "account a state directory of its own with --state DIR, or move the folder journal elsewhere to begin anew"
        )


def carried_at_last(state: Path, progress: Callable[[], None] = _unheard) -> Carried:
    """What the last session ended with; nothing when there was none."""
    journal = last_begun(state)
    if journal is None:
        return Carried()
    with journal:
        return carried_of(reviewed(journal, progress))


def journal_between_sessions(
    state: Path, run_id: str, following: Session, event: TradingHalted | TradingResumed
) -> None:
    """Note a halt or its end at the end of the last session's journal, from which the next session begins; before any
    session it is the first event of the `following` one. Raises StateError when it cannot be written."""
    last = last_begun(state)
    if last is not None:
        last.close()
    day = date.fromisoformat(last.path.stem) if last else following.day
    with Journal.open(journal_path(state, day), Session(0, 0, day), run_id) as journal:
        journal.append_event(event, event.time_ns, "control")
