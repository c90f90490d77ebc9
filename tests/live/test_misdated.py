"""Times that cannot be, in what a broker tells: far ahead, before 1970, beyond what 64 bits hold. None of them may end
the daemon, or take the session's time with it."""

import asyncio
from pathlib import Path

import pytest

from hftd.broker.base import MarketMessage, Message, TradingStatus
from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from hftd.domain.events import BarReceived, PrintQuarantined, SymbolHalted
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport, ReportKind
from tests.live.walking import Walk, at, utc

DAY = "2026-11-27"
TOLD_NS = at(f"{DAY} 10:00")
MISDATED = {
    "tomorrow": at("2026-11-28 10:00"),
    "in twenty minutes": TOLD_NS + 20 * MINUTE_NS,
    "in the year 9999": ns_of_rfc3339("9999-12-31T00:00:00Z"),
    "at the zero of Go": ns_of_rfc3339("0001-01-01T00:00:00Z"),
}


def told(kind: str, time_ns: int) -> Message:
    bar = Bar("SPY", time_ns, 100.0, 100.0, 100.0, 100.0, 100)
    messages: dict[str, Message] = {
        "bar": MarketMessage(bar, TOLD_NS),
        "correction": MarketMessage(bar, TOLD_NS, correction=True),
        "quote": MarketMessage(Quote("SPY", time_ns, 1.0, 1, 1.1, 1), TOLD_NS),
        "trade": MarketMessage(Trade("SPY", time_ns, 1.0, 1), TOLD_NS),
        "status": TradingStatus("QQQ", time_ns, TOLD_NS, "H"),
        "report": ExecutionReport(ReportKind.NEW, "somebody-else", time_ns),
    }
    return messages[kind]


async def live(walk: Walk, until: str, message: Message | None = None) -> None:
    """Run a daemon until then, which is told `message` at once."""
    daemon = walk.make_daemon()
    living = asyncio.create_task(daemon.run())
    await walk.broker.play_until(walk.clock.now_ns() + MINUTE_NS)
    if message is not None:
        assert walk.broker._sink is not None
        walk.broker._sink(message)
        walk.broker.hold()
    playing = asyncio.create_task(walk.broker.play_until(at(until)))
    await asyncio.wait([playing, living], return_when=asyncio.FIRST_COMPLETED)
    assert not living.done(), living.exception()
    daemon.stop()
    await living


@pytest.mark.parametrize("time_ns", MISDATED.values(), ids=MISDATED)
@pytest.mark.parametrize("kind", ["bar", "correction", "quote", "trade", "status", "report"])
async def test_a_time_that_cannot_be_costs_nothing_else(kind: str, time_ns: int, tmp_path: Path) -> None:
    walk = Walk(tmp_path, f"{DAY} 09:59")
    await live(walk, f"{DAY} 10:05", told(kind, time_ns))
    await live(walk, f"{DAY} 10:10")  # after a restart, too
    minutes = [utc(event.bar.time_ns) for event in walk.events(DAY, BarReceived)]
    assert minutes == [f"{DAY} {14 + minute // 60}:{minute % 60:02}" for minute in range(30, 70)]
    aside = walk.events(DAY, PrintQuarantined)
    assert [event.bar_time_ns for event in aside] == ([] if kind in ("status", "report") else [time_ns])
    assert [event.symbol for event in walk.events(DAY, SymbolHalted)] == (["QQQ"] if kind == "status" else [])
    assert all(event.time_ns <= at(f"{DAY} 10:10") for event, _ in walk.steps(DAY))
