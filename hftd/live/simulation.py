"""A week lived through in seconds: the daemon with its settings and models, at an exchange in process, by a clock moved
by hand. Nothing of it leaves the process or stays on the disk.
"""

import asyncio
import tempfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from hftd import logs
from hftd.broker.inprocess import InProcessBroker
from hftd.calendar import NEW_YORK, Calendar
from hftd.clock import ManualClock
from hftd.domain.convert import cents, datetime_of, ns_of
from hftd.domain.session import Session
from hftd.engine.tally import Tally
from hftd.exchange.market.course import make_course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.exchange.venue.fees import SCHEDULES, Fees
from hftd.exchange.venue.settings import VenueSettings
from hftd.journal import Journal, journal_path
from hftd.live.daemon import Daemon
from hftd.live.recovery import reviewed, steps_of
from hftd.live.run import make_plan
from hftd.live.systemd import Notifier
from hftd.model.verify import verified
from hftd.settings import Settings

WORKDAYS = 5
WHOLE_SESSION = timedelta(hours=6, minutes=30)
WEEKS_AHEAD = 60


class Day(Struct, frozen=True):
    """One working day. `opened` and `closed` are New York times such as 09:30, "" on a day without a session;
    `position` is signed shares by symbol at the close, `pnl` the session's profit in dollars."""

    day: date
    opened: str = ""
    closed: str = ""
    bars: int = 0
    decisions: int = 0
    orders: int = 0
    fills: int = 0
    position: dict[str, Decimal] = {}
    pnl: Decimal = Decimal(0)
    remarks: tuple[str, ...] = ()


def eventful_week(calendar: Calendar, today: date) -> date:
    """The Monday of the next week, this one included, in which a session is missing, short, or moved in UTC."""
    monday = _monday_of(today)
    weeks = (monday + timedelta(weeks=week) for week in range(WEEKS_AHEAD))
    return next(week for week in weeks if any(_remarks(calendar, day) for day in _days_of(week)))


def simulate_week(settings: Settings, day: date) -> list[Day]:
    """Live through the week of `day`. Raises ModelError for a model that cannot be trusted, CalendarError."""
    calendar, days = Calendar(), _days_of(_monday_of(day))
    clock = ManualClock(_midnight_ns(days[0]))
    logs.configure(settings.log.format, "error", clock.now_ns)
    with tempfile.TemporaryDirectory(prefix="hftd-week-") as folder:
        asyncio.run(_live(settings, calendar, clock, Path(folder), _midnight_ns(days[-1] + timedelta(days=1))))
        return [_lived(calendar, Path(folder), day) for day in days]


async def _live(settings: Settings, calendar: Calendar, clock: ManualClock, state: Path, end_ns: int) -> None:
    models = [verified(chosen, settings.models_folder) for chosen in settings.chosen_models]
    plan = make_plan(settings, state, models)
    market = RandomMarket(plan.symbols, settings.exchange.seed)
    venue = VenueSettings(fees=SCHEDULES[Fees(settings.exchange.fees)])
    broker = InProcessBroker(clock, make_course(calendar, market, clock.now_ns(), venue), settings.exchange.cash)
    daemon = Daemon(plan, broker, clock, calendar, Notifier(""), broker.connect_clock, broker.release)
    living = asyncio.create_task(daemon.run())
    await broker.play_until(end_ns)
    daemon.stop()
    await living


def _lived(calendar: Calendar, state: Path, day: date) -> Day:
    session, remarks = calendar.session_on(day), tuple(_remarks(calendar, day))
    if session is None:
        return Day(day, remarks=remarks)
    hours = _hour_of(session.open_ns), _hour_of(session.close_ns)
    path = journal_path(state, day)
    if not path.exists():
        return Day(day, *hours, remarks=(*remarks, "not traded"))
    with Journal.read(path) as journal:
        tally, engine = Tally(), reviewed(journal)
        for event, commands in steps_of(journal):
            tally.add(event, commands)
    refused = (f"{tally.refused} refused by risk",) if tally.refused else ()
    rejected = (f"{tally.rejected} rejected",) if tally.rejected else ()
    halted = (f"halted: {engine.halted}",) if engine.halted else ()
    return Day(
        day,
        *hours,
        bars=tally.bars,
        decisions=sum(tally.signals.values()),
        orders=tally.orders,
        fills=tally.fills,
        position=engine.positions,
        pnl=cents(engine.profit),
        remarks=(*remarks, *refused, *rejected, *halted),
    )


def _remarks(calendar: Calendar, day: date) -> list[str]:
    """What is unusual about the hours of a working day."""
    session = calendar.session_on(day)
    if session is None:
        return ["closed all day"]
    remarks = []
    if timedelta(microseconds=(session.close_ns - session.open_ns) // 1_000) < WHOLE_SESSION:
        remarks.append(f"short: closes at {_hour_of(session.close_ns)}")
    if (before := _before(calendar, session)) is not None and _utc_offset(before) != _utc_offset(session):
        remarks.append(f"clocks were changed: opens at {datetime_of(session.open_ns):%H:%M} UTC")
    return remarks


def _before(calendar: Calendar, session: Session) -> Session | None:
    """The session before, if it is of the same year: clocks are never changed at the turn of the year."""
    earlier = calendar.sessions(date(session.day.year, 1, 1), session.day)
    return earlier[-2] if len(earlier) > 1 else None


def _utc_offset(session: Session) -> timedelta | None:
    return datetime_of(session.open_ns).astimezone(NEW_YORK).utcoffset()


def _hour_of(time_ns: int) -> str:
    return f"{datetime_of(time_ns).astimezone(NEW_YORK):%H:%M}"


def _monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _days_of(monday: date) -> list[date]:
    return [monday + timedelta(days=index) for index in range(WORKDAYS)]


def _midnight_ns(day: date) -> int:
    """When `day` begins in New York."""
    return ns_of(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK))
