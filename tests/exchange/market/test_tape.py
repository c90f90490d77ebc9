"""The tape: what is read, what is refused, and that playing it gives the file back."""

import os
from datetime import date
from pathlib import Path

import pyarrow as arrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from hftd.calendar import Calendar
from hftd.data.recorded import Recorded
from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.session import Session
from hftd.errors import DataError
from hftd.exchange.market.tape import Tape, read_tape

DATA = Path(os.environ.get("HFTD_DATA", Path(__file__).parents[4] / "shared" / "data"))
REAL = DATA / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"

HEADING = "timestamp,symbol,open,high,low,close,volume"
GOOD = "2019-02-11T14:30:00Z,SPY,271.19,271.34,271.07,271.34,1488804"
NEXT = "2019-02-11T14:31:00Z,SPY,271.32,271.32,271.22,271.2399,251600"


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    return Calendar(cache=tmp_path_factory.mktemp("calendar"))


def written(folder: Path, *rows: str, heading: str = HEADING) -> Path:
    file = folder / "tape.csv"
    file.write_text("\n".join((heading, *rows)) + "\n")
    return file


def played(tape: Tape, session: Session) -> list[tuple[int, Bar | Quote | Trade]]:
    play = tape.play(session)
    items = []
    while play.next_ns is not None:
        instant = play.advance()
        items += [(instant.time_ns, item) for item in instant.data]
    return items


def test_reads_rows_as_they_are(tmp_path: Path) -> None:
    bars = read_tape(written(tmp_path, GOOD, NEXT))["SPY"].bars("SPY")
    assert [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars] == [
        (271.19, 271.34, 271.07, 271.34, 1488804),
        (271.32, 271.32, 271.22, 271.2399, 251600),
    ]
    assert bars[0].time_ns == ns_of_rfc3339("2019-02-11T14:30:00Z")


@pytest.mark.parametrize("stamp", ["2019-02-11T14:30:00Z", "2019-02-11T09:30:00-0500", "2019-02-11 09:30:00-05:00"])
def test_times_have_a_zone(tmp_path: Path, stamp: str) -> None:
    bars = read_tape(written(tmp_path, GOOD.replace("2019-02-11T14:30:00Z", stamp)))["SPY"]
    assert bars.time_ns.tolist() == [ns_of_rfc3339("2019-02-11T14:30:00Z")]


def test_a_row_without_volume_is_no_bar(tmp_path: Path) -> None:
    bars = read_tape(written(tmp_path, GOOD, "2019-02-11T14:31:00Z,SPY,271.34,271.34,271.34,271.34,0"))
    assert len(bars["SPY"]) == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no rows"),
        ([GOOD, GOOD], "row 2, column 'timestamp': a second row for SPY at 2019-02-11T14:30:00Z"),
        ([NEXT, GOOD], "row 2, column 'timestamp': SPY at 2019-02-11T14:30:00Z comes after 2019-02-11T14:31:00Z"),
        ([GOOD.replace("14:30:00", "14:30:05")], "row 1, column 'timestamp': is 2019-02-11T14:30:05Z"),
        ([GOOD, NEXT.replace("271.22", "-1")], "row 2, column 'low': is -1; a price above 0"),
        ([GOOD, NEXT.replace("271.22", "nan")], "row 2, column 'low': is nan; a price above 0"),
        ([GOOD, NEXT.replace("271.22", "0")], "row 2, column 'low': is 0; a price above 0"),
        ([GOOD, NEXT.replace("271.22", "inf")], "row 2, column 'low': is inf; a price above 0"),
        ([GOOD, NEXT.replace("271.22", "x")], "row 2, column 'low': is 'x'; a number is expected"),
        ([GOOD, NEXT.replace(",271.22,", ",,")], "row 2, column 'low': is nan"),
        ([GOOD.replace("1488804", "1.5")], "row 1, column 'volume': is 1.5; a whole number"),
        ([GOOD.replace("1488804", "-3")], "row 1, column 'volume': is -3; a whole number"),
        ([GOOD.replace("271.07", "272")], "row 1, column 'high': is 271.34, below the low of 272"),
        ([GOOD.replace("271.19", "271.5")], "row 1, column 'high': is 271.34, below 271.5 of open or close"),
        ([GOOD.replace("271.07", "271.2")], "row 1, column 'low': is 271.2, above 271.19 of open or close"),
        ([GOOD.replace("SPY", "")], "row 1, column 'symbol'"),
        ([GOOD.replace("2019-02-11T14:30:00Z", "yesterday")], "column 'timestamp' does not hold times"),
    ],
)
def test_refuses_what_no_market_prints(tmp_path: Path, rows: list[str], said: str) -> None:
    file = written(tmp_path, *rows)
    with pytest.raises(DataError) as caught:
        read_tape(file)
    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_names_the_nearest_of_a_missing_column(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD, heading=HEADING.replace("volume", "Volumes"))
    with pytest.raises(DataError, match=r"no column 'volume'; did you mean Volumes\?"):
        read_tape(file)


@pytest.mark.parametrize("name", ["tape.csv", "tape.parquet", "tape.xlsx"])
def test_a_file_that_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=name):
        read_tape(tmp_path / name)


def test_a_file_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    file = tmp_path / "tape.parquet"
    file.write_text(HEADING)
    with pytest.raises(DataError, match="not readable as parquet"):
        read_tape(file)


def test_csv_and_parquet_are_the_same_tape(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD, NEXT)
    other = tmp_path / "tape.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(file), other)
    assert read_tape(file)["SPY"].bars("SPY") == read_tape(other)["SPY"].bars("SPY")


def test_a_symbol_that_the_tape_lacks(tmp_path: Path, calendar: Calendar) -> None:
    with pytest.raises(DataError, match=r"no rows for SPX; did you mean SPY\?"):
        Tape(written(tmp_path, GOOD), calendar, ["SPX"])


def test_bars_outside_sessions_are_counted_and_not_played(tmp_path: Path, calendar: Calendar) -> None:
    early = GOOD.replace("14:30:00", "14:29:00")
    tape = Tape(written(tmp_path, early, GOOD), calendar)
    assert tape.bars_outside == 1
    assert [item.time_ns for _, item in played(tape, tape.sessions[0]) if isinstance(item, Bar)] == [
        ns_of_rfc3339("2019-02-11T14:30:00Z")
    ]


def test_a_tape_without_a_session(tmp_path: Path, calendar: Calendar) -> None:
    with pytest.raises(DataError, match="no row lies in a session"):
        Tape(written(tmp_path, GOOD.replace("2019-02-11", "2019-02-10")), calendar)


@pytest.fixture(scope="module")
def real(calendar: Calendar) -> Tape:
    if not REAL.exists():
        pytest.skip(f"{REAL} is not here: set HFTD_DATA")
    return Tape(REAL, calendar)


def test_the_real_week(real: Tape) -> None:
    assert real.days == tuple(date(2019, 2, day) for day in (11, 12, 13, 14, 15))
    assert real.bars_outside == 0
    bars = [item for session in real.sessions for _, item in played(real, session) if isinstance(item, Bar)]
    assert sum(bar.symbol == "SPY" for bar in bars) == 1949


def test_published_bars_equal_the_rows_and_their_prints(real: Tape) -> None:
    """Volume is multiplied exactly, prices are the rows' own floats, and each minute's prints make up its bar."""
    table = arrow.parquet.read_table(REAL).to_pylist()
    rows = {
        (row["symbol"], int(row["timestamp"].timestamp()) * 10**9): tuple(
            row[name] for name in ("open", "high", "low", "close", "volume")
        )
        for row in table
        if row["volume"]
    }
    for session in real.sessions:
        prints: dict[tuple[str, int], list[Trade]] = {}
        for time_ns, item in played(real, session):
            if isinstance(item, Trade):
                assert time_ns == item.time_ns
                prints.setdefault((item.symbol, time_ns // MINUTE_NS * MINUTE_NS), []).append(item)
            if isinstance(item, Bar):
                assert time_ns == item.known_at_ns
                own = prints.pop((item.symbol, item.time_ns))
                prices = [trade.price for trade in own]
                made = (prices[0], max(prices), min(prices), prices[-1], sum(trade.size for trade in own))
                assert made == rows.pop((item.symbol, item.time_ns)) == bar_row(item)
                assert item.trade_count == len(own)
        assert not prints
    assert not rows


def bar_row(bar: Bar) -> tuple[float, float, float, float, int]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume


def test_time_never_goes_back_and_quotes_stand_around_prints(real: Tape) -> None:
    latest_ns, last = 0, {}
    for time_ns, item in played(real, real.sessions[0]):
        assert time_ns >= latest_ns
        latest_ns = time_ns
        if isinstance(item, Trade):
            last[item.symbol] = item.price
        if isinstance(item, Quote) and item.symbol in last:
            assert 0 < item.bid < item.ask
            assert item.bid <= last[item.symbol] <= item.ask


def test_the_ticks_of_the_past_are_those_played(real: Tape) -> None:
    session = real.sessions[0]
    ticks = [item for _, item in played(real, session) if not isinstance(item, Bar) and item.symbol == "TSLA"]
    assert list(real.ticks("TSLA", session)) == ticks


def test_what_a_row_does_not_tell_of_its_prints_is_that_of_those_played(tmp_path: Path) -> None:
    """An empty place is no number: neither count nor average may come out of one."""
    (tmp_path / "SPY.csv").write_text(
        "timestamp,open,high,low,close,volume,trade_count,vwap\n"
        "2019-02-11T14:30:00Z,100,101,99,100,500,,\n"
        "2019-02-11T14:31:00Z,100,101,99,100,500,7,100.25\n"
    )
    untold, told = read_tape(tmp_path / "SPY.csv")["SPY"].bars("SPY")
    assert (untold.trade_count, untold.vwap) == (4, 100.0)
    assert (told.trade_count, told.vwap) == (7, 100.25)
    assert [bar.trade_count for bar in Recorded.open([tmp_path / "SPY.csv"]).items() if isinstance(bar, Bar)] == [0, 7]
