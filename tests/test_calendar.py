import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from hftd.calendar import NEW_YORK, Calendar, cache_directory
from hftd.clock import WallClock
from hftd.domain.convert import MINUTE_NS, SECOND_NS, datetime_of, ns_of
from hftd.domain.session import Session
from hftd.errors import CalendarError

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("HFTD_DATA", ROOT.parent / "shared" / "data"))
HOUR_NS = 60 * MINUTE_NS
MOMENTS_NS = st.integers(ns_of(datetime(2019, 1, 1, tzinfo=UTC)), ns_of(datetime(2027, 12, 31, tzinfo=UTC)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def nyse(cache) -> Calendar:
    return Calendar("NYSE", cache)


def new_york(*moment: int) -> int:
    """Nanoseconds of a year, month, day, hour, minute in New York."""
    return ns_of(datetime(*moment, tzinfo=NEW_YORK))


def hours(session: Session | None) -> str:
    """A session as New York sees it: '09:30-16:00'."""
    assert session is not None
    moments = (datetime_of(time_ns).astimezone(NEW_YORK) for time_ns in (session.open_ns, session.close_ns))
    return "-".join(f"{moment:%H:%M}" for moment in moments)


# Particular days -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 11, 25), "09:30-16:00"),
        (date(2026, 11, 26), None),  # Thanksgiving
        (date(2026, 11, 27), "09:30-13:00"),
        (date(2026, 11, 28), None),
        (date(2018, 12, 5), None),  # a day of mourning, announced five days before
        (date(2018, 12, 4), "09:30-16:00"),
        (date(2027, 11, 26), "09:30-13:00"),
        (date(2027, 1, 1), None),
        (date(2027, 3, 26), None),  # Good Friday
    ],
)
def test_half_days_holidays_and_unscheduled_closings(nyse, day, expected):
    session = nyse.session_on(day)
    assert (session and hours(session)) == expected
    assert session is None or session.day == day


@pytest.mark.parametrize(
    ("friday", "before_utc", "after_utc"),
    [(date(2027, 3, 12), "14:30", "13:30"), (date(2027, 11, 5), "13:30", "14:30")],
)
def test_the_open_moves_by_an_hour_over_the_weekends_of_the_clock_change(nyse, friday, before_utc, after_utc):
    before, after = nyse.session_on(friday), nyse.session_on(friday + timedelta(days=3))
    assert hours(before) == hours(after) == "09:30-16:00"
    assert [f"{datetime_of(session.open_ns):%H:%M}" for session in (before, after)] == [before_utc, after_utc]
    shift_ns = HOUR_NS if after_utc > before_utc else -HOUR_NS
    assert after.open_ns - before.open_ns == 72 * HOUR_NS + shift_ns
    assert nyse.next_session(before.close_ns) == after


def test_from_wednesday_over_thanksgiving_to_friday_by_the_machines_clock(nyse):
    friday = nyse.session_on(date(2026, 11, 27))
    clock = WallClock()
    with freeze_time("2026-11-25T20:59:59Z") as frozen:
        assert nyse.is_open(clock.now_ns())
        frozen.tick(1)
        assert not nyse.is_open(clock.now_ns())
        for moment in ("2026-11-25T21:00:00Z", "2026-11-26T15:00:00Z", "2026-11-27T14:29:59Z", "2026-11-27T14:30:00Z"):
            frozen.move_to(moment)
            assert nyse.next_session(clock.now_ns()) == friday
        assert nyse.is_open(clock.now_ns())
        frozen.move_to("2026-11-27T18:00:00Z")
        assert not nyse.is_open(clock.now_ns())
        assert nyse.next_session(clock.now_ns()).day == date(2026, 11, 30)
        assert nyse.previous_session(clock.now_ns()) == friday


def test_a_year_ends_in_the_next_one(nyse):
    last = nyse.session_on(date(2026, 12, 31))
    assert nyse.next_session(last.close_ns).day == date(2027, 1, 4)
    assert nyse.previous_session(new_york(2027, 1, 4, 9, 30)).day == last.day
    assert nyse.next_session(new_york(2026, 12, 31, 19, 30)).day == date(2027, 1, 4)  # 2027 in UTC already


def test_the_day_is_that_of_the_exchange(nyse):
    assert nyse.day_of(new_york(2026, 11, 26, 23, 59)) == date(2026, 11, 26)
    tokyo = Calendar("NYSE", zone=ZoneInfo("Asia/Tokyo"))
    assert tokyo.day_of(new_york(2026, 11, 26, 23, 59)) == date(2026, 11, 27)


# All days ------------------------------------------------------------------------------------------------------------


def test_every_session_of_28_years_against_the_recorded_calendar(nyse):
    file = DATA / "calendar" / "nyse_2000_2027.json"
    if not file.exists():
        pytest.skip(f"{file} is not here; set HFTD_DATA to the folder of recorded data")
    recorded = json.loads(file.read_text())
    first, last = date(2000, 1, 1), date(2027, 12, 31)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    holidays = {date.fromisoformat(day) for day in recorded["holidays"]}
    sessions = nyse.sessions(first, last)
    assert [session.day for session in sessions] == [day for day in days if day.weekday() < 5 and day not in holidays]
    closes = {session.day.isoformat(): hours(session)[-5:] for session in sessions}
    early = {day: closed for day, closed in closes.items() if closed != "16:00"}
    # Trading stopped four minutes early that day; the recorded file keeps only what two calendars agree on.
    assert early == {"2005-06-01": "15:56"} | dict(recorded["early_closes"])


def test_sessions_are_sorted_apart_and_begin_at_half_past_nine(nyse):
    sessions = nyse.sessions(date(2007, 1, 1), date(2030, 12, 31))
    assert all(earlier.close_ns < later.open_ns for earlier, later in pairwise(sessions))
    assert {hours(session)[:5] for session in sessions} == {"09:30"}
    assert all(session.open_ns < session.close_ns for session in sessions)
    assert all(datetime_of(session.open_ns).astimezone(NEW_YORK).date() == session.day for session in sessions)


@given(MOMENTS_NS, st.data())
def test_next_previous_and_open_agree_at_any_moment(nyse, time_ns, data):
    if data.draw(st.booleans()):  # moments that matter most
        session = nyse.next_session(time_ns)
        time_ns = data.draw(st.sampled_from([session.open_ns, session.close_ns])) + data.draw(st.integers(-1, 1))
    following, previous = nyse.next_session(time_ns), nyse.previous_session(time_ns)
    assert previous.close_ns <= time_ns < following.close_ns
    assert nyse.is_open(time_ns) == (following.open_ns <= time_ns < following.close_ns)
    assert nyse.sessions(previous.day, following.day) == [previous, following]
    assert nyse.session_on(following.day) == following
    assert nyse.next_session(previous.close_ns) == following
    assert nyse.previous_session(following.close_ns) == following


def test_a_range_without_sessions_is_empty(nyse):
    assert nyse.sessions(date(2026, 11, 28), date(2026, 11, 29)) == []
    assert nyse.sessions(date(2026, 11, 29), date(2026, 11, 28)) == []


# What cannot be answered ---------------------------------------------------------------------------------------------


def test_an_exchange_that_nobody_knows(cache):
    with pytest.raises(CalendarError, match=r"knows no exchange 'MOON'; NYSE is one it knows"):
        Calendar("MOON", cache).session_on(date(2026, 11, 27))


def test_days_out_of_range(nyse):
    with pytest.raises(CalendarError, match="1989 is outside 1990-2100"):
        nyse.session_on(date(1989, 12, 29))
    with pytest.raises(CalendarError, match="2101 is outside"):
        nyse.sessions(date(2101, 1, 1), date(2101, 1, 2))
    with pytest.raises(CalendarError, match="no session before 1990-01-01"):
        nyse.previous_session(new_york(1990, 1, 1, 12, 0))
    with pytest.raises(CalendarError, match="no session after 2100-12-31"):
        nyse.next_session(new_york(2100, 12, 31, 17, 0))


# The cache -----------------------------------------------------------------------------------------------------------

OFFLINE = """
import sys
from datetime import date
from pathlib import Path
from hftd.calendar import Calendar
session = Calendar("NYSE", Path(sys.argv[1])).session_on(date(2026, 11, 27))
assert "pandas" not in sys.modules, "the library was loaded"
print(session.open_ns, session.close_ns)
"""


def test_a_year_once_computed_is_read_back_without_the_library(nyse, cache):
    expected = nyse.session_on(date(2026, 11, 27))
    read = subprocess.run([sys.executable, "-c", OFFLINE, cache], cwd=ROOT, capture_output=True, text=True, check=True)
    assert read.stdout.split() == [str(expected.open_ns), str(expected.close_ns)]
    assert nyse.sessions(date(2026, 1, 1), date(2026, 12, 31)) == Calendar("NYSE", cache).sessions(
        date(2026, 1, 1), date(2026, 12, 31)
    )
    assert all(file.suffix == ".json" for file in cache.iterdir()), "a draft was left behind"


@pytest.mark.parametrize(
    "spoilt", [b"", b"[[", b"\xff\xfe", b"[]", b"null", b'{"a": 1}', b"[[1, 2, 3]]", b'[["2026-11-27", "x", 5]]']
)
def test_a_spoilt_cache_is_made_again(nyse, tmp_path, spoilt):
    expected = nyse.session_on(date(2026, 11, 27))
    Calendar("NYSE", tmp_path).session_on(expected.day)
    (file,) = tmp_path.iterdir()
    sound = file.read_bytes()
    file.write_bytes(spoilt)
    assert Calendar("NYSE", tmp_path).session_on(expected.day) == expected
    assert file.read_bytes() == sound


def test_a_cache_that_cannot_be_written_is_done_without(nyse, tmp_path):
    (tmp_path / "file").write_text("no folder")
    day = date(2026, 11, 27)
    assert Calendar("NYSE", tmp_path / "file").session_on(day) == nyse.session_on(day)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CACHE_DIRECTORY": "/var/cache/hftd:/other", "XDG_CACHE_HOME": "/x"}, "/var/cache/hftd"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/hftd"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/hftd"),
    ],
)
def test_where_the_cache_is(monkeypatch, environment, expected):
    for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_directory() == Path(expected)


def test_another_exchange_has_its_own_hours(cache):
    session = Calendar("LSE", cache, ZoneInfo("Europe/London")).session_on(date(2026, 11, 26))
    opened = datetime_of(session.open_ns).astimezone(ZoneInfo("Europe/London")).time()
    assert opened == time(8, 0)
    assert session.close_ns - session.open_ns == 30_600 * SECOND_NS
