"""The machine's clock is set back and forth in mid-session, while the exchange's goes its way."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from hftd.broker.inprocess import InProcessBroker
from hftd.calendar import Calendar
from hftd.clock import ManualClock, WallClock
from hftd.domain.convert import MINUTE_NS, SECOND_NS, cents
from hftd.domain.events import BarReceived, SessionClosed
from hftd.exchange.market.course import make_course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.live.daemon import Daemon, Outcome
from hftd.live.run import told_time
from hftd.live.systemd import Notifier
from tests.live.walking import BUSY, CASH, Journals, at, make_plan
from tests.test_clock import SkippingLoop

DAY = "2026-11-27"
START_NS, OPEN_NS, CLOSE_NS, END_NS = (at(f"{DAY} {hour}") for hour in ("09:20", "09:30", "13:00", "13:20"))
DAY_MINUTES = 24 * 60
ROUNDS_MAX = 100_000
"""Far more than a session's messages need, far less than a loop that is busy waiting."""


class CountingLoop(SkippingLoop):
    """Skips every wait, and counts how often it goes round."""

    rounds = 0

    def _skip(self, timeout: float | None = None) -> list[Any]:
        self.rounds += 1
        assert self.rounds < ROUNDS_MAX, "busy waiting"
        return super()._skip(timeout)


def skip_through(main: Callable[[CountingLoop], Coroutine[Any, Any, Outcome]]) -> Outcome:
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, CountingLoop)
        return runner.run(main(loop))


class Machine(Journals):
    """A daemon whose clock is set by `changes`: (minutes after the open, minutes ahead of the truth from then on)."""

    def __init__(self, state: Path, changes: list[tuple[int, int]]) -> None:
        super().__init__(state)
        self._changes = [(OPEN_NS + minutes * MINUTE_NS, ahead * MINUTE_NS) for minutes, ahead in changes]

    def read(self, true_ns: int) -> int:
        """What the machine's clock shows at `true_ns`."""
        return true_ns + next((ahead for since_ns, ahead in reversed(self._changes) if since_ns <= true_ns), 0)

    async def live(self, loop: CountingLoop) -> Outcome:
        began_s = loop.time()

        def true_ns() -> int:
            return START_NS + int((loop.time() - began_s) * SECOND_NS)

        truth = WallClock(true_ns)
        course = make_course(Calendar(), RandomMarket(("SPY",), seed=1), START_NS)
        self.broker = InProcessBroker(truth, course, CASH)
        clock = WallClock(lambda: self.read(true_ns()))
        daemon = Daemon(make_plan(self.state, 5, BUSY), self.broker, clock, Calendar(), Notifier(""))
        living = asyncio.create_task(daemon.run())
        while self.broker.next_ns is not None and self.broker.next_ns < END_NS:
            await truth.sleep_until(self.broker.next_ns)
            self.broker.play_moment()
        await truth.sleep_until(END_NS)
        daemon.stop()
        return await living


CHANGES = {
    "right": [],
    "an hour forward and right again": [(60, 60), (90, 0)],
    "an hour back and right again": [(60, -60), (90, 0)],
    "a second back and forth": [(minute, minute % 2) for minute in range(30, 60)],
    "before the open and back": [(60, -65), (70, 0)],
    "beyond the close and back": [(60, 240), (70, 0)],
    "to the night before": [(60, -720), (61, 0)],
    "into the next session and back": [(60, 3 * DAY_MINUTES), (70, 0)],
    "into the session before and back": [(60, -2 * DAY_MINUTES), (70, 0)],
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_no_bar_and_no_order_twice_and_no_busy_waiting(tmp_path: Path, changes: list[tuple[int, int]]):
    machine = Machine(tmp_path, changes)
    with capture_logs() as told:
        outcome = skip_through(machine.live)
    bars = [event.bar.time_ns for event in machine.events(DAY, BarReceived)]
    assert bars == sorted(set(bars))
    assert set(bars) == set(range(OPEN_NS, CLOSE_NS, MINUTE_NS))
    booked = asyncio.run(machine.booked())
    withheld = {line["id"] for line in told if line["event"] == "order.withheld"}  # by our clock it was after the close
    sent = [id for id in machine.sent_ids() if id not in withheld]
    assert sorted(order.client_order_id for order in booked) == sorted(set(sent))
    assert len(withheld) <= 1 and len(sent) == len(booked) > 0
    assert (outcome.tally.sessions, outcome.tally.bars) == (1, len(bars))
    assert (outcome.tally.orders, outcome.tally.fills) == (len(booked) + len(withheld), len(booked))
    theirs = {position.symbol: position.quantity for position in asyncio.run(machine.broker.positions())}
    assert outcome.positions == theirs and bool(theirs) == bool(withheld)  # what was withheld would have closed it
    account = asyncio.run(machine.broker.account())
    assert (outcome.cash, cents(outcome.profit)) == (account.cash, cents(account.equity) - CASH)
    assert machine.journaled == [DAY]
    assert machine.events(DAY, SessionClosed)[-1].time_ns == CLOSE_NS
    assert not [line for line in told if line["event"] in ("account.differs", "journal.differs")]


def test_a_clock_that_is_wrong_at_the_start_is_waited_for(tmp_path: Path):
    """By it the session of the next working day is going on, and the broker is open: for another session."""
    machine = Machine(tmp_path, [(-30, 3 * DAY_MINUTES), (40, 0)])
    with capture_logs() as told:
        outcome = skip_through(machine.live)
    (complaint,) = [line for line in told if line["event"] == "clock.differed"]
    assert complaint["ahead_s"] == 3 * DAY_MINUTES * 60
    assert machine.journaled == [DAY] and outcome.tally.sessions == 1
    assert outcome.tally.warm_up_bars + outcome.tally.late_bars in (39, 40) and outcome.tally.orders > 0


def test_a_session_that_was_slept_through_leaves_nothing(tmp_path: Path):
    """The machine's clock leaps from before the open to after the close, as after a suspension."""
    machine = Machine(tmp_path, [(-5, 240)])
    outcome = skip_through(machine.live)
    assert machine.journaled == []
    assert asyncio.run(machine.booked()) == []
    assert outcome.tally.sessions == 0


def test_the_log_is_never_before_what_it_tells_of() -> None:
    clock, asleep = ManualClock(100), SimpleNamespace(trader=None)
    assert told_time(clock, asleep)() == 100
    daemon = SimpleNamespace(trader=SimpleNamespace(engine=SimpleNamespace(time_ns=140)))
    assert told_time(clock, daemon)() == 140
    clock.advance_to(150)
    assert told_time(clock, daemon)() == 150
