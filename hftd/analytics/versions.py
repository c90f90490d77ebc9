"""Which version of which model stood in each slot, from when to when, and what each of them earned there. Pure.

A model whose code or parameters were changed is another one: it is told apart by its fingerprint. At a swap the one
before gives up what it holds, and its successor takes it over, at the market's price: what was gained until then is the
one's, what comes after is the other's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hftd.analytics.worths import Worths
from hftd.domain.commands import Command, SubmitOrder
from hftd.domain.events import Event, ModelSwapped, PortfolioCarried
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel


class Who(NamedTuple):
    """A model as it was when it decided."""

    model_id: str
    fingerprint: str = ""


@dataclass(frozen=True)
class Participant:
    """A model that took part."""

    model_id: str
    fingerprint: str = ""
    symbols: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    shadow: bool = False

    @property
    def who(self) -> Who:
        return Who(self.model_id, self.fingerprint)


class Handover(NamedTuple):
    """Signed shares that passed from one model to another at the market's price, after so many executions."""

    executions: int
    time_ns: int
    giver: Who
    taker: Who
    symbol: str
    quantity: float
    price: float


def who_of(running: RunningModel) -> Who:
    """Who is in a slot now."""
    return Who(running.model_id, running.fingerprint)


class Versions:
    """Follows an engine: `before` each step, and `after` it. Dollars. `since_ns` is when those came who were not there
    from the start; `beginners` are those who were, by slot."""

    def __init__(self, engine: Engine, worths: Worths) -> None:
        self.handovers: list[Handover] = []
        self.since_ns: dict[Who, int] = {}
        self.beginners: dict[str, Who] = {}
        self.prices_at_start: dict[str, float] = {}
        self._engine = engine
        self._worth = worths.of
        self._earned: dict[Who, float] = {}
        self._bases: dict[Who, float] = {}
        self._slots: dict[str, str] = {}
        self._giving: dict[str, tuple[Who, list[tuple[str, float, float]]]] = {}

    # -- what comes in -------------------------------------------------------------------------------------------

    def before(self, event: Event, out: Iterable[Command], executions: int) -> None:
        """Who is about to leave a slot gives up what it holds; `executions` have been told so far."""
        if isinstance(event, ModelSwapped):
            self._give(event.model_id)
            if event.name != event.model_id and event.name in self._engine.models:
                self._give(event.name)
            return
        for command in out:
            if isinstance(command, SubmitOrder):
                self._notice(command, executions)

    def _notice(self, command: SubmitOrder, executions: int) -> None:
        """A restart may have put another version into a slot without a word: the orders tell."""
        running = self._engine.models[command.model_id]
        if not running.fingerprint:
            self._rebase(running, command.fingerprint)
        elif running.fingerprint != command.fingerprint:
            self._give(running.model_id)
            running.fingerprint = command.fingerprint
            self._take(running, executions, self._engine.time_ns)

    def _rebase(self, running: RunningModel, fingerprint: str) -> None:
        """Nobody noted which version it was."""
        base = self._bases.pop(who_of(running), 0.0)
        running.fingerprint = fingerprint
        self._bases[who_of(running)] = base
        self.beginners[running.model_id] = who_of(running)

    def after(self, event: Event, executions: int) -> None:
        """Who has come into a slot takes over what was given up."""
        if isinstance(event, ModelSwapped):
            self._take(self._engine.models[event.name], executions, event.time_ns)
            self._slots |= {name: event.name for name, slot in self._slots.items() if slot == event.model_id}
            self._slots |= {event.model_id: event.name, event.name: event.name}
        elif isinstance(event, PortfolioCarried):
            self.beginners = {id: who_of(one) for id, one in self._engine.models.items()}
            self.prices_at_start = dict(event.prices)
            self._bases = {who_of(one): self._worth(one) for one in self._engine.models.values()}

    def _give(self, model_id: str) -> None:
        running = self._engine.models[model_id]
        who, prices = who_of(running), self._engine.prices
        self._earned[who] = self._profit(running)
        held = [
            (symbol, float(holding.quantity), prices.get(symbol, float(holding.average_price)))
            for symbol, holding in running.portfolio.holdings.items()
            if holding.quantity
        ]
        self._giving[model_id] = who, held

    def _take(self, running: RunningModel, executions: int, time_ns: int) -> None:
        taker = who_of(running)
        self._bases[taker] = self._worth(running) - self._earned.get(taker, 0.0)
        self.since_ns.setdefault(taker, time_ns)
        for giver, held in self._giving.values():
            self.handovers += [Handover(executions, time_ns, giver, taker, *row) for row in held if giver != taker]
        self._giving.clear()

    # -- how it stands -------------------------------------------------------------------------------------------

    def _profit(self, running: RunningModel) -> float:
        return self._worth(running) - self._bases.get(who_of(running), 0.0)

    @property
    def profits(self) -> dict[Who, float]:
        """What each has earned in this session so far."""
        return self._earned | {who_of(one): self._profit(one) for one in self._engine.models.values()}

    @property
    def known(self) -> set[Who]:
        """All who have been in a slot."""
        return {*self._earned, *map(who_of, self._engine.models.values())}

    def slot_of(self, model_id: str) -> str:
        """What the slot is called at the end that was called `model_id` at some time."""
        return self._slots.get(model_id, model_id)
