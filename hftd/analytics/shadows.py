"""What shadows did on paper: models that decide beside those that trade, for good or as candidates for a slot. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from hftd.analytics.versions import Who, who_of
from hftd.domain import commands
from hftd.domain.events import CandidateDropped, CandidateEntered, Event, ModelSwapped, PortfolioCarried
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel

PAPER = (commands.ShadowOrdered, commands.ShadowFilled, commands.ShadowWithdrawn)
PROMOTED = "took its slot over"


@dataclass(slots=True)
class Shadow:
    """One of them: what it decided, the orders that it would have sent, those of them that would have been filled or
    that it gave up, and its profit on paper in dollars. `fate` says how it ended, nothing while it goes on."""

    who: Who
    decided: int = 0
    ordered: int = 0
    filled: int = 0
    withdrawn: int = 0
    profit: float = 0.0
    fate: str = ""
    base: float = 0.0


def shadows_among(out: Iterable[commands.Command]) -> set[str]:
    """The shadows that these commands are of, by name, as far as they tell."""
    return {
        command.model_id
        for command in out
        if isinstance(command, PAPER) or (isinstance(command, commands.SignalRaised) and command.shadow)
    }


class Shadows:
    """Follows the shadows of an engine: `before` each step, and `after` it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._past: list[Shadow] = []
        self._now: dict[str, Shadow] = {}

    def __bool__(self) -> bool:
        return bool(self._now or self._engine.shadows)

    def before(self, event: Event) -> None:
        """Note how those stand who may be about to leave."""
        if isinstance(event, CandidateEntered | CandidateDropped | ModelSwapped):
            self._value()

    def after(self, event: Event, out: Iterable[commands.Command]) -> None:
        """Take in a step."""
        for model_id in self._now.keys() - self._engine.shadows.keys():
            self._end(self._now.pop(model_id), event)
        for running in self._engine.shadows.values():
            known = self._now.get(running.model_id)
            if known is None or known.who != who_of(running):
                self._begin(running, known, event)
        if isinstance(event, PortfolioCarried):
            for model_id, shadow in self._now.items():
                shadow.base = self._worth(self._engine.shadows[model_id])
        for command in out:
            self._count(command)

    def _count(self, command: commands.Command) -> None:
        shadow, counts = self._now.get(command.model_id), _COUNTED.get(type(command))
        if shadow is not None and counts is not None:
            setattr(shadow, counts, getattr(shadow, counts) + 1)

    def _begin(self, running: RunningModel, before: Shadow | None, event: Event) -> None:
        if before is not None:
            self._end(before, event)
        self._now[running.model_id] = Shadow(who_of(running))

    def _end(self, shadow: Shadow, event: Event) -> None:
        match event:
            case CandidateDropped(reason=reason):
                shadow.fate = f"given up: {reason}"
            case ModelSwapped(fingerprint=shadow.who.fingerprint):
                shadow.fate = PROMOTED
            case _:
                shadow.fate = "another took its place"
        self._past.append(shadow)

    def _worth(self, running: RunningModel) -> float:
        return running.portfolio.worth(self._engine.prices)

    def _value(self) -> None:
        for model_id, shadow in self._now.items():
            shadow.profit = self._worth(self._engine.shadows[model_id]) - shadow.base

    @property
    def told(self) -> list[Shadow]:
        """All of them, as they stand now or stood at their end."""
        self._value()
        return [*self._past, *self._now.values()]


_COUNTED: dict[type, str] = {
    commands.SignalRaised: "decided",
    commands.ShadowOrdered: "ordered",
    commands.ShadowFilled: "filled",
    commands.ShadowWithdrawn: "withdrawn",
}


def summed(told: Iterable[Shadow]) -> list[Shadow]:
    """Each version of each shadow once, added up over sessions."""
    total: dict[Who, Shadow] = {}
    for one in told:
        sum_ = total.setdefault(one.who, Shadow(one.who))
        for name in (*_COUNTED.values(), "profit"):
            setattr(sum_, name, getattr(sum_, name) + getattr(one, name))
        sum_.fate = one.fate
    return list(total.values())
