"""When silence is suspicious: by what the symbols usually say, by the session, and by what a probe has shown."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.session import Session
from hftd.engine.feed_watch import ALLOWANCE_NS, BACKOFF_MAX, GAPS, FeedWatch

OPEN_NS = 1_000_000 * MINUTE_NS
SESSION = Session(OPEN_NS, OPEN_NS + 390 * MINUTE_NS, date(2019, 2, 11))
USUAL_NS = GAPS * MINUTE_NS + ALLOWANCE_NS


def at(minute: float) -> int:
    return OPEN_NS + int(minute * MINUTE_NS)


def hear(watch: FeedWatch, symbol: str, *starts: int) -> None:
    """Bars of `symbol` that start in these minutes, each heard when it is complete."""
    for minute in starts:
        watch.heard(symbol, at(minute), at(minute + 1))


def patience_ns(watch: FeedWatch, since: float) -> int:
    """How much silence after minute `since` is tolerated."""
    suspicious_ns = watch.suspicious_at_ns
    assert suspicious_ns is not None
    return suspicious_ns - at(since)


def test_a_feed_that_never_spoke_is_suspicious_after_the_open() -> None:
    watch = FeedWatch(SESSION, ["SPY"])
    assert watch.suspicious_at_ns == OPEN_NS + USUAL_NS
    assert not watch.is_suspicious(OPEN_NS + USUAL_NS - 1)
    assert watch.is_suspicious(OPEN_NS + USUAL_NS)


def test_each_bar_begins_the_wait_anew() -> None:
    watch = FeedWatch(SESSION, ["SPY"])
    hear(watch, "SPY", *range(10))
    assert patience_ns(watch, 10) == USUAL_NS


def test_the_cadence_is_learnt() -> None:
    watch = FeedWatch(SESSION, ["THIN"])
    tolerated = []
    for minute in range(0, 200, 10):
        hear(watch, "THIN", minute)
        tolerated.append(patience_ns(watch, minute + 1))
    assert tolerated == sorted(tolerated)
    ten_minutes_ns = 10 * GAPS * MINUTE_NS + ALLOWANCE_NS
    assert 0.9 * ten_minutes_ns < tolerated[-1] < ten_minutes_ns
    hear(watch, "THIN", *range(200, 240))  # it has become busy
    assert patience_ns(watch, 240) < 1.05 * USUAL_NS


def test_a_thin_symbol_is_not_mute_while_others_flow() -> None:
    watch = FeedWatch(SESSION, ["SPY", "THIN"])
    for minute in range(120):
        assert not watch.is_suspicious(at(minute + 1))
        hear(watch, "SPY", minute)
    assert patience_ns(watch, 120) == USUAL_NS


def test_the_symbol_that_speaks_most_often_is_the_measure() -> None:
    watch = FeedWatch(SESSION, ["SPY", "THIN"])
    for minute in range(0, 120):
        hear(watch, "SPY", minute)
        if minute % 15 == 0:
            hear(watch, "THIN", minute)
    assert watch.is_suspicious(at(120) + USUAL_NS)


@pytest.mark.parametrize("day", [date(2018, 12, 24), date(2019, 7, 3), date(2019, 11, 29)])
def test_nothing_is_expected_after_the_close_of_a_half_day(day: date) -> None:
    session = Calendar("NYSE").session_on(day)
    assert session is not None
    minutes = (session.close_ns - session.open_ns) // MINUTE_NS
    assert minutes == 210
    watch = FeedWatch(session, ["SPY"])
    for minute in range(minutes):
        start_ns = session.open_ns + minute * MINUTE_NS
        assert not watch.is_suspicious(start_ns + MINUTE_NS)
        watch.heard("SPY", start_ns, start_ns + MINUTE_NS)
    assert watch.suspicious_at_ns is None
    assert not watch.is_suspicious(session.close_ns + 24 * 60 * MINUTE_NS)


def test_a_quiet_feed_is_left_alone_longer_and_longer_up_to_a_limit() -> None:
    watch = FeedWatch(SESSION, ["SPY"])
    waits = []
    now_ns = OPEN_NS
    while (due_ns := watch.suspicious_at_ns) is not None:
        waits.append((due_ns - now_ns) / USUAL_NS)
        now_ns = due_ns
        watch.was_quiet(now_ns)
    assert waits[:6] == [1, 2, 4, 8, 16, 16]
    assert max(waits) == BACKOFF_MAX


def test_a_bar_ends_the_longer_patience() -> None:
    watch = FeedWatch(SESSION, ["SPY"])
    hear(watch, "SPY", 0)
    watch.was_quiet(at(4))
    watch.was_quiet(at(9))
    hear(watch, "SPY", 1)
    watch.heard("SPY", at(2), at(20))
    assert patience_ns(watch, 20) == USUAL_NS


def test_a_feed_that_was_connected_again_gets_the_usual_time() -> None:
    watch = FeedWatch(SESSION, ["SPY"])
    hear(watch, "SPY", 0)
    watch.restart(at(5))
    assert patience_ns(watch, 5) == USUAL_NS


def test_a_repetition_or_an_old_bar_teaches_no_cadence() -> None:
    watch = FeedWatch(SESSION, ["SPY"])
    hear(watch, "SPY", 0, 1, 2, 2, 1, 0)
    watch.heard("SPY", at(0), at(3) + 10 * SECOND_NS)
    assert patience_ns(watch, 3) == USUAL_NS + 10 * SECOND_NS


def test_a_feed_without_symbols_is_judged_as_one_that_speaks_every_minute() -> None:
    assert FeedWatch(SESSION, []).suspicious_at_ns == OPEN_NS + USUAL_NS


@given(st.lists(st.integers(0, 389), max_size=60), st.integers(0, 2_000))
def test_it_is_never_suspicious_before_two_and_a_half_minutes_nor_past_the_close(starts: list[int], later: int) -> None:
    watch = FeedWatch(SESSION, ["SPY"])
    last_ns = OPEN_NS
    for start in starts:
        hear(watch, "SPY", start)
        last_ns = max(last_ns, at(start + 1))
    now_ns = last_ns + later * SECOND_NS
    if watch.is_suspicious(now_ns):
        assert now_ns - last_ns >= USUAL_NS
    assert watch.suspicious_at_ns is None or watch.suspicious_at_ns < SESSION.close_ns
