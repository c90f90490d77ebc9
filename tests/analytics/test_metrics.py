"""The figures, held against empyrical-reloaded and quantstats on real daily bars, and against sums done by hand.

What is not equal is written as the difference that docs/report.md states.
"""

import math
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.analytics import metrics

DATA = Path(os.environ.get("HFTD_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
DAILY = DATA / "bars" / "us_1d_2018_2019-02-15.parquet"
SYMBOLS = ("AAPL", "AMZN", "BAC", "MSFT", "SPY", "TSLA")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import empyrical
    from quantstats import stats


@pytest.fixture(scope="module")
def closes():
    if not DAILY.is_file():
        pytest.skip(f"no {DAILY}")
    import pandas as pd

    bars = pd.read_parquet(DAILY)
    return {symbol: bars[bars.symbol == symbol].set_index("timestamp").close.astype(float) for symbol in SYMBOLS}


@pytest.fixture(params=SYMBOLS)
def daily(request, closes):
    """The returns of one symbol, as a pandas Series with dates."""
    series = closes[request.param].pct_change().dropna()
    series.index = series.index.tz_localize(None)
    return series


AS_EMPYRICAL = {
    "total_return": empyrical.cum_returns_final,
    "annual_return": empyrical.annual_return,
    "volatility": empyrical.annual_volatility,
    "sharpe": empyrical.sharpe_ratio,
    "sortino": empyrical.sortino_ratio,
    "calmar": empyrical.calmar_ratio,
    "omega": empyrical.omega_ratio,
    "value_at_risk": empyrical.value_at_risk,
    "conditional_value_at_risk": empyrical.conditional_value_at_risk,
    "max_drawdown": empyrical.max_drawdown,
}

AS_QUANTSTATS = {
    "total_return": stats.comp,
    "annual_return": stats.cagr,
    "volatility": stats.volatility,
    "sharpe": stats.sharpe,
    "sortino": stats.sortino,
    "calmar": stats.calmar,
    "omega": stats.omega,
    "max_drawdown": stats.max_drawdown,
}


@pytest.mark.parametrize("name", AS_EMPYRICAL)
def test_equal_empyrical_on_real_days(name, daily):
    assert getattr(metrics, name)(daily.to_numpy()) == pytest.approx(AS_EMPYRICAL[name](daily), rel=1e-12)


@pytest.mark.parametrize("name", AS_QUANTSTATS)
def test_equal_quantstats_on_real_days(name, daily):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = float(AS_QUANTSTATS[name](daily))
    assert getattr(metrics, name)(daily.to_numpy()) == pytest.approx(theirs, rel=1e-9)


def test_value_at_risk_of_quantstats_supposes_a_normal_distribution(daily):
    from statistics import NormalDist

    theirs = float(stats.value_at_risk(daily))
    assert theirs == pytest.approx(NormalDist(daily.mean(), daily.std()).inv_cdf(0.05))
    assert metrics.value_at_risk(daily.to_numpy()) == pytest.approx(np.quantile(daily, 0.05))
    assert metrics.value_at_risk(daily.to_numpy()) != pytest.approx(theirs, rel=1e-3)


def test_rates_of_quantstats_count_periods_where_ours_count_trades(daily):
    """On the same numbers they agree but for what came out even, which is no win here and left out there."""
    values = daily.to_numpy()
    without_even = values[values != 0]
    assert metrics.win_rate(without_even) == pytest.approx(stats.win_rate(daily))
    assert metrics.profit_factor(values) == pytest.approx(stats.profit_factor(daily))
    assert metrics.average_win(values) == pytest.approx(stats.avg_win(daily))
    assert metrics.average_loss(values) == pytest.approx(stats.avg_loss(daily))


def test_length_of_the_drawdown_is_that_of_the_deepest(daily):
    details = stats.drawdown_details(stats.to_drawdown_series(daily))
    deepest = details.sort_values("max drawdown").iloc[0]
    days = [day.strftime("%Y-%m-%d") for day in daily.index]
    ended, last = days.index(str(deepest["end"])[:10]), len(days) - 1
    lasted = ended - days.index(str(deepest["start"])[:10]) + 1
    recovered = ended < last
    assert metrics.max_drawdown_periods(daily.to_numpy()) == lasted + recovered  # theirs ends before the new best


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("total_return", [0.1, -0.1], -0.01),
        ("max_drawdown", [0.1, -0.5, 0.2], -0.5),
        ("max_drawdown", [-0.25], -0.25),  # the beginning is a best too
        ("max_drawdown_periods", [0.1, -0.5, 0.2, 0.9], 3),
        ("max_drawdown_periods", [-0.1, 0.2, -0.5, 0.1], 2),
        ("max_drawdown_periods", [0.1, 0.1], 0),
        ("omega", [0.02, -0.01], 2.0),
        ("value_at_risk", [-0.1, 0.1], -0.09),
        ("conditional_value_at_risk", [-0.1, 0.1], -0.1),
        ("win_rate", [5.0, 0.0, -1.0, 2.0], 0.5),
        ("profit_factor", [6.0, -2.0, 0.0], 3.0),
        ("average_win", [5.0, 3.0, -1.0], 4.0),
        ("average_loss", [5.0, -3.0, -1.0], -2.0),
        ("exposure", [0.0, 100.0, 100.0, 0.0], 0.5),
    ],
)
def test_by_hand(name, values, expected):
    assert getattr(metrics, name)(np.array(values)) == pytest.approx(expected)


def test_turnover_counts_both_sides():
    assert metrics.turnover(np.array([1000.0, -1000.0]), np.array([900.0, 1100.0])) == 2.0


def test_returns_from_equity_have_no_value_where_nothing_was_left():
    returns = metrics.returns_of(np.array([100.0, 110.0, 0.0, 50.0]))
    assert returns[:2] == pytest.approx([0.1, -1.0])
    assert math.isnan(returns[2])


OF_RETURNS = [*AS_EMPYRICAL, "max_drawdown_periods", "exposure", "win_rate", "average_win", "average_loss"]


@pytest.mark.parametrize("name", OF_RETURNS)
@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0], [0.01], [-1.0, 0.0], [0.1] * 9])
def test_poor_input_gives_a_number_or_nan_and_no_error(name, values):
    assert isinstance(getattr(metrics, name)(np.array(values)), float | int)


def test_constant_returns_have_no_sharpe_ratio():
    assert math.isnan(metrics.sharpe(np.full(30, 0.1)))


@given(st.lists(st.floats(min_value=-0.5, max_value=0.5), min_size=1, max_size=60))
def test_bounds_that_hold_for_all_returns(values):
    returns = np.array(values)
    assert -1 <= metrics.max_drawdown(returns) <= 0
    assert metrics.conditional_value_at_risk(returns) <= metrics.value_at_risk(returns) + 1e-12
    assert 0 <= metrics.max_drawdown_periods(returns) <= len(returns)
    assert returns.min() - 1e-12 <= metrics.value_at_risk(returns) <= returns.max() + 1e-12
