"""The live cycle lived through by a manual clock, over the days on which calendars go wrong."""

from pathlib import Path
from typing import NamedTuple

import pytest
from freezegun import freeze_time

from hftd.calendar import Calendar
from hftd.clock import WallClock
from hftd.domain.commands import SignalDropped, SubmitOrder
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    BarReceived,
    SessionClosed,
    SessionOpened,
    TimerFired,
    TradingHalted,
    TradingResumed,
)
from hftd.domain.orders import OrderStatus
from hftd.live.recovery import Step
from hftd.live.run import summary_of, summary_text
from tests.live.walking import Walk, at, days_of, sessions_of, utc


class Stretch(NamedTuple):
    """Some days in New York, and the sessions they have by everybody's knowledge: UTC opens and closes, in minutes."""

    start: str
    until: str
    sessions: list[tuple[str, str, int]]


THANKSGIVING = Stretch(
    "2026-11-24 20:00",
    "2026-11-28 12:00",
    [("2026-11-25 14:30", "2026-11-25 21:00", 390), ("2026-11-27 14:30", "2026-11-27 18:00", 210)],
)
SPRING_FORWARD = Stretch(
    "2027-03-12 06:00",
    "2027-03-15 20:00",
    [("2027-03-12 14:30", "2027-03-12 21:00", 390), ("2027-03-15 13:30", "2027-03-15 20:00", 390)],
)
FALL_BACK = Stretch(
    "2027-11-05 06:00",
    "2027-11-08 20:00",
    [("2027-11-05 13:30", "2027-11-05 20:00", 390), ("2027-11-08 14:30", "2027-11-08 21:00", 390)],
)
DAY_OF_MOURNING = Stretch(
    "2018-12-04 06:00",
    "2018-12-06 20:00",
    [("2018-12-04 14:30", "2018-12-04 21:00", 390), ("2018-12-06 14:30", "2018-12-06 21:00", 390)],
)
HALF_DAY_2027 = Stretch("2027-11-25 12:00", "2027-11-27 12:00", [("2027-11-26 14:30", "2027-11-26 18:00", 210)])

STRETCHES = {
    "Thanksgiving 2026": THANKSGIVING,
    "spring forward 2027": SPRING_FORWARD,
    "fall back 2027": FALL_BACK,
    "2018-12-05, a day of mourning": DAY_OF_MOURNING,
    "the half day of 2027": HALF_DAY_2027,
}


@pytest.mark.parametrize("stretch", STRETCHES.values(), ids=STRETCHES)
async def test_the_cycle(tmp_path: Path, stretch: Stretch):
    walk = Walk(tmp_path, stretch.start)
    outcome = await walk.live(until=stretch.until)
    days = [opened[:10] for opened, _, _ in stretch.sessions]

    assert walk.journaled == days
    assert [line["day"].isoformat() for line in walk.logged("session.opened")] == days
    for day, (opened, closed, minutes) in zip(days, stretch.sessions, strict=True):
        connected = walk.steps(day)[0][0]
        assert utc(connected.time_ns + MINUTE_NS) == opened
        assert [utc(event.time_ns) for event in walk.events(day, SessionOpened)] == [opened]
        assert [utc(event.time_ns) for event in walk.events(day, SessionClosed)] == [closed]
        assert len(walk.events(day, BarReceived)) == minutes
        assert not any(event.late for event in walk.events(day, BarReceived))
        assert_the_last_decision_stayed_at_home(walk, day, closed)
        assert_flattened_five_minutes_before(walk, day, closed)
    await assert_the_books_agree(walk, stretch)
    assert outcome.tally.sessions == len(days)
    assert outcome.tally.bars == sum(minutes for _, _, minutes in stretch.sessions)
    assert outcome.positions == {}
    assert len(walk.logged("account.agrees")) == len(days)
    assert walk.logged("session.disagreement") == walk.logged("account.differs") == []


def assert_the_last_decision_stayed_at_home(walk: Walk, day: str, closed: str) -> None:
    """The bar of the last minute is known at the close, and what the model wants then is not sent."""
    dropped = walk.commands(day, SignalDropped)
    assert [(utc(time_ns), command.cause) for time_ns, command in dropped] == [(closed, "after_close")]


def assert_flattened_five_minutes_before(walk: Walk, day: str, closed: str) -> None:
    (timer,) = walk.events(day, TimerFired)
    (session,) = walk.events(day, SessionClosed)
    assert timer.time_ns == session.time_ns - 5 * MINUTE_NS
    assert utc(session.time_ns) == closed
    *earlier, (last_ns, last) = walk.commands(day, SubmitOrder)
    assert (last_ns, last.reason) == (timer.time_ns, "flatten before the close")
    assert all(time_ns <= timer.time_ns and command.reason != last.reason for time_ns, command in earlier)


async def assert_the_books_agree(walk: Walk, stretch: Stretch) -> None:
    """The venue knows the orders of the journals and no others, each once, sent in open hours, all filled."""
    booked = await walk.booked()
    assert sorted(order.client_order_id for order in booked) == sorted(walk.sent_ids())
    assert len({order.client_order_id for order in booked}) == len(booked)
    assert days_of(booked) == set(walk.journaled)
    for order in booked:
        assert any(opened <= utc(order.submitted_at_ns) < closed for opened, closed, _ in stretch.sessions)
        assert order.status is OrderStatus.FILLED
    assert await walk.broker.positions() == []


async def test_what_is_kept_overnight_is_carried_over_a_holiday(tmp_path: Path):
    walk = Walk(tmp_path, "2026-11-25 06:00", flatten_minutes=None)
    outcome = await walk.live(until="2026-11-27 20:00")
    first, second = (walk.steps(day)[0][0] for day in walk.journaled)
    assert first.positions == ()
    (carried,) = second.positions
    theirs = {position.symbol: position.quantity for position in await walk.broker.positions()}
    assert outcome.positions == theirs
    assert carried.quantity and carried.symbol == "SPY"
    assert second.cash != first.cash
    assert len(walk.logged("account.agrees")) == 2


async def test_stopped_before_a_session_it_says_what_it_holds_and_claims_no_money(tmp_path: Path):
    walk = Walk(tmp_path, "2026-11-25 06:00", flatten_minutes=None)
    first = await walk.live(until="2026-11-25 20:00")
    again = await walk.live(until="2026-11-26 20:00")
    assert first.cash is not None and first.positions
    assert (again.positions, again.cash, again.equity) == (first.positions, None, None)
    assert "cash       not asked for" in summary_text(again) and "position   SPY " in summary_text(again)
    assert summary_of(again)["cash"] is None


async def test_a_restart_in_mid_session_and_in_the_night_doubles_nothing(tmp_path: Path):
    walk = Walk(tmp_path, "2026-11-25 06:00")
    await walk.live(until="2026-11-25 11:00")
    await walk.broker.play_until(at("2026-11-25 11:10"))
    await walk.live(until="2026-11-26 03:00")
    await walk.live(until="2026-11-27 20:00")
    assert walk.journaled == ["2026-11-25", "2026-11-27"]
    bars = [event for event in walk.events("2026-11-25", BarReceived)]
    assert len({event.bar.time_ns for event in bars}) == len(bars) == 390
    assert sum(event.late for event in bars) == 10
    booked = await walk.booked()
    assert sorted(order.client_order_id for order in booked) == sorted(walk.sent_ids())
    quiet = (at("2026-11-25 11:00"), at("2026-11-25 11:11"))
    assert not any(quiet[0] < order.submitted_at_ns < quiet[1] for order in booked)
    assert walk.logged("account.differs") == []


async def test_the_same_walk_twice_writes_the_same_journals(tmp_path: Path):
    async def walked(state: Path) -> list[Step]:
        walk = Walk(state, HALF_DAY_2027.start)
        await walk.live(until=HALF_DAY_2027.until)
        return walk.steps("2027-11-26")

    assert await walked(tmp_path / "once") == await walked(tmp_path / "again")


# The calendar says one thing, the broker another ---------------------------------------------------------------------

AFTER = ("2026-11-27 09:30-13:00", "2026-11-30 09:30-16:00")


def disagreements(walk: Walk) -> list[tuple[str, str]]:
    return [(line["calendar"], line["broker"]) for line in walk.logged("session.disagreement")]


async def test_a_closing_that_the_calendar_does_not_know(tmp_path: Path):
    """Nothing is sent all day, one warning names both, and the next session is traded."""
    walk = Walk(tmp_path, "2026-11-25 09:00", really=sessions_of(*AFTER))
    await walk.live(until="2026-11-27 20:00")
    assert ("NYSE says open", "says closed") in disagreements(walk)
    assert walk.events("2026-11-25", SessionOpened) == walk.events("2026-11-25", BarReceived) == []
    assert days_of(await walk.booked()) == {"2026-11-27"}
    assert len(walk.events("2026-11-27", BarReceived)) == 210
    assert [line["day"].isoformat() for line in walk.logged("session.opened")] == ["2026-11-27"]


async def test_a_session_that_the_calendar_does_not_know(tmp_path: Path):
    """The daemon sleeps through it, but says so, already when it goes to sleep."""
    really = sessions_of("2026-11-25 09:30-16:00", "2026-11-26 09:30-16:00", *AFTER)
    walk = Walk(tmp_path, "2026-11-25 06:00", really=really)
    await walk.live(until="2026-11-26 11:00")
    assert disagreements(walk) == [
        ("NYSE says next open Fri 2026-11-27 09:30 New York", "says next open Thu 2026-11-26 09:30 New York")
    ]
    await walk.live(until="2026-11-27 20:00")
    assert disagreements(walk)[1:] == [("NYSE says closed", "says open")]
    assert walk.journaled == ["2026-11-25", "2026-11-27"]
    assert days_of(await walk.booked()) == {"2026-11-25", "2026-11-27"}


async def test_a_late_open(tmp_path: Path):
    walk = Walk(tmp_path, "2026-11-25 09:00", really=sessions_of("2026-11-25 10:30-16:00", *AFTER))
    await walk.live(until="2026-11-25 20:00")
    assert ("NYSE says open", "says closed") in disagreements(walk)
    (opened,) = walk.events("2026-11-25", SessionOpened)
    assert opened.time_ns == at("2026-11-25 10:30")
    booked = await walk.booked()
    assert booked and all(order.submitted_at_ns > opened.time_ns for order in booked)
    assert len(walk.events("2026-11-25", BarReceived)) == 330
    assert len(walk.logged("account.agrees")) == 1


async def test_a_closing_in_mid_session_halts_and_the_reopening_resumes(tmp_path: Path):
    hours = sessions_of("2026-11-25 09:30-11:02", "2026-11-25 12:00-16:00", *AFTER)
    walk = Walk(tmp_path, "2026-11-25 09:00", really=hours)
    await walk.live(until="2026-11-25 20:00")
    (halted,) = walk.events("2026-11-25", TradingHalted)
    (resumed,) = walk.events("2026-11-25", TradingResumed)
    assert (utc(halted.time_ns), halted.rule) == ("2026-11-25 16:05", "broker_closed")
    assert utc(resumed.time_ns) == "2026-11-25 17:00"
    assert disagreements(walk) == [("NYSE says open", "says closed")]
    booked = await walk.booked()
    closed, opened = at("2026-11-25 11:02"), at("2026-11-25 12:00")
    assert not any(closed < order.submitted_at_ns <= opened for order in booked)
    assert any(order.submitted_at_ns > opened for order in booked)
    assert len(walk.logged("account.agrees")) == 1


async def test_a_closing_in_mid_session_for_good(tmp_path: Path):
    """Not even what closes a position is sent to a closed market."""
    walk = Walk(tmp_path, "2026-11-25 09:00", really=sessions_of("2026-11-25 09:30-11:02", *AFTER))
    await walk.live(until="2026-11-25 20:00")
    (halted,) = walk.events("2026-11-25", TradingHalted)
    assert halted.rule == "broker_closed"
    assert not any(order.submitted_at_ns > at("2026-11-25 11:02") for order in await walk.booked())


async def test_what_could_not_be_closed_while_the_broker_was_closed_is_closed_once_it_reopens(tmp_path: Path):
    hours = sessions_of("2026-11-25 09:30-15:02", "2026-11-25 15:40-16:00", *AFTER)
    walk = Walk(tmp_path, "2026-11-25 09:00", really=hours, flatten_minutes=30)
    outcome = await walk.live(until="2026-11-25 20:00")
    (timer,) = walk.events("2026-11-25", TimerFired)
    (resumed,) = walk.events("2026-11-25", TradingResumed)
    assert timer.time_ns == at("2026-11-25 15:30")
    flattening = [order for order in await walk.booked() if order.submitted_at_ns > at("2026-11-25 15:02")]
    assert [order.submitted_at_ns for order in flattening] == [resumed.time_ns]
    assert outcome.positions == {}
    assert len(walk.logged("account.agrees")) == 1


# Wall time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stretch", STRETCHES.values(), ids=STRETCHES)
def test_wall_time_against_the_calendar(stretch: Stretch):
    calendar, clock = Calendar(), WallClock()
    for opened, closed, _ in stretch.sessions:
        with freeze_time(f"{opened}:00") as frozen:
            assert calendar.is_open(clock.now_ns())
            frozen.tick(-0.001)
            assert not calendar.is_open(clock.now_ns())
            assert utc(calendar.next_session(clock.now_ns()).open_ns) == opened
            frozen.move_to(f"{closed}:00")
            assert not calendar.is_open(clock.now_ns())
            frozen.tick(-0.001)
            assert calendar.is_open(clock.now_ns())
