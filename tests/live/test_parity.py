"""A model decides the same in a daemon at the exchange as in a backtest: it is told the same, in the same order.

Models without sense meet drawn tapes, fees, queues, latencies and limits. `HFTD_PARITY_SEEDS=1000:1100` compares others
than the few of each run.
"""

import os
import random
import re
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hftd.calendar import Calendar
from hftd.data.rows import Bars, Kind, Quotes, Trades
from hftd.data.writing import ParquetSink
from hftd.domain.commands import SubmitOrder
from hftd.domain.convert import SECOND_NS
from tests.backtest.backtest_world import sessions, walk
from tests.running import Home, signed_quantity

SESSIONS = sessions(Calendar(), 2)
MODEL = (Path(__file__).parent / "whims.py").read_text()
FIRST, _, END = os.environ.get("HFTD_PARITY_SEEDS", "1:7").partition(":")
TERMS: dict[str, list[object]] = {
    "HFTD_RISK__MAX_POSITION": [20, 100_000],
    "HFTD_RISK__MAX_ORDER_NOTIONAL": [10**8],
    "HFTD_RISK__MAX_ORDERS_PER_MINUTE": [20, 1000],
    "HFTD_RISK__FLATTEN_BEFORE_CLOSE": ["off", "5m", "90s"],
    "HFTD_EXCHANGE__CASH": [5000, 10**7],
    "HFTD_EXCHANGE__QUEUE": ["off", "off", "back", "front", "proportional"],
    "HFTD_EXCHANGE__FEES": ["none", "regulatory", "per_share"],
    "HFTD_EXCHANGE__LATENCY": ["none", "none", "constant:250ms", "normal:5ms,2ms,1ms", "constant:20s"],
    "HFTD_EXCHANGE__PARTICIPATION": [0.5, 1.0],
    "HFTD_EXCHANGE__PARTIAL_FILL_CHANCE": [0, 0, 0.3],
    "HFTD_EXCHANGE__REJECT_CHANCE": [0, 0, 0.1],
}
COUNTED = ("sessions", "bars", "late_bars", "quarantined", "signals", "orders", "fills", "refused", "rejected")
SUMS = ("cash", "fees")
VALUES = ("equity", "pnl")
"""Of what is held at the end. A backtest of ticks takes the last bar's price for it, and a daemon the last quote's."""


class Case:
    """A home, a tape and terms drawn from a seed."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home, self.seed, self.draw = home, seed, random.Random(seed)
        self.has_ticks = self.draw.random() < 0.5
        self.symbols = self.draw.choice([["SPY"], ["AAPL"], ["AAPL", "SPY"]])
        self.tape = home.folder / "tape"
        self.tape.mkdir()
        (self._write_ticks if self.has_ticks else self._write_bars)()
        self._write_settings()
        self.terms = {name: self.draw.choice(choices) for name, choices in TERMS.items()}
        self.terms["HFTD_EXCHANGE__SEED"] = seed

    def _write_bars(self) -> None:
        for symbol in self.symbols:
            columns = walk(SESSIONS, self.draw.randrange(10**6), self.draw.choice([20.0, 100.0]), kept=0.1)
            codes = np.zeros(len(columns), np.int32)
            with closing(ParquetSink(self.tape / f"{symbol}.parquet", Kind.BARS)) as sink:
                sink.write(Bars([symbol], codes, *columns.columns()))

    def _write_ticks(self) -> None:
        rng, count = np.random.default_rng(self.seed), 150
        for kind in (Kind.TRADES, Kind.QUOTES)[: self.draw.choice([1, 2])]:
            steps = np.sort(rng.integers(0, 40, count)) * self.draw.choice([SECOND_NS // 4, SECOND_NS, 7 * SECOND_NS])
            times = SESSIONS[0].open_ns + steps
            times[count // 2 :] += SESSIONS[1].open_ns - SESSIONS[0].open_ns
            times.sort()
            cents, sizes = 10_000 + np.cumsum(rng.integers(-2, 3, count)), rng.integers(1, 400, count)
            codes = rng.integers(0, len(self.symbols), count).astype(np.int32)
            asks = (cents + rng.integers(0, 3, count)) / 100
            rows: Any = (
                Trades(self.symbols, codes, times, cents / 100, sizes)
                if kind is Kind.TRADES
                else Quotes(self.symbols, codes, times, cents / 100, sizes, asks, sizes[::-1].copy())
            )
            with closing(ParquetSink(self.tape / f"{kind}.parquet", kind)) as sink:
                sink.write(rows.take(rows.order()))

    def _write_settings(self) -> None:
        self.home.use_model(
            "whims", MODEL if self.has_ticks else MODEL.partition("\n    # -- where there are ticks")[0]
        )
        quantity, speed = self.draw.choice([2, 5, 50]), 36_000
        self.home.settings.write_text(
            f"broker: simulated\nsymbols: [{', '.join(self.symbols)}]\nexchange: {{speed: {speed}}}\n"
            f"model: {{name: whims, parameters: {{seed: {self.seed}, quantity: {quantity}}}}}\n"
        )

    def backtest(self) -> Any:
        """Its summary; orders and fills are in the folder `out`."""
        out, symbols = self.home.folder / "out", ",".join(self.symbols)
        asked = ("backtest", "whims", "--data", self.tape, "--symbols", symbols, "--out", out, "--json")
        return self._run("backtest", *asked)

    def live(self) -> Any:
        """The summary of a daemon."""
        return self._run("live", "run", "--tape", self.tape, "--sessions", len(SESSIONS), "--json")

    def _run(self, log: str, *arguments: object) -> Any:
        ended = self.home.run(*arguments, **self.terms, WHIMS_LOG=self.home.folder / log)
        assert ended.status == 0, ended
        return ended.json

    def told(self, log: str) -> list[str]:
        """What the model was told and answered; the random names of orders by their turn, numbers by their value."""
        names: dict[str, str] = {}
        text = re.sub(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|hftd-\d{8}-[A-Z]+-[0-9a-f]{20,}",
            lambda found: names.setdefault(found[0], f"id-{len(names)}"),
            (self.home.folder / log).read_text(),
        )
        return re.sub(r"Decimal\('([^']*)'\)", lambda found: text_of(Decimal(found[1])), text).splitlines()


def text_of(number: Decimal) -> str:
    return format(number.normalize(), "f") if number else "0"


def traded_in_backtest(case: Case) -> tuple[list[Any], list[Any]]:
    """(orders, fills)"""
    import pandas

    orders, fills = (pandas.read_parquet(case.home.folder / "out" / f"{name}.parquet") for name in ("orders", "fills"))
    signed = fills.quantity.where(fills.side == "buy", -fills.quantity)
    times = fills.timestamp.astype("int64").tolist()
    return (
        list(zip(orders.symbol, orders.side, orders.quantity.tolist(), orders.type, strict=True)),
        list(zip(times, fills.symbol, signed.tolist(), fills.price.tolist(), strict=True)),
    )


def traded_live(case: Case) -> tuple[list[Any], list[Any]]:
    """(orders, fills)"""
    orders = [command.order for command in case.home.commands(SubmitOrder)]
    fills = case.home.fills()
    return (
        [(order.symbol, str(order.side), float(order.quantity), str(order.type)) for order in orders],
        [(fill.time_ns, fill.symbol, float(signed_quantity(fill)), float(fill.price)) for fill in fills],
    )


@pytest.mark.parametrize("seed", range(int(FIRST), int(END)))
def test_a_model_is_told_and_decides_the_same_live_and_in_a_backtest(home: Home, seed: int) -> None:
    case = Case(home, seed)
    backtest, live = case.backtest(), case.live()
    for in_backtest, in_daemon in zip(case.told("backtest"), case.told("live"), strict=False):
        assert in_daemon == in_backtest
    assert len(case.told("live")) == len(case.told("backtest")) > 50
    assert traded_live(case) == traded_in_backtest(case)
    assert {name: live[name] for name in COUNTED} == {name: backtest[name] for name in COUNTED}
    sums = SUMS if case.has_ticks and live["position"] else SUMS + VALUES
    assert {name: live[name] for name in sums} == pytest.approx({name: backtest[name] for name in sums}, abs=1e-3)
