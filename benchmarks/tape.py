"""A tape far larger than memory: most memory, and time, that a backtest and a replay of it take.

The tape is made of real trades (`_tape`), without packing, so that its bytes are those of its numbers: 32 a trade. Each
of the two is a process of its own, of which the kernel tells the most memory that it ever held: a backtest by a
compiled model, with latency and queue; and what the exchange reads and plays for `hftd replay`, as fast as it goes.

    python benchmarks/tape.py [--gigabytes 0.5] [--replay-sessions 3] [--folder DIR]
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from _tape import stretches

from hftd.data.files import KIND_KEY
from hftd.data.rows import Kind, Rows, joined
from hftd.data.writing import table_of

ROWS_PER_GIGABYTE = 2**30 // 32
GROUP_ROWS = 2**17
MODEL = '''
from hftd import CompiledTicks


class Joiner(CompiledTicks):
    """Joins the bid, then the ask, for half a minute's prints at a time."""

    memory_size = 1

    @staticmethod
    def decide(tick, parameters, memory):
        memory[0] += 1.0
        if tick.bid <= 0.0 or tick.size == 0:
            return 0, 0.0
        if tick.working != 0:
            return (1, 0.0) if int(memory[0]) % 2000 < 3 else (0, 0.0)
        if int(memory[0]) % 1000 < 3:
            return (5, tick.bid) if tick.position == 0 else (-5, tick.ask)
        return 0, 0.0
'''


def write(file: Path, rows: int) -> int:
    """Returns how many trades were written."""
    import pyarrow.parquet as parquet

    writer, written = None, 0
    for trades in in_groups(stretch[Kind.TRADES] for stretch in stretches(rows, (Kind.TRADES,))):
        table = table_of(trades)
        if writer is None:
            schema = table.schema.with_metadata({KIND_KEY: b"trades"})
            writer = parquet.ParquetWriter(file, schema, compression="none", use_dictionary=["symbol"])
        writer.write_table(table, row_group_size=len(table))
        written += len(table)
    assert writer is not None
    writer.close()
    return written


def in_groups(parts: Iterable[Rows]) -> Iterator[Rows]:
    """So many parts together as make a row group."""
    waiting: list[Rows] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= GROUP_ROWS:
            yield joined(waiting)
            waiting.clear()
    if waiting:
        yield joined(waiting)


def backtest(folder: Path) -> dict[str, object]:
    import hftd

    result = hftd.backtest(
        folder / "joiner.py",
        folder / "trades.parquet",
        cash=10_000_000,
        queue="back",
        latency="constant:5ms",
        max_drawdown=10_000_000,  # a limit that halts would be left to the plain driver
    )
    return {name: result.summary[name] for name in ("ticks", "fills", "sessions", "driver", "why")}


def replay(folder: Path, sessions: int) -> dict[str, object]:
    """What a replay plays, without sockets."""
    from hftd.calendar import Calendar
    from hftd.exchange.market.tick_tape import tape_of

    market = tape_of(folder / "trades.parquet", Calendar())
    ticks = 0
    for session in market.sessions[:sessions]:
        play = market.play(session)
        while play.next_ns is not None:
            ticks += len(play.advance().data)
    return {"ticks": ticks, "sessions": min(sessions, len(market.sessions))}


def part(name: str, folder: Path, sessions: int) -> None:
    began, used = time.perf_counter(), time.process_time()
    found = backtest(folder) if name == "backtest" else replay(folder, sessions)
    took, used = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "peak_mib": round(peak), "seconds": round(took, 1), "cpu_s": round(used, 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.5)
    parser.add_argument("--replay-sessions", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the tape is made; it is deleted afterwards")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        part(options.part, options.folder, options.replay_sessions)
        return
    folder = Path(tempfile.mkdtemp(prefix="hftd-tape-", dir=options.folder))
    try:
        (folder / "joiner.py").write_text(MODEL)
        rows = write(folder / "trades.parquet", int(options.gigabytes * ROWS_PER_GIGABYTE))
        size = (folder / "trades.parquet").stat().st_size
        print(f"{rows:,} trades, {size / 2**30:.2f} GiB", flush=True)
        for name in ("backtest", "replay"):
            command = [sys.executable, __file__, "--part", name, "--folder", str(folder)]
            command += ["--replay-sessions", str(options.replay_sessions)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"{name:10} {ended.stdout.strip() or ended.stderr.strip()[-600:]}", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
