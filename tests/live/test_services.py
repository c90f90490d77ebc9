"""What lives beside the trading hears of each session's beginning and end, and cannot disturb it."""

import asyncio
import sys
import threading
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hftd.broker.endpoints import Patience
from hftd.domain.events import PortfolioCarried
from hftd.journal import Journal, journal_path
from hftd.live import reports
from hftd.live.daemon import LEAVE_S, Daemon
from hftd.live.page import page_of
from hftd.live.recovery import reviewed
from hftd.live.reports import ReportAtClose
from hftd.live.retention import Retention
from hftd.live.sender import GIVE_UP_S
from hftd.live.services import STOP_S, YIELD_S, EndedSession, Service, in_thread
from hftd.live.trader import Trader
from hftd.settings import Settings
from tests.live.walking import Walk


class Listener(Service):
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def started(self, daemon: Daemon) -> None:
        self.heard.append(f"started after {daemon.tally.sessions} sessions")

    async def session_prepared(self, trader: Trader) -> None:
        await asyncio.sleep(0)  # what is told next waits for this
        self.heard.append(f"prepared {trader.engine.session.day}")

    async def session_ended(self, ended: EndedSession) -> None:
        with Journal.read(ended.journal) as journal:
            self.heard.append(f"ended {ended.day} whole={ended.whole} {journal.has_events()}")

    async def stopped(self) -> None:
        self.heard.append("stopped")


class Broken(Service):
    async def session_prepared(self, trader: Trader) -> None:
        raise ZeroDivisionError("of its own making")


async def test_services_hear_in_order_and_one_that_fails_disturbs_nobody(tmp_path: Path) -> None:
    walk, listener = Walk(tmp_path, "2026-11-24 09:00"), Listener()
    walk.services = [Broken(), listener]
    outcome = await walk.live("2026-11-25 10:00")
    assert listener.heard == [
        "started after 0 sessions",
        "prepared 2026-11-24",
        "ended 2026-11-24 whole=True True",
        "prepared 2026-11-25",
        "ended 2026-11-25 whole=False True",
        "stopped",
    ]
    assert [line["error"] for line in walk.logged("service.failed")] == ["of its own making"] * 2
    assert outcome.tally.sessions == 1 and outcome.tally.orders > 300


class Endless(Service):
    async def stopped(self) -> None:
        await never()


async def never(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_service_that_does_not_come_to_its_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hftd.live.daemon.STOP_S", 0.01)
    walk, listener = Walk(tmp_path, "2026-11-24 09:00"), Listener()
    walk.services = [Endless(), listener]
    await walk.live("2026-11-24 09:10")
    assert listener.heard[-1] == "stopped"
    assert [line["service"] for line in walk.logged("service.abandoned")] == ["Endless"]


async def test_a_broker_that_does_not_answer_holds_up_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is closed all the same; the next start takes the session up."""
    monkeypatch.setattr("hftd.live.daemon.LEAVE_S", 0.01)
    monkeypatch.setattr("hftd.live.sender.Sender.settle", never)
    walk = Walk(tmp_path, "2026-11-24 09:00")
    await walk.live("2026-11-24 10:00")
    assert len(walk.logged("session.abandoned")) == 1
    again = Walk(tmp_path, "2026-11-24 10:00")
    monkeypatch.undo()
    await again.live("2026-11-24 10:05")
    assert len(again.logged("session.recovered")) == 1


def test_all_that_an_end_waits_for_fits_into_ten_seconds() -> None:
    assert LEAVE_S + Patience().close_s + STOP_S + YIELD_S < 10
    assert GIVE_UP_S < LEAVE_S


async def test_what_a_service_does_in_a_thread_is_not_waited_for_by_the_end_of_the_process() -> None:
    assert await in_thread(lambda: threading.current_thread().daemon)
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_old_journals_are_removed_after_a_session_and_the_next_goes_on_from_the_last(tmp_path: Path) -> None:
    walk = Walk(tmp_path, "2026-11-23 09:00", flatten_minutes=None)
    walk.services = [Retention(tmp_path, keep=2)]
    await walk.live("2026-11-27 12:00")
    assert walk.journaled == ["2026-11-25", "2026-11-27"]
    (carried,) = walk.events("2026-11-27", PortfolioCarried)
    with Journal.read(journal_path(tmp_path, date(2026, 11, 25))) as journal:
        assert {position.quantity for position in carried.positions} == set(reviewed(journal).positions.values())
    assert sum(line["sessions"] for line in walk.logged("journal.removed")) == 2


async def test_a_process_that_cannot_be_started_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "removed" / "python"))
    monkeypatch.setattr(reports, "NICENESS", ())
    with capture_logs() as told:
        async with page_of(Settings(symbols=("SPY",)), tmp_path):
            await asyncio.sleep(0)  # it is begun
            await ReportAtClose(tmp_path).session_ended(
                EndedSession(date(2026, 11, 20), tmp_path / "journal", whole=True)
            )
    assert sorted(line["event"] for line in told) == ["page.unavailable", "report.failed"]
    assert all("removed/python" in line["reason"] for line in told)
