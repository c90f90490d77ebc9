"""Bad prints are set aside and real moves are not: on made-up bars, and on the recorded ones that have both."""

import os
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived, PortfolioCarried, PrintQuarantined, SymbolHalted
from hftd.domain.market import Bar
from hftd.engine.admission import PATIENCE_BARS, Admission, misdated

DATA = Path(os.environ.get("HFTD_DATA", "../shared/data"))
RECORDED = DATA / "bars" / "us_1m_ext_2024-08-23_2024-08-30.parquet"


def bar(minute: int, price: float, *, high: float | None = None, low: float | None = None, close: float | None = None):
    last = price if close is None else close
    top, bottom = max(price, last), min(price, last)
    return Bar("SPY", minute * MINUTE_NS, price, high or top, low or bottom, last, 100)


def judged(admission: Admission, *bars: Bar):
    return [type(event) for one in bars for event in admission.judge(one)]


def test_the_first_bar_sets_the_anchor():
    admission = Admission()
    assert judged(admission, bar(1, 100.0)) == [BarReceived]
    assert admission.anchors == {"SPY": 100.0}


def test_a_volume_that_no_journal_holds_is_malformed():
    huge = Bar("SPY", MINUTE_NS, 1.0, 1.0, 1.0, 1.0, 2**63)
    assert judged(Admission(), huge) == [PrintQuarantined]


def test_what_was_set_aside_for_its_time_makes_no_bar_after_it_one_from_the_past():
    admission = Admission()
    admission.recall(misdated(bar(1_000_000, 100.0), now_ns=5 * MINUTE_NS))
    assert judged(admission, bar(5, 100.0)) == [BarReceived]


@pytest.mark.parametrize("away", [{"high": 105.0}, {"low": 95.0}, {"high": 300.0}, {"low": 0.01}])
def test_an_excursion_inside_a_bar_is_set_aside_and_the_next_bar_passes(away):
    admission = Admission()
    assert judged(admission, bar(1, 100.0), bar(2, 100.0, **away), bar(3, 100.1)) == [
        BarReceived,
        PrintQuarantined,
        BarReceived,
    ]


def test_a_move_just_below_the_bound_passes():
    assert judged(Admission(), bar(1, 100.0), bar(2, 104.9), bar(3, 109.9)) == [BarReceived] * 3


def test_three_consistent_bars_move_the_anchor():
    admission = Admission()
    kinds = judged(admission, bar(1, 100.0), bar(2, 90.0), bar(3, 90.5), bar(4, 89.5), bar(5, 89.0))
    assert kinds == [BarReceived, PrintQuarantined, PrintQuarantined, BarReceived, BarReceived]


def test_three_bars_that_agree_on_nothing_do_not():
    kinds = judged(Admission(), bar(1, 100.0), bar(2, 90.0), bar(3, 110.0), bar(4, 80.0), bar(5, 100.0))
    assert kinds == [BarReceived, PrintQuarantined, PrintQuarantined, PrintQuarantined, BarReceived]


def test_nothing_is_quarantined_for_ever():
    admission = Admission()
    admission.judge(bar(1, 100.0))
    wild = [bar(minute, 100.0, high=120.0, low=80.0) for minute in range(2, PATIENCE_BARS + 3)]
    assert judged(admission, *wild) == [PrintQuarantined] * PATIENCE_BARS + [BarReceived]


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_price_is_malformed(price):
    (event,) = Admission().judge(bar(1, 100.0, close=price))
    assert isinstance(event, PrintQuarantined) and "not a positive number" in event.reason


def test_a_high_below_the_close_is_malformed():
    (event,) = Admission().judge(Bar("SPY", 0, 10.0, 9.0, 8.0, 9.5, 1))
    assert isinstance(event, PrintQuarantined) and "enclose" in event.reason


def test_a_bar_from_the_past_is_set_aside():
    admission = Admission()
    assert judged(admission, bar(5, 100.0), bar(4, 100.0)) == [BarReceived, PrintQuarantined]


@pytest.mark.parametrize(("after", "words"), [(10.0, "10 for 1"), (50.2, "2 for 1"), (200.5, "1 for 2")])
def test_a_night_with_a_splits_ratio_halts_the_symbol(after, words):
    admission = Admission()
    admission.recall(PortfolioCarried(0, Decimal(0), (), {"SPY": 100.0}))
    events = [event for minute in (1, 2, 3) for event in admission.judge(bar(minute, after))]
    assert [type(event) for event in events] == [PrintQuarantined, PrintQuarantined, SymbolHalted, BarReceived]
    assert words in events[2].reason


def test_a_crash_within_the_day_is_no_split():
    kinds = judged(Admission(), bar(1, 100.0), bar(2, 50.0), bar(3, 50.0), bar(4, 50.0))
    assert kinds == [BarReceived, PrintQuarantined, PrintQuarantined, BarReceived]


def test_what_was_judged_before_a_restart_is_recalled():
    first, again = Admission(), Admission()
    bars = [bar(1, 100.0), bar(2, 90.0), bar(3, 101.0)]
    for event in (event for one in bars for event in first.judge(one)):
        again.recall(event)
    assert again.anchors == first.anchors
    assert again.last_bar_ns("SPY") == first.last_bar_ns("SPY") == 3 * MINUTE_NS


@pytest.fixture(scope="module")
def set_aside():
    """(symbol, New York minute) of every recorded bar that was set aside."""
    if not RECORDED.exists():
        pytest.skip(f"no recorded bars at {RECORDED}: set HFTD_DATA")
    import pyarrow.parquet as parquet

    table = parquet.read_table(RECORDED).sort_by([("timestamp", "ascending"), ("symbol", "ascending")])
    admission, found = Admission(), {}
    for row in table.to_pylist():
        one = Bar(row["symbol"], row["timestamp"].value, *(row[k] for k in ("open", "high", "low", "close")), 0)
        moment = row["timestamp"].astimezone(ZoneInfo("America/New_York")).strftime("%m-%d %H:%M")
        for event in admission.judge(one):
            if not isinstance(event, BarReceived):
                found[one.symbol, moment] = event
    return found


def test_the_recorded_bad_prints_after_hours_are_caught(set_aside):
    known = [("NVDA", "08-23 17:08"), ("MSFT", "08-23 17:04"), ("MSFT", "08-30 17:11"), ("SPY", "08-30 17:10")]
    assert [print_ for print_ in known if print_ not in set_aside] == []


def test_the_recorded_real_moves_are_not(set_aside):
    real = [("NVDA", "08-28 16:24"), ("NVDA", "08-29 04:00"), ("NVDA", "08-28 16:20"), ("NVDA", "08-28 16:26")]
    assert [move for move in real if move in set_aside] == []


def test_nothing_of_regular_hours_is_set_aside(set_aside):
    assert [key for key in set_aside if "09:30" <= key[1][6:] < "16:00"] == []
