"""Running tasks: the fastest driver that covers one, its record made a result; many in parallel processes."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from time import perf_counter
from typing import Any

from hftd.backtest.plain import PlainDriver
from hftd.backtest.record import Record, trades_hash
from hftd.backtest.result import Result, figures_of, frames_of, rounded
from hftd.backtest.task import Task
from hftd.calendar import Calendar
from hftd.engine.tally import Tally

Progress = Callable[[int], None]


def run_task(task: Task, progress: Progress = lambda done: None, driver: str = "auto") -> Result:
    """Run it. `progress` is told how many sessions are done."""
    calendar = Calendar()
    began = perf_counter()
    ran = PlainDriver(task, calendar)
    ran.run(progress)
    seconds = perf_counter() - began
    engine = ran.engine
    positions = {symbol: float(quantity) for symbol, quantity in engine.positions.items()}
    summary = summary_of(task, ran.record, ran.tally, positions)
    summary |= {"driver": "plain", "why": "", "seconds": round(seconds, 3)}
    played = {
        symbol: columns.between(task.sessions[0].open_ns, task.sessions[-1].close_ns)
        for symbol, columns in task.bars.items()
    }
    return Result(summary, frames_of(ran.record, played))


def summary_of(task: Task, record: Record, tally: Tally, positions: Mapping[str, float]) -> dict[str, Any]:
    """Plain values for JSON. What a run of the daemon says too has the same name here."""
    subject, terms = task.subject, task.terms
    cash = float(terms.cash)
    equity = record.equity["equity"][-1] if len(record.equity["equity"]) else cash
    fees = float(sum(record.fills["fee"]))
    figures = figures_of(record, cash, [session.close_ns for session in task.sessions], positions)
    return {
        "model": subject.model_id,
        "parameters": {
            name: str(value) if not isinstance(value, int | float | str | bool | None) else value
            for name, value in subject.values.items()
        },
        "fingerprint": subject.fingerprint,
        "symbols": list(task.symbols),
        "first": task.sessions[0].day.isoformat(),
        "last": task.sessions[-1].day.isoformat(),
        "sessions": tally.sessions,
        "bars": tally.bars,
        "late_bars": tally.late_bars,
        "quarantined": tally.quarantined,
        "signals": {"buy": tally.signals["buy"], "sell": tally.signals["sell"]},
        "orders": tally.orders,
        "fills": tally.fills,
        "refused": tally.refused,
        "rejected": tally.rejected,
        "position": {symbol: _number(quantity) for symbol, quantity in positions.items()},
        "cash": _number(record.equity["cash"][-1] if len(record.equity["cash"]) else cash),
        "equity": _number(round(equity, 4)),
        "pnl": _number(round(equity - cash, 4)),
        "fees": _number(round(fees, 4)),
        "slippage": _number(float(tally.slippage)),
        "figures": {name: rounded(value) for name, value in figures.as_json().items()},
        "trades_hash": trades_hash(record.fills),
    }


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value


def plain_value(value: Any) -> Any:
    """A parameter's value for JSON."""
    if isinstance(value, list | tuple):
        return [plain_value(each) for each in value]
    return str(value) if isinstance(value, Decimal) else value
