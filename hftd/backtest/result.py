"""What a backtest came to: a summary, and tables as DataFrames; kept in a folder as JSON and Parquet."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hftd.analytics.figures import Figures
from hftd.analytics.figures import figures_of as figures_of_curve
from hftd.analytics.metrics import DAYS_PER_YEAR, MINUTES_PER_YEAR, max_drawdown, max_drawdown_periods, returns_of
from hftd.analytics.trades import Fill, closed_trades
from hftd.backtest.record import Record
from hftd.errors import DataError
from hftd.exchange.market.columns import BarColumns

if TYPE_CHECKING:
    import pandas

SUMMARY_FILE = "summary.json"
TABLES = ("equity", "orders", "fills", "bars")
ENOUGH_DAYS = 20
"""Sessions from which on figures are of days; below, of minutes."""


@dataclass
class Result:
    """One backtest. `summary` holds plain values for JSON: money in dollars, shares signed.

    Frames have UTC timestamps: `equity` (index timestamp; equity, cash, gross), `orders`, `fills`, `bars`.
    """

    summary: dict[str, Any]
    tables: dict[str, "pandas.DataFrame"] = field(default_factory=dict, repr=False)

    @property
    def equity(self) -> "pandas.DataFrame":
        return self.tables["equity"]

    @property
    def orders(self) -> "pandas.DataFrame":
        return self.tables["orders"]

    @property
    def fills(self) -> "pandas.DataFrame":
        return self.tables["fills"]

    @property
    def bars(self) -> "pandas.DataFrame":
        return self.tables["bars"]

    @cached_property
    def trades_hash(self) -> str:
        """sha256 of all trades: the same for the same trades, whichever driver ran."""
        return str(self.summary["trades_hash"])

    def plot(self, **options: Any) -> Any:
        """Prices, trades and equity under each other: matplotlib axes. Needs matplotlib."""
        from hftd.backtest.plot import plot

        return plot(self, **options)

    def save(self, folder: Path) -> Path:
        """Write summary.json and a Parquet file for each table into `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in self.tables.items():
            frame.to_parquet(folder / f"{name}.parquet")
        (folder / SUMMARY_FILE).write_text(json.dumps(self.summary, indent=2) + "\n")
        return folder


def load(folder: Path) -> Result:
    """A result that was saved. Raises DataError for a folder that holds none."""
    import pandas

    try:
        summary = json.loads((folder / SUMMARY_FILE).read_text())
    except FileNotFoundError as error:
        raise DataError(f"{folder}: no result of a backtest there; hftd backtest --out DIR writes one") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: no result of a backtest there: {SUMMARY_FILE} cannot be read: {error}") from error
    found = {name: folder / f"{name}.parquet" for name in TABLES}
    return Result(summary, {name: pandas.read_parquet(file) for name, file in found.items() if file.exists()})


def frames_of(record: Record, bars: Mapping[str, BarColumns]) -> dict[str, "pandas.DataFrame"]:
    """The tables of a record, and the bars that were played, as frames."""
    import pandas

    def frame(columns: Mapping[str, Any]) -> "pandas.DataFrame":
        made = pandas.DataFrame(dict(columns))
        times = pandas.to_datetime(np.asarray(made.pop("time_ns"), dtype=np.int64), unit="ns", utc=True)
        made.insert(0, "timestamp", times)
        return made

    played = [
        pandas.DataFrame(
            {
                "time_ns": columns.time_ns,
                "symbol": symbol,
                "open": columns.open,
                "high": columns.high,
                "low": columns.low,
                "close": columns.close,
                "volume": columns.volume,
            }
        )
        for symbol, columns in bars.items()
    ]
    return {
        "equity": frame(record.equity).set_index("timestamp"),
        "orders": frame(record.orders),
        "fills": frame(record.fills),
        "bars": frame(pandas.concat(played, ignore_index=True).sort_values(["time_ns", "symbol"], kind="stable")),
    }


def figures_of(record: Record, cash: float, days: list[int], position: Mapping[str, float]) -> Figures:
    """Figures of days (from a month on) or of minutes; the drawdown always of minutes.

    `days` are the closes of the sessions in nanoseconds.
    """
    curve = np.concatenate(([cash], np.asarray(record.equity["equity"], dtype=np.float64)))
    times = np.asarray(record.equity["time_ns"], dtype=np.int64)
    gross = np.asarray(record.equity["gross"], dtype=np.float64)
    fills = record.fills
    signs = np.where(np.asarray(fills["side"]) == "buy", 1.0, -1.0)
    quantities = np.asarray(fills["quantity"], dtype=np.float64)
    prices = np.asarray(fills["price"], dtype=np.float64)
    trades = closed_trades(
        Fill(*row)
        for row in zip(fills["symbol"], fills["time_ns"], (signs * quantities).tolist(), prices.tolist(), strict=True)
    )
    in_days = len(days) >= ENOUGH_DAYS
    chosen = np.concatenate(([0], np.searchsorted(times, days, side="right"))) if in_days else np.arange(len(curve))
    figures = figures_of_curve(
        curve[chosen],
        DAYS_PER_YEAR if in_days else MINUTES_PER_YEAR,
        trades,
        quantities * prices,
        gross,
    )
    if not in_days:
        return figures
    from msgspec.structs import replace

    returns = returns_of(curve)
    return replace(figures, max_drawdown=max_drawdown(returns), max_drawdown_s=max_drawdown_periods(returns) * 60.0)


def rounded(value: float | None, digits: int = 6) -> float | None:
    """A figure for people and JSON; None when there is none."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
