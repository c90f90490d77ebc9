"""The report of a backtest, from what it has kept: the same page as of a session."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hftd.analytics.execution import BPS, Execution
from hftd.analytics.figures import Figures
from hftd.analytics.report import Health, ModelPart, OrderRow, Report, SymbolPart
from hftd.backtest.result import SUMMARY_FILE, TABLES, Result, load
from hftd.commands.backtest import FOLDER
from hftd.domain.market import Bar
from hftd.errors import DataError

if TYPE_CHECKING:
    import pandas

PAGE = "report.html"


def folder_of(run: Path) -> Path:
    """The folder of a run, given by its path or by its name under backtests/. Raises DataError."""
    for folder in (run, FOLDER / run):
        if (folder / SUMMARY_FILE).is_file():
            return folder
    kept = sorted(file.parent.name for file in FOLDER.glob(f"*/{SUMMARY_FILE}"))
    nothing = f"none is kept in {FOLDER.absolute()}; hftd backtest runs one"
    there = f"kept are {', '.join(kept[-5:])}" if kept else nothing
    raise DataError(f"{run}: no backtest there; {there}")


def report_of_backtest(folder: Path) -> Report:
    """The report of the run that is kept in `folder`, with what is missing there."""
    result = load(folder)
    missing = [f"{name}.parquet is not there" for name in TABLES if name not in result.tables]
    try:
        return _report(result, missing)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{folder}: what is kept there is not as a backtest of this version writes it: {error!r}"
        ) from error


def _report(result: Result, missing: list[str]) -> Report:
    summary, tables = result.summary, result.tables
    equity = tables.get("equity")
    curve = equity["equity"].to_numpy() if equity is not None else np.zeros(0)
    times_ns = _ns(equity.index) if equity is not None else []
    start = float(summary["equity"] - summary["pnl"])
    if len(curve):  # what it began with, a minute before
        curve, times_ns = np.concatenate(([start], curve)), [times_ns[0] - 60_000_000_000, *times_ns]
    return Report(
        title=f"Backtest of {summary['model']}, {summary['first']} to {summary['last']}",
        days=[f"{summary['first']}_{summary['last']}"],
        whole=not missing,
        equity_at_start=start,
        cash=summary["cash"],
        equity=summary["equity"],
        positions=summary["position"],
        times_ns=times_ns,
        curve=curve.round(2).tolist(),
        parts=[_part(result, ""), _part(result, summary["model"])],
        symbols=list(_symbols(tables)) if {"bars", "fills"} <= tables.keys() else [],
        signals=summary["signals"],
        refusals={"all limits": summary["refused"]} if summary["refused"] else {},
        drops={},
        problems={"rejected": summary["rejected"]} if summary["rejected"] else {},
        health=Health(
            {"late bars": summary["late_bars"], "prints set aside": summary["quarantined"], "halts": 0}, {}, []
        ),
        orders=list(_orders(tables, summary["model"])) if {"orders", "equity"} <= tables.keys() else [],
        missing=missing,
        fees=float(summary.get("fees", 0)),
    )


def _part(result: Result, model: str) -> ModelPart:
    summary = result.summary
    told: dict[str, Any] = {name: math.nan if value is None else value for name, value in summary["figures"].items()}
    return ModelPart(
        model=model,
        fingerprint=summary["fingerprint"],
        symbols=tuple(summary["symbols"]),
        parameters=summary["parameters"],
        figures=Figures(**told),
        execution=_execution(result),
    )


def _execution(result: Result) -> Execution:
    summary, orders = result.summary, result.tables.get("orders")
    if orders is None:
        return Execution(summary["orders"], 0, 0, 0, 0, 0, None, summary["slippage"], None, None, None)
    filled = orders["filled_quantity"]
    states = orders["status"].value_counts().to_dict()
    over = {name: int(states.get(name, 0)) for name in ("filled", "rejected", "canceled", "expired", "replaced")}
    asked, notional = float(orders["quantity"].sum()), float((filled * orders["average_price"]).sum())
    return Execution(
        orders=summary["orders"],
        filled=over["filled"],
        partly_filled=int(((filled > 0) & (orders["status"] != "filled")).sum()),
        rejected=over["rejected"],
        canceled=over["canceled"] + over["expired"] + over["replaced"],
        working=len(orders) - sum(over.values()),
        fill_rate=float(filled.sum()) / asked if asked else None,
        slippage=summary["slippage"],
        slippage_bps=summary["slippage"] / notional * BPS if notional else None,
        median_fill_s=None,
        slow_fill_s=None,
    )


def _symbols(tables: Mapping[str, "pandas.DataFrame"]) -> Iterator[SymbolPart]:
    bars, fills = tables["bars"], tables["fills"]
    for symbol in sorted(bars["symbol"].unique()):
        own, got = bars[bars["symbol"] == symbol], fills[fills["symbol"] == symbol]
        prices = (own[name].tolist() for name in ("open", "high", "low", "close", "volume"))
        signed = np.where(got["side"] == "buy", 1.0, -1.0) * got["quantity"].to_numpy()
        marks = zip(_ns(got["timestamp"]), signed.tolist(), got["price"].tolist(), strict=True)
        yield SymbolPart(
            symbol,
            [Bar(symbol, *row) for row in zip(_ns(own["timestamp"]), *prices, strict=True)],
            [(time_ns, quantity, price, "") for time_ns, quantity, price in marks],
        )


def _orders(tables: Mapping[str, "pandas.DataFrame"], model: str) -> Iterator[OrderRow]:
    """Cash and equity stand at the end of the minute in which an order was decided."""
    orders, equity = tables["orders"], tables["equity"]
    times_ns = _ns(orders["timestamp"])
    places = np.searchsorted(_ns(equity.index), times_ns).clip(0, max(len(equity) - 1, 0))
    stood = {name: equity[name].to_numpy()[places].tolist() for name in ("cash", "equity")}
    columns = {name: orders[name].tolist() for name in orders.columns if name != "timestamp"}
    for row, time_ns in enumerate(times_ns):
        order: dict[str, Any] = {name: values[row] for name, values in columns.items()}
        price = order["average_price"]
        yield OrderRow(
            time_ns=time_ns,
            symbol=order["symbol"],
            action=order["side"],
            quantity=order["quantity"],
            price=None if math.isnan(price) else price,
            notional=0.0 if math.isnan(price) else order["filled_quantity"] * price,
            cash=stood["cash"][row],
            equity=stood["equity"][row],
            model=model,
            status=order["status"],
            filled=order["filled_quantity"],
            reason=order["reason"],
            client_order_id=str(order["order"]),
        )


def _ns(times: Any) -> list[int]:
    """Nanoseconds UTC of a column or an index of times, in whatever unit it is kept."""
    values: list[int] = np.asarray(times, dtype="datetime64[ns]").astype(np.int64).tolist()
    return values
