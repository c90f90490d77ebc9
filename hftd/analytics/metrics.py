"""Return and risk figures. Pure functions over float64 arrays; nan where a figure has no meaning.

`returns` are simple returns of equal periods: equity at the end of the period over equity at its beginning, less one.
`equity` is dollars at the end of each period, the first element the dollars begun with. `periods_per_year` is 252 for
days, 252 * 390 for minutes of regular hours. Where common libraries define a figure otherwise, docs/report.md says how.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAYS_PER_YEAR = 252
MINUTES_PER_YEAR = 252 * 390
TAIL = 0.05
"""The part of all periods that value at risk takes for the bad ones."""
DUST = 1e-12
"""A spread below this part of one is rounding, not risk: constant returns have no Sharpe ratio."""


def returns_of(equity: Floats) -> Floats:
    """Simple returns of n + 1 equities, n of them. Where nothing was left, or less, there is no return: nan."""
    equity = _floats(equity)
    before = np.where(equity[:-1] > 0, equity[:-1], np.nan)
    return equity[1:] / before - 1


def total_return(returns: Floats) -> float:
    """The product of all (1 + r), less one."""
    return float(np.prod(1 + _floats(returns)) - 1)


def annual_return(returns: Floats, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """The yearly return that compounds to the total return: (1 + total) ** (periods_per_year / n) - 1.

    Source: Bacon, Practical Portfolio Performance Measurement and Attribution, 2nd ed., ch. 2 (geometric annualising).
    """
    growth = 1 + total_return(returns)
    if not len(returns) or not growth >= 0:
        return math.nan
    try:
        return float(growth ** (periods_per_year / len(returns)) - 1)
    except OverflowError:
        return math.inf


def volatility(returns: Floats, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """Standard deviation of a sample (n - 1) of returns, times the root of periods_per_year. nan below two returns.

    Source: Hull, Options, Futures, and Other Derivatives, 10th ed., sec. 15.4, of simple returns.
    """
    return _deviation(_floats(returns)) * math.sqrt(periods_per_year)


def sharpe(returns: Floats, periods_per_year: float = DAYS_PER_YEAR, risk_free: float = 0.0) -> float:
    """Mean excess return over its standard deviation, times the root of periods_per_year.

    `risk_free` is the return of one period. nan when all returns are alike.
    Source: Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21(1), 1994, eq. 3-6; annualised as there.
    """
    excess = _floats(returns) - risk_free
    deviation = _deviation(excess)
    return float(_over(excess.mean(), deviation) * math.sqrt(periods_per_year)) if deviation >= DUST else math.nan


def sortino(returns: Floats, periods_per_year: float = DAYS_PER_YEAR, target: float = 0.0) -> float:
    """Mean return above `target` over the downside deviation: the root of the mean square of what fell short, all n
    returns counted. Annualised by the root of periods_per_year. nan when nothing fell short.

    Source: Sortino and Price, Performance Measurement in a Downside Risk Framework, Journal of Investing 3(3), 1994.
    """
    excess = _floats(returns) - target
    if not len(excess):
        return math.nan
    downside = math.sqrt(np.mean(np.minimum(excess, 0) ** 2))
    return float(_over(excess.mean(), downside) * math.sqrt(periods_per_year))


def calmar(returns: Floats, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """Annual return over the size of the maximum drawdown, of the whole time given. nan without a drawdown.

    Source: Young, Calmar Ratio: A Smoother Tool, Futures 20(1), 1991 (there of the last 36 months).
    """
    return _over(annual_return(returns, periods_per_year), -max_drawdown(returns))


def omega(returns: Floats, threshold: float = 0.0) -> float:
    """What was gained above `threshold`, a period's return, over what was lost below it. nan when nothing was lost.

    Source: Keating and Shadwick, A Universal Performance Measure, Journal of Performance Measurement 6(3), 2002.
    """
    excess = _floats(returns) - threshold
    return _over(float(np.maximum(excess, 0).sum()), float(np.maximum(-excess, 0).sum()))


def value_at_risk(returns: Floats, tail: float = TAIL) -> float:
    """The return that a period falls below with chance `tail`, from the returns themselves (linear between the two
    nearest): a negative number where there is something to lose.

    Source: Jorion, Value at Risk, 3rd ed., ch. 10 (historical simulation).
    """
    return float(np.quantile(_floats(returns), tail)) if len(returns) else math.nan


def conditional_value_at_risk(returns: Floats, tail: float = TAIL) -> float:
    """The mean of the worst returns, those up to place (n - 1) * tail: what a bad period costs on average.

    Source: Rockafellar and Uryasev, Optimization of Conditional Value-at-Risk, Journal of Risk 2(3), 2000.
    """
    worst = np.sort(_floats(returns))[: int((len(returns) - 1) * tail) + 1] if len(returns) else _floats([])
    return float(worst.mean()) if len(worst) else math.nan


def drawdowns(returns: Floats) -> Floats:
    """After each period, how far the worth is below its best, the beginning included: 0 or negative parts of one.

    Source: Magdon-Ismail and Atiya, Maximum Drawdown, Risk 17(10), 2004.
    """
    worth = np.concatenate(([1.0], np.cumprod(1 + _floats(returns))))
    return np.asarray(worth / np.maximum.accumulate(worth) - 1, dtype=np.float64)[1:]


def max_drawdown(returns: Floats) -> float:
    """The deepest of `drawdowns`: 0 when there was none, else negative."""
    return float(min(drawdowns(returns), default=0.0)) if len(returns) else 0.0


def max_drawdown_periods(returns: Floats) -> int:
    """How long the deepest drawdown lasted: periods from the best before it to the next best, or to the end."""
    depths = drawdowns(returns)
    if not (depths < 0).any():
        return 0
    deepest = int(depths.argmin())
    whole_before = np.flatnonzero(depths[:deepest] == 0)
    whole_after = np.flatnonzero(depths[deepest:] == 0)
    began = int(whole_before[-1]) if len(whole_before) else -1
    ended = deepest + int(whole_after[0]) if len(whole_after) else len(depths) - 1
    return ended - began


def exposure(position_values: Floats) -> float:
    """The part of all periods that ended with something held. `position_values` are gross dollars by period."""
    values = _floats(position_values)
    return float(np.mean(values != 0)) if len(values) else math.nan


def turnover(notionals: Floats, equity: Floats) -> float:
    """Dollars bought and dollars sold, added, over the mean equity: 2 is all of it bought and sold again.

    The SEC's portfolio turnover rate (Form N-1A, item 13) takes the lesser of both sides instead, and calls that 1.
    """
    equity = _floats(equity)
    return _over(float(np.abs(_floats(notionals)).sum()), float(equity.mean())) if len(equity) else math.nan


def win_rate(profits: Floats) -> float:
    """The part of closed trades that made money; one that came out even counts as no win. nan without any."""
    profits = _floats(profits)
    return float(np.mean(profits > 0)) if len(profits) else math.nan


def profit_factor(profits: Floats) -> float:
    """Dollars won over dollars lost by closed trades. nan when none lost.

    Source: Schwager, Market Wizards (1989); Pardo, The Evaluation and Optimization of Trading Strategies, 2nd ed.
    """
    profits = _floats(profits)
    return _over(float(profits[profits > 0].sum()), float(-profits[profits < 0].sum()))


def average_win(profits: Floats) -> float:
    """Mean dollars of the trades that made money; nan without any."""
    return _mean(_floats(profits)[_floats(profits) > 0])


def average_loss(profits: Floats) -> float:
    """Mean dollars, negative, of the trades that lost money; nan without any."""
    return _mean(_floats(profits)[_floats(profits) < 0])


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _deviation(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _over(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else math.nan
