"""Small tasks: bars made from a seed, models made from functions."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from hftd.backtest.task import Subject, Task, Terms
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar
from hftd.domain.session import Session
from hftd.engine.risk import Limits
from hftd.exchange.market.columns import BarColumns
from hftd.model.contract import Answer, Model

WIDE = Limits(Decimal(100_000), Decimal(10**8), 1000, None)
FIRST, LAST = date(2019, 2, 11), date(2019, 2, 15)


def sessions(calendar: Calendar, count: int = 2) -> list[Session]:
    return calendar.sessions(FIRST, LAST)[:count]


def walk(sessions: Iterable[Session], seed: int = 1, price: float = 100.0, kept: float = 1.0) -> BarColumns:
    """Minute bars of a random walk in cents, `kept` of the minutes."""
    rng = np.random.default_rng(seed)
    times = np.concatenate([np.arange(each.open_ns, each.close_ns, MINUTE_NS) for each in sessions])
    times = times[rng.random(len(times)) < kept]
    closes = np.maximum(100, np.round(price * 100 + np.cumsum(rng.integers(-8, 9, len(times))))).astype(np.int64)
    opens = np.concatenate(([closes[0]], closes[:-1]))
    highs = np.maximum(opens, closes) + rng.integers(0, 4, len(times))
    lows = np.maximum(np.minimum(opens, closes) - rng.integers(0, 4, len(times)), 1)
    volumes = rng.integers(1, 5000, len(times))
    return BarColumns(times, opens / 100, highs / 100, lows / 100, closes / 100, volumes)


def model_of(on_bar: Callable[..., Answer] | None = None, **members: Any) -> type[Model]:
    """A model class with these hooks and attributes; hooks take self."""
    body = {"on_bar": on_bar, **members} if on_bar else members
    return type("Made", (Model,), body)


def subject(cls: type[Model], values: Mapping[str, Any] | None = None) -> Subject:
    return Subject("made", cls, values or {}, "fingerprint", Path("made.py"))


def task_of(
    cls: type[Model],
    bars: Mapping[str, BarColumns],
    sessions: list[Session],
    limits: Limits = WIDE,
    terms: Terms | None = None,
    values: Mapping[str, Any] | None = None,
) -> Task:
    return Task(subject(cls, values), bars, sessions, limits, terms or Terms(cash=Decimal(10_000_000)))


def bar_of(columns: BarColumns, index: int, symbol: str = "SPY") -> Bar:
    return columns.rows(slice(index, index + 1)).bars(symbol)[0]
