"""Prices with trades, and equity, under each other."""

from typing import TYPE_CHECKING, Any

from hftd.errors import HftdError

if TYPE_CHECKING:
    from hftd.backtest.result import Result

MARKS = {"buy": ("^", "tab:green"), "sell": ("v", "tab:red")}


def plot(result: "Result", symbol: str = "", **options: Any) -> Any:
    """Matplotlib axes: the closes of `symbol` (the first traded) with its fills, and the equity. `options` go to the
    figure. Raises HftdError where matplotlib is not installed."""
    try:
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        raise HftdError("plots need matplotlib: pip install matplotlib") from error
    chosen = symbol or result.summary["symbols"][0]
    _, (above, below) = pyplot.subplots(2, 1, sharex=True, **{"figsize": (11, 7), **options})
    bars = result.bars[result.bars.symbol == chosen]
    above.plot(bars.timestamp, bars.close, color="tab:gray", linewidth=0.8)
    for side, (marker, colour) in MARKS.items():
        fills = result.fills[(result.fills.symbol == chosen) & (result.fills.side == side)]
        above.scatter(fills.timestamp, fills.price, marker=marker, color=colour, s=18, label=side, zorder=3)
    above.set_ylabel(f"{chosen}, $")
    above.legend(loc="upper left")
    below.plot(result.equity.index, result.equity.equity, color="tab:blue", linewidth=0.9)
    below.set_ylabel("equity, $")
    above.set_title(f"{result.summary['model']}  {result.summary['first']} to {result.summary['last']}")
    return above, below
