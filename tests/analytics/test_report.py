"""The report's values: figures per model and in all, execution, health, the order log."""

import csv
import io

import pytest

from hftd.analytics.report import report_of
from hftd.analytics.shown import columns_of, csv_of, duration, money, percent, summary
from hftd.domain.orders import Side
from tests.analytics.told import Script, round_trip


def test_a_session_in_figures():
    report = report_of([round_trip().story()])
    figures, execution = report.together.figures, report.together.execution
    assert figures.profit == pytest.approx(19.0)
    assert figures.total_return == pytest.approx(0.0019)
    assert (figures.trades, figures.win_rate, figures.average_win) == (1, 1.0, pytest.approx(19.0))
    assert figures.holding_s == 120.0
    assert figures.turnover == pytest.approx(2_021 / 10_000, rel=0.01)
    assert (execution.orders, execution.filled, execution.fill_rate) == (2, 2, 1.0)
    assert (execution.median_fill_s, execution.slippage) == (2.0, pytest.approx(1.0))
    assert execution.slippage_bps == pytest.approx(1.0 / 2_021 * 10_000)


def test_the_minutes_after_the_last_bar_count_until_the_close():
    report = report_of([round_trip().story()])
    assert len(report.curve) == 391
    assert report.together.figures.exposure == pytest.approx(2 / 390)


def test_models_side_by_side_add_up_to_all():
    one, two = Script("one").open(), Script("two")
    one.trade(Side.BUY, 10, 100.0, 100.0).bar(101.0)
    story = one.close().story()
    report = report_of([story, two.open().bar(100.0).close().story()])
    assert [name for name, _ in columns_of(report)] == ["all", "one", "two"]
    assert [part.figures.profit for part in report.parts] == [10.0, 10.0, 0.0]


def test_sessions_go_on_from_each_other():
    stories = [round_trip().story() for _ in range(3)]
    report = report_of(stories)
    assert report.together.figures.profit == pytest.approx(57.0)
    assert len(report.curve) == 3 * 390 + 1
    assert report.title == "3 sessions, 2019-02-11 to 2019-02-11"


def test_many_sessions_are_measured_in_days():
    days = report_of([round_trip().story() for _ in range(21)]).together.figures
    assert days.years == pytest.approx(21 / 252)
    assert days.profit == pytest.approx(21 * 19.0)


def test_minutes_without_a_bar_are_counted():
    assert report_of([round_trip().story()]).health.missing_minutes == {"SPY": 386}


def test_nothing_at_all_is_a_report_too():
    from hftd.analytics.session import SessionStory
    from tests.analytics.told import DAY

    report = report_of([SessionStory(DAY)], ["the journal is empty"])
    assert report.orders == [] and report.curve == [] and not report.whole
    assert summary(report) == "P&L +0.00, 0 orders, 0 filled, flat"


def test_the_order_log_has_the_columns_that_everybody_expects():
    rows = list(csv.reader(io.StringIO(csv_of(report_of([round_trip().story()]).orders))))
    assert rows[0][:8] == ["timestamp", "symbol", "action", "quantity", "price", "notional", "cash", "equity"]
    assert rows[1][:8] == ["2019-02-11T14:31:00Z", "SPY", "buy", "10", "100.1", "1001.00", "8999.00", "9999.00"]
    assert len(rows) == 3


def test_a_reason_that_a_spreadsheet_would_run_is_made_harmless():
    script = Script().open().trade(Side.BUY, 10, 100.0, 100.0)
    event, (raised, submitted), source, received_ns = script.steps[2]
    from msgspec.structs import replace

    script.steps[2] = (event, [raised, replace(submitted, reason="=cmd|' /C calc'!A0")], source, received_ns)
    assert "'=cmd" in csv_of(report_of([script.story()]).orders)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (money(-0.001), "+0.00"),
        (money(1234.5), "+1,234.50"),
        (money(None), "–"),
        (percent(float("nan")), "–"),
        (percent(-0.00059), "-0.059 %"),
        (duration(0.25), "0.25 s"),
        (duration(6.5 * 3600), "6 h 30 min"),
        (duration(7200), "2 h"),
    ],
)
def test_how_figures_are_written(written, expected):
    assert written == expected
