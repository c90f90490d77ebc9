"""A real daemon on a manual clock, at a broker in process: days and weeks lived through without waiting."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from structlog.testing import capture_logs

from hftd.broker.base import OrdersAsked
from hftd.broker.inprocess import InProcessBroker
from hftd.calendar import NEW_YORK, Calendar
from hftd.clock import ManualClock
from hftd.domain.commands import SubmitOrder
from hftd.domain.convert import MINUTE_NS, datetime_of, ns_of
from hftd.domain.events import Event
from hftd.domain.orders import BrokerOrder
from hftd.domain.session import Session
from hftd.engine.risk import Limits
from hftd.engine.state import RunningModel
from hftd.exchange.market.course import make_course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.exchange.venue.fees import SCHEDULES, Fees
from hftd.exchange.venue.settings import VenueSettings
from hftd.journal import Journal, journal_path
from hftd.live.daemon import Daemon, Outcome, Plan
from hftd.live.recovery import Step, steps_of
from hftd.live.services import Service
from hftd.live.systemd import Notifier
from hftd.model.load import load_model
from hftd.model.parameters import build
from tests.running import PROJECT

Kind = TypeVar("Kind", bound=Event)

CASH = Decimal(10_000_000)
BUSY = {"sell_multiple": 2, "buy_multiple": 1, "quantity": 1}
"""The toy rule with an opinion on every bar."""


class Timetable(Calendar):
    """Sessions as somebody else has them: what the exchange really does, whatever the calendar says."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        super().__init__()
        self._sessions = sessions

    def session_on(self, day: date) -> Session | None:
        return next((session for session in self._sessions if session.day == day), None)

    def next_session(self, time_ns: int) -> Session:
        return next(session for session in self._sessions if session.close_ns > time_ns)


def at(text: str) -> int:
    """New York time, such as 2026-11-25 09:30, in nanoseconds UTC."""
    return ns_of(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK))


def utc(time_ns: int) -> str:
    """Such as 2026-11-25 14:30."""
    return f"{datetime_of(time_ns):%Y-%m-%d %H:%M}"


def sessions_of(*hours: str) -> list[Session]:
    """Sessions out of texts such as 2026-11-25 09:30-16:00, New York time."""
    return [_session(*text.split(" ")) for text in hours]


def _session(day: str, hours: str) -> Session:
    opened, closed = hours.split("-")
    return Session(at(f"{day} {opened}"), at(f"{day} {closed}"), date.fromisoformat(day))


def toy(parameters: dict[str, Any]) -> RunningModel:
    """The shipped model, fresh, for SPY."""
    model = build(load_model("volume_17_31", PROJECT / "models").cls, parameters)
    return RunningModel("volume_17_31", model, "fingerprint", ("SPY",), parameters)


def make_plan(state: Path, flatten_minutes: int | None, parameters: dict[str, Any]) -> Plan:
    before_ns = None if flatten_minutes is None else flatten_minutes * MINUTE_NS
    return Plan(
        state=state,
        run_id="0011223344556677",
        symbols=("SPY",),
        limits=Limits(Decimal(1_000), Decimal(1_000_000), 1_000, before_ns),
        late_after_s=10,
        make_models=lambda: [toy(parameters)],
    )


class Journals:
    """What a daemon leaves behind: the journals in its state directory, and the books of its broker."""

    broker: InProcessBroker

    def __init__(self, state: Path) -> None:
        self.state = state

    @property
    def journaled(self) -> list[str]:
        """The days that have a journal."""
        return sorted(file.stem for file in (self.state / "journal").glob("*.sqlite"))

    def steps(self, day: str) -> list[Step]:
        with Journal.read(journal_path(self.state, date.fromisoformat(day))) as journal:
            return steps_of(journal)

    def events(self, day: str, kind: type[Kind]) -> list[Kind]:
        return [event for event, _ in self.steps(day) if isinstance(event, kind)]

    def commands(self, day: str, kind: type[Any]) -> list[tuple[int, Any]]:
        """(time of the event, command)."""
        return [(event.time_ns, command) for event, out in self.steps(day) for command in out if type(command) is kind]

    def sent_ids(self) -> Iterator[str]:
        """Every order in every journal."""
        for day in self.journaled:
            yield from (command.order.client_order_id for _, command in self.commands(day, SubmitOrder))

    async def booked(self) -> list[BrokerOrder]:
        """Every order in the venue's books."""
        return await self.broker.orders(OrdersAsked.ALL)


class Walk(Journals):
    """A daemon and its broker from `start` (New York time) on. `told` is what the daemon logged.

    `really` are the hours that the exchange keeps when they differ from the calendar's.
    """

    def __init__(
        self,
        state: Path,
        start: str,
        really: Sequence[Session] | None = None,
        flatten_minutes: int | None = 5,
        parameters: dict[str, Any] | None = None,
        fees: Fees = Fees.NONE,
    ) -> None:
        super().__init__(state)
        self.calendar = Calendar()
        self.clock = ManualClock(at(start))
        exchange_calendar = self.calendar if really is None else Timetable(really)
        venue = VenueSettings(fees=SCHEDULES[fees])
        self.course = make_course(exchange_calendar, RandomMarket(("SPY",), seed=1), self.clock.now_ns(), venue)
        self.broker = InProcessBroker(self.clock, self.course, CASH)
        self.plan = make_plan(state, flatten_minutes, parameters or BUSY)
        self.services: list[Service] = []
        self.told: list[Any] = []

    async def live(self, until: str, then: Callable[[], Any] = lambda: None) -> Outcome:
        """Run a daemon until `until` and stop it there, in order. `then` is called just before."""
        daemon = self.make_daemon()
        with capture_logs() as told:
            living = asyncio.create_task(daemon.run())
            await self.broker.play_until(at(until))
            assert not living.done(), "the daemon ended by itself"
            then()
            daemon.stop()
            outcome = await living
        self.told += told
        return outcome

    def make_daemon(self) -> Daemon:
        return Daemon(
            plan=self.plan,
            broker=self.broker,
            clock=self.clock,
            calendar=self.calendar,
            notifier=Notifier(""),
            hear_clock=self.broker.connect_clock,
            done=self.broker.release,
            services=self.services,
        )

    def logged(self, event: str) -> list[Any]:
        return [line for line in self.told if line["event"] == event]


def days_of(orders: Iterable[BrokerOrder]) -> set[str]:
    """New York days on which these were submitted."""
    return {f"{datetime_of(order.submitted_at_ns).astimezone(NEW_YORK):%Y-%m-%d}" for order in orders}
