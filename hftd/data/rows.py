"""Columns of bars, trades or quotes of many symbols, and their order in time.

The order of recorded data is that of (known_ns, kind, symbol, place in the files). At one moment a bar comes before
quotes and quotes before trades: a bar that is complete at t saw nothing of what is printed at t.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar, MarketData, Quote, Trade

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Chosen = slice | npt.NDArray[Any]


class Kind(StrEnum):
    """What a table holds, in the order in which data of one moment come."""

    BARS = "bars"
    QUOTES = "quotes"
    TRADES = "trades"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one kind: arrays of one length.

    `names[code]` is the symbol of a row; the list belongs to all chunks of one `Recorded` and only grows. `time_ns` is
    nanoseconds since 1970 UTC. `received_ns` is when a recorder got each row, by its own clock; None when unknown.
    """

    kind: ClassVar[Kind]
    names: Sequence[str]
    symbol: Codes
    time_ns: Integers

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def known_ns(self) -> Integers:
        """When each row is known."""
        return self.time_ns

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The columns that there are, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "names"}
        return {name: values for name, values in found.items() if values is not None}

    def take(self, chosen: Chosen) -> Self:
        """The rows at `chosen`: a slice, a mask or indices."""
        return type(self)(self.names, **{name: values[chosen] for name, values in self.arrays().items()})

    def order(self) -> Integers:
        """Indices that put the rows in order: by when they are known, then by symbol, then as they stand."""
        return np.lexsort((self.ranks(), self.known_ns))

    def ranks(self) -> Codes:
        """The place of each row's symbol in the alphabet."""
        ranks = np.empty(len(self.names), np.int32)
        ranks[sorted(range(len(self.names)), key=self.names.__getitem__)] = np.arange(len(self.names))
        return ranks[self.symbol]

    def items(self) -> list[Any]:
        """The rows as domain objects."""
        raise NotImplementedError

    def _symbols(self) -> list[str]:
        return [self.names[code] for code in self.symbol.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class Bars(Rows):
    """Minute bars; `time_ns` is the minute's start. Prices in dollars, volume in shares.

    `trade_count` and `vwap` are None when the files do not tell them.
    """

    kind: ClassVar[Kind] = Kind.BARS
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Integers
    trade_count: Integers | None = None
    vwap: Floats | None = None
    received_ns: Integers | None = None

    @property
    def known_ns(self) -> Integers:
        return self.time_ns + MINUTE_NS

    def items(self) -> list[Bar]:
        count = len(self)
        counts = [0] * count if self.trade_count is None else self.trade_count.tolist()
        vwaps = [None] * count if self.vwap is None else [None if v != v else v for v in self.vwap.tolist()]
        prices = (column.tolist() for column in (self.open, self.high, self.low, self.close))
        columns = (self._symbols(), self.time_ns.tolist(), *prices, self.volume.tolist(), counts, vwaps)
        return [Bar(*row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Trades(Rows):
    """Prints: price in dollars, size in shares."""

    kind: ClassVar[Kind] = Kind.TRADES
    price: Floats
    size: Integers
    trade_id: Integers | None = None
    received_ns: Integers | None = None

    def items(self) -> list[Trade]:
        ids = [0] * len(self) if self.trade_id is None else self.trade_id.tolist()
        columns = (self._symbols(), self.time_ns.tolist(), self.price.tolist(), self.size.tolist(), ids)
        return [Trade(*row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Quotes(Rows):
    """Best bids and asks in dollars, sizes in shares. A price of 0 means that there is none."""

    kind: ClassVar[Kind] = Kind.QUOTES
    bid: Floats
    bid_size: Integers
    ask: Floats
    ask_size: Integers
    received_ns: Integers | None = None

    def items(self) -> list[Quote]:
        values = (column.tolist() for column in (self.bid, self.bid_size, self.ask, self.ask_size))
        columns = (self._symbols(), self.time_ns.tolist(), *values)
        return [Quote(*row) for row in zip(*columns, strict=True)]


ROWS: dict[Kind, type[Rows]] = {Kind.BARS: Bars, Kind.QUOTES: Quotes, Kind.TRADES: Trades}
OPTIONAL = {Kind.BARS: ("trade_count", "vwap"), Kind.QUOTES: (), Kind.TRADES: ("trade_id",)}
WHOLE = frozenset({"volume", "size", "bid_size", "ask_size", "trade_count", "trade_id", "received_ns"})
"""Columns of whole numbers."""


def needed(kind: Kind) -> tuple[str, ...]:
    """The names of the columns that a table of `kind` must have, time and symbol first."""
    own = [field.name for field in fields(ROWS[kind])][3:]
    besides = (*OPTIONAL[kind], "received_ns")
    return ("timestamp", "symbol", *(name for name in own if name not in besides))


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of one kind and one list of names, one after the other. A column that some lack is left out."""
    if len(parts) == 1:
        return parts[0]
    arrays = [part.arrays() for part in parts]
    common = [name for name in arrays[0] if all(name in others for others in arrays)]
    columns = {name: np.concatenate([array[name] for array in arrays]) for name in common}
    return type(parts[0])(parts[0].names, **columns)


def in_order(parts: Iterable[Rows]) -> list[MarketData]:
    """The rows of several kinds as domain objects in the order of recorded data; each part is in order already."""
    kinds = sorted((part for part in parts if len(part)), key=lambda part: list(Kind).index(part.kind))
    if len(kinds) == 1:
        return kinds[0].items()
    items = [item for part in kinds for item in part.items()]
    order = np.argsort(np.concatenate([part.known_ns for part in kinds] or [np.empty(0, np.int64)]), kind="stable")
    return [items[index] for index in order.tolist()]
