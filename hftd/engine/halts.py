"""The halts in force, each with its name, and what ends each of them.

While any halt is in force there is no new exposure; what closes a position may go. Behind `broker_closed` nothing is
sent at all. A halt of one model leaves the others alone.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec.structs import replace

from hftd.domain.events import Halt

BROKER_CLOSED = "broker_closed"
"""The rule of a halt because the broker says closed: until it is resumed nothing can be sent, nor anything closed."""
FEED_MUTE = "feed_mute"
MANUAL = "manual"


class End(StrEnum):
    """What ends a halt."""

    CAUSE = "when its cause is gone"
    SESSION = "with the next session"
    HAND = "by hftd resume"


ENDS: dict[str, tuple[End, ...]] = {
    BROKER_CLOSED: (End.CAUSE,),
    FEED_MUTE: (End.CAUSE,),
    "max_daily_loss": (End.SESSION,),
    "overflow": (End.SESSION, End.HAND),
    "not_flattened": (End.SESSION, End.HAND),
}
"""What ends the halt of a rule; all others are ended by hand alone, for a person has to look first."""


def ends_of(rule: str) -> tuple[End, ...]:
    """What ends a halt of this rule."""
    return ENDS.get(rule, (End.HAND,))


class Halts:
    """A set of halts, one for each rule and model, in the order in which they came."""

    def __init__(self, halts: Iterable[Halt] = ()) -> None:
        self._halts: dict[tuple[str, str], Halt] = {}
        for halt in halts:
            self.add(halt)

    def __iter__(self) -> Iterator[Halt]:
        return iter(self._halts.values())

    def __len__(self) -> int:
        return len(self._halts)

    def add(self, halt: Halt) -> None:
        """Put `halt` in force, over an older one of the same rule and model."""
        self._halts[halt.rule, halt.model_id] = halt

    def lift(self, rule: str) -> list[Halt]:
        """End the halts of `rule`, or without one all that a person may end; returns those that ended."""
        ended = [halt for halt in self._halts.values() if (halt.rule == rule if rule else _is_lifted_by_hand(halt))]
        for halt in ended:
            del self._halts[halt.rule, halt.model_id]
        return ended

    def rename(self, before: str, after: str) -> None:
        """A model's halts are those of its successor."""
        halts = [replace(halt, model_id=after) if halt.model_id == before else halt for halt in self]
        self._halts = {(halt.rule, halt.model_id): halt for halt in halts}

    def holds(self, rule: str, model_id: str = "") -> bool:
        """Whether a halt of `rule` is in force, of a model or, without one, of all."""
        return (rule, model_id) in self._halts

    def stops(self, model_id: str) -> bool:
        """Whether a model may open nothing."""
        return any(halt.model_id in ("", model_id) for halt in self._halts.values())

    @property
    def flattens(self) -> bool:
        """Whether everything is to be closed."""
        return any(halt.flatten for halt in self._halts.values())

    @property
    def lasting(self) -> tuple[Halt, ...]:
        """What is still in force in the next session: what nothing but a person ends."""
        return tuple(halt for halt in self._halts.values() if ends_of(halt.rule) == (End.HAND,))

    def __str__(self) -> str:
        """Their names: manual, max_drawdown of toy."""
        return ", ".join(f"{halt.rule} of {halt.model_id}" if halt.model_id else halt.rule for halt in self)


def _is_lifted_by_hand(halt: Halt) -> bool:
    return End.HAND in ends_of(halt.rule)
