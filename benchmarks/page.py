"""What the page costs: the time from a bar to its order with nobody looking, without a page, and with browsers that
look; memory of the page's process; and, where there is a Chromium, its first paint and frames a second.

Rounds of each kind take turns, so that the machine's mood is in all of them.

    python benchmarks/page.py [--browsers N] [--minutes N] [--rounds N]
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from _timed_exchange import CLIENTS
from daemon import (
    HERE,
    HFTD,
    SETTINGS,
    centile_99,
    child_of,
    environment,
    keys,
    memory_mb,
    show,
    start_script_on,
    started,
    symbols_of,
    write_tape,
)

KINDS = {"without a page": 0, "nobody looks": 0, "browsers look": 1}
FRAMES_S = 5.0


def page_of(log: Path) -> str:
    """Where the page is, as soon as the log tells."""
    while True:
        if found := re.search(r"page.served.*url=(\S+)", log.read_text()):
            return found[1]
        time.sleep(0.05)


def look(url: str) -> None:
    """Read all that the page tells, as a browser does."""

    def read() -> None:
        try:
            with urllib.request.urlopen(f"{url}/events") as stream:
                while stream.readline():
                    pass
        except OSError:
            pass

    threading.Thread(target=read, daemon=True).start()


def orders_us(kind: str, browsers: int, minutes: int) -> dict[str, list[float]]:
    """Microseconds from each bar to its order, of bars by themselves and in bursts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_tape(folder / "tape.csv")
        command = (sys.executable, HERE / "_timed_exchange.py", folder / "tape.csv", folder / "exchange", str(minutes))
        exchange = stack.enter_context(started(*command, stdout=subprocess.PIPE))
        assert exchange.stdout is not None
        told = json.loads(exchange.stdout.readline())
        settings = {
            "HFTD_BROKER__URL": told["daemon"]["rest"],
            "HFTD_SYMBOLS": json.dumps(symbols_of("daemon")),
            "HFTD_RISK__MAX_ORDERS_PER_MINUTE": "100000",
            "HFTD_LOG__FORMAT": "console",
            "HFTD_WEB__PORT": "off" if kind == "without a page" else "0",
        }
        log = stack.enter_context((folder / "daemon.log").open("w"))
        run = (HFTD, "run", "--settings", SETTINGS, "--state", folder / "daemon")
        daemon = stack.enter_context(
            started(*run, stdout=subprocess.DEVNULL, stderr=log, env=environment(**settings, **keys(told["daemon"])))
        )
        start_script_on(stack, told["script"], folder)
        if kind != "without a page":
            url = page_of(folder / "daemon.log")
            for _ in range(browsers * KINDS[kind]):
                look(url)
        taken: dict[str, list[float]] = json.loads(exchange.stdout.readline() or "{}")
        if kind == "browsers look":
            show(f"memory of the page's process, {browsers} look", memory_mb(child_of(daemon, "page"))[0], "MB")
        first = CLIENTS["daemon"]
        return {how: taken[f"{first} {how}"] for how in ("alone", "burst")}


def measure_orders(browsers: int, minutes: int, rounds: int) -> None:
    taken: dict[str, dict[str, list[float]]] = {kind: defaultdict(list) for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            for how, values in orders_us(kind, browsers, minutes).items():
                taken[kind][how] += values
    for how, words in (("alone", "a bar by itself"), ("burst", "ten bars in a frame")):
        for kind, by_how in taken.items():
            values = by_how[how]
            show(f"bar to order p50, {words}, {kind}", statistics.median(values), "us", note=f"({len(values)} orders)")
            show("  p99", centile_99(values), "us")


def measure_paint() -> None:
    sys.path.insert(0, str(HERE.parent))
    from tests.dashboard.browser import CHROMIUM, chromium, tab

    if CHROMIUM is None:
        print("first paint, frames: NOT MEASURED, there is no Chromium: apt install chromium")
        return
    with tempfile.TemporaryDirectory() as state, ExitStack() as stack:
        log = stack.enter_context((Path(state) / "log").open("w"))
        command = (HFTD, "run", "--settings", SETTINGS, "--state", state, "--speed", "1200", "--log-format", "console")
        stack.enter_context(
            started(*command, stdout=subprocess.DEVNULL, stderr=log, env=environment(HFTD_WEB__PORT="0"))
        )
        url = page_of(Path(state) / "log")
        with chromium() as browser, tab(browser, url) as looked:
            looked.wait("Number(document.querySelector('#chart').dataset.bars ?? 0) > 5", 300)
            frames = looked.page.evaluate(FRAMES, FRAMES_S * 1000)
            looked.page.reload()
            looked.page.wait_for_timeout(1000)
            paint_ms = looked.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    show("first paint", paint_ms / 1000, "s", 0.5)
    show(
        "frames while 20 bars a second come", frames["count"] / FRAMES_S, "/s", note=f"(longest {frames['longest']} ms)"
    )


FRAMES = """(lasting) => new Promise((tell) => {
    let count = 0, longest = 0, before = performance.now(); const began = before;
    const frame = (now) => {
        count += 1; longest = Math.max(longest, Math.round(now - before)); before = now;
        if (now - began < lasting) requestAnimationFrame(frame); else tell({count, longest});
    };
    requestAnimationFrame(frame);
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browsers", type=int, default=5)
    parser.add_argument("--minutes", type=int, default=20, help="market minutes (wall seconds) of each round")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    measure_paint()
    measure_orders(asked.browsers, asked.minutes, asked.rounds)


if __name__ == "__main__":
    main()
