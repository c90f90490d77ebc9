"""What the market of bots costs: a whole session of one symbol, and twenty of them one after another.

Beside it, in the same run: the session's own messages sent again through the compiled book in one batch, without the
agents who decided on them, and their beginning through the tests' plain Python book.

    python benchmarks/bots.py [--wakes N] [--sessions N]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.session import Session
from hftd.exchange.book.book import Book
from hftd.exchange.market.bots.market import BotMarket
from hftd.exchange.market.bots.pit import Pit
from hftd.exchange.market.bots.settings import BotMarketSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "exchange" / "book"))
from oracle import OracleBook  # type: ignore[import-not-found,unused-ignore]

SYMBOL = "SPY"
REPEATS = 5
PYTHON_MESSAGES = 50_000
TARGET_S = 10.0
TARGET_MESSAGES = 1_000_000
IMPORT = """
import time, numpy, numba
began = time.perf_counter()
import hftd.exchange.market.bots.market, hftd.exchange.market.bots.pit
print(time.perf_counter() - began)
"""


def play(settings: BotMarketSettings, session: Session) -> Pit:
    """A session from open to close, minute by minute, as an exchange takes it."""
    pit = Pit(settings, SYMBOL, session)
    for time_ns in range(session.open_ns, session.close_ns + 1, MINUTE_NS):
        pit.play_until(time_ns)
        pit.take_prints()
        pit.take_tops()
    return pit


def seconds_of_sessions(settings: BotMarketSettings, session: Session) -> tuple[float, int]:
    """Median seconds of a session, and its messages."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        pit = play(settings, session)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken), pit.message_count


def seconds_published(settings: BotMarketSettings, session: Session) -> float:
    """Seconds of a session with every trade, quote and bar made as the exchange publishes them."""
    began = time.perf_counter()
    going = BotMarket(settings, (SYMBOL,)).play(session)
    while going.next_ns is not None:
        going.advance()
    return time.perf_counter() - began


def nanoseconds_of_books(settings: BotMarketSettings, session: Session) -> tuple[float, float]:
    """Nanoseconds a message of the compiled book alone, and of the plain Python one."""
    pit = Pit(settings, SYMBOL, session, records_messages=True)
    pit.play_until(session.close_ns)
    messages = np.ascontiguousarray(pit.take_messages()["message"])
    taken = []
    for _ in range(REPEATS):
        book = Book(records_changes=False)
        began = time.perf_counter()
        book.apply(messages)
        taken.append((time.perf_counter() - began) / len(messages))
    plain = OracleBook()
    rows = [
        [int(row[name]) for name in ("operation", "order_id", "side", "price", "quantity", "owner", "self_trade")]
        for row in messages[:PYTHON_MESSAGES]
    ]
    began = time.perf_counter()
    for row in rows:
        plain.enter(*row)
    return statistics.median(taken) * 1e9, (time.perf_counter() - began) / len(rows) * 1e9


def row(name: str, messages: int, seconds: float) -> None:
    print(f"{name:38} {messages:10,}   {seconds:7.3f}   {seconds / messages * 1e9:12.0f}")


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wakes", type=int, default=600_000, help="decisions of agents in a session")
    parser.add_argument("--sessions", type=int, default=20)
    options = parser.parse_args()
    settings = BotMarketSettings(wakes_a_day=options.wakes)
    sessions = Calendar().sessions(date(2026, 10, 1), date(2027, 3, 1))[: options.sessions]
    session_s, messages = seconds_of_sessions(settings, sessions[0])
    usual_s, usual_messages = seconds_of_sessions(BotMarketSettings(), sessions[0])
    after_one_mb = memory_mb()
    for session in sessions:
        play(settings, session)
    after_all_mb = memory_mb()
    published_s = seconds_published(BotMarketSettings(), sessions[0])
    book_ns, plain_ns = nanoseconds_of_books(settings, sessions[0])
    imported_s = float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True).stdout)
    hours = (sessions[0].close_ns - sessions[0].open_ns) / SECOND_NS / 3600
    print(f"a session of {hours:g} hours, one symbol     messages   seconds   ns a message")
    row("agents and book", messages, session_s)
    row("  the usual settings", usual_messages, usual_s)
    row("  the same, published second by second", usual_messages, published_s)
    row("the same messages, compiled book alone", messages, book_ns * messages / 1e9)
    row("  their beginning, plain Python book", PYTHON_MESSAGES, plain_ns * PYTHON_MESSAGES / 1e9)
    print(f"memory after 1 session {after_one_mb:.0f} MB, after {len(sessions)} more {after_all_mb:.0f} MB")
    print(f"loaded from the cache in {imported_s:.2f} s (numba itself not counted)")
    met = messages >= TARGET_MESSAGES and session_s <= TARGET_S
    print(f"aim: {TARGET_MESSAGES:,} messages in {TARGET_S:g} s: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
