"""Running tasks: the fastest driver that covers one, its record made a result; many in parallel processes."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from time import perf_counter
from typing import Any

import numpy as np

from hftd.backtest.compiled import CompiledDriver
from hftd.backtest.lean import LeanDriver, NotCovered
from hftd.backtest.plain import PlainDriver
from hftd.backtest.record import Record, trades_hash
from hftd.backtest.result import Result, figures_of, frames_of, rounded
from hftd.backtest.task import Task
from hftd.backtest.ticks import TickDriver
from hftd.calendar import Calendar
from hftd.domain.convert import decimal_of
from hftd.engine.tally import Tally
from hftd.errors import ConfigurationError
from hftd.exchange.market.columns import BarColumns
from hftd.model.compiled import CompiledModel, CompiledTicks

Progress = Callable[[int], None]
"""Told how many are done."""


def run_task(
    task: Task,
    progress: Progress = lambda done: None,
    driver: str = "auto",
    tell: Callable[[str], None] = lambda words: None,
) -> Result:
    """Run it by the fastest driver that does the same as the plain one. `progress` is told how many sessions are done,
    `tell` that a driver has met what it does not cover and a slower one begins anew.

    Raises ConfigurationError when `driver` names one that does not cover the task.
    """
    ran, why, seconds = _run(task, Calendar(), progress, driver, tell)
    record = settled(ran.record, task, ran.positions)
    summary = summary_of(task, record, ran.tally, ran.positions)
    summary |= {"ticks": ran.ticks if isinstance(ran, PlainDriver | TickDriver) and task.ticks else 0}
    summary |= {"driver": NAMES[type(ran)], "why": why, "seconds": round(seconds, 3)}
    return Result(summary, frames_of(record, played_bars(task)))


Driver = PlainDriver | LeanDriver | TickDriver
NAMES: dict[type[Driver], str] = {
    PlainDriver: "plain",
    LeanDriver: "lean",
    CompiledDriver: "compiled",
    TickDriver: "compiled",
}


def _run(
    task: Task, calendar: Calendar, progress: Progress, driver: str, tell: Callable[[str], None]
) -> tuple[Driver, str, float]:
    """The driver that has run, why none that is faster did, and how long it took in wall seconds."""
    why = ""
    for kind in _drivers_for(task, driver):
        began, has_begun = perf_counter(), False
        try:
            ran, has_begun = kind(task, calendar), True
            with rarely_collected():
                ran.run(progress)
            return ran, why, perf_counter() - began
        except NotCovered as error:
            if driver != "auto":
                raise ConfigurationError(f"the {driver} driver does not cover {error}; leave --driver out") from error
            why = f"no faster driver covers {error}"
            if has_begun:
                tell(f"the {NAMES[kind]} driver does not cover {error}; a slower one begins anew")
    raise AssertionError("the plain driver covers everything")


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Look for garbage in cycles less often: millions of small objects come and go here, and none stands in a cycle."""
    usual = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _drivers_for(task: Task, driver: str) -> list[type[Driver]]:
    """Those to be tried, the fastest first."""
    compiled: type[Driver] = TickDriver if issubclass(task.subject.cls, CompiledTicks) else CompiledDriver
    if driver != "auto":
        return [compiled if driver == "compiled" else kind for kind, name in NAMES.items() if name == driver][:1]
    if not issubclass(task.subject.cls, CompiledModel | CompiledTicks):
        return [LeanDriver, PlainDriver]
    return [compiled, PlainDriver] if task.ticks else [compiled, LeanDriver, PlainDriver]


def played_bars(task: Task) -> dict[str, BarColumns]:
    """The bars from the first session's open to the last one's close."""
    first_ns, last_ns = task.sessions[0].open_ns, task.sessions[-1].close_ns
    return {symbol: columns.between(first_ns, last_ns) for symbol, columns in task.bars.items()}


def settled(record: Record, task: Task, positions: Mapping[str, float]) -> Record:
    """`record`, which has a point of equity for each bar, with one more at the last close if anything was filled after
    the last bar: positions are closed in a minute that may have none."""
    equity, fills = record.equity, record.fills
    times = np.asarray(fills["time_ns"], np.int64)
    late = np.flatnonzero(times > (equity["time_ns"][-1] if len(equity["time_ns"]) else 0)).tolist()
    if not late:
        return record
    cash = decimal_of(float(equity["cash"][-1])) if len(equity["cash"]) else task.terms.cash
    for row in late:
        paid = decimal_of(float(fills["quantity"][row])) * decimal_of(float(fills["price"][row]))
        cash += (-paid if fills["side"][row] == "buy" else paid) - decimal_of(float(fills["fee"][row]))
    close_ns, closing = task.sessions[-1].close_ns, Record()
    closing.add_equity(
        close_ns, float(cash), {symbol: (held, _last_price(task, symbol)) for symbol, held in positions.items()}
    )
    joined = {name: np.append(values, closing.equity[name]) for name, values in equity.items()}
    return Record(joined, record.orders, fills)


def _last_price(task: Task, symbol: str) -> float:
    closes = task.bars[symbol].between(0, task.sessions[-1].close_ns).close
    return float(closes[-1])


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
        "slippage": _number(round(float(tally.slippage), 4)),
        "figures": {name: rounded(value) for name, value in figures.as_json().items()},
        "trades_hash": trades_hash(record.fills),
    }


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else float(value)


def plain_value(value: Any) -> Any:
    """A parameter's value for JSON."""
    if isinstance(value, list | tuple):
        return [plain_value(each) for each in value]
    return str(value) if isinstance(value, Decimal) else value
