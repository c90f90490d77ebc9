"""The guard around a model's hooks: a model that fails is set aside, and everything else goes on."""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import localcontext
from types import FrameType, TracebackType
from typing import Any

import structlog

from hftd.domain.events import ModelFaulted
from hftd.domain.intents import Intent
from hftd.engine.state import RunningModel, call_hook
from hftd.errors import ModelError

log = structlog.get_logger()

BUDGET_S = 6.0
"""Wall seconds that a hook may take: a tenth of a bar. While it runs nothing else does."""

FIRST_CALL_S = 30.0
"""The first call of a model may load weights or compile. Less than the unit's watchdog allows."""

AGAIN_S = 1.0
"""A model that swallows the interruption is interrupted again this much later."""


class Guard:
    """Calls hooks for the engine. The intents of a call that raises are void, and `take_faults` tells of it.

    `known_faults` are those of a journal being replayed: the same calls are left out again.
    """

    def __init__(
        self,
        known_faults: Iterable[ModelFaulted] = (),
        budget_s: float = BUDGET_S,
        first_call_s: float = FIRST_CALL_S,
    ) -> None:
        self._budget_s = budget_s
        self._first_call_s = first_call_s
        self._called: set[tuple[str, str]] = set()
        self._skip = {(fault.model_id, fault.of_sequence, fault.hook) for fault in known_faults}
        self._faults: list[tuple[str, int, str, str]] = []

    def __call__(self, running: RunningModel, sequence: int, name: str, arguments: tuple[Any, ...]) -> Iterable[Intent]:
        if self._skip and self._skip & {(running.model_id, sequence, name), (running.model_id, sequence, "")}:
            return ()
        model = (running.model_id, running.fingerprint)
        limit_s = self._budget_s if model in self._called else self._first_call_s
        self._called.add(model)
        try:
            with _time_limit(limit_s), localcontext():  # whatever precision it sets, the ledger keeps its own
                return call_hook(running, sequence, name, arguments)
        except BaseException as error:  # sys.exit() and an overrun are no Exceptions, and end the model all the same
            trace = _own_part(error.__traceback__)
            told = {"exc_info": (type(error), error, trace)} if trace else {}
            sentence = _sentence(error, name)
            log.error("model.faulted", model=running.model_id, hook=name, error=sentence, **told)
            self._faults.append((running.model_id, sequence, sentence, name))
            return ()

    def take_faults(self, time_ns: int) -> list[ModelFaulted]:
        """Faults since the last call, as events of `time_ns`."""
        faults, self._faults = self._faults, []
        return [ModelFaulted(time_ns, *fault) for fault in faults]


class _Overrun(BaseException):
    """The time is up. Not an Exception, so that a model's own `except Exception` does not swallow it."""


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    """Interrupt Python code after so many wall seconds. Signals reach the main thread alone: elsewhere, no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def overrun(signal_number: int, frame: FrameType | None) -> None:
        raise _Overrun(f"did not return within {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, overrun)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # the time may be up just before the line above, and the next alarm is AGAIN_S away
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _own_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of hftd that lead to the model; None when nothing is left."""
    while trace and _is_ours(trace):
        trace = trace.tb_next
    last = trace
    while last and last.tb_next:
        if _is_ours(last.tb_next) and last.tb_next.tb_next is None:
            last.tb_next = None  # the interruption itself
        last = last.tb_next
    return trace


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__", "")).startswith("hftd.")


def _sentence(error: BaseException, hook: str) -> str:
    match error:
        case _Overrun():
            return f"{hook} {error}"
        case SystemExit():
            return f"{hook} ends the process; a model only returns"
        case ModelError():
            return f"{hook} {error}"
    return f"{type(error).__name__} in {hook}: {error}"
