"""The market of bots: the same for the same seed, complete to the share, and moved by its users."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal as D
from itertools import pairwise

import numpy as np
import pytest

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.domain.orders import Side
from hftd.domain.session import Session
from hftd.errors import SettingsError
from hftd.exchange.book.audit import audit
from hftd.exchange.market.bots.market import BotMarket
from hftd.exchange.market.bots.pit import Pit
from hftd.exchange.market.bots.settings import BotMarketSettings, Profile, settings_of

QUIET = BotMarketSettings(seed=7, wakes_a_day=60_000)


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    return Calendar(cache=tmp_path_factory.mktemp("calendar"))


@pytest.fixture(scope="module")
def session(calendar: Calendar) -> Session:
    found = calendar.session_on(date(2026, 11, 20))
    assert found is not None
    return found


def played(market: BotMarket, session: Session) -> Iterator[MarketData]:
    play = market.play(session)
    while play.next_ns is not None:
        yield from play.advance().data


def play_to(market: BotMarket, session: Session, minutes: int) -> list[MarketData]:
    """Play the first minutes, and let orders into the books as a venue would."""
    play, data = market.play(session), list[MarketData]()
    while play.next_ns is not None and play.next_ns <= session.open_ns + minutes * MINUTE_NS:
        data += play.advance().data
        assert not market.liquidity.poll()
    return data


def test_the_same_seed_is_the_same_market(session: Session) -> None:
    one, other = (list(played(BotMarket(QUIET, ("SPY", "QQQ")), session)) for _ in range(2))
    assert one == other


def test_another_seed_is_another_market(session: Session) -> None:
    settings = BotMarketSettings(seed=8, wakes_a_day=60_000)
    one, other = (BotMarket(each, ("SPY",)).history("SPY", session).bars("SPY") for each in (QUIET, settings))
    assert one != other


def test_what_is_played_is_what_history_tells_before_and_after(session: Session) -> None:
    market = BotMarket(QUIET, ("SPY",))
    before = market.history("SPY", session).bars("SPY")
    ticks_before = list(market.ticks("SPY", session))
    data = list(played(market, session))
    assert [item for item in data if isinstance(item, Bar)] == before
    assert sorted((item for item in data if not isinstance(item, Bar)), key=lambda tick: tick.time_ns) == ticks_before
    assert market.history("SPY", session).bars("SPY") == before
    assert list(market.ticks("SPY", session)) == ticks_before


def test_bars_are_made_of_the_prints_to_the_share(session: Session) -> None:
    data = list(played(BotMarket(QUIET, ("SPY",)), session))
    trades = [item for item in data if isinstance(item, Trade)]
    for bar in (item for item in data if isinstance(item, Bar)):
        prints = [trade for trade in trades if bar.time_ns <= trade.time_ns < bar.time_ns + MINUTE_NS]
        prices = [trade.price for trade in prints]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert bar.volume == sum(trade.size for trade in prints)
        assert bar.trade_count == len(prints)
        assert bar.vwap == pytest.approx(sum(trade.size * trade.price for trade in prints) / bar.volume)
    assert sum(trade.size for trade in trades) == sum(item.volume for item in data if isinstance(item, Bar))


def test_time_goes_forward_and_prices_stand_on_cents(session: Session) -> None:
    play = BotMarket(QUIET, ("SPY", "QQQ")).play(session)
    last_ns = 0
    while play.next_ns is not None:
        due_ns = play.next_ns
        instant = play.advance()
        assert last_ns < instant.time_ns == due_ns
        for item in instant.data:
            if isinstance(item, Trade):
                assert last_ns <= item.time_ns < instant.time_ns
                assert item.price == round(item.price, 2) > 0
            elif isinstance(item, Quote):
                assert item.time_ns == instant.time_ns
                assert 0 < item.bid < item.ask
        last_ns = instant.time_ns
    assert last_ns == session.close_ns


def test_a_quiet_symbol_has_minutes_without_a_bar(session: Session) -> None:
    settings = BotMarketSettings(wakes_a_day=3_000, profiles=(("THIN", Profile(price=20.0, daily_volume=5_000.0)),))
    bars = BotMarket(settings, ("THIN",)).history("THIN", session)
    assert 20 < len(bars) < 390
    assert (bars.volume > 0).all()
    assert bars.volume.sum() < 3 * 5_000


def test_a_half_day_is_half_a_day(calendar: Calendar) -> None:
    session = calendar.session_on(date(2026, 11, 27))
    assert session is not None
    bars = BotMarket(QUIET, ("SPY",)).history("SPY", session)
    assert len(bars) == 210
    assert bars.time_ns[-1] == session.close_ns - MINUTE_NS


def test_days_follow_one_another(calendar: Calendar) -> None:
    market = BotMarket(QUIET, ("SPY",))
    days = [market.history("SPY", session) for session in calendar.sessions(date(2026, 3, 2), date(2026, 3, 31))]
    assert max(abs(after.open[0] / before.close[-1] - 1) for before, after in pairwise(days)) < 0.03


def test_no_share_is_made_or_lost_and_the_book_stays_sound(session: Session) -> None:
    pit = Pit(QUIET, "SPY", session)
    for minute in range(0, 391, 10):
        pit.play_until(session.open_ns + minute * MINUTE_NS)
        assert audit(pit.book) == "sound"
    assert pit.inventory.sum() == 0
    assert pit.inventory.any()
    assert pit.volume == pit.take_prints()["quantity"].sum() > 0


def test_the_messages_of_a_session_rebuild_it(session: Session) -> None:
    """The log is the whole market: played into an empty book it gives the same prints."""
    from hftd.exchange.book.book import Book

    pit = Pit(QUIET, "SPY", session, records_messages=True)
    pit.play_until(session.open_ns + 30 * MINUTE_NS)
    log, prints = pit.take_messages(), pit.take_prints()
    assert len(log) == pit.message_count
    book = Book(records_changes=False)
    outcomes = book.apply(np.ascontiguousarray(log["message"]))
    assert outcomes.tolist() == log["outcome"].tolist()
    reports = book.take_reports()
    trades = reports[reports["kind"] == 0]
    for column in ("price", "quantity", "maker_id", "taker_id"):
        assert trades[column].tolist() == prints[column].tolist()


def test_memory_is_flat_over_sessions(calendar: Calendar) -> None:
    sizes = []
    for session in calendar.sessions(date(2026, 10, 1), date(2026, 10, 28)):
        pit = Pit(QUIET, "SPY", session)
        for minute in range(391):
            pit.play_until(session.open_ns + minute * MINUTE_NS)
            pit.take_prints()
            pit.take_tops()
        sizes.append(pit.memory_bytes)
    assert len(sizes) == 20
    assert max(sizes) < 1.5 * min(sizes) < 3_000_000


def test_a_large_purchase_moves_the_price_and_the_bots_follow(session: Session) -> None:
    touched, untouched = BotMarket(QUIET, ("SPY",)), BotMarket(QUIET, ("SPY",))
    plays = [market.play(session) for market in (touched, untouched)]
    for play in plays:
        while play.next_ns is not None and play.next_ns < session.open_ns + 10 * MINUTE_NS:
            play.advance()
    touched.liquidity.poll()
    before = touched.liquidity.quote("SPY")
    executions = touched.liquidity.take("SPY", Side.BUY, D(40_000), None, "whale")
    after = touched.liquidity.quote("SPY")
    assert before is not None and after is not None
    assert before == untouched.liquidity.quote("SPY")
    assert executions[0].price == D(str(before.ask))
    assert executions[-1].price > executions[0].price
    assert after.ask > before.ask

    printed = [item for item in plays[0].advance().data if isinstance(item, Trade)]
    bought = sum(execution.quantity for execution in executions)
    assert sum(trade.size for trade in printed) >= bought
    assert plays[1].advance().data != tuple(printed)
    middles = []
    for market, play in zip((touched, untouched), plays, strict=True):
        for _ in range(3):
            play.advance()
        quote = market.liquidity.quote("SPY")
        assert quote is not None and quote.mid is not None
        middles.append(quote.mid)
    assert middles[0] > middles[1]


def test_the_past_tells_what_a_user_has_changed(session: Session) -> None:
    market = BotMarket(QUIET, ("SPY",))
    quiet = market.history("SPY", session).volume[1]
    play = market.play(session)
    while play.next_ns is not None and play.next_ns <= session.open_ns + MINUTE_NS:
        play.advance()
    market.liquidity.poll()
    market.liquidity.take("SPY", Side.BUY, D(1_000_000), None, "whale")
    while play.next_ns is not None and play.next_ns <= session.open_ns + 2 * MINUTE_NS:
        bars = [item for item in play.advance().data if isinstance(item, Bar)]
    history = market.history("SPY", session)
    assert len(history) == 2
    assert bars == history.bars("SPY")[1:]
    assert history.volume[1] > quiet


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"makers": 0}, "bots.makers: 1 to 10000 are expected, found 0"),
        ({"wakes_a_day": 0}, "bots.wakes_a_day: 1 to 100000000 are expected, found 0"),
        ({"step_ns": 7}, "bots.step_ns: a part of a minute is expected, found 7"),
        ({"seed": -1}, "bots.seed: 0 or more is expected, found -1"),
        ({"profiles": (("X", Profile(price=-1.0)),)}, r"bots.profiles.X.price: 0.01 to 1e\+06 is expected, found -1"),
    ],
)
def test_a_market_that_cannot_be_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        BotMarketSettings(**fields)  # type: ignore[arg-type]


def test_settings_are_read_from_json() -> None:
    text = '{"makers": 3, "wakes_a_day": 1000, "profiles": {"SPY": {"price": 450.5}}}'
    read = settings_of(text)
    assert read == BotMarketSettings(makers=3, wakes_a_day=1000, profiles=(("SPY", Profile(price=450.5)),))
    assert settings_of("{}") == BotMarketSettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"maker": 3}', r"bots\.maker: no such setting; did you mean makers\?"),
        ('{"makers": 0}', r"bots\.makers: 1 to 10000 are expected, found 0"),
        ('{"makers": "many"}', "bots: Expected `int`, got `str`"),
        ('{"profiles": {"SPY": {"prise": 3}}}', r"bots\.profiles\.SPY\.prise: no such setting; did you mean price\?"),
        ('{"profiles": {"SPY": 3}}', r"bots\.profiles\.SPY: Expected `object`, got `int`"),
        ('{"profiles": 3}', r"bots\.profiles: symbols with their profiles are expected, found 3"),
        ("makers=3", "bots: a JSON object like"),
    ],
)
def test_settings_that_are_none_are_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_of(text)
