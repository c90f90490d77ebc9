"""Reading files: what is understood, what is refused, and one exact order however the data were cut into files."""

from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.data.reading import Reading
from hftd.data.recorded import Recorded
from hftd.data.rows import Kind
from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from hftd.domain.market import Bar, Quote, Trade
from hftd.errors import DataError

OPEN_NS = ns_of_rfc3339("2019-02-11T14:30:00Z")
SECOND_OF_TRADE = st.integers(0, 5)


def csv(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(lines) + "\n")
    return file


def items(*paths: Path, **told: object) -> list[Bar | Quote | Trade]:
    return list(Recorded.open(list(paths), reading=Reading(**told)).items())  # type: ignore[arg-type]


def one_bar(folder: Path, heading: str, row: str, **told: object) -> Bar:
    [bar] = items(csv(folder / "SPY_1min.csv", heading, row), **told)
    assert isinstance(bar, Bar)
    return bar


def test_a_minute_file_without_symbol_zone_or_volume(tmp_path: Path) -> None:
    bar = one_bar(
        tmp_path,
        "datetime,open,high,low,close,% change",
        "2019-02-11 09:30:00,271.19,271.34,271.07,271.34,0.06",
        time_zone="America/New_York",
        volume=100,
    )
    assert bar == Bar("SPY", OPEN_NS, 271.19, 271.34, 271.07, 271.34, 100)


@pytest.mark.parametrize(
    ("stamp", "told"),
    [
        ("2019-02-11T14:30:00Z", {}),
        ("2019-02-11 09:30:00-05:00", {}),
        ("2019-02-11 09:30", {"time_zone": "America/New_York"}),
        ("2019-02-11 09:31", {"time_zone": "America/New_York", "stamped": "end"}),
        ("02/11/2019 14:30", {"time_zone": "UTC", "time_format": "%m/%d/%Y %H:%M"}),
        (str(OPEN_NS), {}),
        (str(OPEN_NS // 1_000_000), {}),
        (str(OPEN_NS // 1_000_000_000), {}),
        (f"{OPEN_NS // 1_000_000_000}.0", {}),
    ],
)
def test_times(tmp_path: Path, stamp: str, told: dict[str, str]) -> None:
    assert one_bar(tmp_path, "time,o,h,l,c,v", f"{stamp},1,1,1,1,5", **told).time_ns == OPEN_NS


def test_columns_by_other_names(tmp_path: Path) -> None:
    bar = one_bar(
        tmp_path,
        "Zeit,Open,High,Low,Last,Stueck",
        "2019-02-11T14:30:00Z,1,4,1,2,7",
        columns={"timestamp": "Zeit", "volume": "Stueck"},
    )
    assert (bar.close, bar.volume) == (2.0, 7)


@pytest.mark.parametrize(
    ("lines", "told", "said"),
    [
        (("time,o,h,l,c,v", "2019-02-11 14:30,1,1,1,1,5"), {}, "without a time zone, like 2019-02-11 14:30:00"),
        (("time,o,h,l,c", "2019-02-11T14:30Z,1,1,1,1"), {}, "no column 'volume'.*--volume 100"),
        (("time,o,h,l,c,v", "2019-02-11 14:30,1,1,1,1,5"), {"time_zone": "New York"}, "no time zone 'New York'"),
        (("time,o,h,l,c,v", "2019-02-11T14:30Z,1,1,1,1,5"), {"columns": {"open": "op"}}, "no column 'op', which data"),
        (("time,o,h,l,c,v", "5,1,1,1,1,5"), {}, "holds 5, which is no time"),
        (("time,o,h,l,c,v", "43507.6,1,1,1,1,5"), {}, "does not hold times such as 2019-02-11T14:30:00Z .*truncated"),
        (
            ("time,o,h,l,c,v", "05.01.2026 09:30,1,1,1,1,5"),
            {"time_format": "dd.mm.yyyy", "time_zone": "UTC"},
            "does not hold times of the form 'dd.mm.yyyy' .*other forms are told by data.time_format, like '%m/%d",
        ),
        (("time,o,h,l,c,v", "true,1,1,1,1,5"), {}, "column 'time' holds bool, and times are expected"),
        (
            ("time;o;h;l;c;v", "2019-02-11T14:30Z;1,5;1;1;1;5"),
            {},
            "parted by semicolons; commas are expected, and points",
        ),
        (("time\to\th", "2019-02-11T14:30Z\t1\t1"), {}, "parted by tabs; commas are expected"),
        (("time,price,amount", "2019-02-11T14:30Z,1,1"), {}, "no column 'size'"),
        (("Zeit,Kurs", "2019-02-11T14:30Z,1"), {}, "columns Zeit, Kurs tell neither bars .*--column open=NAME"),
        (("time,price,size", "2019-02-11T14:30Z,1,1.5"), {}, "row 1, column 'size': is 1.5; a whole number"),
        (
            ("time,price,size", "2019-02-11T14:30Z,1,5", "2019-02-11T14:31Z,1,"),
            {},
            "row 2, column 'size': is nan; a whole",
        ),
        (
            ("time,price,size", "2019-02-11T14:30Z,1,5", "2019-02-11T14:31Z,1,0"),
            {},
            "row 2, column 'size': is 0; a whole",
        ),
        (
            ("time,symbol,price,size", "2019-02-11T14:30Z,SPY,1,5", "2019-02-11T14:31Z,,1,5"),
            {},
            "row 2.*is empty; a name",
        ),
        (("time,price,size", "2019-02-11T14:31Z,1,5", "2019-02-11T14:30Z,1,5"), {}, "row 2.*14:30:00Z comes after"),
        (("time,bid,bs,ask,as", "2019-02-11T14:30Z,-1,1,1,1"), {}, "row 1, column 'bid': is -1; a price, or 0"),
    ],
)
def test_refusals(tmp_path: Path, lines: tuple[str, ...], told: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        items(csv(tmp_path / "SPY.csv", *lines), **told)


def test_a_file_whose_name_is_no_symbol(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give it with --symbol"):
        items(csv(tmp_path / "2019.csv", "t,o,h,l,c,v", "2019-02-11T14:30Z,1,1,1,1,5"))


def test_a_symbol_that_is_not_there(tmp_path: Path) -> None:
    heading, row = "time,o,h,l,c,v", "2019-02-11T14:30Z,1,1,1,1,5"
    with pytest.raises(
        DataError, match=r"no rows for SPY; valid: YAHOO \(a file without a column of symbols is of what"
    ):
        Recorded.open([csv(tmp_path / "yahoo_SPY.csv", heading, row)], symbols=("SPY",)).bars()
    with pytest.raises(DataError, match=r"no rows for SPY; valid: QQQ$"):
        Recorded.open([csv(tmp_path / "a.csv", f"symbol,{heading}", f"QQQ,{row}")], symbols=("SPY",)).bars()
    with pytest.raises(DataError, match="no rows, only a heading"):
        Recorded.open([csv(tmp_path / "b.csv", f"symbol,{heading}")], symbols=("SPY",)).bars()
    with pytest.raises(DataError, match=r"no rows for SPY$"):
        Recorded.open([csv(tmp_path / "SPY.csv", heading)], symbols=("SPY",)).bars()


def test_two_files_with_one_minute(tmp_path: Path) -> None:
    lines = ("time,o,h,l,c,v", "2019-02-11T14:30Z,1,1,1,1,5")
    csv(tmp_path / "SPY_a.csv", *lines), csv(tmp_path / "SPY_b.csv", *lines)
    with pytest.raises(DataError, match="two bars of SPY at 2019-02-11T14:30:00Z"):
        items(tmp_path)


def test_a_folder_of_bars_trades_and_quotes_in_one_order(tmp_path: Path) -> None:
    csv(tmp_path / "bars.csv", "t,symbol,o,h,l,c,v", "2019-02-11T14:30Z,SPY,1,1,1,1,5", "2019-02-11T14:30Z,A,1,1,1,1,5")
    csv(tmp_path / "SPY trades.csv", "t,p,s", "2019-02-11T14:30:01.000000007Z,1,5", "2019-02-11T14:31:00Z,1,5")
    csv(tmp_path / "SPY quotes.csv", "t,bid,bs,ask,as", "2019-02-11T14:31:00Z,1,100,2,100")
    got = items(tmp_path)
    assert [(type(item), item.symbol) for item in got] == [
        (Trade, "SPY"),
        (Bar, "A"),
        (Bar, "SPY"),
        (Quote, "SPY"),
        (Trade, "SPY"),
    ]
    assert got[0].time_ns == OPEN_NS + 1_000_000_007


def trades_table(rows: list[tuple[int, str, int]]) -> arrow.Table:
    times, names, ids = zip(*rows, strict=True) if rows else ((), (), ())
    return arrow.table(
        {
            "timestamp": arrow.array([OPEN_NS + time for time in times], arrow.timestamp("ns", "UTC")),
            "symbol": arrow.array(names, arrow.string()),
            "price": arrow.array([1.0] * len(rows)),
            "size": arrow.array([1] * len(rows)),
            "trade_id": arrow.array(ids, arrow.int64()),
        }
    )


FILES = st.lists(
    st.tuples(st.lists(st.tuples(SECOND_OF_TRADE, st.sampled_from("ABC")), max_size=12), st.integers(1, 5)), max_size=4
)


@settings(max_examples=60)
@given(FILES, st.integers(-1, 6), st.integers(-1, 6))
def test_the_order_is_exact_however_rows_are_spread_over_files_and_row_groups(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[list[tuple[int, str]], int]],
    first: int,
    last: int,
) -> None:
    folder = tmp_path_factory.mktemp("files")
    expected, number = [], 0
    for place, (moments, group_rows) in enumerate(files):
        rows = [(time, name, number + index) for index, (time, name) in enumerate(sorted(moments))]
        number += len(rows)
        expected += [(time, name, place, id) for time, name, id in rows if first <= time <= last]
        pyarrow.parquet.write_table(trades_table(rows), folder / f"{place}.parquet", row_group_size=group_rows)
    if not files:
        return
    data = Recorded.open([folder], start_ns=OPEN_NS + first, end_ns=OPEN_NS + last)
    got = [(item.time_ns - OPEN_NS, item.symbol, item.trade_id) for item in data.items() if isinstance(item, Trade)]
    assert got == [(time, name, id) for time, name, _, id in sorted(expected)]


def test_chunks_are_columns_of_a_size(tmp_path: Path) -> None:
    rows = [(number // 2, "AB"[number % 2], number) for number in range(100)]
    pyarrow.parquet.write_table(trades_table(rows), tmp_path / "t.parquet", row_group_size=30)
    data = Recorded.open([tmp_path], symbols=["B"])
    chunks = list(data.chunks(Kind.TRADES, rows_max=7))
    assert max(map(len, chunks)) == 7 and sum(map(len, chunks)) == 50
    assert np.concatenate([chunk.trade_id for chunk in chunks]).tolist() == list(range(1, 100, 2))
    assert data.names == ["B"]
    assert data.stretch() == (OPEN_NS, OPEN_NS + 49)


def test_the_real_week_is_the_files_rows(hftd_data: Path) -> None:
    file = hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"
    got = list(Recorded.open([file]).items())
    rows = [row for row in pyarrow.parquet.read_table(file).to_pylist() if row["volume"]]
    own = sorted(
        (int(row["timestamp"].timestamp()) * 10**9, row["symbol"], row["close"], row["volume"]) for row in rows
    )
    assert [(bar.time_ns, bar.symbol, bar.close, bar.volume) for bar in got if isinstance(bar, Bar)] == own
    assert Recorded.open([file]).stretch() == (OPEN_NS + MINUTE_NS, ns_of_rfc3339("2019-02-15T21:00:00Z"))
