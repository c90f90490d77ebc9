"""The moments of an exchange: what is due together, in which order, and where they go on after a stop."""

from datetime import date
from decimal import Decimal
from itertools import count

import pytest

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from hftd.exchange.market.agenda import Agenda, Turn
from hftd.exchange.market.course import Course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.exchange.venue.assets import listed
from hftd.exchange.venue.happenings import OrderChanged
from hftd.exchange.venue.orders import NewOrder
from hftd.exchange.venue.settings import VenueSettings
from hftd.exchange.venue.venue import Venue

CALENDAR = Calendar()
HALF_DAY = CALENDAR.session_on(date(2026, 11, 27))
MONDAY = CALENDAR.session_on(date(2026, 11, 30))
OPEN_NS, CLOSE_NS = HALF_DAY.open_ns, HALF_DAY.close_ns


def make_venue(market: RandomMarket) -> Venue:
    ids = count(1)
    return Venue(VenueSettings(), market.liquidity, {"SPY": listed("SPY")}, lambda: str(next(ids)))


def course_from(time_ns: int, *, leaps: bool = False, days: tuple[date, ...] | None = None, venue=None) -> Course:
    market = RandomMarket(("SPY",), seed=1)
    return Course(venue or make_venue(market), market, Agenda(CALENDAR, days, leaps=leaps), time_ns)


def play(course: Course, until_ns: int):
    """All moments up to `until_ns`."""
    moments = []
    while course.next_ns is not None and course.next_ns <= until_ns:
        moments.append(course.advance_to(course.next_ns))
    return moments


def test_a_session_from_open_to_close():
    course = course_from(OPEN_NS - MINUTE_NS)
    moments = play(course, CLOSE_NS)
    times = [moment.time_ns for moment in moments]
    assert (times[0], times[-1]) == (OPEN_NS, CLOSE_NS)
    assert times == sorted(set(times))
    turned = [(moment.time_ns, point.turn, point.session) for moment in moments for point in moment.turned]
    assert turned == [(OPEN_NS, Turn.OPEN, HALF_DAY), (CLOSE_NS, Turn.CLOSE, HALF_DAY)]
    bars = [item for moment in moments for item in moment.data if isinstance(item, Bar)]
    assert [bar.time_ns for bar in bars] == list(range(OPEN_NS, CLOSE_NS, MINUTE_NS))
    for moment in moments:
        assert all((i.known_at_ns if isinstance(i, Bar) else i.time_ns) == moment.time_ns for i in moment.data)
    assert course.next_ns == MONDAY.open_ns


def test_the_open_comes_before_the_first_quote_and_the_close_after_the_last_bar():
    course = course_from(OPEN_NS - MINUTE_NS)
    account = course.venue.open_account("a", Decimal(100_000), OPEN_NS - MINUTE_NS)
    order = course.venue.submit(account.id, NewOrder("SPY", Side.BUY, Decimal(1)), OPEN_NS - MINUTE_NS)
    assert order.status is OrderStatus.ACCEPTED
    course.venue.drain()
    opening = course.advance_to(OPEN_NS)
    assert [type(item) for item in opening.data] == [Quote]
    changes = [change.kind.value for change in opening.happenings if isinstance(change, OrderChanged)]
    assert changes == ["new", "fill"]
    *_, closing = play(course, CLOSE_NS)
    assert [type(item) for item in closing.data] == [Bar]
    assert not course.venue.standing.is_open


def test_the_venue_hears_of_prints_and_quotes():
    course = course_from(OPEN_NS)
    *_, last = play(course, OPEN_NS + SECOND_NS)
    trade, quote = last.data
    assert (type(trade), type(quote)) == (Trade, Quote)
    assert course.venue.standing.last_prices == {"SPY": trade.price}
    assert course.market.liquidity.quote("SPY") == quote


def test_what_was_played_is_not_played_again_after_a_stop_in_mid_session():
    whole = play(course_from(OPEN_NS - MINUTE_NS), CLOSE_NS)
    stopped_ns = OPEN_NS + 30 * MINUTE_NS
    course = course_from(OPEN_NS - MINUTE_NS)
    play(course, stopped_ns)
    state, quote = course.venue.snapshot(), course.market.liquidity.quote("SPY")
    market = RandomMarket(("SPY",), seed=1)
    venue = make_venue(market)
    venue.restore(state)
    resumed = Course(venue, market, Agenda(CALENDAR, None, leaps=False), stopped_ns)
    assert market.liquidity.quote("SPY") == quote
    rest = play(resumed, CLOSE_NS)
    assert [m.data for m in rest] == [m.data for m in whole if m.time_ns > stopped_ns]
    assert [point.turn for moment in rest for point in moment.turned] == [Turn.CLOSE]


def test_a_close_that_was_missed_is_made_up_for():
    course = course_from(OPEN_NS - MINUTE_NS)
    account = course.venue.open_account("a", Decimal(100_000), OPEN_NS - MINUTE_NS)
    play(course, OPEN_NS + MINUTE_NS)
    wanted = NewOrder("SPY", Side.BUY, Decimal(1), type=OrderType.LIMIT, limit_price=Decimal(1))
    order = course.venue.submit(account.id, wanted, OPEN_NS + MINUTE_NS)
    assert order.time_in_force is TimeInForce.DAY
    again = course_from(CLOSE_NS + MINUTE_NS, venue=course.venue)
    assert course.venue.order(account.id, order.id).status is OrderStatus.EXPIRED
    assert not course.venue.standing.is_open
    assert again.next_ns == MONDAY.open_ns


def test_begun_in_mid_session_it_is_open():
    course = course_from(OPEN_NS + 10 * MINUTE_NS)
    assert course.venue.standing.is_open
    assert course.venue.standing.session == HALF_DAY
    assert course.next_ns == OPEN_NS + 10 * MINUTE_NS + SECOND_NS


def test_with_leaps_the_night_is_left_out():
    course = course_from(OPEN_NS - MINUTE_NS, leaps=True)
    moments = play(course, CLOSE_NS + 5 * MINUTE_NS)
    (leap,) = moments[-1].turned
    assert (leap.turn, leap.time_ns) == (Turn.LEAP, CLOSE_NS + 5 * MINUTE_NS)
    assert leap.target_ns == MONDAY.open_ns - 5 * MINUTE_NS
    assert course.next_ns == MONDAY.open_ns


def test_a_tape_comes_to_its_end():
    course = course_from(OPEN_NS - MINUTE_NS, days=(HALF_DAY.day,))
    play(course, CLOSE_NS)
    assert course.next_ns is None
    assert course.next_point is None
    assert course.upcoming_session(CLOSE_NS) == MONDAY


def test_a_moment_may_come_at_any_time_but_none_may_be_left_out():
    course = course_from(OPEN_NS - MINUTE_NS)
    quiet = course.advance_to(OPEN_NS - SECOND_NS)
    assert (list(quiet.turned), quiet.data, quiet.happenings) == ([], (), [])
    assert course.venue.standing.time_ns == OPEN_NS - SECOND_NS
    with pytest.raises(AssertionError, match="left out"):
        course.advance_to(OPEN_NS + SECOND_NS)


def test_what_comes_next_is_known():
    course = course_from(OPEN_NS - MINUTE_NS)
    assert course.next_point.turn is Turn.OPEN
    course.advance_to(OPEN_NS)
    assert course.next_point.turn is Turn.CLOSE
    assert course.upcoming_session(OPEN_NS) == HALF_DAY
    assert course.upcoming_session(CLOSE_NS) == MONDAY
