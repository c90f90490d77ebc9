"""What lives beside the trading hears of each session's beginning and end, and cannot disturb it."""

import asyncio
from datetime import date
from pathlib import Path

from hftd.domain.events import PortfolioCarried
from hftd.journal import Journal, journal_path
from hftd.live.daemon import Daemon
from hftd.live.recovery import reviewed
from hftd.live.retention import Retention
from hftd.live.services import EndedSession, Service
from hftd.live.trader import Trader
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


async def test_old_journals_are_removed_after_a_session_and_the_next_goes_on_from_the_last(tmp_path: Path) -> None:
    walk = Walk(tmp_path, "2026-11-23 09:00", flatten_minutes=None)
    walk.services = [Retention(tmp_path, keep=2)]
    await walk.live("2026-11-27 12:00")
    assert walk.journaled == ["2026-11-25", "2026-11-27"]
    (carried,) = walk.events("2026-11-27", PortfolioCarried)
    with Journal.read(journal_path(tmp_path, date(2026, 11, 25))) as journal:
        assert {position.quantity for position in carried.positions} == set(reviewed(journal).positions.values())
    assert sum(line["sessions"] for line in walk.logged("journal.removed")) == 2
