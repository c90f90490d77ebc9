"""A session that goes on after a restart: what users did to the market is still done."""

from datetime import date
from decimal import Decimal as D
from pathlib import Path

import pytest

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import MarketData
from hftd.domain.orders import Side
from hftd.domain.session import Session
from hftd.exchange.market.bots.market import BotMarket, BotPlay
from hftd.exchange.market.bots.settings import BotMarketSettings

SETTINGS = BotMarketSettings(seed=3, wakes_a_day=60_000)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[Session]:
    return Calendar(cache=tmp_path_factory.mktemp("calendar")).sessions(date(2026, 11, 19), date(2026, 11, 20))


def played_to(play: BotPlay, time_ns: int) -> list[MarketData]:
    data: list[MarketData] = []
    while play.next_ns is not None and play.next_ns <= time_ns:
        data += play.advance().data
    return data


def busy_user(market: BotMarket, play: BotPlay, session: Session) -> list[MarketData]:
    """Ten minutes in which a user takes, rests and withdraws."""
    data: list[MarketData] = []
    for minute in range(1, 11):
        data += played_to(play, session.open_ns + minute * MINUTE_NS)
        market.liquidity.poll()
        market.liquidity.take("SPY", Side.BUY, D(20_000), None, "user")
        quote = market.liquidity.quote("SPY")
        assert quote is not None
        market.liquidity.rest(f"bid-{minute}", "SPY", Side.BUY, D(500), D(str(quote.bid)), "user")
        if minute % 3 == 0:
            market.liquidity.withdraw(f"bid-{minute - 1}")
    return data


def test_the_session_is_played_again_as_it_was(tmp_path: Path, sessions: list[Session]) -> None:
    session = sessions[0]
    market = BotMarket(SETTINGS, ("SPY",), tmp_path)
    before = busy_user(market, market.play(session), session)

    again = BotMarket(SETTINGS, ("SPY",), tmp_path)
    play = again.play(session)
    assert played_to(play, session.open_ns + 10 * MINUTE_NS) == before
    assert again.history("SPY", session).bars("SPY") == market.history("SPY", session).bars("SPY")
    assert before != played_to(BotMarket(SETTINGS, ("SPY",)).play(session), session.open_ns + 10 * MINUTE_NS)


def test_resting_orders_stand_in_the_book_once_and_old_fills_are_not_told_again(
    tmp_path: Path, sessions: list[Session]
) -> None:
    session = sessions[0]
    market = BotMarket(SETTINGS, ("SPY",), tmp_path)
    busy_user(market, market.play(session), session)
    market.liquidity.rest("low", "SPY", Side.BUY, D(700), D("1.00"), "user")

    again = BotMarket(SETTINGS, ("SPY",), tmp_path)
    again.liquidity.rest("low", "SPY", Side.BUY, D(700), D("1.00"), "user")
    play = again.play(session)
    played_to(play, session.open_ns + 10 * MINUTE_NS)
    assert again.liquidity.poll() == []
    played_to(play, session.open_ns + 11 * MINUTE_NS)
    assert again.liquidity.poll() == []
    taken = again.liquidity.take("SPY", Side.SELL, D(10**9), None, "other")
    assert taken[-1].price == 1
    assert taken[-1].quantity == 700
    assert [key for key, _ in again.liquidity.poll()] == ["low"]


def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path: Path, sessions: list[Session]) -> None:
    session = sessions[0]
    market = BotMarket(SETTINGS, ("SPY",), tmp_path)
    busy_user(market, market.play(session), session)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    again = BotMarket(SETTINGS, ("SPY",), tmp_path)
    play = again.play(session)
    played_to(play, session.open_ns + 11 * MINUTE_NS)
    assert again.liquidity.poll() == []
    assert file.read_bytes()[: len(whole) - 56] == whole[:-56]
    assert file.stat().st_size % 56 == 0


def test_a_new_session_forgets_the_others(tmp_path: Path, sessions: list[Session]) -> None:
    market = BotMarket(SETTINGS, ("SPY", "BRK/B"), tmp_path)
    busy_user(market, market.play(sessions[0]), sessions[0])
    market.liquidity.clear()
    market.play(sessions[1]).advance()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["2026-11-20-BRK-B.messages", "2026-11-20-SPY.messages"]
