r"""A backtest of the toy rule over synthetic minute bars of one symbol, orders on about 9 % of the bars.

Processor time is measured, so that other work on the machine counts little. The drivers of hftd must make the same
trades, or the benchmark fails. Peers (backtesting.py, backtrader, basana, nautilus_trader) are measured by
`_backtest_peers.py` in an environment of their own, where they are installed there:

    uv venv .venv-peers && uv pip install --python .venv-peers/bin/python \
        backtesting backtrader basana nautilus_trader hftbacktest numba pyarrow

The compiled driver is measured with all that a single run pays (checking every bar, the session's edges, the first
touch of the memory it writes, the tables of the result), and again in memory that was used before, as in a sweep; the
bars are in memory in both, and numba's code is compiled before. hftbacktest plays ticks: `ticks.py` has it.

    python benchmarks/backtest.py [--bars 1000000] [--plain-bars 20000] [--peers PYTHON]
"""

import argparse
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from hftd.backtest.compiled import CompiledDriver
from hftd.backtest.lean import LeanDriver
from hftd.backtest.plain import PlainDriver
from hftd.backtest.record import trades_hash
from hftd.backtest.task import Subject, Task, Terms
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.session import Session
from hftd.engine.risk import Limits
from hftd.exchange.market.columns import BarColumns
from hftd.exchange.venue.fees import Fees
from hftd.model.compiled import CompiledModel
from hftd.model.load import load_model

ROOT = Path(__file__).parents[1]
CALENDAR = Calendar()
LIMITS = Limits(
    Decimal(100_000),
    Decimal(10**8),
    1000,
    5 * MINUTE_NS,
    max_daily_loss=Decimal(10**6),
    max_drawdown=Decimal(10**7),
    max_move_percent=Decimal(50),
)
REPEATS = 3


def sessions_for(count: int) -> list[Session]:
    """As many sessions as it takes for `count` bars."""
    return CALENDAR.sessions(date(2000, 1, 3), date(2024, 12, 31))[: count // 390 + 1]


def bars_of(sessions: list[Session], seed: int = 1) -> BarColumns:
    """A random walk in cents around $100; volumes of which about 9 % are multiples of 17 or 31."""
    rng = np.random.default_rng(seed)
    times = np.concatenate([np.arange(each.open_ns, each.close_ns, MINUTE_NS) for each in sessions])
    steps = rng.integers(-5, 6, len(times))
    closes = 10_000 + np.abs(np.cumsum(steps)) % 5_000
    opens = np.concatenate(([closes[0]], closes[:-1]))
    highs, lows = np.maximum(opens, closes) + 2, np.minimum(opens, closes) - 2
    return BarColumns(
        times, opens / 100, highs / 100, lows / 100, closes / 100, rng.integers(1000, 500_000, len(times))
    )


def task_of(count: int) -> Task:
    sessions = sessions_for(count)
    loaded = load_model("volume_17_31", ROOT / "models")
    values = {"sell_multiple": 17, "buy_multiple": 31, "quantity": 5}
    subject = Subject(loaded.name, loaded.cls, values, "benchmark", loaded.path)
    terms = Terms(cash=Decimal(10**8), fees=Fees.REGULATORY)
    return Task(subject, {"SPY": bars_of(sessions)}, sessions, LIMITS, terms)


def measured(driver: type[PlainDriver] | type[LeanDriver], task: Task, repeats: int) -> tuple[float, int, int, str]:
    """(best bars a second, bars, fills, hash of the trades)."""
    best = 0.0
    for _ in range(repeats):
        began = time.process_time()
        ran = driver(task, CALENDAR)
        ran.run()
        took = time.process_time() - began
        best = max(best, ran.tally.bars / took)
    return best, ran.tally.bars, ran.tally.fills, trades_hash(ran.record.fills)


class Compiled(CompiledModel):
    """The toy rule as one function of numbers."""

    sell_multiple: int = 17
    buy_multiple: int = 31
    quantity: int = 5

    @staticmethod
    def decide(bar: Any, parameters: Any, memory: Any) -> int:
        if bar.volume % parameters.sell_multiple == 0:
            return -int(parameters.quantity)
        return int(parameters.quantity) if bar.volume % parameters.buy_multiple == 0 else 0


def compiled(task: Task) -> Task:
    return replace(task, subject=replace(task.subject, cls=Compiled))


def kernels(task: Task) -> float:
    """Bars a second of decisions, account, fees and equity, in memory that was used before: as in a row of runs."""
    best, driver = 0.0, CompiledDriver(task, CALENDAR)
    driver.run()
    for _ in range(REPEATS):
        driver.account.begin()
        began = time.process_time()
        driver.run()
        best = max(best, len(driver.columns) / (time.process_time() - began))
    return best


def bare_loop(task: Task) -> float:
    """Bars a second of nothing but the loop: bars made, the model asked, its answer thrown away. A ceiling."""
    (columns,) = task.bars.values()
    ask = task.subject.running(("SPY",)).model.on_bar
    best = 0.0
    for _ in range(REPEATS):
        began = time.process_time()
        for bar in columns.bars("SPY"):
            ask(bar)
        best = max(best, len(columns) / (time.process_time() - began))
    return best


def show(name: str, speed: float, bars: int, fills: int) -> None:
    print(f"{name:34} {speed:>14,.0f} {bars:>12,} {fills:>10,}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--plain-bars", type=int, default=20_000)
    parser.add_argument("--peers", default=sys.executable, help="a Python in which the peers are installed")
    options = parser.parse_args()
    small, large = task_of(options.plain_bars), task_of(options.bars)
    measured(LeanDriver, small, 1)
    measured(CompiledDriver, compiled(small), 1)
    print(f"{'driver':34} {'bars/s':>14} {'bars':>12} {'fills':>10}")
    plain = measured(PlainDriver, small, 1)
    show("hftd, plain driver", *plain[:3])
    lean = measured(LeanDriver, small, 1)
    assert plain[3] == lean[3], "the drivers part"
    show("hftd, lean driver", *measured(LeanDriver, large, REPEATS)[:3])
    fast = measured(CompiledDriver, compiled(large), REPEATS)
    assert fast[3] == measured(LeanDriver, large, 1)[3], "the drivers part"
    show("hftd, compiled driver", *fast[:3])
    show("  the same run again, memory warm", kernels(compiled(large)), fast[1], fast[2])
    show("a bare Python loop over its bars", bare_loop(small), options.plain_bars, 0)
    sys.stdout.flush()
    subprocess.run(
        [options.peers, str(Path(__file__).with_name("_backtest_peers.py")), str(options.plain_bars)], check=False
    )


if __name__ == "__main__":
    main()
