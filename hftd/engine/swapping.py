"""One model for another in the middle of a session, candidates that decide on paper first, and other limits.

The rule of handing over: what a slot holds stays with the slot, and so do its halts and its standing. Of the working
orders those that could open or enlarge a position are withdrawn, for another mind wanted them; those that close or
protect one stay, and the new model sees them. A model that is swapped in is shown the session's bars so far, late, as
after a restart; one that is rolled back to goes on where it stopped, and is shown the bars in between.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from hftd.domain.events import CandidateDropped, CandidateEntered, LimitsChanged, ModelSwapped
from hftd.domain.market import Bar
from hftd.engine.context import ModelContext
from hftd.engine.desk import Desk
from hftd.engine.judge import Judge
from hftd.engine.risk import Limits
from hftd.engine.session_state import SessionState
from hftd.engine.state import Former, RunningModel, nobody
from hftd.engine.timers import Timer
from hftd.model.contract import Model

ROLLED_BACK = "rolled_back"
CATCH_UP = "catch_up"
"""Not a hook of a model's: on_start and past bars in one call, so that whoever guards hooks guards all of it."""


def candidate_id(model_id: str) -> str:
    """The model_id of the candidate for a slot."""
    return f"{model_id}.next"


class Swapping:
    """Carries these changes out."""

    def __init__(self, state: SessionState, desk: Desk, judge: Judge) -> None:
        self._state = state
        self._desk = desk
        self._judge = judge

    def swap(self, event: ModelSwapped) -> None:
        """Another model decides in a slot."""
        running = self._state.models[event.model_id]
        self._desk.withdraw_opening(running.model_id, f"its model was swapped: {event.cause}")
        stopped = self._state.timers.stop_all(running.model_id)
        model, catch_up, timers = self._successor(running, event)
        running.before = None if event.cause == ROLLED_BACK else self._former(running, stopped)
        running.model, running.fingerprint, running.symbols = model, event.fingerprint, event.symbols
        running.parameters, running.paused = event.parameters, False
        self._rename(running, event.name)
        self._state.timers.resume(timers, running.model_id, self._state.time_ns)
        self._begin(running, catch_up)

    def _successor(
        self, running: RunningModel, event: ModelSwapped
    ) -> tuple[Model, Callable[[Model], None], Iterable[Timer]]:
        """The model that takes over, what it has to be told first, and its timers: the candidate knows all, the one
        before what was until it was swapped, a new one nothing."""
        candidate = self._state.shadows.get(candidate_id(running.model_id))
        if candidate is not None and candidate.fingerprint == event.fingerprint:
            return candidate.model, lambda model: None, self._forget(candidate)
        past = [bar for bar in self._state.past if bar.symbol in event.symbols]
        former = running.before
        if former is not None and event.cause == ROLLED_BACK and former.fingerprint == event.fingerprint:
            missed = [bar for bar in self._state.past[former.bars_seen :] if bar.symbol in event.symbols]
            return former.model, lambda model: _show(model, missed), former.timers
        model = (self._state.load or nobody)(event)
        return model, lambda model: _start(model, past), ()

    def _former(self, running: RunningModel, timers: Iterable[Timer]) -> Former:
        seen = len(self._state.past)
        model, mark = running.model, running.fingerprint
        return Former(running.model_id, model, mark, running.symbols, running.parameters, seen, tuple(timers))

    def _rename(self, running: RunningModel, name: str) -> None:
        state, before = self._state, running.model_id
        if name == before:
            return
        if (other := state.models.get(name)) is not None:
            self._absorb(running, other)
        running.model_id = name
        state.models = {each.model_id: each for each in state.models.values() if each is not other}
        state.halts.rename(before, name)
        self._judge.rename(before, name)

    def _absorb(self, running: RunningModel, other: RunningModel) -> None:
        """A slot of that name was given up before: what is still in it goes to its new owner."""
        self._judge.absorb(other.model_id, running.model_id)
        for symbol, holding in other.portfolio.holdings.items():
            running.portfolio.holding(symbol).absorb(holding)
        running.portfolio.cash_flow += other.portfolio.cash_flow
        running.portfolio.allotment += other.portfolio.allotment
        for order in (*self._state.orders.values(), *self._state.unfinished):
            if order.owner is other:
                order.owner = running

    def _begin(self, running: RunningModel, catch_up: Callable[[Model], None]) -> None:
        """Give a model its context and let it catch up; what it wants meanwhile is old."""
        running.find_hooks()
        if self._state.load is not None:
            self._state.keep_history_for(running)
        running.model.context = ModelContext(self._state, running)
        running.hooks[CATCH_UP] = catch_up
        self._state.call(running, self._state.sequence, CATCH_UP, (running.model,))
        del running.hooks[CATCH_UP]

    # -- candidates ------------------------------------------------------------------------------------------------

    def enter(self, event: CandidateEntered) -> None:
        """A candidate begins on paper: flat, with as much money as the slot is worth."""
        state, slot = self._state, self._state.models[event.model_id]
        id = candidate_id(event.model_id)
        if (before := state.shadows.get(id)) is not None:
            self._forget(before)
        model = (state.load or nobody)(event)
        candidate = RunningModel(id, model, event.fingerprint, event.symbols, event.parameters, shadow=True)
        candidate.limits = slot.limits
        candidate.portfolio.allotment = slot.portfolio.equity(state.prices)
        candidate.promote_after = event.promote_after
        state.shadows[id] = candidate
        past = [bar for bar in state.past if bar.symbol in event.symbols]
        self._begin(candidate, lambda model: _start(model, past))

    def drop(self, event: CandidateDropped) -> None:
        """A candidate is given up."""
        candidate = self._state.shadows.get(candidate_id(event.model_id))
        if candidate is not None:
            self._forget(candidate)

    def _forget(self, shadow: RunningModel) -> list[Timer]:
        """Returns the timers that it had."""
        del self._state.shadows[shadow.model_id]
        return self._state.timers.stop_all(shadow.model_id)

    # -- limits ----------------------------------------------------------------------------------------------------

    def change_limits(self, event: LimitsChanged) -> None:
        """Other limits hold from the next order on."""
        state = self._state
        state.limits = _limits(event.limits)
        state.plan_flattening()
        for running in state.everyone:
            own = event.of_models.get(running.model_id.removesuffix(".next"))
            running.limits = None if own is None else _limits(own)
        self._judge.watch_all()


def _limits(values: dict[str, Any]) -> Limits:
    return Limits(**values)


def bounds_of(limits: Limits) -> dict[str, Any]:
    """Limits as an event holds them."""
    return dataclasses.asdict(limits)


def _start(model: Model, past: Iterable[Bar]) -> None:
    model.on_start(model.context)
    _show(model, past)


def _show(model: Model, past: Iterable[Bar]) -> None:
    for bar in past:
        model.on_bar(bar)
