"""Ticks played compiled against the plain driver: orders, fills and equity, one by one."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as compute
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from hftd import CompiledTicks
from hftd.backtest.lean import NotCovered
from hftd.backtest.plain import PlainDriver
from hftd.backtest.prepare import past_of, sessions_of
from hftd.backtest.run import run_task
from hftd.backtest.task import Subject, Task, Terms
from hftd.backtest.ticks import TickDriver
from hftd.domain.convert import MINUTE_NS
from hftd.engine.risk import Limits
from hftd.exchange.market.queues import Queue
from hftd.exchange.venue.fees import Fees
from hftd.exchange.venue.latency import Constant
from tests.backtest.backtest_world import WIDE
from tests.backtest.test_coasting import CALENDAR, LENGTH_NS, SESSION, tape


class Quoter(CompiledTicks):
    """Rests at or behind the touch, gives up after a while, trades at the market now and then."""

    period: int = 5
    patience: int = 4
    quantity: int = 3
    away: int = 0
    memory_size = 2

    @staticmethod
    def decide(tick: Any, parameters: Any, memory: Any) -> Any:
        memory[0] += 1.0
        if tick.bid <= 0.0 or tick.ask <= 0.0:
            return 0, 0.0
        if tick.working != 0:
            memory[1] += 1.0
            return (1, 0.0) if memory[1] > parameters.patience else (0, 0.0)
        memory[1] = 0.0
        count = int(memory[0])
        if count % (3 * parameters.period) == 2:
            return -parameters.quantity - 1, 0.0
        if count % parameters.period == 1:
            if tick.position >= 2 * parameters.quantity:
                return -2 * parameters.quantity, tick.ask + 0.01 * parameters.away
            return parameters.quantity, tick.bid - 0.01 * parameters.away
        return (1, 0.0) if tick.size > 390 else (0, 0.0)


def task_of(folder: Path, terms: Terms, limits: Limits, **values: int) -> Task:
    past = past_of(folder, ("SPY",))
    bars = {"SPY": past.bars["SPY"]}
    parameters = {"period": 5, "patience": 4, "quantity": 3, "away": 0, **values}
    subject = Subject("quoter", Quoter, parameters, "fingerprint", Path("quoter.py"))
    ticks = past.ticks.of(("SPY",)) if past.ticks else None
    return Task(subject, bars, sessions_of(bars, CALENDAR, None, None), limits, terms, ticks=ticks)


def outcome(driver: Any) -> Iterator[Any]:
    driver.run()
    record, tally = driver.record, driver.tally
    for table in (record.orders, record.fills, record.equity):
        yield from ((name, np.asarray(values).tolist()) for name, values in table.items())
    yield tally.sessions, tally.bars, tally.orders, tally.fills, tally.refused
    yield tally.signals["buy"], tally.signals["sell"]
    yield round(float(tally.slippage), 6) + 0.0, driver.positions, driver.ticks


QUEUES = st.sampled_from([None, Queue.FRONT, Queue.BACK])
LATENCIES = st.sampled_from([None, Constant(0), Constant(1), Constant(250_000_000), Constant(3_000_000_000)])
PARTS = st.sampled_from([None, Decimal("0.05"), Decimal("0.5")])


@settings(
    max_examples=60,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.target],
)
@given(
    seed=st.integers(0, 2**32),
    quotes=st.booleans(),
    queue=QUEUES,
    latency=LATENCIES,
    part=PARTS,
    period=st.integers(2, 9),
    patience=st.integers(0, 8),
    quantity=st.sampled_from([1, 3, 150]),
    away=st.integers(-1, 1),
    flattens=st.booleans(),
    rate=st.sampled_from([2, 1000]),
    collar=st.sampled_from([None, Decimal("0.004"), Decimal(2)]),
)
@example(2972746, False, Queue.FRONT, Constant(1), Decimal("0.5"), 5, 7, 150, 0, True, 1000, None).via(
    "a model that withdraws what everything is being closed with"
)
def test_compiled_ticks_are_the_plain_ones(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    quotes: bool,
    queue: Queue | None,
    latency: Constant | None,
    part: Decimal | None,
    period: int,
    patience: int,
    quantity: int,
    away: int,
    flattens: bool,
    rate: int,
    collar: Decimal | None,
) -> None:
    folder = tape(tmp_path_factory.mktemp("tape"), np.random.default_rng(seed), 300, 1, quotes)
    fees = Fees.REGULATORY if seed % 2 else Fees.PER_SHARE
    terms = Terms(cash=Decimal(1_000_000), fees=fees, queue=queue, participation=part, latency=latency)
    early_ns = SESSION.close_ns - SESSION.open_ns - LENGTH_NS // 2
    limits = replace(
        WIDE,
        max_position=Decimal(4 * quantity),
        max_orders_per_minute=rate,
        flatten_before_close_ns=early_ns if flattens else None,
        quiet_after_open_ns=MINUTE_NS // 2,
        price_collar_percent=collar,
        max_daily_loss=Decimal(100_000),
        max_drawdown=Decimal(100_000),
    )
    task = task_of(folder, terms, limits, period=period, patience=patience, quantity=quantity, away=away)
    try:
        compiled = list(outcome(TickDriver(task, CALENDAR)))
    except NotCovered as error:
        assert "too near to a limit" in str(error)
        assume(False)
    plain = list(outcome(PlainDriver(task, CALENDAR)))
    for one, other in zip(compiled, plain, strict=True):
        assert repr(one) == repr(other)  # nan is nan


def test_it_is_the_driver_that_is_taken(tmp_path: Path) -> None:
    folder = tape(tmp_path, np.random.default_rng(1), 300, 1, True)
    result = run_task(task_of(folder, Terms(queue=Queue.BACK, latency=Constant(1000)), WIDE))
    assert (result.summary["driver"], result.summary["why"]) == ("compiled", "")
    assert result.summary["fills"] > 0 and result.summary["ticks"] > 100


def test_what_it_does_not_cover_is_left_to_the_plain_driver(tmp_path: Path) -> None:
    folder = tape(tmp_path, np.random.default_rng(1), 300, 1, True)
    poor = task_of(folder, Terms(cash=Decimal(2500)), WIDE, quantity=30)
    with pytest.raises(NotCovered, match="buying power"):
        TickDriver(poor, CALENDAR).run()
    result = run_task(poor)
    assert result.summary["driver"] == "plain" and "buying power" in result.summary["why"]
    halting = task_of(folder, Terms(), replace(WIDE, max_daily_loss=Decimal("0.01")))
    told: list[str] = []
    assert "halts" in run_task(halting, tell=told.append).summary["why"]
    assert len(told) == 1 and told[0].startswith("the compiled driver does not cover a case in which")


def test_prices_between_its_ticks_are_left_to_the_plain_driver(tmp_path: Path) -> None:
    folder = tape(tmp_path, np.random.default_rng(1), 300, 1, True)
    trades = parquet.read_table(folder / "trades.parquet")
    place = trades.schema.get_field_index("price")
    finer = compute.add(trades["price"], 0.00005)
    parquet.write_table(trades.set_column(place, trades.schema.field(place), finer), folder / "trades.parquet")
    assert "hundredths of a cent" in run_task(task_of(folder, Terms(), WIDE)).summary["why"]
