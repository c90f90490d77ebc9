"""`hftd report`: on the terminal, as a page, as JSON and as CSV."""

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hftd.commands.report import report_of_journals, write_report
from hftd.errors import StateError
from hftd.journal import journal_path
from tests.analytics.test_reading import written
from tests.analytics.told import DAY, Script, round_trip
from tests.running import Home, write_tape

RISING = [(30, 100.0, 1001), (31, 100.0, 3100), (32, 101.0, 1001), (33, 102.0, 1001), (34, 102.0, 1001)]
"""Minutes on which the toy rule buys before the price rises."""


def test_the_last_session_on_the_terminal_and_as_a_page(home: Home) -> None:
    written(home.state, round_trip())
    told = home.run("report")
    assert told.status == 0 and told.log == ""
    assert told.out.startswith("Session 2019-02-11: P&L +19.00, 2 orders, 2 filled, flat\n")
    page = home.state / "reports" / "2019-02-11.html"
    assert told.out.endswith(f"The whole report: {page}\n")
    assert page.read_text().startswith("<!doctype html>")


def test_the_page_where_it_is_wanted(home: Home) -> None:
    written(home.state, round_trip())
    assert home.run("report", "--out", "mine.html").out == "mine.html written\n"
    assert "+19.00" in (home.folder / "mine.html").read_text()
    assert home.run("report", "--out", "-").out.startswith("<!doctype html>")
    assert not (home.state / "reports").exists()


def test_values_for_programs(home: Home) -> None:
    written(home.state, round_trip())
    told = home.run("report", "--json", "--session", "2019-02-11").json
    assert told["parts"][0]["figures"]["profit"] == pytest.approx(19.0)
    assert told["parts"][0]["figures"]["annual_return"] is None
    rows = list(csv.DictReader(io.StringIO(home.run("report", "--csv").out)))
    assert [row["action"] for row in rows] == ["buy", "sell"]


def test_mistakes_are_told_in_a_sentence(home: Home) -> None:
    nothing = home.run("report")
    assert nothing.status == 1 and nothing.log.endswith("no session has been traded yet; hftd run starts one\n")
    written(home.state, round_trip())
    other = home.run("report", "--session", "2019-02-12")
    assert other.status == 1 and "no journal of session 2019-02-12; kept are 1: 2019-02-11" in other.log
    (home.folder / "file").touch()
    unwritable = home.run("report", "--out", "file/report.html")
    assert unwritable.status == 1 and "the report cannot be written" in unwritable.log


def test_a_session_that_crashed_half_way_is_reported_as_far_as_it_goes(home: Home) -> None:
    written(home.state, Script().open().bar(100.0))
    with closing(sqlite3.connect(journal_path(home.state, DAY))) as connection, connection:
        connection.execute("UPDATE events SET body = 'x' WHERE sequence = 3")
    told = home.run("report")
    assert told.status == 0
    assert "missing: event 3: bar.received cannot be understood" in told.out
    assert "missing: the session's close is missing" in told.out
    listed = home.run("journal")
    assert listed.status == 1 and "bar.received of event 3 cannot be read" in listed.log


def test_a_report_is_whole_or_not_there(home: Home) -> None:
    report = report_of_journals([written(home.state, round_trip())])
    (home.folder / "full").mkdir()
    with pytest.raises(StateError):
        write_report(report, home.folder / "full")  # a folder is in its place
    assert not list(home.folder.glob(".full*"))


def test_a_backtest_is_reported_like_a_session(home: Home, tmp_path: Path) -> None:
    rows = [(f"2019-02-11T14:{minute}:00Z", price, volume) for minute, price, volume in RISING]
    data = write_tape(tmp_path / "bars.csv", rows)
    assert home.run("backtest", "volume_17_31", "--data", data, "--out", "backtests/mine").status == 0
    told = home.run("report", "--backtest", "mine")
    assert told.status == 0, told
    assert told.out.startswith("Backtest of volume_17_31, 2019-02-11 to 2019-02-11: P&L")
    page = (home.folder / "backtests" / "mine" / "report.html").read_text()
    assert page.count("<svg") == 3 and "What is missing" not in page
    assert home.run("report", "--backtest", "mine", "--csv").out.count("\n") == 3
    (home.folder / "backtests" / "mine" / "bars.parquet").unlink()
    assert "missing: bars.parquet is not there" in home.run("report", "--backtest", "backtests/mine").out
    other = home.run("report", "--backtest", "yours")
    assert other.status == 78 and "yours: no backtest there; kept are mine" in other.log
