"""Bars of longer time frames, made from minutes: 1Min to 59Min, 1Hour to 23Hour, 1Day, 1Week, 1Month to 12Month.

Stretches of minutes and hours are counted from New York's midnight; a day's bar is stamped with that midnight, a
week's with Monday's, a month's with its first day's. Only whole minutes that are known at the time count.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import numpy as np
from msgspec import Struct

from hftd.calendar import NEW_YORK
from hftd.domain.convert import MINUTE_NS, ns_of
from hftd.domain.market import Bar
from hftd.exchange.market.columns import BarColumns, Integers


class Unit(StrEnum):
    """What a time frame is counted in."""

    MINUTE = "Min"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


_NAMES = {
    **dict.fromkeys(("min", "t", "minute"), Unit.MINUTE),
    **dict.fromkeys(("hour", "h"), Unit.HOUR),
    **dict.fromkeys(("day", "d"), Unit.DAY),
    **dict.fromkeys(("week", "w"), Unit.WEEK),
    **dict.fromkeys(("month", "m"), Unit.MONTH),
}
_COUNTS: dict[Unit, Iterable[int]] = {
    Unit.MINUTE: range(1, 60),
    Unit.HOUR: range(1, 24),
    Unit.DAY: (1,),
    Unit.WEEK: (1,),
    Unit.MONTH: (1, 2, 3, 6, 12),
}
_MINUTES = {Unit.MINUTE: 1, Unit.HOUR: 60}


class Timeframe(Struct, frozen=True):
    """How long a bar is: `count` of `unit`."""

    count: int
    unit: Unit

    @property
    def length_ns(self) -> int | None:
        """The bar's length where it lies within a day, None for days and longer."""
        minutes = _MINUTES.get(self.unit)
        return self.count * minutes * MINUTE_NS if minutes else None


def timeframe_of(text: str) -> Timeframe:
    """A time frame such as 1Min, 15T, 1Hour, 1D, 3Month. Raises ValueError."""
    match = re.fullmatch(r"(\d{0,2})([A-Za-z]+)", text)
    unit = _unit_of(match[2]) if match else None
    count = int(match[1] or 1) if match else 0
    if unit is None or count not in _COUNTS[unit]:
        raise ValueError(f"invalid timeframe: {text}")
    return Timeframe(count, unit)


def _unit_of(name: str) -> Unit | None:
    return Unit.MONTH if name == "M" else _NAMES.get(name.lower())


def midnight_ns(day: date) -> int:
    """New York's midnight at the beginning of `day`."""
    return ns_of(datetime.combine(day, time(), NEW_YORK))


def day_bars(symbol: str, day: date, minutes: BarColumns, timeframe: Timeframe) -> list[Bar]:
    """One session's minutes in the time frame's stretches; for a day and longer, as one bar."""
    if not len(minutes):
        return []
    start_ns, length_ns = midnight_ns(day), timeframe.length_ns
    if length_ns == MINUTE_NS:
        return minutes.bars(symbol)
    if length_ns is None:
        stretches = np.zeros(len(minutes), np.int64)
        stamps = [midnight_ns(_first_day(day, timeframe))]
    else:
        stretches = (minutes.time_ns - start_ns) // length_ns
        stamps = (start_ns + np.unique(stretches) * length_ns).tolist()
    starts = np.flatnonzero(np.diff(stretches, prepend=-1))
    return _reduced(symbol, stamps, starts, minutes)


def merged(bars: Iterable[Bar]) -> Iterator[Bar]:
    """Neighbours with one stamp as one bar: days of a week or month. `bars` are in order of time."""
    current: Bar | None = None
    for bar in bars:
        if current and bar.time_ns == current.time_ns:
            current = _sum_of(current, bar)
            continue
        if current:
            yield current
        current = bar
    if current:
        yield current


def _first_day(day: date, timeframe: Timeframe) -> date:
    if timeframe.unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    if timeframe.unit is Unit.MONTH:
        return date(day.year, (day.month - 1) // timeframe.count * timeframe.count + 1, 1)
    return day


def _reduced(symbol: str, stamps: list[int], starts: Integers, minutes: BarColumns) -> list[Bar]:
    ends = np.append(starts[1:], len(minutes)) - 1
    volume = np.add.reduceat(minutes.volume, starts)
    dollars = np.add.reduceat(minutes.vwaps() * minutes.volume, starts)
    columns = (
        minutes.open[starts],
        np.maximum.reduceat(minutes.high, starts),
        np.minimum.reduceat(minutes.low, starts),
        minutes.close[ends],
        volume,
        np.add.reduceat(minutes.trade_counts(), starts),
        dollars / volume,
    )
    rows = zip(stamps, *(column.tolist() for column in columns), strict=True)
    return [Bar(symbol, *row) for row in rows]


def _sum_of(first: Bar, second: Bar) -> Bar:
    """Two neighbouring bars as one, stamped as the first."""
    volume = first.volume + second.volume
    dollars = (first.vwap or 0.0) * first.volume + (second.vwap or 0.0) * second.volume
    return Bar(
        symbol=first.symbol,
        time_ns=first.time_ns,
        open=first.open,
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        close=second.close,
        volume=volume,
        trade_count=first.trade_count + second.trade_count,
        vwap=dollars / volume if volume else None,
    )
