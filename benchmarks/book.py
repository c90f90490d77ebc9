"""What a message to the order book costs: in a batch, in single calls from Python; and what an order takes in memory.

The stream is seeded: about 48 % new orders, 42 % cancels, 10 % aggressive, at about 20,000 and 1,000 resting orders.
Beside the compiled book, in the same run: the lean plain Python book below, on sortedcontainers, and the tests' oracle,
which is written to be read. All trade the same volume, or the benchmark fails.

    python benchmarks/book.py [--messages N]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sortedcontainers import SortedDict

from hftd.exchange.book.book import Book
from hftd.exchange.book.layout import BUY, MESSAGE, SELL, Operation, Outcome

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "exchange" / "book"))
from oracle import OracleBook  # type: ignore[import-not-found,unused-ignore]

LIMIT, IOC, CANCEL = int(Operation.LIMIT), int(Operation.IOC), int(Operation.CANCEL)
FIELDS = ["operation", "order_id", "side", "price", "quantity"]
REPEATS = 5
PYTHON_MESSAGES = 100_000
"""The Python books take the beginning of the stream only, once it is full: they are slow."""
MANY_ORDERS = 10_000_000
FIRST_CALL = """
import time, numpy, numba
began = time.perf_counter()
from hftd.exchange.book.book import Book
Book().limit(1, 0, 5, 7)
print(time.perf_counter() - began)
"""
MEMORY_FLAG = "--memory-only"


class LeanBook:
    """Price-time priority in as few steps as plain Python allows: limit, IOC and cancel. Fills are kept in a list."""

    def __init__(self) -> None:
        self.sides: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())
        self.orders: dict[int, list[int]] = {}
        self.fills: list[tuple[int, int, int, int]] = []

    def enter(self, operation: int, order_id: int, side: int, price: int, quantity: int) -> None:
        if operation == CANCEL:
            self.cancel(order_id)
            return
        quantity = self.match(order_id, side, price, quantity)
        if quantity and operation == LIMIT:
            order = self.orders[order_id] = [order_id, side, price, quantity]
            key = -price if side == BUY else price
            levels = self.sides[side]
            queue = levels.get(key)
            if queue is None:
                levels[key] = {order_id: order}
            else:
                queue[order_id] = order

    def match(self, order_id: int, side: int, price: int, quantity: int) -> int:
        levels = self.sides[1 - side]
        limit = price if side == BUY else -price
        while quantity and levels:
            key, queue = levels.peekitem(0)
            if key > limit:
                break
            while quantity and queue:
                maker = next(iter(queue.values()))
                traded = min(quantity, maker[3])
                quantity -= traded
                maker[3] -= traded
                self.fills.append((maker[0], order_id, maker[2], traded))
                if not maker[3]:
                    del queue[maker[0]], self.orders[maker[0]]
            if not queue:
                del levels[key]
        return quantity

    def cancel(self, order_id: int) -> None:
        order = self.orders.pop(order_id, None)
        if order is not None:
            _, side, price, _ = order
            key = -price if side == BUY else price
            queue = self.sides[side][key]
            del queue[order_id]
            if not queue:
                del self.sides[side][key]


def stream(count: int, resting: int, seed: int = 7) -> Any:
    """The messages, after as many as it takes to fill the book."""
    rng = np.random.default_rng(seed)
    count += 2 * resting
    book = Book(records_changes=False)
    messages = np.zeros(count, MESSAGE)
    draws = rng.random(count).tolist()
    sides = rng.integers(0, 2, count).tolist()
    distances = np.minimum(rng.random(count) ** -0.8, 2000).astype(np.int64).tolist()
    middles = (30_000 + np.cumsum(rng.normal(0, 0.05, count))).astype(np.int64).tolist()
    quantities = (1 + 10 * rng.integers(0, 10, count)).tolist()
    recents = rng.exponential(200.0, count).astype(np.int64).tolist()
    picks = rng.random((count, 2)).tolist()
    live: list[int] = []
    rows = []
    for index in range(count):
        share = 0.49 if len(book) < resting else 0.43
        if len(book) < resting // 2:
            share = 0.85
        side, bid, ask = sides[index], book.best_bid, book.best_ask
        if draws[index] < share or not live:
            price = middles[index] + (distances[index] if side == SELL else -distances[index])
            if side == BUY and ask is not None:
                price = min(price, ask - 1)
            if side == SELL and bid is not None:
                price = max(price, bid + 1)
            row = (LIMIT, index, side, price, quantities[index])
            live.append(index)
        elif draws[index] < 0.9:
            row = (CANCEL, pick(book, live, recents[index], *picks[index]), 0, 0, 0)
        else:
            edge = (ask or middles[index]) + 2 if side == BUY else (bid or middles[index]) - 2
            row = (IOC, index, side, edge, (quantities[index] + 1) // 2)
        book.enter(*row)
        rows.append(row)
    for name, column in zip(FIELDS, zip(*rows, strict=True), strict=True):
        messages[name] = column
    return messages


def pick(book: Book, live: list[int], recent: int, choice: float, place: float) -> int:
    """An order to cancel, two times in three a recent one; those filled meanwhile are passed over."""
    while live:
        where = max(len(live) - 1 - recent, 0) if choice < 0.66 else int(place * len(live))
        order_id, live[where] = live[where], live[-1]
        live.pop()
        if order_id in book:
            return order_id
    return -1


def best_of(run: Callable[[], int], messages: int) -> tuple[float, int]:
    """Nanoseconds a message, the median of some runs, and the volume traded."""
    taken = []
    volume = 0
    for _ in range(REPEATS):
        began = time.perf_counter_ns()
        volume = run()
        taken.append((time.perf_counter_ns() - began) / messages)
    return statistics.median(taken), volume


def volume_of(book: Book) -> int:
    return int(book.take_reports()["quantity"].sum())


def in_batch(messages: Any, records_changes: bool) -> tuple[float, int]:
    book = Book(records_changes=records_changes)

    def run() -> int:
        book.clear()
        book.apply(messages)
        return volume_of(book)

    run()
    return best_of(run, len(messages))


def one_by_one(book: Any, messages: Any) -> float:
    """Nanoseconds a message, in the second half of the messages: the first one fills the book."""
    rows = messages[FIELDS].tolist()
    half = len(rows) // 2
    for row in rows[:half]:
        book.enter(*row)
    began = time.perf_counter_ns()
    for row in rows[half:]:
        book.enter(*row)
    return (time.perf_counter_ns() - began) / (len(rows) - half)


def compare(count: int, resting: int) -> None:
    messages = stream(count, resting)
    short = messages[: 2 * max(PYTHON_MESSAGES, 3 * resting)]
    batch, volume = in_batch(messages, records_changes=False)
    changes, _ = in_batch(messages, records_changes=True)
    book, lean, oracle = Book(), LeanBook(), OracleBook()
    single, python, plain = one_by_one(book, short), one_by_one(lean, short), one_by_one(oracle, short)
    volumes = {volume_of(book), sum(fill[3] for fill in lean.fills), sum(report.quantity for report in oracle.reports)}
    assert len(volumes) == 1, f"the books disagree: {volumes}"
    print(f"\n{resting:,} resting, {len(messages):,} messages, {volume:,} lots traded")
    print(f"{'':36} {'ns a message':>12} {'times the lean one':>19}")
    for name, taken in {
        "hftd, batch": batch,
        "hftd, batch, level changes recorded": changes,
        "hftd, single calls from Python": single,
        "lean Python book": python,
        "oracle": plain,
    }.items():
        print(f"{name:36} {taken:12.1f} {python / taken:19.1f}")
    print(f"a batch is {plain / batch:.0f} times as fast as the oracle (target: 25); target of a single call: 400 ns")


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fill_many() -> None:
    """In a process of its own: bytes an order of the book's arrays, and the process's peak."""
    block = np.zeros(100_000, MESSAGE)
    block["quantity"] = 1
    book = Book(records_changes=False)
    for start in range(0, MANY_ORDERS, len(block)):
        block["order_id"] = np.arange(start, start + len(block))
        block["price"] = 30_000 - block["order_id"] % 10_000
        assert set(book.apply(block).tolist()) == {Outcome.RESTED}
    print(f"{book.memory_bytes / len(book):.1f} B a resting order, whole process {peak_bytes() / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument(MEMORY_FLAG, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_only:
        fill_many()
        return
    for resting in (20_000, 1_000):
        compare(arguments.messages, resting)
    print(f"\n{MANY_ORDERS:,} resting orders: ", end="", flush=True)
    subprocess.run([sys.executable, __file__, MEMORY_FLAG], check=True)
    print("target: at most 70 B an order, 750 MB in all")
    first = subprocess.run([sys.executable, "-c", FIRST_CALL], check=True, capture_output=True, text=True)
    print(f"\nfirst call in a new process, from the cache: {float(first.stdout):.2f} s (target: at most 0.3 s)")


if __name__ == "__main__":
    main()
