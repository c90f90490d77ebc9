"""What is suspicious in data that can be read: gaps, duplicates, bad prints, splits, rows outside the sessions.

Errors make data unfit to trade on; warnings are for a person to look at: a thin symbol has minutes without a trade.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from hftd.data.rows import Bars, Kind, Quotes, Rows, Trades
from hftd.domain.convert import DAY_NS, MINUTE_NS, datetime_of, rfc3339_of
from hftd.domain.session import Session

ERROR, WARNING = "error", "warning"
SPIKE = 0.05
"""A price further than this from those before and after it, which agree among each other by half of it, is no price."""
SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50, 1.5)
SPLIT_TOLERANCE = 0.02
SHOWN = 5
A_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Finding:
    """What was found, how often, and the first cases in words. `level` is `error` or `warning`."""

    level: str
    what: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, count: int, examples: Iterable[str]) -> None:
        self.count += count
        for example in examples:
            if len(self.examples) >= SHOWN:
                return
            self.examples.append(example)


class Checker:
    """Is shown chunks in order and tells at the end what it thinks of them.

    `sessions` gives those of the calendar from a day to another, both included.
    """

    def __init__(self, sessions: Callable[[date, date], Sequence[Session]]) -> None:
        self.row_counts: Counter[Kind] = Counter()
        self.symbols: Counter[str] = Counter()
        self.first_ns, self.last_ns = 2**63 - 1, -(2**63)
        self._sessions_of = sessions
        self._sessions: list[Session] = []
        self._opens = self._closes = np.empty(0, np.int64)
        self._covered: date | None = None
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._minutes: dict[str, Counter[int]] = defaultdict(Counter)
        self._before: dict[tuple[Kind, str], tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = {}

    def see(self, rows: Rows) -> None:
        """Look at a chunk."""
        self.row_counts[rows.kind] += len(rows)
        self._cover(int(rows.time_ns.min()), int(rows.time_ns.max()))
        self.first_ns = min(self.first_ns, int(rows.time_ns.min()))
        self.last_ns = max(self.last_ns, int(rows.time_ns.max()))
        for code in np.unique(rows.symbol).tolist():
            own = rows.take(rows.symbol == code)
            self.symbols[rows.names[code]] += len(own)
            self._see_symbol(rows.names[code], own)

    def findings(self) -> list[Finding]:
        """All of it, errors first."""
        self._find_gaps()
        found = [
            Finding(level, what, tally.count, tuple(tally.examples)) for (level, what), tally in self._tallies.items()
        ]
        return sorted(found, key=lambda finding: (finding.level, finding.what))

    def add(self, level: str, what: str, count: int, examples: Iterable[str] = ()) -> None:
        """Tell of something that was found elsewhere."""
        if count:
            self._tallies.setdefault((level, what), _Tally()).add(count, examples)

    def _cover(self, first_ns: int, last_ns: int) -> None:
        """Know the sessions up to `last_ns`."""
        first, last = datetime_of(first_ns).date() - A_WEEK, datetime_of(last_ns).date() + A_WEEK
        if self._covered is None or last > self._covered:
            start = first if self._covered is None else self._covered + timedelta(days=1)
            self._covered = max(last, start + 4 * A_WEEK)
            self._sessions += self._sessions_of(start, self._covered)
            self._opens = np.array([session.open_ns for session in self._sessions], np.int64)
            self._closes = np.array([session.close_ns for session in self._sessions], np.int64)

    def _see_symbol(self, name: str, rows: Rows) -> None:
        places = np.searchsorted(self._opens, rows.time_ns, "right") - 1
        closes = np.concatenate([self._closes, [0]])  # before the first session there is none to be in
        inside = (places >= 0) & (rows.time_ns < closes[places])
        self._note(WARNING, "outside the sessions", name, rows.time_ns[~inside])
        if isinstance(rows, Bars):
            for place, count in zip(*np.unique(places[inside], return_counts=True), strict=True):
                self._minutes[name][int(place)] += int(count)
        if isinstance(rows, Quotes):
            self._note(WARNING, "crossed quotes", name, rows.time_ns[(rows.ask > 0) & (rows.bid > rows.ask)])
        else:
            self._see_prices(name, rows)

    def _see_prices(self, name: str, rows: Rows) -> None:
        """Look for single prices far from their neighbours, with the last two of the chunk before."""
        price = rows.close if isinstance(rows, Bars) else rows.price  # type: ignore[attr-defined]
        before_ns, before = self._before.get((rows.kind, name), (np.empty(0, np.int64), np.empty(0)))
        times, prices = np.concatenate([before_ns, rows.time_ns]), np.concatenate([before, price])
        self._before[rows.kind, name] = times[-2:], prices[-2:]
        if len(prices) > 2:
            lone = _far(prices[1:-1], prices[:-2], SPIKE) & ~_far(prices[2:], prices[:-2], SPIKE / 2)
            self._note(WARNING, "bad prints suspected", name, times[1:-1][lone])
        if isinstance(rows, Bars):
            self._see_bars(name, rows, before_ns, before)

    def _see_bars(
        self, name: str, bars: Bars, before_ns: npt.NDArray[np.int64], before: npt.NDArray[np.float64]
    ) -> None:
        times = np.concatenate([before_ns[-1:], bars.time_ns])
        closes = np.concatenate([before[-1:], bars.close])
        previous = closes[:-1] if len(before) else np.concatenate([bars.open[:1], closes[:-1]])
        calm = ~_far(bars.open, previous, SPIKE) & ~_far(bars.close, previous, SPIKE)
        highest, lowest = np.maximum(previous, bars.close), np.minimum(previous, bars.close)
        wild = calm & ((bars.high > highest * (1 + SPIKE)) | (bars.low < lowest * (1 - SPIKE)))
        self._note(WARNING, "bad prints suspected", name, bars.time_ns[wild])
        if len(times) > 1:
            self._see_nights(name, times, closes, bars.open[-(len(times) - 1) :])

    def _see_nights(self, name: str, times: Any, closes: Any, opens: Any) -> None:
        night = np.diff(times) > DAY_NS // 4
        ratios = closes[:-1] / opens
        for at in np.flatnonzero(night).tolist():
            ratio = float(max(ratios[at], 1 / ratios[at]))
            nearest = min(SPLITS, key=lambda split: abs(ratio / split - 1))
            if abs(ratio / nearest - 1) < SPLIT_TOLERANCE:
                day = datetime_of(int(times[at + 1])).date()
                kind = f"{nearest:g} for 1" if ratios[at] > 1 else f"1 for {nearest:g}"
                self.add(WARNING, "splits suspected", 1, [f"{name} {day}: {kind}, {closes[at]:g} to {opens[at]:g}"])

    def _note(self, level: str, what: str, name: str, times: npt.NDArray[np.int64]) -> None:
        self.add(level, what, len(times), (f"{name} {rfc3339_of(time_ns)}" for time_ns in times[:SHOWN].tolist()))

    def _find_gaps(self) -> None:
        """Minutes and whole sessions without a bar, between the first session with one and the last."""
        places = {place for minutes in self._minutes.values() for place in minutes}
        for name, minutes in sorted(self._minutes.items()):
            first, last = min(minutes), max(minutes)
            for place in range(first, last + 1):
                self._find_gap(name, self._sessions[place], minutes[place])
            absent = [self._sessions[place].day for place in sorted(places) if not first <= place <= last]
            self.add(WARNING, "sessions that only other symbols have", len(absent), _days(name, absent))

    def _find_gap(self, name: str, session: Session, minutes: int) -> None:
        expected = (session.close_ns - session.open_ns) // MINUTE_NS
        if not minutes:
            self.add(ERROR, "sessions without a bar", 1, _days(name, [session.day]))
        elif minutes > 1:  # one bar in a session is a bar of that day
            missing = expected - minutes
            self.add(
                WARNING,
                "minutes without a bar",
                missing,
                [f"{name} {session.day}: {missing} of {expected}"] * (missing > 0),
            )


def _days(name: str, days: Iterable[date]) -> Iterator[str]:
    return (f"{name} {day}" for day in days)


def _far(prices: Any, others: Any, by: float) -> Any:
    return np.abs(prices / others - 1) > by


class Duplicates:
    """Takes out the second of two bars of a minute, and of two equal trades, from rows in order, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self.differing = 0
        self.examples: list[str] = []

    def without(self, rows: Rows) -> Rows:
        """`rows` without them; the first of a minute is kept."""
        if isinstance(rows, Bars):
            second = _same(rows.time_ns, rows.symbol)
            self.differing += int((second & ~_same(rows.open, rows.high, rows.low, rows.close, rows.volume)).sum())
        elif isinstance(rows, Trades) and rows.trade_id is not None:
            second = _repeated(rows)
        else:
            return rows
        if not second.any():
            return rows
        self.count += int(second.sum())
        at = np.flatnonzero(second)[: SHOWN - len(self.examples)].tolist()
        self.examples += [f"{rows.names[rows.symbol[row]]} {rfc3339_of(int(rows.time_ns[row]))}" for row in at]
        return rows.take(~second)


def _same(*columns: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Where a row is equal in all columns to the row before it."""
    same = np.ones(max(len(columns[0]) - 1, 0), bool)
    for column in columns:
        same &= column[1:] == column[:-1]
    return np.concatenate([np.zeros(min(len(columns[0]), 1), bool), same])


def _repeated(rows: Trades) -> npt.NDArray[Any]:
    """Trades that stand there already, with the same number, which is not 0."""
    assert rows.trade_id is not None
    own = (rows.time_ns, rows.symbol, rows.trade_id, rows.price, rows.size)
    order = np.lexsort(own[::-1])
    repeated = np.zeros(len(rows), bool)
    repeated[order] = _same(*(column[order] for column in own))
    repeated &= rows.trade_id != 0
    return repeated
