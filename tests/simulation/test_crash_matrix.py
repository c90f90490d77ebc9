"""Every crash point with an order in every state: the daemon dies there, another goes on, nothing is lost or doubled.

A cell of the matrix is a world in virtual time: the broker puts orders into the wanted state, the daemon is ended at
the wanted point as soon as one of its orders is in it, with what is in the journal's file at that instant and nothing
else, and after the restart the same must be true as of every other world. A few cells of each row are lived through in
every run, all of them with HFTD_CRASH_MATRIX=all. Processes are killed in earnest in tests/live/test_crash_points.py.
"""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from hftd.broker.base import Feed
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.orders import OrderStatus, ReportKind
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.journal import Journal, journal_path
from hftd.live import crash_points
from hftd.live.crash_points import CRASH_POINTS
from hftd.live.recovery import reviewed
from hftd.live.reload import Reloader
from hftd.live.services import Service
from hftd.live.systemd import Notifier
from hftd.settings import Settings
from tests.simulation.faulty_broker import FEEDS
from tests.simulation.invariants import problems_of
from tests.simulation.world import MODELS, SYMBOLS, World

S, K = OrderStatus, ReportKind

INSTEAD_OF: dict[OrderStatus, dict[ReportKind, ReportKind]] = {
    S.ACCEPTED: {K.NEW: K.ACCEPTED, K.PENDING_NEW: K.ACCEPTED},
    S.PENDING_REVIEW: {K.NEW: K.PENDING_REVIEW, K.PENDING_NEW: K.PENDING_REVIEW},
    S.HELD: {K.NEW: K.HELD},
    S.STOPPED: {K.NEW: K.STOPPED},
    S.SUSPENDED: {K.NEW: K.SUSPENDED},
    S.CALCULATED: {K.NEW: K.CALCULATED},
    S.DONE_FOR_DAY: {K.NEW: K.DONE_FOR_DAY},
    S.PENDING_REPLACE: {K.NEW: K.PENDING_REPLACE},
    S.EXPIRED: {K.CANCELED: K.EXPIRED},
    S.REPLACED: {K.CANCELED: K.REPLACED},
}
"""How an order comes into a state that the venue itself does not report, or not in mid-session."""

BRIEF = (S.PENDING_NEW, S.PENDING_CANCEL)
"""States that are over after a moment, unless reports are slow."""

AT_RESTART = (
    "journal.opened",
    "session.recovered",
    "reconcile.asked",
    "reconcile.resending",
    "reconcile.done",
    "backfill.done",
    "change.taken",
)
"""Points that come after a restart only, or mean something only then: the daemon dies twice."""
AT_CLOSE = ("session.closed", "session.settled", "journal.closed")
"""Points at which an order that still works is one whose broker is away."""

NO_ORDER_YET = "no order of the session can have been decided: it is the first event, or the market has just opened"
IMPOSSIBLE: dict[tuple[str, OrderStatus], str] = {
    **{(point, status): NO_ORDER_YET for point in ("portfolio.carried", "session.opened") for status in S},
    **{(point, S.ACCEPTED_FOR_BIDDING): "no report names this state" for point in CRASH_POINTS},
}

ALL = [(point, status) for point in CRASH_POINTS for status in S]
POSSIBLE = [pair for pair in ALL if pair not in IMPOSSIBLE]
SAMPLE = 11
"""One of so many is lived through in every run; a prime number, so that each point and each state comes."""
SEEDS = 24
OUTAGE_NS = 20 * MINUTE_NS
"""How long before the close the broker may go away with an order in the wanted state."""


class Doomed(World):
    """A world whose daemon dies at `point` once an order is in `status`; before a restart's point, once more."""

    def __init__(self, seed: int, state: Path, point: str, status: OrderStatus) -> None:
        super().__init__(seed, state)
        self.point, self.status = point, status
        self.deaths = [point]
        self.in_lockstep = False
        self.flatten_ns = None
        self.symbols, self.models = SYMBOLS[:1], MODELS[: 1 + seed % 2]
        if point not in AT_CLOSE:
            self.keep_sessions(2)
        self.weather.instead_of = INSTEAD_OF.get(status, {})
        if status in BRIEF:
            self.weather.jitter_s = {Feed.DATA: 0.0, Feed.TRADES: 3.0}
        if point in AT_RESTART:
            self.deaths.insert(0, "commands.written" if point == "reconcile.resending" else "event.committed")
        self.outage_due_ns = self.sessions[0].close_ns - OUTAGE_NS
        if point in AT_CLOSE and not status.is_terminal:
            self.deaths.insert(0, "event.stepped")
        self._arm()

    def _arm(self) -> None:
        crash_points._armed = self.deaths[0] if self.deaths else None

    def services(self) -> Iterable[Service]:
        """Where a change is to be taken, who takes it."""
        settings = Settings.model_construct()
        reloader = Reloader(settings, lambda: settings, lambda _: self.daemon.plan, Notifier(""))
        return (reloader,) if self.point == "change.taken" else ()

    def limits(self) -> Limits:
        """Where a change is to be taken, one for each life."""
        limits = super().limits()
        return replace(limits, max_orders_per_minute=30 + self.lives) if self.point == "change.taken" else limits

    def pass_point(self) -> None:
        """Called in the place of a SIGKILL."""
        if self.line.dead or not self._is_time():
            return
        self.deaths.pop(0)
        self._arm()
        if self.point in AT_CLOSE and self.deaths:
            self._lose_broker()
        else:
            self.cut_off()
            self._others.add(self.loop.create_task(self._go_on()))

    def _is_time(self) -> bool:
        if self.point in AT_RESTART and len(self.deaths) == 1:
            return True  # an order was in that state when it died first
        if self.point in AT_CLOSE and len(self.deaths) == 2 and self.true_ns() < self.outage_due_ns:
            return False
        statuses = {order.status for order in self._engine().orders.values()}
        return self.status in statuses and (self.point != "reconcile.resending" or S.UNSENT in statuses)

    def _engine(self) -> Engine:
        """That of the session going on, or as its journal tells once that is closed."""
        if (trader := self.daemon.trader) is not None:
            return trader.engine
        with Journal.read(journal_path(self.journals, self.sessions[0].day)) as journal:
            return reviewed(journal)

    def _lose_broker(self) -> None:
        """Nothing more is heard of orders before the next session."""
        self.weather.away = True
        for feed in FEEDS:
            self.line.lose(feed)
        back_s = (self.sessions[1].open_ns - 30 * SECOND_NS - self.true_ns()) / SECOND_NS
        self.loop.call_later(back_s, self._regain_broker)

    def _regain_broker(self) -> None:
        self.weather.away = False
        for feed in FEEDS:
            self.line.regain(feed)

    async def _go_on(self) -> None:
        await asyncio.sleep(0)
        await self.bury()
        self.begin()


def lived(point: str, status: OrderStatus, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Doomed | None:
    """The first world in which the daemon dies there; None when there is none."""
    for seed in range(SEEDS):
        world = Doomed(seed, folder / f"{point}-{status}-{seed}", point, status)
        if point in AT_CLOSE and len(world.sessions) < 3:
            continue
        monkeypatch.setattr(crash_points, "_pass", world.pass_point)
        try:
            world.live()
        finally:
            crash_points._armed = None
        if not world.deaths and world.outcome and world.outcome.cash:  # else it died too late to live once more
            return world
    return None


def cells() -> list[tuple[str, OrderStatus]]:
    return POSSIBLE if os.environ.get("HFTD_CRASH_MATRIX") == "all" else POSSIBLE[::SAMPLE]


@pytest.mark.parametrize(("point", "status"), cells(), ids=lambda part: str(part))
def test_a_crash_at_any_point_with_an_order_in_any_state(
    point: str, status: OrderStatus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lived(point, status, tmp_path, monkeypatch)
    assert world is not None, f"{point} was never passed with an order that is {status}"
    assert not problems_of(world)


def test_every_pair_is_lived_through_or_impossible() -> None:
    assert set(POSSIBLE) | IMPOSSIBLE.keys() == {(point, status) for point in CRASH_POINTS for status in S}
    assert not set(POSSIBLE) & IMPOSSIBLE.keys()
    sampled = POSSIBLE[::SAMPLE]
    assert {point for point, _ in sampled} == {point for point, _ in POSSIBLE}
    assert {status for _, status in sampled} == {status for _, status in POSSIBLE}
