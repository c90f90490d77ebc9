"""A tape of ticks: what was recorded of a tape of bars plays as that tape did, instant by instant."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.calendar import Calendar
from hftd.data.recording import TABLE_OF, Segments, columns_of, compact
from hftd.data.rows import Trades
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.domain.session import Session
from hftd.errors import DataError
from hftd.exchange.market.base import Instant, Market
from hftd.exchange.market.recorded import RecordedMarket
from hftd.exchange.market.tape import Tape
from hftd.exchange.market.tick_tape import bars_of, tape_of

SYMBOLS = ("SPY", "TSLA")


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    return Calendar(cache=tmp_path_factory.mktemp("calendar"))


@pytest.fixture(scope="module")
def tape(hftd_data: Path, calendar: Calendar) -> Tape:
    return Tape(hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet", calendar, SYMBOLS)


def instants(market: Market, session: Session) -> list[Instant]:
    play, found = market.play(session), []
    while play.next_ns is not None:
        found.append(play.advance())
    return found


def record(folder: Path, items: Iterable[MarketData], *kinds: type[MarketData]) -> None:
    """Write `items` as a recorder does."""
    chosen, segments = list(items), Segments(folder)
    for kind in kinds:
        own = [item for item in chosen if type(item) is kind]
        segments.append(TABLE_OF[kind], [columns_of(own, [item.time_ns for item in own])])
    segments.close()
    compact(folder)


@pytest.fixture(scope="module")
def records(tape: Tape, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    for session in tape.sessions[:2]:
        items = [item for instant in instants(tape, session) for item in instant.data]
        record(folder / str(session.day), items, Bar, Trade, Quote)
    return folder


@pytest.fixture(scope="module")
def recorded(records: Path, calendar: Calendar) -> RecordedMarket:
    return tape_of(records, calendar)


def by_kind(instant: Instant) -> tuple[int, list[MarketData]]:
    """An instant with its items in the order of recorded data."""
    order = {Bar: 0, Quote: 1, Trade: 2}
    return instant.time_ns, sorted(instant.data, key=lambda item: (order[type(item)], item.symbol))


def test_a_recorded_day_plays_as_it_was(tape: Tape, recorded: RecordedMarket) -> None:
    assert recorded.days == tape.days[:2] and recorded.symbols == SYMBOLS
    for session in recorded.sessions:
        assert list(map(by_kind, instants(recorded, session))) == list(map(by_kind, instants(tape, session)))
        for symbol in SYMBOLS:
            assert recorded.history(symbol, session).bars(symbol) == tape.history(symbol, session).bars(symbol)
            ticks = [item for instant in instants(recorded, session) for item in instant.data]
            own = [item for item in ticks if item.symbol == symbol and not isinstance(item, Bar)]
            assert list(recorded.ticks(symbol, session)) == own


def test_bars_and_quotes_are_made_where_only_trades_are_known(tape: Tape, calendar: Calendar, tmp_path: Path) -> None:
    session = tape.sessions[0]
    whole = instants(tape, session)
    record(tmp_path, (item for instant in whole for item in instant.data), Trade)
    made = tape_of(tmp_path, calendar)
    bars = [item for instant in instants(made, session) for item in instant.data if isinstance(item, Bar)]
    theirs = [item for instant in whole for item in instant.data if isinstance(item, Bar)]
    assert [(bar.symbol, bar.time_ns, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars] == [
        (bar.symbol, bar.time_ns, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in theirs
    ]
    quotes = [item for instant in instants(made, session) for item in instant.data if isinstance(item, Quote)]
    assert quotes and all(0 < quote.bid < quote.ask for quote in quotes)


def test_one_day_of_several(records: Path, calendar: Calendar) -> None:
    day = date(2019, 2, 12)
    assert tape_of(records, calendar, day=day).days == (day,)
    with pytest.raises(DataError, match="2019-02-10 is no session"):
        tape_of(records, calendar, day=date(2019, 2, 10))


def test_quotes_alone_are_no_tape(tape: Tape, calendar: Calendar, tmp_path: Path) -> None:
    record(tmp_path, (item for instant in instants(tape, tape.sessions[0]) for item in instant.data), Quote)
    with pytest.raises(DataError, match="quotes alone"):
        tape_of(tmp_path, calendar)


PRINTS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 50), st.integers(1, 900)), max_size=40)


@given(PRINTS)
def test_bars_of_trades_are_what_a_loop_finds(prints: list[tuple[int, int, int]]) -> None:
    prints = sorted(prints, key=lambda row: row[0])
    seconds, prices, sizes = np.array(prints, np.int64).reshape(-1, 3).T
    trades = Trades(["A"], np.zeros(len(prints), np.int32), seconds * 10**9, prices.astype(float), sizes)
    minutes: dict[int, list[tuple[int, int]]] = {}
    for second, price, size in prints:
        minutes.setdefault(second // 60, []).append((price, size))
    expected = [
        (minute * 60 * 10**9, own[0][0], max(own)[0], min(own)[0], own[-1][0], sum(size for _, size in own), len(own))
        for minute, own in minutes.items()
    ]
    bars = bars_of(trades).bars("A")
    assert [
        (bar.time_ns, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trade_count) for bar in bars
    ] == expected
