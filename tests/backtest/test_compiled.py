"""A decision compiled against the same decision bar by bar, and against the plain driver, trade for trade."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hftd import Bar, CompiledModel
from hftd.backtest.compiled import CompiledDriver
from hftd.backtest.lean import NotCovered
from hftd.backtest.plain import PlainDriver
from hftd.backtest.record import trades_hash
from hftd.backtest.run import run_task
from hftd.backtest.task import Task, Terms
from hftd.calendar import Calendar
from hftd.engine.risk import Limits
from hftd.exchange.venue.fees import Fees
from tests.backtest.backtest_world import WIDE, sessions, task_of, walk
from tests.backtest.test_lean import LIMITS

CALENDAR = Calendar()
THREE = sessions(CALENDAR, 3)


class Averages(CompiledModel):
    """Two moving averages and the volume."""

    fast: float = 0.3
    slow: float = 0.05
    quantity: int = 5
    selling: int = 17
    memory_size = 3

    @staticmethod
    def decide(bar: Any, parameters: Any, memory: Any) -> int:
        if memory[2] == 0.0:
            memory[0] = memory[1] = bar.close
        memory[2] += 1.0
        memory[0] += parameters.fast * (bar.close - memory[0])
        memory[1] += parameters.slow * (bar.close - memory[1])
        if bar.volume % parameters.selling == 0:
            return -parameters.quantity
        if memory[0] > memory[1] * 1.0004:
            return int(parameters.quantity)
        return 0


def values(**changed: Any) -> dict[str, Any]:
    return {"fast": 0.3, "slow": 0.05, "quantity": 5, "selling": 17, **changed}


def outcome(driver: Any, task: Task) -> tuple[Any, ...]:
    ran = driver(task, CALENDAR)
    ran.run()
    tally = ran.tally
    equity = [float(value) for value in ran.record.equity["equity"]]
    counts = (tally.bars, tally.quarantined, tally.orders, tally.fills, tally.refused, +tally.signals)
    return trades_hash(ran.record.fills), ran.positions, equity, *counts


@given(
    seed=st.integers(0, 2**32 - 1),
    kept=st.sampled_from([1.0, 0.5]),
    selling=st.integers(2, 40),
    quantity=st.integers(1, 20),
    limits=LIMITS,
    fees=st.sampled_from(Fees),
)
@settings(max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_compiled_and_plain_do_the_same_trade_for_trade(
    seed: int, kept: float, selling: int, quantity: int, limits: Limits, fees: Fees
) -> None:
    chosen = values(selling=selling, quantity=quantity)
    bars = {"SPY": walk(THREE, seed, 50.0, kept)}
    task = task_of(Averages, bars, THREE, limits, Terms(cash=Decimal(1_000_000), fees=fees), chosen)
    try:
        compiled = outcome(CompiledDriver, task)
    except NotCovered as error:
        assert "before the session's first bar" in str(error) or "too near" in str(error)
        return
    assert compiled == outcome(PlainDriver, task)


def test_it_is_the_driver_of_such_a_model() -> None:
    task = task_of(Averages, {"SPY": walk(THREE)}, THREE, values=values())
    assert run_task(task).summary["driver"] == "compiled"
    assert run_task(task, driver="plain").trades_hash == run_task(task).trades_hash


class Vague(CompiledModel):
    """Wants parts of shares."""

    @staticmethod
    def decide(bar: Any, parameters: Any, memory: Any) -> Any:
        return 0.5 if bar.volume % 100 == 0 else 0.0


class Dreamy(CompiledModel):
    """What numba does not know."""

    @staticmethod
    def decide(bar: Any, parameters: Any, memory: Any) -> int:
        return len({str(bar): object()}) - 1


class Watchful(Averages):
    """Has another hook as well."""

    def on_session_open(self, session: Any) -> None:
        self.opened = True


@pytest.mark.parametrize(
    ("cls", "said"), [(Vague, "whole shares"), (Dreamy, "numba cannot compile"), (Watchful, "beside on_session_open")]
)
def test_what_it_does_not_cover_is_said(cls: type[CompiledModel], said: str) -> None:
    chosen = values() if issubclass(cls, Averages) else {}
    with pytest.raises(NotCovered, match=said):
        CompiledDriver(task_of(cls, {"SPY": walk(THREE)}, THREE, WIDE, values=chosen), CALENDAR).run()


def test_live_it_is_asked_bar_by_bar() -> None:
    model = Averages()
    answers = [model.on_bar(Bar("SPY", 0, 1.0, 1.0, 1.0, 100.0 + step, 18)) for step in range(5)]
    assert answers[0] is None and answers[-1] is not None
