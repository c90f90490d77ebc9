"""Exchange time and its turning points, without an exchange."""

from datetime import date
from math import inf

import pytest
from exchange_kit import CLOSE_NS, OPEN_NS
from hypothesis import given
from hypothesis import strategies as st

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, SECOND_NS, ns_of_rfc3339
from hftd.exchange.market.agenda import MARGIN_NS, Agenda, Turn
from hftd.exchange.server.timeline import NOT_YET, Timeline

FRIDAY_CLOSE_NS = ns_of_rfc3339("2026-11-27T18:00:00Z")
MONDAY_OPEN_NS = ns_of_rfc3339("2026-11-30T14:30:00Z")


class Wall:
    """A machine whose clocks are moved by hand."""

    def __init__(self) -> None:
        self.now_ns = OPEN_NS
        self.now_s = 0.0

    def timeline(self, speed: float, *, keeps_wall_time: bool = False) -> Timeline:
        timeline = Timeline(
            OPEN_NS,
            speed,
            keeps_wall_time=keeps_wall_time,
            wall=lambda: self.now_ns,
            monotonic=lambda: self.now_s,
        )
        timeline.go(NOT_YET)
        return timeline


def test_runs_at_its_speed() -> None:
    wall = Wall()
    timeline = wall.timeline(60)
    wall.now_s = 1.5
    assert timeline.now_ns() == OPEN_NS + 90 * SECOND_NS
    assert timeline.wall_s_until(OPEN_NS + 150 * SECOND_NS) == pytest.approx(1.0)
    assert timeline.wall_s_until(OPEN_NS) == 0


def test_does_not_pass_what_is_due() -> None:
    wall = Wall()
    timeline = wall.timeline(60)
    timeline.limit_ns = OPEN_NS + 5
    wall.now_s = 1.0
    assert timeline.now_ns() == OPEN_NS + 5
    timeline.reach(OPEN_NS + 5)
    timeline.limit_ns = OPEN_NS + MINUTE_NS * 3
    assert timeline.now_ns() == OPEN_NS + MINUTE_NS


def test_stands_until_every_reason_has_gone() -> None:
    wall = Wall()
    timeline = wall.timeline(60)
    for reason in ("one", "two", "one"):
        timeline.stop(reason)
    wall.now_s = 5.0
    timeline.go("one")
    assert (timeline.now_ns(), timeline.stands, timeline.wall_s_until(OPEN_NS + 1)) == (OPEN_NS, True, inf)
    timeline.go("two")
    timeline.go("never")
    wall.now_s = 6.0
    assert timeline.now_ns() == OPEN_NS + MINUTE_NS


def test_leaps() -> None:
    wall = Wall()
    timeline = wall.timeline(60)
    wall.now_s = 1.0
    timeline.leap(OPEN_NS + 60 * MINUTE_NS)
    wall.now_s = 2.0
    assert timeline.now_ns() == OPEN_NS + 61 * MINUTE_NS


def test_wall_time_set_back_makes_it_stand() -> None:
    wall = Wall()
    timeline = wall.timeline(1, keeps_wall_time=True)
    wall.now_ns += 5
    assert timeline.now_ns() == OPEN_NS + 5
    wall.now_ns -= 3
    assert timeline.now_ns() == OPEN_NS + 5


@given(st.lists(st.tuples(st.sampled_from(["wait", "stop", "go", "reach", "leap", "limit"]), st.integers(0, 10**12))))
def test_never_goes_back(steps: list[tuple[str, int]]) -> None:
    wall = Wall()
    timeline = wall.timeline(60)
    latest_ns = timeline.now_ns()
    for step, amount in steps:
        if step == "wait":
            wall.now_s += amount / 1e11
        elif step in ("stop", "go"):
            getattr(timeline, step)("test")
        elif step == "limit":
            timeline.limit_ns = latest_ns + amount
        else:
            getattr(timeline, step)(OPEN_NS + amount)
        assert timeline.now_ns() >= latest_ns
        latest_ns = timeline.now_ns()


def turns(agenda: Agenda, time_ns: int, count: int) -> list[tuple[int, Turn, int]]:
    found = []
    point = agenda.after(None, time_ns)
    while point is not None and len(found) < count:
        found.append((point.time_ns, point.turn, point.target_ns))
        point = agenda.after(point, point.time_ns)
    return found


def test_leaps_over_nights_and_week_ends(calendar: Calendar) -> None:
    thursday = ns_of_rfc3339("2026-11-26T12:00:00Z")
    friday_open_ns = ns_of_rfc3339("2026-11-27T14:30:00Z")
    assert turns(Agenda(calendar, None, leaps=True), thursday, 4) == [
        (friday_open_ns, Turn.OPEN, 0),
        (FRIDAY_CLOSE_NS, Turn.CLOSE, 0),
        (FRIDAY_CLOSE_NS + MARGIN_NS, Turn.LEAP, MONDAY_OPEN_NS - MARGIN_NS),
        (MONDAY_OPEN_NS, Turn.OPEN, 0),
    ]


def test_wall_time_leaps_over_nothing(calendar: Calendar) -> None:
    assert turns(Agenda(calendar, None, leaps=False), CLOSE_NS - 1, 2) == [
        (CLOSE_NS, Turn.CLOSE, 0),
        (OPEN_NS + 86_400 * SECOND_NS, Turn.OPEN, 0),
    ]


@pytest.mark.parametrize("offset_ns", [0, 1, MARGIN_NS - 1])
def test_a_leap_is_still_ahead_after_the_close(calendar: Calendar, offset_ns: int) -> None:
    ((time_ns, turn, _),) = turns(Agenda(calendar, None, leaps=True), FRIDAY_CLOSE_NS + offset_ns, 1)
    assert (time_ns, turn) == (FRIDAY_CLOSE_NS + MARGIN_NS, Turn.LEAP)


@pytest.mark.parametrize("after_close_ns", [-1, 0, MARGIN_NS - 1, MARGIN_NS, 24 * 60 * MINUTE_NS])
def test_time_goes_on_where_it_was_or_after_the_closed_hours(calendar: Calendar, after_close_ns: int) -> None:
    """Up to the margin after a close a leap is still ahead; later there is none, and time must not run through."""
    last_ns = FRIDAY_CLOSE_NS + after_close_ns
    agenda = Agenda(calendar, None, leaps=True)
    resumed_ns = agenda.resumed_ns(last_ns)
    assert resumed_ns == (last_ns if after_close_ns < MARGIN_NS else MONDAY_OPEN_NS - MARGIN_NS)
    assert agenda.resumed_ns(resumed_ns) == resumed_ns
    assert Agenda(calendar, None, leaps=False).resumed_ns(last_ns) == last_ns


def test_a_tape_ends(calendar: Calendar) -> None:
    """Days without data are left out; after the last there is nothing."""
    agenda = Agenda(calendar, (date(2026, 11, 23), date(2026, 11, 27)), leaps=True)
    found = turns(agenda, agenda.first_ns(0), 10)
    assert [turn for _, turn, _ in found] == [Turn.OPEN, Turn.CLOSE, Turn.LEAP] * 2
    assert found[2][2] == found[3][0] - MARGIN_NS
    assert found[-1][2] == 0
    assert agenda.after(None, found[-1][0]) is None
