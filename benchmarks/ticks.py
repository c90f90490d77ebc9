"""Backtests of recorded ticks, over the tape that `_tape` makes of real trades: Python models on the plain path, and
one compiled, beside hftbacktest (`_tick_peers.py`) where a Python is named that has it.

Processor seconds for a million ticks, of which fees, limits and flattening are part: trades alone, each of which leaves
a quote, which is a tick too; quotes and trades as recorded; these with queue, participation and latency; and with 400
orders that rest. The hash is of all trades: it tells whether two versions do the same. Compiled the same ticks are
played once with reading them from Parquet, and once from memory, as hftbacktest is; the compiled driver must make the
trades of the plain one, or the benchmark fails.

    python benchmarks/ticks.py [--rows 1000000] [--peers PYTHON]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from _tape import write_tape

from hftd import CompiledTicks, Model, buy, cancel, sell
from hftd.backtest.plain import PlainDriver
from hftd.backtest.prepare import past_of, sessions_of
from hftd.backtest.record import trades_hash
from hftd.backtest.run import rarely_collected
from hftd.backtest.task import Subject, Task, Terms
from hftd.backtest.ticks import TickDriver
from hftd.calendar import Calendar
from hftd.data.rows import Kind
from hftd.domain.convert import MINUTE_NS
from hftd.engine.risk import Limits
from hftd.exchange.market.queues import Queue
from hftd.exchange.venue.fees import Fees
from hftd.exchange.venue.latency import Constant

CALENDAR = Calendar()
LIMITS = Limits(Decimal(100_000), Decimal(10**8), 1000, 5 * MINUTE_NS, max_daily_loss=Decimal(10**6))
USUAL = Terms(cash=Decimal(10**8), fees=Fees.REGULATORY)
CAREFUL = Terms(
    cash=Decimal(10**8),
    fees=Fees.REGULATORY,
    queue=Queue.BACK,
    participation=Decimal("0.1"),
    latency=Constant(5_000_000),
)


class OnTrades(Model):
    """Buys and sells in turns, every 250 prints."""

    def on_start(self, context: Any) -> None:
        self.count = 0

    def on_trade(self, trade: Any) -> Any:
        self.count += 1
        if self.count % 500 == 0:
            return buy(1, trade.symbol)
        return sell(1, trade.symbol) if self.count % 500 == 250 else None


class OnBoth(Model):
    """Joins the bid for three quarters of the time, sells at the market."""

    def on_start(self, context: Any) -> None:
        self.quotes = self.trades = 0

    def on_quote(self, quote: Any) -> Any:
        self.quotes += 1
        if self.quotes % 400 == 1 and self.trades:
            return buy(3, quote.symbol, limit=quote.bid)
        return cancel(quote.symbol) if self.quotes % 400 == 300 else None

    def on_trade(self, trade: Any) -> Any:
        self.trades += 1
        return sell(2, trade.symbol) if self.trades % 600 == 0 else None


class Ladder(Model):
    """Rests with 400 orders far above and below the market, and buys a share now and then."""

    def on_start(self, context: Any) -> None:
        self.quotes = 0

    def on_quote(self, quote: Any) -> Any:
        self.quotes += 1
        if self.quotes > 400:
            return buy(1, quote.symbol) if self.quotes % 1000 == 0 else None
        away = 0.5 + self.quotes * 0.005
        if self.quotes % 2:
            return buy(1, quote.symbol, limit=round(quote.bid - away, 2))
        return sell(1, quote.symbol, limit=round(quote.ask + away, 2))


class Joiner(CompiledTicks):
    """The rule of `OnBoth`, near enough, as one function of numbers."""

    memory_size = 1

    @staticmethod
    def decide(tick: Any, parameters: Any, memory: Any) -> Any:
        memory[0] += 1.0
        if tick.bid <= 0.0 or tick.ask <= 0.0:
            return 0, 0.0
        count = int(memory[0]) % 400
        if tick.working != 0:
            return (1, 0.0) if count == 300 else (0, 0.0)
        if count == 1:
            return 3, tick.bid
        return (-2, 0.0) if count == 350 and tick.position > 0 else (0, 0.0)


def task_of(model: type[Model], folder: Path, terms: Terms) -> Task:
    past = past_of(folder)
    subject = Subject(model.__name__, model, {}, "benchmark", Path(__file__))
    sessions = sessions_of(past.bars, CALENDAR, None, None)
    return Task(subject, past.bars, sessions, LIMITS, terms, ticks=past.ticks)


def measured(kind: type[PlainDriver] | type[TickDriver], task: Task) -> tuple[int, float, int, str]:
    """(ticks, processor seconds, fills, hash of the trades)"""
    driver = kind(task, CALENDAR)
    with rarely_collected():
        began = time.process_time()
        driver.run()
        took = time.process_time() - began
    return driver.ticks, took, driver.tally.fills, trades_hash(driver.record.fills)


def from_memory(task: Task) -> tuple[int, float, int, str]:
    """The same of a compiled run over columns that were read before."""
    driver = TickDriver(task, CALENDAR)
    feeds = {session: list(driver.feeds(session)) for session in task.sessions}
    driver.feeds = feeds.__getitem__  # type: ignore[assignment, method-assign]
    began = time.process_time()
    driver.run()
    took = time.process_time() - began
    return driver.ticks, took, driver.tally.fills, trades_hash(driver.record.fills)


def show(name: str, ticks: int, took: float, fills: int, hash: str) -> None:
    print(f"{name:44} {ticks:>10,} {took:>8.2f} {took / ticks * 1e9:>10,.0f} {fills:>8,}  {hash[:12]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peers", default=sys.executable, help="a Python in which hftbacktest is installed")
    options = parser.parse_args()
    print(f"{'driver':44} {'ticks':>10} {'CPU s':>8} {'ns a tick':>10} {'fills':>8}  trades")
    with tempfile.TemporaryDirectory() as name:
        trades, both = Path(name, "trades"), Path(name, "both")
        write_tape(trades, options.rows)
        write_tape(both, options.rows, (Kind.TRADES, Kind.QUOTES))
        show("plain: trades, each with the quote it leaves", *measured(PlainDriver, task_of(OnTrades, trades, USUAL)))
        show("plain: quotes and trades", *measured(PlainDriver, task_of(OnBoth, both, USUAL)))
        show("  with queue, participation and latency", *measured(PlainDriver, task_of(OnBoth, both, CAREFUL)))
        show("  with these, 400 orders resting", *measured(PlainDriver, task_of(Ladder, both, CAREFUL)))
        task = task_of(Joiner, both, CAREFUL)
        measured(TickDriver, task)  # compiles
        compiled = measured(TickDriver, task)
        assert compiled[3] == measured(PlainDriver, task)[3], "the drivers part"
        show("compiled: the same, read from Parquet", *compiled)
        show("  from memory", *from_memory(task))
        sys.stdout.flush()
        subprocess.run([options.peers, str(Path(__file__).with_name("_tick_peers.py")), str(both)], check=False)


if __name__ == "__main__":
    main()
