"""All figures of one curve at once."""

import json
import math

import numpy as np
import pytest

from hftd.analytics import metrics
from hftd.analytics.figures import figures_of
from hftd.analytics.trades import ClosedTrade


def test_figures_of_a_curve_and_its_trades():
    trades = [ClosedTrade("SPY", 0, 10, 30.0, 60.0), ClosedTrade("SPY", 1, 5, -10.0, 120.0)]
    figures = figures_of([1000.0, 1010.0, 1000.0, 1020.0], 252, trades, [500.0, -500.0], [0.0, 500.0, 0.0])
    assert figures.profit == 20.0
    assert figures.total_return == pytest.approx(0.02)
    assert (figures.trades, figures.win_rate, figures.profit_factor) == (2, 0.5, 3.0)
    assert figures.holding_s == 80.0
    assert figures.exposure == pytest.approx(1 / 3)
    assert figures.max_drawdown_s == 2 * 390 * 60


def test_a_yearly_return_is_not_told_of_a_single_day():
    day = figures_of(1000 + np.arange(391.0), metrics.MINUTES_PER_YEAR)
    assert math.isnan(day.annual_return) and math.isnan(day.calmar)
    month = figures_of(1000 + np.arange(23.0), metrics.DAYS_PER_YEAR)
    assert month.annual_return > 0


@pytest.mark.parametrize("curve", [[], [1000.0], [1000.0, 1000.0], [1000.0, 0.0, 0.0]])
def test_a_poor_curve_gives_figures_that_are_json(curve):
    json.dumps(figures_of(curve, metrics.DAYS_PER_YEAR).as_json(), allow_nan=False)
