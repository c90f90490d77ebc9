"""The guard around a model's hooks: a model that fails is set aside, and everything else goes on."""

from collections.abc import Iterable
from typing import Any

import structlog

from hftd.domain.events import ModelFaulted
from hftd.domain.intents import Intent
from hftd.engine.state import RunningModel, call_hook

log = structlog.get_logger()


class Guard:
    """Calls hooks for the engine. The intents of a call that raises are void, and `take_faults` tells of it.

    `known_faults` are those of a journal being replayed: the same calls are left out again.
    """

    def __init__(self, known_faults: Iterable[ModelFaulted] = ()) -> None:
        self._skip = {(fault.model_id, fault.of_sequence) for fault in known_faults}
        self._faults: list[tuple[str, int, str]] = []

    def __call__(self, running: RunningModel, sequence: int, name: str, arguments: tuple[Any, ...]) -> Iterable[Intent]:
        if (running.model_id, sequence) in self._skip:
            return ()
        try:
            return call_hook(running, sequence, name, arguments)
        except Exception as error:
            log.exception("model.faulted", model=running.model_id, hook=name, error=str(error))
            self._faults.append((running.model_id, sequence, f"{type(error).__name__} in {name}: {error}"))
            return ()

    def take_faults(self, time_ns: int) -> list[ModelFaulted]:
        """Faults since the last call, as events of `time_ns`."""
        faults, self._faults = self._faults, []
        return [ModelFaulted(time_ns, model_id, sequence, error) for model_id, sequence, error in faults]
