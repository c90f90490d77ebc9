"""Recording: ticks a second from the socket's messages to Parquet on the disk, and bytes a tick.

The daemon's recorder is offered trades and quotes of five symbols as a busy feed sends them, 20 messages a frame,
prices walking by cents, nanosecond times; what came in a tenth of a second at the wanted rate is written at once.
Making the messages is not counted.
"""

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hftd.broker.base import MarketMessage
from hftd.data.recording import compact, needs_compacting
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.market import Quote, Trade
from hftd.live.recorder import Recorder

TICKS = 1_000_000
BATCH = 100_000
WANTED_RATE, WANTED_BYTES = 1_000_000, 6.0


def feed(count: int) -> Iterator[MarketMessage]:
    """`count` messages, two quotes to a trade."""
    chance = random.Random(1)
    symbols = ["SPY", "AAPL", "MSFT", "NVDA", "TSLA"]
    cents = dict.fromkeys(symbols, 20_000)
    now_ns = ns_of_rfc3339("2026-11-20T14:30:00Z")
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
        yield MarketMessage(data, received_ns)


class Stopwatch:
    """Seconds by the wall and of CPU, of all threads, within `with` blocks."""

    wall_s = cpu_s = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter() - self._began[0]
        self.cpu_s += time.process_time() - self._began[1]


async def recorded(count: int, state: Path) -> tuple[Stopwatch, Stopwatch, int]:
    """The times of writing the segments and of making Parquet of them, and the bytes of the Parquet files."""
    recorder, messages = Recorder(state), feed(count)
    writing, compacting = Stopwatch(), Stopwatch()
    while batch := list(islice(messages, BATCH)):
        with writing:
            for message in batch:
                recorder.offer(message)
            await recorder.write()
    [folder] = needs_compacting(recorder.folder)
    with compacting:
        compact(folder)
    return writing, compacting, sum(file.stat().st_size for file in folder.iterdir())


def main() -> None:
    place = Path(tempfile.mkdtemp(prefix="hftd-record-"))
    try:
        asyncio.run(recorded(BATCH, place / "warm"))
        writing, compacting, size = asyncio.run(recorded(TICKS, place / "state"))
    finally:
        shutil.rmtree(place)
    for name, seconds, remark in (
        ("recording, by CPU", writing.cpu_s, f"   wanted {WANTED_RATE:,}"),
        ("recording and compacting", writing.cpu_s + compacting.cpu_s, ""),
        ("recording, by the wall", writing.wall_s, ""),
        ("both, by the wall", writing.wall_s + compacting.wall_s, ""),
    ):
        print(f"{name:28} {TICKS / seconds:>14,.0f} ticks/s{remark}")
    print(f"{'Parquet':28} {size / TICKS:>14.2f} B/tick    wanted {WANTED_BYTES}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
