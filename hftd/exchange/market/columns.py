"""Minute bars as columns, and the prints that each of them stands for.

A bar is walked as up to four prints: open, low and high in the order that fits its direction, close. The prints have
exactly the bar's prices and share its volume without remainder; so a minute can be played from its bar, and its trade
count and volume-weighted price follow from the same prints.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hftd.domain.market import Bar

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PRINTS = 4
_TAKING_PART = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]], dtype=np.int64)
"""Which prints a bar of 0, 1, 2, 3, or 4 and more shares has: fewer shares than prints leave some out."""


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars of one symbol in order of time: all columns of one length. Prices in dollars, volume in shares."""

    time_ns: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Integers

    def __len__(self) -> int:
        return len(self.time_ns)

    def between(self, start_ns: int, end_ns: int) -> Self:
        """The bars that start in [start_ns, end_ns)."""
        first, last = np.searchsorted(self.time_ns, (start_ns, end_ns))
        return self.rows(slice(int(first), int(last)))

    def rows(self, chosen: slice | npt.NDArray[np.bool_]) -> Self:
        """The bars at `chosen`."""
        return type(self)(*(column[chosen] for column in self.columns()))

    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """All columns in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def path(self) -> Floats:
        """Prices of the prints in order of time: float64 (bars, 4), dollars."""
        rising = (self.close >= self.open)[:, None]
        legs = np.stack((self.low, self.high), axis=1)
        middle = np.where(rising, legs, legs[:, ::-1])
        return np.column_stack((self.open, middle, self.close))

    def sizes(self) -> Integers:
        """Shares of the prints: int64 (bars, 4). 0 stands for no print; a row adds up to the bar's volume."""
        taking_part = _TAKING_PART[np.minimum(self.volume, PRINTS)]
        count = np.maximum(taking_part.sum(axis=1), 1)
        sizes: Integers = taking_part * (self.volume // count)[:, None]
        sizes[:, PRINTS - 1] += self.volume - sizes.sum(axis=1)
        return sizes

    def trade_counts(self) -> Integers:
        """How many prints each bar has: int64 (bars,)."""
        return np.asarray(np.minimum(self.volume, PRINTS))

    def vwaps(self) -> Floats:
        """Volume-weighted price of each bar's prints: float64 (bars,), dollars."""
        weighted: Floats = (self.path() * self.sizes()).sum(axis=1) / np.maximum(self.volume, 1)
        return np.clip(weighted, self.low, self.high)

    def bars(self, symbol: str) -> list[Bar]:
        """The rows as bars of `symbol`."""
        prices = (self.open, self.high, self.low, self.close)
        columns = (self.time_ns, *prices, self.volume, self.trade_counts(), self.vwaps())
        return [Bar(symbol, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


@dataclass(frozen=True, slots=True)
class TradedColumns(BarColumns):
    """Bars made from prints that are known: their number in each bar, and the price in dollars that they average to."""

    prints: Integers
    average: Floats

    def trade_counts(self) -> Integers:
        return self.prints

    def vwaps(self) -> Floats:
        return self.average


_NO_TIMES, _NO_PRICES = np.empty(0, np.int64), np.empty(0, np.float64)
EMPTY = BarColumns(_NO_TIMES, _NO_PRICES, _NO_PRICES, _NO_PRICES, _NO_PRICES, _NO_TIMES)
