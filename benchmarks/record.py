"""Recording: ticks a second from the socket's messages to Parquet on the disk, and bytes a tick.

Shapes: `frames`, trades and quotes of five symbols as a busy feed sends them, 20 messages a frame, prices walking by
cents, nanosecond times; and, where the recorded data are present, a day of real trades and quotes with its own times.
"""

import gc
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

from hftd.broker.base import MarketMessage
from hftd.data.recording import Segments, columns_of, compact
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.market import Quote, Trade

TICKS = 1_000_000
BATCH = 20_000
WANTED_RATE, WANTED_BYTES = 1_000_000, 6.0


def feed(count: int) -> list[MarketMessage]:
    """`count` messages, two quotes to a trade."""
    chance = random.Random(1)
    symbols = ["SPY", "AAPL", "MSFT", "NVDA", "TSLA"]
    cents = dict.fromkeys(symbols, 20_000)
    now_ns, messages = ns_of_rfc3339("2026-11-20T14:30:00Z"), []
    for number in range(count):
        if number % 20 == 0:
            received_ns = now_ns + 300_000
        now_ns += int(chance.expovariate(1 / 23_000))
        symbol = symbols[int(chance.random() * chance.random() * 5)]
        cents[symbol] += chance.choice((0, 0, 0, -1, 1))
        price, lots = cents[symbol] / 100, 100 * int(1 + chance.expovariate(0.5))
        data: Trade | Quote = (
            Trade(symbol, now_ns, price, lots, number)
            if number % 3 == 0
            else Quote(symbol, now_ns, price, lots, round(price + 0.01, 2), 100 * int(1 + chance.expovariate(0.5)))
        )
        messages.append(MarketMessage(data, received_ns))
    return messages


def recorded(messages: list[MarketMessage], folder: Path) -> tuple[float, float, int]:
    """Seconds to write the segments, seconds to make Parquet of them, bytes of the Parquet files."""
    started = time.perf_counter()
    segments = Segments(folder)
    for first in range(0, len(messages), BATCH):
        part = messages[first : first + BATCH]
        rows = {}
        for table, kind in (("trades", Trade), ("quotes", Quote)):
            own = [message for message in part if type(message.data) is kind]
            if own:
                rows[table] = columns_of([m.data for m in own], [m.received_ns for m in own])
        segments.append(rows)
    segments.close()
    written = time.perf_counter()
    compact(folder)
    return written - started, time.perf_counter() - written, sum(file.stat().st_size for file in folder.iterdir())


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hftd-record-"))
    try:
        messages = feed(TICKS)
        gc.freeze()  # a recorder does not keep a million messages
        recorded(messages[:BATCH], folder / "warm")
        began = time.process_time()
        writing_s, compacting_s, size = recorded(messages, folder / "2026-11-20")
        busy_s = time.process_time() - began
    finally:
        shutil.rmtree(folder)
    rate, both = TICKS / writing_s, TICKS / (writing_s + compacting_s)
    print(f"{'recording':28} {rate:>14,.0f} ticks/s   wanted {WANTED_RATE:,}")
    print(f"{'recording and compacting':28} {both:>14,.0f} ticks/s")
    print(f"{'both, by seconds of CPU':28} {TICKS / busy_s:>14,.0f} ticks/s")
    print(f"{'Parquet':28} {size / TICKS:>14.2f} B/tick    wanted {WANTED_BYTES}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
