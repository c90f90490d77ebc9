"""What the morning's question costs: `hftd report` of a session of ten thousand orders, by the wall, from the start of
the process to its end, in each of its forms. The session is made by the engine and written by the journal: each minute
every symbol has a bar and an order, of which four reports come.

Beside it, in the same run: a report of the same equity curve, without any orders, by quantstats.

    python benchmarks/report.py [--orders N] [--runs N]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path

from daemon import HFTD, environment, show

from hftd.domain.commands import Command, SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.events import BarReceived, Event, OrderReported, PortfolioCarried, SessionClosed, SessionOpened
from hftd.domain.intents import Intent, buy, sell
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import RunningModel
from hftd.journal import Journal, journal_path
from hftd.live.beginning import note_beginning
from hftd.model.contract import Model

OPEN_NS = 1_795_530_600 * SECOND_NS  # 2026-11-24 09:30 in New York
SESSION = Session(OPEN_NS, OPEN_NS + 390 * MINUTE_NS, date(2026, 11, 24))
LIMITS = Limits(Decimal(10**6), Decimal(10**9), 10**6, None)
TARGET_S = 2.0

QUANTSTATS = """
import sys
import matplotlib; matplotlib.use("Agg")
import pandas, quantstats
curve = pandas.read_csv(sys.argv[1], index_col=0, parse_dates=True)["equity"]
quantstats.reports.html(curve.pct_change().dropna(), output=sys.argv[2], periods_per_year=98280)
"""


class InTurns(Model):
    """Buys on a bar, sells on the next of the symbol."""

    def __init__(self) -> None:
        self.bought: set[str] = set()

    def on_bar(self, bar: Bar) -> Intent:
        wanted = sell if bar.symbol in self.bought else buy
        self.bought ^= {bar.symbol}
        return wanted(5, bar.symbol, reason=f"volume {bar.volume} is what it is")


class Session10000:
    """A session of so many orders, journaled as it is stepped."""

    def __init__(self, journal: Journal, symbols: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        self.engine = Engine(SESSION, [RunningModel("in_turns", InTurns(), "f" * 64, self.symbols)], LIMITS, "0" * 16)
        self.journal = journal
        self.orders = 0
        note_beginning(journal, self.engine)

    def trade(self, orders: int) -> None:
        """Step minute after minute until there are so many orders."""
        self.take(PortfolioCarried(OPEN_NS - MINUTE_NS, Decimal(100_000)))
        self.take(SessionOpened(OPEN_NS, SESSION))
        for minute in range(390):
            for number, symbol in enumerate(self.symbols):
                if self.orders < orders:
                    price = 100 + number + 0.01 * (minute * 7919 % 101)
                    bar = Bar(symbol, OPEN_NS + minute * MINUTE_NS, price, price, price, price, 1000 + minute)
                    self.answer(self.take(BarReceived(bar)), price)
        self.take(SessionClosed(SESSION.close_ns, SESSION))

    def take(self, event: Event) -> list[Command]:
        sequence = self.journal.append_event(event, event.time_ns, "benchmark")
        commands = self.engine.step(event)
        self.journal.append_commands(sequence, commands)
        return commands

    def answer(self, commands: Iterable[Command], price: float) -> None:
        """What a broker says of each order: accepted, new, and filled in two parts."""
        for command in commands:
            if isinstance(command, SubmitOrder):
                self.orders += 1
                for kind, part in (("accepted", 0), ("new", 0), ("partial_fill", 2), ("fill", 3)):
                    self.take(OrderReported(self.report(command, ReportKind(kind), part, price)))

    def report(self, command: SubmitOrder, kind: ReportKind, part: int, price: float) -> ExecutionReport:
        order = command.order
        return ExecutionReport(
            kind,
            order.client_order_id,
            self.engine.time_ns + 1_000_000,
            symbol=order.symbol,
            side=order.side,
            execution_id=f"{order.client_order_id}/{part}",
            quantity=Decimal(part),
            price=Decimal(str(price)),
            filled_quantity=Decimal(5 if part == 3 else part),
        )


def write_session(state: Path, orders: int) -> int:
    """The journal of the session; how many orders it has."""
    symbols = [f"S{number:02}" for number in range(-(-orders // 390))]
    with Journal.open(journal_path(state, SESSION.day), SESSION, "0" * 16) as journal:
        made = Session10000(journal, symbols)
        made.trade(orders)
    return made.orders


def measure(what: str, runs: int, *command: object, target_s: float | None = None) -> None:
    """Show the median of so many runs, after one that counts for nothing: by the wall, and of the processor."""
    wall, processor = [], []
    for _ in range(runs + 1):
        began_s, began_processor_s = time.perf_counter(), children_s()
        subprocess.run([str(word) for word in command], check=True, capture_output=True, env=environment())
        wall.append(time.perf_counter() - began_s)
        processor.append(children_s() - began_processor_s)
    show(what, statistics.median(wall[1:]), "s", target_s, f"(processor {statistics.median(processor[1:]):.2f} s)")


def children_s() -> float:
    """Processor time of all processes that we have waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_peer(folder: Path, runs: int) -> None:
    try:
        import quantstats  # noqa: F401
    except ImportError:
        print("quantstats: NOT MEASURED, it is not installed")
        return
    lines = [
        f"2026-11-{day:02} {hour}:{minute:02},{100_000 + day * hour - minute % 7}" for day, hour, minute in times()
    ]
    (folder / "curve.csv").write_text("timestamp,equity\n" + "\n".join(lines))
    program = (sys.executable, "-c", QUANTSTATS, folder / "curve.csv", folder / "peer.html")
    measure("quantstats.reports.html, the curve alone", runs, *program)


def times() -> Iterable[tuple[int, int, int]]:
    return ((24, 10 + number // 60, number % 60) for number in range(390))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        print(f"hftd report of {write_session(state, asked.orders):,} orders, median of {asked.runs} runs")
        for name, options in (("text and page", ()), ("--json", ("--json",)), ("--csv", ("--csv",))):
            measure(f"hftd report, {name}", asked.runs, HFTD, "report", "--state", state, *options, target_s=TARGET_S)
        page = state / "reports" / f"{SESSION.day}.html"
        show("size of the page", page.stat().st_size / 1e6, "MB")
        measure_peer(state, asked.runs)


if __name__ == "__main__":
    main()
