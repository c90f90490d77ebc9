"""What the daemon costs: its start, its memory, its sleep, and the time from a bar to the order that follows from it.

Beside it, in the same run and on the same exchange: a plain script in alpaca-py's documented way, without journal,
risk limits or log, that follows the same rule.

    python benchmarks/daemon.py [--minutes N] [--idle-s S]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from _timed_exchange import CLIENTS

from hftd.calendar import Calendar
from hftd.clock import wall_ns

HERE = Path(__file__).resolve().parent
HFTD = Path(sys.executable).with_name("hftd")
SETTINGS = HERE.parent / "settings.yaml"
WHOLE_S = 300.0
"""A process that takes longer is killed, so that a benchmark cannot hang."""

HELP_RUNS, START_RUNS = 11, 5
SESSIONS = 3
SETTLE_S = 5.0
SYMBOLS_EACH = 10
TAPE_OPEN = datetime(2019, 2, 11, 14, 30, tzinfo=UTC)
BUY_VOLUME, SELL_VOLUME = 3100, 1700
"""Multiples of 31 and 17, the toy rule's, and not of the other."""

Process = subprocess.Popen[str]


# -- processes ---------------------------------------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    """Ours, without settings and keys that the user may have."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HFTD_", "APCA_", "ALPACA_"))}
    return {**ours, **more}


@contextmanager
def started(*command: str | Path, **options: object) -> Iterator[Process]:
    """A process, which is ended in order when the block is left."""
    process: Process = subprocess.Popen([str(word) for word in command], text=True, **options)  # type: ignore[call-overload]
    alarm = threading.Timer(WHOLE_S, process.kill)
    alarm.start()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.read()
        process.wait()
        alarm.cancel()


@contextmanager
def daemon(speed: float) -> Iterator[tuple[Process, Iterator[tuple[float, dict[str, str]]]]]:
    """A daemon on an exchange of its own, in a state directory of its own, and its log as it is written."""
    with tempfile.TemporaryDirectory() as state:
        command = (HFTD, "run", "--settings", SETTINGS, "--state", state, "--speed", str(speed), "--log-format", "json")
        began_s = time.perf_counter()
        with started(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()) as process:
            yield process, log_of(process, began_s)


def log_of(process: Process, began_s: float) -> Iterator[tuple[float, dict[str, str]]]:
    """Each line of the log, and the seconds since the process was started."""
    assert process.stderr is not None
    strange = []
    for line in process.stderr:
        if line.startswith("{"):
            yield time.perf_counter() - began_s, json.loads(line)
        else:
            strange.append(line)
    raise SystemExit(f"the daemon ended before its time: {''.join(strange[-20:])}")


def wait_for(log: Iterator[tuple[float, dict[str, str]]], event: str, **fields: str) -> float:
    """Seconds since the start at which the log tells of `event`."""
    return next(at_s for at_s, line in log if line["event"] == event and fields.items() <= line.items())


def child_of(process: Process, command: str = "exchange") -> int:
    """The process that a daemon has started as `hftd COMMAND`."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    words = {child: Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0") for child in children}
    return next(int(child) for child, line in words.items() if line[2:4] == ["hftd", command])


def memory_mb(process_id: int) -> tuple[float, float]:
    """What a process has in memory, and its share of it where several use the same: RSS and PSS, in megabytes."""
    lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {name: int(rest.split()[0]) for name, rest in (line.split(":", 1) for line in lines)}
    return kilobytes["Rss"] * 1024 / 1e6, kilobytes["Pss"] * 1024 / 1e6


def processor_s(process_id: int) -> float:
    """Processor time of all threads of a process so far."""
    tasks = Path(f"/proc/{process_id}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


# -- what is measured --------------------------------------------------------------------------------------------------


def show(what: str, figure: float, unit: str, target: float | None = None, note: str = "") -> None:
    if target is not None:
        note = f"target {target:g} {unit}: {'met' if figure <= target else 'MISSED'}  {note}"
    print(f"{what:44} {figure:9.2f} {unit:3} {note}".rstrip(), flush=True)


def measure_help() -> None:
    taken_s = []
    for _ in range(HELP_RUNS + 1):
        began_s = time.perf_counter()
        subprocess.run([HFTD, "--help"], stdout=subprocess.DEVNULL, check=True)
        taken_s.append(time.perf_counter() - began_s)
    show("hftd --help", statistics.median(taken_s[1:]), "s", 0.25, f"(median of {HELP_RUNS})")


def measure_start() -> None:
    runs = []
    for _ in range(START_RUNS + 1):
        with daemon(3600) as (_, log):
            runs.append(
                (
                    wait_for(log, "model.loaded"),
                    wait_for(log, "exchange.started"),
                    wait_for(log, "feed.up", feed="clock"),
                    wait_for(log, "feed.up", feed="data"),
                )
            )
    loaded_s, exchange_s, clock_s, data_s = map(statistics.median, zip(*runs[1:], strict=True))
    show("start to subscribed, warm", data_s, "s", 2, f"(median of {START_RUNS})")
    show("  own modules, settings, model verified", loaded_s, "s")
    show("  exchange started, alpaca-py imported", exchange_s - loaded_s, "s")
    show("  the exchange's clock heard", clock_s - exchange_s, "s")
    show("  sockets connected, bars subscribed", data_s - clock_s, "s")


def measure_memory() -> None:
    with daemon(3600) as (process, log):
        for session in range(1, SESSIONS + 1):
            wait_for(log, "session.closed")
            if session in (1, SESSIONS):
                for name, process_id in (("daemon", process.pid), ("exchange", child_of(process))):
                    resident, proportional = memory_mb(process_id)
                    target = 180 if name == "daemon" else None
                    show(f"memory after session {session}, {name}", resident, "MB", target, f"(PSS {proportional:.1f})")


def measure_idle(idle_s: float) -> None:
    if Calendar().is_open(wall_ns()):
        print("idle while closed: NOT MEASURED, the market is open; run it again after the close")
        return
    with daemon(1) as (process, log):
        wait_for(log, "market.closed")
        time.sleep(SETTLE_S)
        names = {"daemon": process.pid, "exchange": child_of(process)}
        began_s, before_s = time.monotonic(), {name: processor_s(process_id) for name, process_id in names.items()}
        time.sleep(idle_s)
        wall_s = time.monotonic() - began_s
        for name, process_id in names.items():
            used_s = processor_s(process_id) - before_s[name]
            show(f"idle while closed, {name}", 100 * used_s / wall_s, "%", 0.5, f"of a core, over {wall_s:.0f} s")


# -- from a bar to its order -------------------------------------------------------------------------------------------


def symbols_of(client: str) -> list[str]:
    return [f"{CLIENTS[client]}{chr(ord('A') + number)}" for number in range(SYMBOLS_EACH)]


def write_tape(file: Path) -> None:
    """A session in which the toy rule buys in one minute and sells in the next, in every symbol."""
    lines = ["timestamp,symbol,open,high,low,close,volume"]
    for minute in range(390):
        stamp = f"{TAPE_OPEN + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"
        volume = SELL_VOLUME if minute % 2 else BUY_VOLUME
        lines += [f"{stamp},{name},50,50,50,50,{volume}" for client in CLIENTS for name in symbols_of(client)]
    file.write_text("\n".join(lines) + "\n")


def start_daemon_on(stack: ExitStack, told: dict[str, str], folder: Path) -> Process:
    settings = {
        "HFTD_BROKER__URL": told["rest"],
        "HFTD_SYMBOLS": json.dumps(symbols_of("daemon")),
        "HFTD_RISK__MAX_ORDERS_PER_MINUTE": "100000",
        "HFTD_LOG__FORMAT": "console",
    }
    command = (HFTD, "run", "--settings", SETTINGS, "--state", folder / "daemon")
    log = stack.enter_context((folder / "daemon.log").open("w"))
    process = started(*command, stdout=subprocess.DEVNULL, stderr=log, env=environment(**settings, **keys(told)))
    return stack.enter_context(process)


def start_script_on(stack: ExitStack, told: dict[str, str], folder: Path) -> Process:
    where = (told["rest"], told["stream"], *symbols_of("script"))
    log = stack.enter_context((folder / "script.log").open("w"))
    return stack.enter_context(
        started(
            sys.executable, HERE / "_alpaca_script.py", *where, stdout=log, stderr=log, env=environment(**keys(told))
        )
    )


def keys(told: dict[str, str]) -> dict[str, str]:
    return {"APCA_API_KEY_ID": told["key"], "APCA_API_SECRET_KEY": told["secret"]}


def measure_orders(minutes: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_tape(folder / "tape.csv")
        command = (sys.executable, HERE / "_timed_exchange.py", folder / "tape.csv", folder / "exchange", str(minutes))
        exchange = stack.enter_context(started(*command, stdout=subprocess.PIPE))
        assert exchange.stdout is not None
        told = json.loads(exchange.stdout.readline())
        start_daemon_on(stack, told["daemon"], folder)
        script = start_script_on(stack, told["script"], folder)
        taken_us = json.loads(exchange.stdout.readline() or "{}")
        if len(taken_us) < 2 * len(CLIENTS):
            raise SystemExit(f"no orders came: {last_lines(folder / 'daemon.log')}{last_lines(folder / 'script.log')}")
        show_orders(taken_us)
        show("memory of the alpaca-py script", memory_mb(script.pid)[0], "MB")


def last_lines(file: Path) -> str:
    return "\n".join(["", *file.read_text().splitlines()[-10:]])


def show_orders(taken_us: dict[str, list[float]]) -> None:
    for how, words in (("alone", "a bar by itself"), ("burst", f"{SYMBOLS_EACH} bars in a frame")):
        ours_us, theirs_us = (taken_us[f"{CLIENTS[client]} {how}"] for client in CLIENTS)
        theirs = statistics.median(theirs_us)
        target = round(theirs / 2)
        show(f"bar to order p50, {words}: daemon", statistics.median(ours_us), "us", target, f"({len(ours_us)} orders)")
        show("  alpaca-py script", theirs, "us", note=f"({len(theirs_us)} orders)")
        show("bar to order p99: daemon", centile_99(ours_us), "us")
        show("  alpaca-py script", centile_99(theirs_us), "us")


def centile_99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=42, help="market minutes (wall seconds) of orders")
    parser.add_argument("--idle-s", type=float, default=20.0)
    asked = parser.parse_args()
    measure_help()
    measure_start()
    measure_memory()
    measure_idle(asked.idle_s)
    measure_orders(asked.minutes)


if __name__ == "__main__":
    main()
