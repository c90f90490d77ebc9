"""A recorded week through every room: the decisions, the fills and the books, each computed a second way."""

import re
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from hftd.domain.commands import SignalRaised, SubmitOrder
from hftd.domain.events import BarReceived
from tests.conftest import MakeHome
from tests.running import Ended, Home, books, signed_quantity

WIDE = {
    "HFTD_RISK__MAX_POSITION": 100_000,
    "HFTD_RISK__MAX_ORDER_NOTIONAL": 100_000_000,
    "HFTD_RISK__MAX_ORDERS_PER_MINUTE": 1000,
    "HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off",
    "HFTD_EXCHANGE__CASH": 10_000_000,
}
CASH = Decimal(10_000_000)


@pytest.fixture(scope="module")
def tape(hftd_data: Path) -> Path:
    return hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"


def run_week(home: Home, tape: Path) -> Ended:
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 5, "--json", **WIDE)
    assert ended.status == 0, ended
    return ended


@pytest.fixture(scope="module")
def week(make_home: MakeHome, tape: Path) -> tuple[Home, Ended]:
    home = make_home("week")
    return home, run_week(home, tape)


def test_the_week_is_played_and_traded_whole(week: tuple[Home, Ended]) -> None:
    _, ended = week
    told = ended.json
    assert (told["sessions"], told["bars"], told["late_bars"]) == (5, 1949, 0)
    assert told["signals"] == {"buy": 64, "sell": 117}
    assert (told["orders"], told["fills"], told["refused"], told["rejected"]) == (181, 181, 0, 0)
    assert not ended.lines("warning:") and not ended.lines("error:")


def test_the_decisions_are_those_that_pandas_finds_in_the_file(week: tuple[Home, Ended], tape: Path) -> None:
    import pandas

    bars = pandas.read_parquet(tape)
    bars = bars[(bars.symbol == "SPY") & (bars.volume > 0)]
    sells = bars.volume % 17 == 0
    buys = ~sells & (bars.volume % 31 == 0)
    chosen = bars[sells | buys]
    expected = [
        (symbol, start.value, "sell" if volume % 17 == 0 else "buy")
        for symbol, start, volume in zip(chosen.symbol, chosen.timestamp, chosen.volume, strict=True)
    ]
    home, _ = week
    assert len(expected) == 181
    assert decisions(home) == expected
    submitted = [(command.order.symbol, str(command.order.side)) for command in home.commands(SubmitOrder)]
    assert submitted == [(symbol, side) for symbol, _, side in expected]


def decisions(home: Home) -> list[tuple[str, int, str]]:
    """(symbol, start of the minute, side) of every signal, by the journals."""
    return [
        (command.symbol, event.bar.time_ns, str(command.side))
        for event, commands in home.steps()
        if isinstance(event, BarReceived)
        for command in commands
        if isinstance(command, SignalRaised)
    ]


def test_fills_add_up_to_the_position_and_the_cash_and_to_the_exchanges_own_books(
    week: tuple[Home, Ended], tape: Path
) -> None:
    home, ended = week
    fills = home.fills()
    position = sum(map(signed_quantity, fills), Decimal(0))
    cash = CASH - sum((signed_quantity(fill) * fill.price for fill in fills), Decimal(0))
    assert ended.json["position"] == {"SPY": position}
    assert Decimal(str(ended.json["cash"])) == cash
    assert ended.lines("account.agrees") and not ended.lines("account.differs")
    with books(home, tape) as get:
        assert Decimal(get("/v2/account")["cash"]) == cash
        assert [(held["symbol"], Decimal(held["qty"])) for held in get("/v2/positions")] == [("SPY", position)]
        theirs = get("/v2/orders?status=all&limit=500&direction=asc")
    assert len(theirs) == 181 and {order["status"] for order in theirs} == {"filled"}
    ours = {fill.client_order_id: (fill.quantity, fill.price) for fill in fills}
    assert ours == {
        order["client_order_id"]: (Decimal(order["filled_qty"]), Decimal(order["filled_avg_price"])) for order in theirs
    }


def test_events_stand_in_the_journals_in_strict_order(week: tuple[Home, Ended]) -> None:
    home, _ = week
    assert [path.stem for path in home.journals()] == [f"2019-02-{day}" for day in (11, 12, 13, 14, 15)]
    for path in home.journals():
        rows = sqlite3.connect(path).execute("SELECT sequence, time_ns, received_ns FROM events ORDER BY sequence")
        sequences, times, arrivals = zip(*rows, strict=True)
        assert sequences == tuple(range(1, len(sequences) + 1))
        assert list(times) == sorted(times)
        assert list(arrivals) == sorted(arrivals)
        assert all(time_ns <= arrival_ns for time_ns, arrival_ns in zip(times, arrivals, strict=True))


def test_the_same_run_twice_is_the_same(week: tuple[Home, Ended], make_home: MakeHome, tape: Path) -> None:
    first, ended = week
    second = make_home("week-again")
    again = run_week(second, tape)
    assert again.json == ended.json
    assert decisions(second) == decisions(first)
    assert timeless(second) == timeless(first)


def timeless(home: Home) -> list[tuple[object, ...]]:
    """Every row of the journals' events, without the ids that each run makes anew."""
    rows = []
    for path in home.journals():
        statement = "SELECT sequence, time_ns, received_ns, source, kind, body FROM events ORDER BY sequence"
        for *head, body in sqlite3.connect(path).execute(statement):
            rows.append((*head, IDS.sub("", body)))
    return rows


IDS = re.compile(r'"(client_order_id|broker_order_id|execution_id)":"[^"]*"')
