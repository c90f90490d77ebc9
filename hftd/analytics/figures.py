"""All figures of one equity curve and its trades in one value: what a report, a backtest and a page show."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from hftd.analytics import metrics
from hftd.analytics.metrics import Floats
from hftd.analytics.trades import ClosedTrade

SHORTEST_YEARLY = 1 / 12
"""Years below which a yearly return says nothing: a day's 1 % would be 1,100 % a year."""


class Figures(Struct, frozen=True):
    """Returns, drawdowns and rates are parts of one, money dollars, times seconds; nan where there is no such figure.

    `years` is how long a time they are of. Ratios are annualised; the yearly return and Calmar only from a month on.
    """

    years: float
    profit: float
    total_return: float
    annual_return: float
    volatility: float
    sharpe: float
    sortino: float
    calmar: float
    omega: float
    value_at_risk: float
    conditional_value_at_risk: float
    max_drawdown: float
    max_drawdown_s: float
    trades: int
    win_rate: float
    profit_factor: float
    average_win: float
    average_loss: float
    exposure: float
    turnover: float
    holding_s: float

    def as_json(self) -> dict[str, Any]:
        """By name, with None for what is not a finite number."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}


def figures_of(
    equity: Floats | Sequence[float],
    periods_per_year: float,
    trades: Iterable[ClosedTrade] = (),
    notionals: Floats | Sequence[float] = (),
    position_values: Floats | Sequence[float] = (),
    seconds_per_period: float | None = None,
) -> Figures:
    """The figures of n + 1 equities (dollars, the first begun with), of the closed trades, of the notionals (dollars)
    of all fills, and of the gross dollars held at the end of each period.

    `seconds_per_period` are seconds of trading, 6.5 hours a day unless given.
    """
    curve = np.asarray(equity, dtype=np.float64)
    returns = metrics.returns_of(curve)
    closed = list(trades)
    profits = np.array([trade.profit for trade in closed], dtype=np.float64)
    years = len(returns) / periods_per_year
    period_s = seconds_per_period or metrics.MINUTES_PER_YEAR * 60 / periods_per_year
    is_long = years >= SHORTEST_YEARLY
    return Figures(
        years=years,
        profit=float(curve[-1] - curve[0]) if len(curve) else 0.0,
        total_return=metrics.total_return(returns),
        annual_return=metrics.annual_return(returns, periods_per_year) if is_long else math.nan,
        volatility=metrics.volatility(returns, periods_per_year),
        sharpe=metrics.sharpe(returns, periods_per_year),
        sortino=metrics.sortino(returns, periods_per_year),
        calmar=metrics.calmar(returns, periods_per_year) if is_long else math.nan,
        omega=metrics.omega(returns),
        value_at_risk=metrics.value_at_risk(returns),
        conditional_value_at_risk=metrics.conditional_value_at_risk(returns),
        max_drawdown=metrics.max_drawdown(returns),
        max_drawdown_s=metrics.max_drawdown_periods(returns) * period_s,
        trades=len(closed),
        win_rate=metrics.win_rate(profits),
        profit_factor=metrics.profit_factor(profits),
        average_win=metrics.average_win(profits),
        average_loss=metrics.average_loss(profits),
        exposure=metrics.exposure(np.asarray(position_values, dtype=np.float64)),
        turnover=metrics.turnover(np.asarray(notionals, dtype=np.float64), curve),
        holding_s=_holding_s(closed),
    )


def _holding_s(trades: Sequence[ClosedTrade]) -> float:
    """Mean seconds that a closed share was held."""
    shares = sum(trade.quantity for trade in trades)
    return sum(trade.held_s * trade.quantity for trade in trades) / shares if shares else math.nan
