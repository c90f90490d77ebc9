"""What journaling an event costs: bars committed one by one, as the daemon does it, and in groups of 64.

Beside it, in the same run: the least that writes the same JSON ahead to a file (json and a flush, no index, no
transaction), and SQLite as it comes (rollback journal, a transaction for each row).

    python benchmarks/journal.py [--events N]
"""

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from msgspec import to_builtins

from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived
from hftd.domain.market import Bar
from hftd.domain.session import Session
from hftd.journal import Journal

SESSION = Session(open_ns=0, close_ns=1, day=date(2026, 11, 27))
TARGET_US = 20.0


def bars(count: int) -> list[BarReceived]:
    return [
        BarReceived(Bar("SPY", number * MINUTE_NS, 271.34, 271.5, 271.3, 271.42, 36_839 + number, 512, 271.4))
        for number in range(count)
    ]


def timed(events: list[BarReceived], append: Callable[[BarReceived], object]) -> list[float]:
    """Microseconds that each event took."""
    taken = []
    for event in events:
        began = time.perf_counter_ns()
        append(event)
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


def journal(events: list[BarReceived], folder: Path, group: int) -> list[float]:
    with Journal.open(folder / "journal.sqlite", SESSION, "0" * 16) as opened:

        def append(event: BarReceived) -> None:
            if opened.append_event(event, event.time_ns, "feed") % group == 0:
                opened.commit()

        return timed(events, append)


def lines(events: list[BarReceived], folder: Path) -> list[float]:
    with (folder / "events.jsonl").open("w") as file:

        def append(event: BarReceived) -> None:
            file.write(json.dumps(to_builtins(event)) + "\n")
            file.flush()

        return timed(events, append)


def plain_sqlite(events: list[BarReceived], folder: Path) -> list[float]:
    connection = sqlite3.connect(folder / "plain.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE events (body TEXT)")
    row = "INSERT INTO events VALUES (?)"
    try:
        return timed(events, lambda event: connection.execute(row, (json.dumps(to_builtins(event)),)))
    finally:
        connection.close()


def report(name: str, taken: list[float]) -> None:
    cuts = statistics.quantiles(taken, n=100)
    mean = statistics.fmean(taken)
    print(f"{name:34} {1e6 / mean:12,.0f} {mean:9.1f} {cuts[49]:9.1f} {cuts[98]:9.1f} {max(taken):11.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    count = parser.parse_args().events
    events = bars(count)
    title = f"journal: {count:,} bars"
    print(f"{title:34} {'events/s':>12} {'mean us':>9} {'p50':>9} {'p99':>9} {'max':>11}")
    runs: dict[str, Callable[[Path], list[float]]] = {
        "hftd, a commit each": lambda folder: journal(events, folder, 1),
        "hftd, a commit in 64": lambda folder: journal(events, folder, 64),
        "lines of JSON, a flush each": lambda folder: lines(events, folder),
        "SQLite as it comes (1/50 of them)": lambda folder: plain_sqlite(events[: max(count // 50, 2)], folder),
    }
    for name, run in runs.items():
        with tempfile.TemporaryDirectory() as folder:
            report(name, run(Path(folder)))
    print(f"target: at most {TARGET_US:.0f} us an event, at least {1e6 / TARGET_US:,.0f} events/s")


if __name__ == "__main__":
    main()
