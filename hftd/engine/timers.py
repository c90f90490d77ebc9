"""Moments at which models asked to be woken. Time is the engine's: a timer fires at its own moment. One that nobody was
there for, after a restart or a full disk, fires then, marked late, and does not trade."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hftd.domain.convert import SECOND_NS

UNITS_NS = {"s": SECOND_NS, "m": 60 * SECOND_NS, "h": 3600 * SECOND_NS}
SHORTEST_INTERVAL_NS = SECOND_NS


@dataclass(frozen=True, slots=True, order=True)
class Timer:
    """Due at `due_ns`; of those due together the one set first goes first. `every_ns` is 0 for one that fires once."""

    due_ns: int
    number: int
    model_id: str
    name: str
    every_ns: int = 0


class Timers:
    """The timers of all models, one for each model and name. None is set for `until_ns` or later."""

    def __init__(self, until_ns: int) -> None:
        self._until_ns = until_ns
        self._timers: dict[tuple[str, str], Timer] = {}
        self._set = 0
        self.next: Timer | None = None

    def set(self, model_id: str, name: str, now_ns: int, delay_ns: int, *, again: bool) -> None:
        """Wake a model `delay_ns` from now, once or `again` and again; instead of its earlier timer of that name."""
        if delay_ns < (SHORTEST_INTERVAL_NS if again else 1):
            raise ValueError(f"a timer of {delay_ns} ns; expected {'at least a second' if again else 'more than 0'}")
        self._set += 1
        self._put(Timer(now_ns + delay_ns, self._set, model_id, name, delay_ns if again else 0))

    def fired(self, model_id: str, name: str) -> None:
        """A timer has fired: it is over, or set for the next time."""
        timer = self._timers.get((model_id, name))
        if timer is not None:
            self._put(replace(timer, due_ns=timer.due_ns + timer.every_ns if timer.every_ns else self._until_ns))

    def stop(self, model_id: str, name: str) -> None:
        """Forget a timer."""
        self._timers.pop((model_id, name), None)
        self.next = min(self._timers.values(), default=None)

    def stop_all(self, model_id: str) -> list[Timer]:
        """Forget all timers of a model; returns them."""
        stopped = [timer for timer in self._timers.values() if timer.model_id == model_id]
        self._timers = {key: timer for key, timer in self._timers.items() if timer.model_id != model_id}
        self.next = min(self._timers.values(), default=None)
        return stopped

    def resume(self, stopped: Iterable[Timer], model_id: str, now_ns: int) -> None:
        """Set timers again for the same model in another slot. One that came due meanwhile fires now, one that fires
        again and again keeps to its rhythm."""
        for timer in stopped:
            missed = (now_ns - timer.due_ns) // timer.every_ns + 1 if timer.every_ns and timer.due_ns <= now_ns else 0
            self._put(replace(timer, model_id=model_id, due_ns=timer.due_ns + missed * timer.every_ns))

    def _put(self, timer: Timer) -> None:
        key = timer.model_id, timer.name
        self._timers.pop(key, None)
        if timer.due_ns < self._until_ns:
            self._timers[key] = timer
        self.next = min(self._timers.values(), default=None)


def length_ns(length: float | str) -> int:
    """A length of time in nanoseconds: seconds, or text as "90s", "5m", "1.5h". Raises ValueError."""
    number, unit_ns = length, SECOND_NS
    if isinstance(length, str):
        number, unit_ns = length[:-1], UNITS_NS.get(length[-1:], 0)
    try:
        return _positive(round(float(number) * unit_ns))
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f'{length!r} is no length of time; expected seconds, or "90s", "5m", "1h"') from None


def _positive(time_ns: int) -> int:
    if time_ns <= 0:
        raise ValueError
    return time_ns
