"""The random market: the same for the same seed, and shaped like a market."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from hftd.calendar import Calendar
from hftd.domain.market import Bar, MarketData
from hftd.domain.session import Session
from hftd.exchange.market.random_walk import RandomMarket, profile_of


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    return Calendar(cache=tmp_path_factory.mktemp("calendar"))


@pytest.fixture(scope="module")
def session(calendar: Calendar) -> Session:
    found = calendar.session_on(date(2026, 11, 20))
    assert found is not None
    return found


def played(market: RandomMarket, session: Session) -> Iterator[MarketData]:
    play = market.play(session)
    while play.next_ns is not None:
        yield from play.advance().data


def test_the_same_seed_is_the_same_tape(session: Session) -> None:
    assert list(played(RandomMarket(("SPY", "QQQ"), 7), session)) == list(
        played(RandomMarket(("SPY", "QQQ"), 7), session)
    )


def test_another_seed_is_another_tape(session: Session) -> None:
    one, other = (RandomMarket(("SPY",), seed).history("SPY", session).bars("SPY") for seed in (7, 8))
    assert one != other


def test_a_session_does_not_depend_on_what_was_asked_before(calendar: Calendar, session: Session) -> None:
    fresh, used = RandomMarket(("SPY",), 7), RandomMarket(("SPY",), 7)
    for other in calendar.sessions(date(2026, 10, 1), date(2026, 11, 19)):
        used.history("SPY", other)
    assert used.history("SPY", session).bars("SPY") == fresh.history("SPY", session).bars("SPY")


def test_history_is_what_is_played(session: Session) -> None:
    market = RandomMarket(("SPY",), 7)
    bars = [item for item in played(market, session) if isinstance(item, Bar)]
    assert bars == market.history("SPY", session).bars("SPY")
    assert len(bars) == 390


def test_a_half_day_is_half_a_day(calendar: Calendar) -> None:
    session = calendar.session_on(date(2026, 11, 27))
    assert session is not None
    assert len(RandomMarket(("SPY",), 7).history("SPY", session)) == 210


def test_days_follow_one_another(calendar: Calendar) -> None:
    """A session begins near where the one before has ended, and prices stay about the usual one over years."""
    market, usual = RandomMarket(("SPY",), 3), profile_of("SPY").price
    days = [market.history("SPY", session) for session in calendar.sessions(date(2024, 1, 1), date(2026, 12, 31))]
    gaps = [abs(after.open[0] / before.close[-1] - 1) for before, after in pairwise(days)]
    assert max(gaps) < 0.08
    assert all(usual / 3 < day.close[-1] < usual * 3 for day in days)


def test_volume_is_whole_and_highest_at_both_ends(calendar: Calendar) -> None:
    market = RandomMarket(("SPY",), 3)
    days = [market.history("SPY", session).volume for session in calendar.sessions(date(2026, 2, 2), date(2026, 2, 27))]
    by_minute = np.mean(days, axis=0)
    noon = by_minute[150:240].mean()
    assert by_minute[:30].mean() > 1.5 * noon
    assert by_minute[-30:].mean() > 1.5 * noon
    assert all((day >= 1).all() for day in days)
