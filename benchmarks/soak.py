"""Whether memory grows: one daemon through many sessions on its own exchange, its resident memory after each of them.

The slope is that of a straight line through all sessions but the first few, in which code and tables are loaded. There
is no peer here: the figure is to be flat.

    python benchmarks/soak.py [--sessions N] [--symbols N] [--speed N]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HFTD = Path(sys.executable).with_name("hftd")
PROJECT = Path(__file__).resolve().parent.parent
SYMBOLS = ("SPY", "QQQ", "IWM", "AAPL", "MSFT", "NVDA", "AMZN", "TSLA", "META", "GOOG", "DIA", "XLF")
WARM_UP_SESSIONS = 5
TARGET_MB = 1.0
SETTINGS = """
symbols: [{symbols}]
model: volume_17_31
models_folder: {models}
report: {{at_close: false}}
"""


def environment() -> dict[str, str]:
    """Ours, without settings and keys that the user may have."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HFTD_", "APCA_", "ALPACA_"))}


def resident_mb(pid: int) -> float:
    """Megabytes of a process's memory that are in RAM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def child_of(pid: int) -> int:
    """The exchange that a daemon started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def sessions(folder: Path, count: int, symbols: int, speed: float) -> Iterator[tuple[str, int, float, float]]:
    """(day, bars, the daemon's megabytes, its exchange's) after each session."""
    settings = folder / "settings.yaml"
    chosen = ", ".join(SYMBOLS[:symbols])
    settings.write_text(SETTINGS.format(symbols=chosen, models=PROJECT / "models"))
    command = [HFTD, "run", "--settings", settings, "--state", folder / "state", "--speed", str(speed)]
    arguments = [*map(str, command), "--sessions", str(count), "--json"]
    with subprocess.Popen(
        arguments,
        env=environment() | {"HFTD_LOG__FORMAT": "json"},
        stderr=subprocess.PIPE,
        text=True,
        stdout=sys.stderr,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            told = json.loads(line) if line.startswith("{") else {}
            if told.get("event") == "session.closed":
                exchange_mb = resident_mb(child_of(process.pid))
                yield str(told.get("day")), int(told.get("bars", 0)), resident_mb(process.pid), exchange_mb


def slope(values: list[float]) -> float:
    """Of a straight line through `values`, a session apart (least squares)."""
    return statistics.linear_regression(range(len(values)), values).slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--symbols", type=int, default=8)
    parser.add_argument("--speed", type=float, default=3600)
    asked = parser.parse_args()
    print(f"soak: {asked.sessions} sessions, {asked.symbols} symbols, speed {asked.speed:g}")
    print(f"{'session':12} {'daemon MB':>10} {'exchange MB':>12}")
    daemon, exchange = [], []
    with tempfile.TemporaryDirectory() as folder:
        for day, _, daemon_mb, exchange_mb in sessions(Path(folder), asked.sessions, asked.symbols, asked.speed):
            daemon.append(daemon_mb)
            exchange.append(exchange_mb)
            print(f"{day:12} {daemon_mb:10.1f} {exchange_mb:12.1f}", flush=True)
    for name, values in (("daemon", daemon), ("exchange", exchange)):
        print(f"{name}: {slope(values[WARM_UP_SESSIONS:]):+.2f} MB a session after the first {WARM_UP_SESSIONS}")
    print(f"target: at most {TARGET_MB:.0f} MB a session")


if __name__ == "__main__":
    main()
