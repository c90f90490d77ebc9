"""How long a daemon killed in mid-session takes until it trades again: kill -9, and start it on the same state.

The exchange lives on. Every restart reads a longer journal, of a rule that trades every symbol in every minute; what
is timed ends with the first bar that came in time, heard after the journal was replayed and the broker was asked.

    python benchmarks/restart.py [--restarts N] [--symbols N] [--minutes N]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from daemon import (
    BUY_VOLUME,
    HFTD,
    SELL_VOLUME,
    SETTINGS,
    TAPE_OPEN,
    environment,
    keys,
    log_of,
    processor_s,
    show,
    started,
    wait_for,
)

from hftd.journal import Journal, journals

SPEED = 600.0
"""In lockstep: the exchange's time waits for the daemon, and the next bar comes a tenth of a second later."""
TARGET_S = 3.0
STEPS = (
    ("own modules, settings, model verified", "model.loaded"),
    ("the exchange's clock heard", "feed.up"),
    ("journal read and replayed", "session.recovered"),
    ("broker asked, first bar in time: trading again", "bar.received"),
)
"""What has been done when the log tells of an event, in order."""


def write_tape(file: Path, symbols: Sequence[str]) -> None:
    """A session in which the toy rule buys in one minute and sells in the next, in every symbol."""
    lines = ["timestamp,symbol,open,high,low,close,volume"]
    for minute in range(390):
        stamp = f"{TAPE_OPEN + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"
        volume = SELL_VOLUME if minute % 2 else BUY_VOLUME
        lines += [f"{stamp},{symbol},50,50,50,50,{volume}" for symbol in symbols]
    file.write_text("\n".join(lines) + "\n")


@contextmanager
def exchange(folder: Path, tape: Path) -> Iterator[dict[str, str]]:
    """An exchange that plays the tape while somebody is connected, and its addresses."""
    command = (HFTD, "exchange", "--json", "--port", "0", "--wait", "--speed", str(SPEED), "--tape", tape)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": environment()}
    with started(*command, "--state", folder / "exchange", **options) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


def live(folder: Path, told: dict[str, str], symbols: Sequence[str], minutes: int) -> list[float]:
    """Start a daemon, let it trade for so many minutes of the market, kill it.

    Returns the seconds to each step, and the processor's seconds to the last one.
    """
    settings = {
        "HFTD_BROKER__URL": told["rest"],
        "HFTD_SYMBOLS": json.dumps(symbols),
        "HFTD_RISK__MAX_ORDERS_PER_MINUTE": "100000",
        "HFTD_WEB__PORT": "off",
    }
    command = (HFTD, "run", "--settings", SETTINGS, "--state", folder / "daemon", "--log-format", "json")
    began_s = time.perf_counter()
    variables = environment(**settings, **keys(told))
    with started(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=variables) as process:
        log = log_of(process, began_s)
        taken_s = [wait_for(log, event) for _, event in steps(folder)]
        taken_s.append(processor_s(process.pid))
        for _ in range(minutes * len(symbols)):
            wait_for(log, "order.filled")
        os.kill(process.pid, signal.SIGKILL)
    return taken_s


def steps(folder: Path) -> list[tuple[str, str]]:
    """Those that a daemon goes through: the first one has no journal to read."""
    return [step for step in STEPS if journals(folder / "daemon") or step[1] != "session.recovered"]


def event_count(folder: Path) -> int:
    """Events in the journal."""
    with Journal.read(journals(folder / "daemon")[0]) as journal:
        return sum(1 for _ in journal.events())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restarts", type=int, default=7)
    parser.add_argument("--symbols", type=int, default=8)
    parser.add_argument("--minutes", type=int, default=40, help="market minutes between two kills")
    asked = parser.parse_args()
    symbols = [f"H{chr(ord('A') + number)}" for number in range(asked.symbols)]
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tape(folder / "tape.csv", symbols)
        with exchange(folder, folder / "tape.csv") as told:
            live(folder, told, symbols, asked.minutes)
            for _ in range(asked.restarts):
                events = event_count(folder)
                runs.append(live(folder, told, symbols, asked.minutes))
                show(f"killed after {events} events: trading again", runs[-1][-2], "s", TARGET_S)
    show("median", statistics.median(run[-2] for run in runs), "s", TARGET_S, f"({len(runs)} restarts)")
    show("longest", max(run[-2] for run in runs), "s", TARGET_S)
    for place, (words, _) in enumerate(STEPS):
        show(f"  {words}", statistics.median(run[place] - (run[place - 1] if place else 0) for run in runs), "s")
    show("  processor time of all that", statistics.median(run[-1] for run in runs), "s")


if __name__ == "__main__":
    main()
