"""What a backtest writes down while it runs: equity, orders and fills, as columns.

Numbers are floats, each the one nearest to the exact amount, so that every driver writes down the same bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

EQUITY = ("time_ns", "equity", "cash", "gross")
"""Nanoseconds UTC; dollars: worth, cash, and what is held, long and short added."""

ORDERS = (
    "order",
    "time_ns",
    "symbol",
    "side",
    "quantity",
    "type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "reference_price",
    "status",
    "filled_quantity",
    "average_price",
    "reason",
)
"""`order` counts from 1 in the order of sending, `time_ns` is when it was decided; shares and dollars, nan for none."""

FILLS = ("time_ns", "order", "symbol", "side", "quantity", "price", "fee")
"""Nanoseconds UTC; shares, dollars a share, dollars."""

Columns = dict[str, list[Any]] | dict[str, npt.NDArray[Any]]


def _empty(names: tuple[str, ...]) -> dict[str, list[Any]]:
    return {name: [] for name in names}


@dataclass(slots=True)
class Record:
    """Tables by column, all of one length within a table."""

    equity: dict[str, Any] = field(default_factory=lambda: _empty(EQUITY))
    orders: dict[str, Any] = field(default_factory=lambda: _empty(ORDERS))
    fills: dict[str, Any] = field(default_factory=lambda: _empty(FILLS))

    def add_equity(self, time_ns: int, cash: float, held: Mapping[str, tuple[float, float]]) -> None:
        """One point; `held` is (signed shares, price) by symbol, in the order of the symbols."""
        net = gross = 0.0
        for quantity, price in held.values():
            value = quantity * price
            net += value
            gross += abs(value)
        for name, value in zip(EQUITY, (time_ns, cash + net, cash, gross), strict=True):
            self.equity[name].append(value)

    def add_order(self, *row: Any) -> None:
        for name, value in zip(ORDERS, row, strict=True):
            self.orders[name].append(value)

    def add_fill(self, *row: Any) -> None:
        for name, value in zip(FILLS, row, strict=True):
            self.fills[name].append(value)


def trades_hash(fills: Mapping[str, Any]) -> str:
    """sha256 (hexadecimal) of all trades: when, what, which way, how much, at which price, at what cost."""
    total = sha256()
    for name in ("time_ns", "order"):
        total.update(np.asarray(fills[name], dtype=np.int64).tobytes())
    for name in ("quantity", "price", "fee"):
        total.update(np.asarray(fills[name], dtype=np.float64).tobytes())
    for name in ("symbol", "side"):
        total.update("\n".join(map(str, fills[name])).encode())
    return total.hexdigest()
