"""The picture of docs/market.md: a session of the market of bots beside a real one.

    HFTD_DATA=... python docs/plots/market.py docs/plots/market.png      (needs matplotlib)

The real session is TSLA's of 2019-02-13; the bots' symbol has its price, volatility and volume.
"""

import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pyarrow.parquet as parquet
from matplotlib import pyplot

from hftd.calendar import Calendar
from hftd.exchange.market.bots.market import BotMarket
from hftd.exchange.market.bots.settings import BotMarketSettings, Profile

TAPE = Path(os.environ.get("HFTD_DATA", "../shared/data")) / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"
DAY = date(2019, 2, 13)
SYMBOL = "TSLA"
SEED = 5
LAGS = range(1, 31)
Columns = tuple[Any, Any]
"""Closing prices and volumes of several sessions."""


def real() -> list[Columns]:
    """All sessions of the week, DAY's first."""
    table = parquet.read_table(TAPE).to_pandas()
    table = table[(table["symbol"] == SYMBOL) & (table["volume"] > 0)]
    days = [(day, rows) for day, rows in table.groupby(table["timestamp"].dt.date)]
    days.sort(key=lambda pair: pair[0] != DAY)
    return [(rows["close"].to_numpy(), rows["volume"].to_numpy()) for _, rows in days]


def generated(like: list[Columns]) -> list[Columns]:
    volatility = float(np.sqrt(np.mean([(np.diff(np.log(closes)) ** 2).sum() for closes, _ in like])))
    profile = Profile(float(like[0][0][0]), volatility, float(np.mean([volumes.sum() for _, volumes in like])))
    market = BotMarket(BotMarketSettings(seed=SEED, profiles=((SYMBOL, profile),)), (SYMBOL,))
    sessions = Calendar().sessions(date(2019, 2, 11), date(2019, 2, 15))
    bars = [market.history(SYMBOL, session) for session in sessions]
    return [(each.close, each.volume) for each in bars]


def correlogram(days: list[Columns]) -> list[float]:
    """Autocorrelation of absolute returns by lag."""
    sizes = [np.abs(np.diff(np.log(closes))) for closes, _ in days]
    mean = np.concatenate(sizes).mean()
    below = sum(float(((one - mean) ** 2).sum()) for one in sizes)
    return [sum(float(((one[lag:] - mean) * (one[:-lag] - mean)).sum()) for one in sizes) / below for lag in LAGS]


def draw(axes: Any, days: list[Columns], name: str) -> None:
    price, volume, returns, cluster = axes
    closes, volumes = days[0]
    every = np.concatenate([np.diff(np.log(each)) for each, _ in days])
    price.plot(100 * (closes / closes[0] - 1), linewidth=0.9)
    price.set_title(name)
    volume.bar(range(len(volumes)), volumes / 1000, width=1.0)
    spread = every / every.std()
    returns.hist(spread, bins=np.arange(-6, 6.01, 0.25), density=True)
    grid = np.linspace(-6, 6, 200)
    returns.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), linewidth=0.9)
    returns.set_yscale("log")
    returns.set_ylim(1e-3, 1)
    cluster.bar(LAGS, correlogram(days))
    cluster.set_ylim(-0.05, 0.4)


def main(file: str) -> None:
    week = real()
    figure, grid = pyplot.subplots(4, 2, figsize=(10, 11), sharex="row", sharey="row")
    draw(grid[:, 0], week, f"{SYMBOL}, {DAY}")
    draw(grid[:, 1], generated(week), f"bots, seed {SEED}")
    for row, label in zip(
        grid, ("price, % since the open", "volume, thousands", "returns of the week", "|return|, by lag"), strict=True
    ):
        row[0].set_ylabel(label)
    for axis in grid[1]:
        axis.set_xlabel("minute of the session")
    figure.tight_layout()
    figure.savefig(file, dpi=90)


if __name__ == "__main__":
    main(sys.argv[1])
