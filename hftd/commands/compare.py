"""`hftd compare A B`: two results side by side, and the first trade in which they part."""

from pathlib import Path
from typing import Any

from hftd.backtest.result import Result, load

FIGURES = ("total_return", "sharpe", "sortino", "max_drawdown", "volatility", "trades", "win_rate", "turnover")
COUNTS = ("sessions", "bars", "orders", "fills", "refused", "rejected", "equity", "pnl", "fees", "slippage")


def compared(first: Path, second: Path) -> dict[str, Any]:
    """Every figure of both, whether all trades are the same, and the first that is not. Raises DataError."""
    one, other = load(first), load(second)
    rows = {name: [one.summary[name], other.summary[name]] for name in COUNTS}
    rows |= {name: [result.summary["figures"][name] for result in (one, other)] for name in FIGURES}
    return {
        "results": [str(first), str(second)],
        "models": [result.summary["model"] for result in (one, other)],
        "parameters": [result.summary["parameters"] for result in (one, other)],
        "figures": rows,
        "same_trades": one.trades_hash == other.trades_hash,
        "first_difference": _first_difference(one, other),
    }


def _first_difference(one: Result, other: Result) -> dict[str, Any] | None:
    ours, theirs = (_trades_of(result) for result in (one, other))
    for index in range(max(len(ours), len(theirs))):
        pair = [trades[index] if index < len(trades) else None for trades in (ours, theirs)]
        if pair[0] != pair[1]:
            return {"trade": index + 1, "first": pair[0], "second": pair[1]}
    return None


def _trades_of(result: Result) -> list[str]:
    fills = result.fills
    rows = zip(fills.timestamp, fills.side, fills.quantity, fills.symbol, fills.price, fills.fee, strict=True)
    return [
        f"{when.isoformat()} {side} {quantity:g} {symbol} at {price:g}, fee {fee:g}"
        for when, side, quantity, symbol, price, fee in rows
    ]


def comparison_rows(found: dict[str, Any]) -> list[list[str]]:
    """One row a figure: both values, and the difference where it is a number."""
    rows = [["", *found["results"], "difference"]]
    rows.append(["model", *found["models"], ""])
    for name, (one, other) in found["figures"].items():
        rows.append([name, _text(one), _text(other), _text(other - one, "+") if None not in (one, other) else ""])
    return rows


def _text(value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:{sign},}"
    return f"{value:{sign},.4f}".rstrip("0").rstrip(".")


def comparison_text(found: dict[str, Any]) -> str:
    """What follows the table, in a sentence or two."""
    if found["same_trades"]:
        return "all trades are the same"
    parted = found["first_difference"]
    if parted is None:
        return "the trades are the same, their orders are numbered differently"
    ends = [parted[name] or "no more trades" for name in ("first", "second")]
    return f"they part at trade {parted['trade']}: {ends[0]}; {ends[1]}"
