"""What no market could have printed, row by row: one table for those who refuse it, count it or take it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hftd.data.reading import EMPTY_TIME
from hftd.data.rows import Kind
from hftd.domain.convert import MINUTE_NS, rfc3339_of

Columns = Mapping[str, npt.NDArray[Any]]
Mask = npt.NDArray[Any]

PRICES = ("open", "high", "low", "close")
HIGHEST_PRICE = 1e9
LARGEST_SIZE = 2**53
A_PRICE, A_SIZE = "a price above 0 is expected", "a whole number of shares is expected"


@dataclass(frozen=True, slots=True)
class Fault:
    """`find` marks the rows that have it, `say` tells of one; both are given the columns as numbers (times: int64)."""

    name: str
    column: str
    find: Callable[[Columns], Mask]
    say: Callable[[Columns, int], str]


def _is(column: str, expected: str) -> Callable[[Columns, int], str]:
    return lambda columns, row: f"is {columns[column][row]:g}; {expected}"


def _no_price(column: str) -> Callable[[Columns], Mask]:
    return lambda columns: ~((columns[column] > 0) & (columns[column] < HIGHEST_PRICE))


def _no_traded_price(column: str) -> Callable[[Columns], Mask]:
    def find(columns: Columns) -> Mask:
        bad: Mask = (columns["volume"] > 0) & _no_price(column)(columns)
        return bad

    return find


def _no_quoted_price(column: str) -> Callable[[Columns], Mask]:
    return lambda columns: ~((columns[column] >= 0) & (columns[column] < HIGHEST_PRICE))


def _no_size(column: str, least: int = 0) -> Callable[[Columns], Mask]:
    def find(columns: Columns) -> Mask:
        size = columns[column]
        if size.dtype == np.int64 and len(size) and size.min() >= least and size.max() <= LARGEST_SIZE:
            return np.zeros(len(size), bool)
        good: Mask = (size >= least) & (size <= LARGEST_SIZE) & (size == np.floor(size))
        return ~good

    return find


def _highest(columns: Columns) -> npt.NDArray[np.float64]:
    return np.maximum(columns["open"], columns["close"])


def _lowest(columns: Columns) -> npt.NDArray[np.float64]:
    return np.minimum(columns["open"], columns["close"])


TIMELESS = Fault(
    "no time",
    "timestamp",
    lambda columns: columns["timestamp"] == EMPTY_TIME,
    lambda columns, row: "is empty; a time is expected",
)

FAULTS: dict[Kind, tuple[Fault, ...]] = {
    Kind.BARS: (
        TIMELESS,
        Fault(
            "off the minute",
            "timestamp",
            lambda columns: columns["timestamp"] % MINUTE_NS != 0,
            lambda columns, row: f"is {rfc3339_of(int(columns['timestamp'][row]))}; a bar starts on a whole minute",
        ),
        Fault("bad volume", "volume", _no_size("volume"), _is("volume", A_SIZE)),
        *(Fault("bad price", name, _no_traded_price(name), _is(name, A_PRICE)) for name in PRICES),
        Fault(
            "high below low",
            "high",
            lambda columns: (columns["volume"] > 0) & (columns["high"] < columns["low"]),
            lambda columns, row: f"is {columns['high'][row]:g}, below the low of {columns['low'][row]:g}",
        ),
        Fault(
            "high below open or close",
            "high",
            lambda columns: (columns["volume"] > 0) & (columns["high"] < _highest(columns)),
            lambda columns, row: f"is {columns['high'][row]:g}, below {_highest(columns)[row]:g} of open or close",
        ),
        Fault(
            "low above open or close",
            "low",
            lambda columns: (columns["volume"] > 0) & (columns["low"] > _lowest(columns)),
            lambda columns, row: f"is {columns['low'][row]:g}, above {_lowest(columns)[row]:g} of open or close",
        ),
    ),
    Kind.TRADES: (
        TIMELESS,
        Fault("bad price", "price", _no_price("price"), _is("price", A_PRICE)),
        Fault("bad size", "size", _no_size("size", 1), _is("size", A_SIZE)),
    ),
    Kind.QUOTES: (
        TIMELESS,
        *(
            Fault("bad price", side, _no_quoted_price(side), _is(side, "a price, or 0 for none, is expected"))
            for side in ("bid", "ask")
        ),
        *(Fault("bad size", side, _no_size(side), _is(side, A_SIZE)) for side in ("bid_size", "ask_size")),
    ),
}
