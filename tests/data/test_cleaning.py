"""Checking and importing: every fault is found and named, nothing else is taken out, and the result is in order."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hftd.data.writing
from hftd.commands.data import Report, check_data, import_data, info_of, reading_of, report_text
from hftd.data.reading import Reading
from hftd.data.recorded import Recorded
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.market import Bar, Trade
from hftd.errors import DataError, SettingsError
from tests.conftest import MakeHome

HEADING = "timestamp,symbol,open,high,low,close,volume"
NEW_YORK = Reading(time_zone="America/New_York")


def row(minute: int, price: float = 100.0, day: str = "2019-02-11", volume: float = 10, symbol: str = "SPY") -> str:
    return (
        f"{day} {9 + (30 + minute) // 60:02}:{(30 + minute) % 60:02},{symbol},{price},{price},{price},{price},{volume}"
    )


def written(folder: Path, *rows: str, name: str = "bars.csv") -> Path:
    file = folder / name
    file.write_text("\n".join((HEADING, *rows)) + "\n")
    return file


def found(report: Report) -> dict[str, tuple[str, int]]:
    return {finding.what: (finding.level, finding.count) for finding in report.findings}


DAY = [row(minute) for minute in range(390)]
LOW_WICK = "2019-02-11 09:35,SPY,100.0,100.0,80.0,100.0,10"


def test_a_clean_day(tmp_path: Path) -> None:
    report = check_data([written(tmp_path, *DAY)], NEW_YORK)
    assert (report.findings, report.rows, report.has_errors) == ((), {"bars": 390}, False)
    assert (report.first, report.last) == ("2019-02-11T14:30:00Z", "2019-02-11T20:59:00Z")
    assert report_text(report).endswith("fit to use")


@pytest.mark.parametrize(
    ("rows", "what", "level", "count"),
    [
        ([*DAY, DAY[7]], "duplicates", "error", 1),
        ([*DAY, DAY[7].replace("100.0", "101.0")], "different bars of one minute", "error", 1),
        ([*DAY[1:], DAY[0]], "out of order", "error", 1),
        ([*DAY[:5], row(5, -1), *DAY[6:]], "bad price", "error", 1),
        ([*DAY[:5], row(5, float("nan")), *DAY[6:]], "bad price", "error", 1),
        ([*DAY[:5], row(5, volume=-1), *DAY[6:]], "bad volume", "error", 1),
        ([*DAY, *(row(minute, day="2019-02-13") for minute in range(390))], "sessions without a bar", "error", 1),
        ([*DAY[:5], *DAY[8:]], "minutes without a bar", "warning", 3),
        ([*DAY[:5], row(5, 120), *DAY[6:]], "bad prints suspected", "warning", 1),
        ([*DAY[:5], LOW_WICK, *DAY[6:]], "bad prints suspected", "warning", 1),
        ([*DAY, *(row(minute, 50, day="2019-02-12") for minute in range(390))], "splits suspected", "warning", 1),
        ([*DAY, row(391)], "outside the sessions", "warning", 1),
    ],
)
def test_each_flaw_is_found(tmp_path: Path, rows: list[str], what: str, level: str, count: int) -> None:
    report = check_data([written(tmp_path, *rows)], NEW_YORK)
    assert found(report)[what] == (level, count)
    assert report.has_errors == (level == "error")


def test_import_leaves_faults_out_and_puts_the_rest_in_order(tmp_path: Path) -> None:
    source = written(tmp_path, *DAY[5:], *DAY[:5], DAY[3], row(3, -1), name="SPY.csv")
    report = import_data([source], tmp_path / "clean", NEW_YORK)
    assert report.left_out == 2 and {"duplicates", "bad price", "out of order"} <= found(report).keys()
    clean = tmp_path / "clean" / "bars.parquet"
    assert report.written == (str(clean),)
    bars = list(Recorded.open([clean]).items())
    assert [(bar.symbol, bar.close, bar.volume) for bar in bars if isinstance(bar, Bar)] == [("SPY", 100.0, 10)] * 390
    assert [bar.time_ns for bar in bars] == sorted({bar.time_ns for bar in bars})
    assert not check_data([clean], Reading()).findings
    assert [path.name for path in clean.parent.iterdir()] == ["bars.parquet"]
    assert info_of([clean], Reading())[0]["rows"] == 390
    assert report_text(report).endswith("cleaned: what is listed as an error was left out or put in order")
    with pytest.raises(DataError, match="read and written at once"):
        import_data([clean], clean.parent, Reading())


TRADES = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from("AB"), st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=60
)


@settings(max_examples=50)
@given(TRADES, st.integers(3, 50), st.integers(1, 20))
def test_import_sorts_whatever_order_rows_have_and_however_many_there_are(
    tmp_path_factory: pytest.TempPathFactory, trades: list[tuple[int, str, int, int]], run_rows: int, group_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("trades")
    times, names, sizes, ids = zip(*trades, strict=True)
    start_ns = ns_of_rfc3339("2019-02-11T14:30:00Z")
    table = arrow.table(
        {
            "timestamp": arrow.array(np.array(times) + start_ns, arrow.timestamp("ns", "UTC")),
            "symbol": arrow.array(names),
            "price": arrow.array([1.0] * len(trades)),
            "size": arrow.array(sizes),
            "trade_id": arrow.array(ids, arrow.int64()),
        }
    )
    pyarrow.parquet.write_table(table, folder / "trades.parquet", row_group_size=group_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hftd.data.writing, "RUN_ROWS", run_rows)
        report = import_data([folder], folder / "clean", Reading())
    kept, seen = [], set()
    for time, name, size, id in sorted(trades, key=lambda trade: trade[:2]):
        if not id or (time, name, size, id) not in seen:
            seen.add((time, name, size, id))
            kept.append((start_ns + time, name, size, id))
    got = [item for item in Recorded.open([folder / "clean"]).items() if isinstance(item, Trade)]
    assert [(item.time_ns, item.symbol, item.size, item.trade_id) for item in got] == kept
    assert report.left_out == len(trades) - len(kept)


def test_options_lie_over_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "symbols: [SPY]\nmodel: m\ndata: {columns: {close: Last, open: First}, time_zone: UTC, stamped: end}\n"
    )
    reading = reading_of(file, {}, {"columns": ["close=C"], "time_zone": "Asia/Tokyo", "volume": None})
    assert reading == Reading({"close": "C", "open": "First"}, "Asia/Tokyo", "", "end", "", 0)
    with pytest.raises(SettingsError, match=r"no column clse; did you mean close\?"):
        reading_of(file, {}, {"columns": ["clse=C"]})


def test_a_gap_is_no_reason_to_leave_anything_out_nor_to_call_it_clean(tmp_path: Path) -> None:
    report = import_data([written(tmp_path, *DAY[:3], name="SPY.csv")], tmp_path / "into", NEW_YORK)
    assert report_text(report).endswith("387 of 390\nnothing had to be left out: the rows of a warning stay")


def test_an_unknown_time_zone_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no time zone 'New_York'; did you mean America/New_York"):
        check_data([written(tmp_path, *DAY)], Reading(time_zone="New_York"))


def test_the_commands(make_home: MakeHome, tmp_path: Path) -> None:
    home = make_home("data")
    source = written(tmp_path, *DAY, DAY[0])
    ended = home.run("data", "check", source)
    assert ended.status == 78 and "holds times without a time zone" in ended.log and "Traceback" not in ended.log
    ended = home.run("data", "check", source, "--time-zone", "America/New_York", "--json")
    assert ended.status == 1 and ended.json["findings"][0]["what"] == "duplicates"
    ended = home.run("data", "import", source, "--into", tmp_path / "clean", HFTD_DATA__TIME_ZONE="America/New_York")
    assert ended.status == 0 and "left out  1 rows" in ended.out
    assert home.run("data", "check", tmp_path / "clean").status == 0
    assert "bars" in home.run("data", "info", tmp_path / "clean").out


def test_the_real_week_is_fit(hftd_data: Path, tmp_path: Path) -> None:
    file = hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"
    report = import_data([file], tmp_path, Reading())
    assert found(report) == {"minutes without a bar": ("warning", 17)}
    assert list(Recorded.open([tmp_path]).items()) == list(Recorded.open([file]).items())
    assert os.path.getsize(tmp_path / "bars.parquet") < os.path.getsize(file) * 1.3
    assert date(2019, 2, 11).isoformat() in str(report.first)
