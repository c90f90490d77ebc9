"""Keys that the broker refuses: told at the start, waited for in mid-session, where leaving would leave what is held to
nobody."""

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest
from structlog.testing import capture_logs

from hftd.broker.base import Feed, FeedState, FeedStatus
from hftd.broker.inprocess import InProcessBroker
from hftd.calendar import Calendar
from hftd.clock import Clock, WallClock
from hftd.domain.convert import SECOND_NS
from hftd.domain.events import BarReceived, OrderReported
from hftd.domain.orders import ReportKind
from hftd.errors import CredentialsError
from hftd.exchange.market.course import make_course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.live.alerts import Alerts
from hftd.live.daemon import Daemon, Outcome
from hftd.live.systemd import Notifier
from tests.live.test_alerts import Kept
from tests.live.test_set_clock import CountingLoop, skip_through
from tests.live.walking import BUSY, CASH, Journals, Walk, at, make_plan

DAY = "2026-11-27"
ASKED = ("account", "bars", "cancel", "clock", "order", "orders", "positions", "submit")


class Forbidding:
    """A broker that refuses the keys from `since` until `again` (New York times)."""

    def __init__(self, broker: InProcessBroker, clock: Clock, since: str, again: str) -> None:
        self._broker = broker
        self._clock = clock
        self._forbidden = range(at(f"{DAY} {since}"), at(f"{DAY} {again}"))
        self.refused: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name not in ASKED or self._clock.now_ns() not in self._forbidden:
            return getattr(self._broker, name)
        self.refused.add(name)
        return _refuse


async def _refuse(*_: object, **__: object) -> NoReturn:
    raise CredentialsError("the broker refused the API keys (403 forbidden.)")


class Machine(Journals):
    """A half day's session at such a broker, in skipped time."""

    async def live(self, loop: CountingLoop) -> Outcome:
        began_s, start_ns, end_ns = loop.time(), at(f"{DAY} 09:20"), at(f"{DAY} 13:20")
        clock = WallClock(lambda: start_ns + int((loop.time() - began_s) * SECOND_NS))
        self.broker = InProcessBroker(clock, make_course(Calendar(), RandomMarket(("SPY",), seed=1), start_ns), CASH)
        self.forbidding = Forbidding(self.broker, clock, "10:00", "10:11")
        daemon = Daemon(make_plan(self.state, 5, BUSY), self.forbidding, clock, Calendar(), Notifier(""))  # type: ignore[arg-type]
        living = asyncio.create_task(daemon.run())
        while self.broker.next_ns is not None and self.broker.next_ns < end_ns:
            await clock.sleep_until(self.broker.next_ns)
            self.broker.play_moment()
        await clock.sleep_until(end_ns)
        daemon.stop()
        return await living


def test_a_session_goes_on_without_them_and_trades_again_when_they_are_good(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with capture_logs() as told:
        skip_through(machine.live)
    assert {"clock", "submit", "order"} <= machine.forbidding.refused
    assert {"session.closed", "account.agrees"} <= {line["event"] for line in told}
    bars = machine.events(DAY, BarReceived)
    assert len({event.bar.time_ns for event in bars}) == len(bars) == 210
    fills = [event.time_ns for event in machine.events(DAY, OrderReported) if event.report.kind is ReportKind.FILL]
    assert min(fills) < at(f"{DAY} 10:00") and max(fills) > at(f"{DAY} 10:30")
    ids = list(machine.sent_ids())
    assert len(ids) == len(set(ids))


async def test_a_socket_for_reports_that_was_given_up_is_asked_for_again(tmp_path: Path) -> None:
    walk = Walk(tmp_path, f"{DAY} 09:59")
    daemon = walk.make_daemon()
    with capture_logs() as told:
        living = asyncio.create_task(daemon.run())
        await walk.broker.play_until(at(f"{DAY} 10:00"))
        assert walk.broker._sink is not None
        walk.broker._sink(FeedStatus(Feed.TRADES, FeedState.FAILED, walk.clock.now_ns(), "keys refused"))
        walk.broker.hold()
        await walk.broker.play_until(at(f"{DAY} 10:02"))
        daemon.stop()
        await living
    states = [line["event"] for line in told if line.get("feed") == "trades"]
    assert states == ["feed.up", "feed.failed", "feed.down", "feed.up"]


async def test_an_end_for_good_is_told_to_who_does_not_look(tmp_path: Path) -> None:
    walk, sender = Walk(tmp_path, f"{DAY} 08:00"), Kept()
    walk.broker = Forbidding(walk.broker, walk.clock, "09:29", "13:00")  # type: ignore[assignment]
    walk.services = [Alerts(sender, walk.clock, ("halt",), 0)]
    living = asyncio.create_task(walk.make_daemon().run())
    playing = asyncio.create_task(walk.broker.play_until(at(f"{DAY} 09:30")))
    with pytest.raises(CredentialsError):
        await living
    playing.cancel()
    (alert,) = sender.alerts
    assert alert.title == "hftd: the daemon has ended" and "refused the API keys" in alert.text


@pytest.mark.parametrize("start", ["08:00", "09:29"])
async def test_at_a_start_they_are_told_at_once(start: str, tmp_path: Path) -> None:
    walk = Walk(tmp_path, f"{DAY} {start}")
    walk.broker = Forbidding(walk.broker, walk.clock, start, "13:00")  # type: ignore[assignment]
    daemon = walk.make_daemon()
    with pytest.raises(CredentialsError, match="refused"):
        await daemon.run()
