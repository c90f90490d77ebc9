"""The compiled driver: a model's own `decide` over all bars, then the account over what it decided."""

import warnings
from collections import namedtuple
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.core.errors import NumbaError, NumbaWarning

from hftd.backtest import kernel
from hftd.backtest.lean import LeanDriver, NotCovered
from hftd.backtest.task import Task
from hftd.calendar import Calendar
from hftd.model.compiled import CompiledModel
from hftd.model.contract import HOOKS

Numbers = namedtuple("Numbers", ("time_ns", "open", "high", "low", "close", "volume"))
"""A bar as compiled code sees it."""


@cache
def decisions_of(decide: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled loop that asks `decide` about every bar: shares by row. Compiled once a process."""
    ask = numba.njit(decide, error_model="python")

    @numba.njit(error_model="python", nogil=True)
    def loop(times: Any, prices: Any, volumes: Any, admitted: Any, sessions: Any, parameters: Any, memory: Any) -> Any:
        shares = np.zeros(len(times), np.int64)
        for session in range(len(sessions)):
            memory[:] = 0.0
            for row in range(sessions[session, 0], sessions[session, 1]):
                if admitted[row]:
                    bar = Numbers(
                        times[row], prices[0, row], prices[1, row], prices[2, row], prices[3, row], volumes[row]
                    )
                    shares[row] = ask(bar, parameters, memory)
        return shares

    def run(*arguments: Any) -> Any:
        shares = loop(*arguments)
        returned = ask.overloads[ask.signatures[-1]].signature.return_type
        if not isinstance(returned, types.Integer):
            raise NotCovered(f"decide returns {returned}; whole shares, an int, are expected")
        return shares

    return run


class CompiledDriver(LeanDriver):
    """Runs one task of one symbol, whose model is a `CompiledModel` and nothing more. Raises NotCovered."""

    def __init__(self, task: Task, calendar: Calendar) -> None:
        cls = task.subject.cls
        if not issubclass(cls, CompiledModel):
            raise NotCovered("models without decide")
        for hook in HOOKS:
            if getattr(cls, hook) is not getattr(CompiledModel, hook):
                raise NotCovered(f"a decide beside {hook}")
        super().__init__(task, calendar)

    def run(self, progress: Any = lambda done: None) -> None:
        """Trade all sessions."""
        shares = self._decisions()
        rows = np.flatnonzero(shares)
        self.reasons = [""] * len(rows)
        kinds = np.full(len(rows), kernel.WANT)
        self.account.advance(len(self.columns), np.column_stack((rows, kinds, shares[rows])))
        progress(len(self.sessions))

    def _decisions(self) -> npt.NDArray[np.int64]:
        cls, model = self.task.subject.cls, self.task.subject.running(self.task.symbols).model
        assert isinstance(model, CompiledModel)
        values = {name: value for name, value in self.task.subject.values.items() if isinstance(value, int | float)}
        parameters = parameters_type(tuple(values))(**values)
        columns = self.columns
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NumbaWarning)
                shares = decisions_of(cls.decide)(  # type: ignore[attr-defined]
                    columns.time_ns,
                    self.prices,
                    columns.volume,
                    self.admitted,
                    self.sessions,
                    parameters,
                    np.zeros(model.memory_size),
                )
        except NumbaError as error:
            raise NotCovered(f"this decide: numba cannot compile it: {str(error).splitlines()[-1]}") from error
        except (ArithmeticError, LookupError, ValueError) as error:
            raise NotCovered(f"a decide that raises {type(error).__name__}") from error  # the plain one says where
        return np.asarray(shares)


@cache
def parameters_type(names: tuple[str, ...]) -> Any:
    """One type for the same parameters, so that nothing is compiled twice."""
    return namedtuple("Parameters", names)
