"""Recorded quotes and trades played by stretches are what they are instant by instant: orders, fills, equity."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hftd import Model, buy, cancel, sell
from hftd.backtest.plain import PlainDriver
from hftd.backtest.prepare import past_of, sessions_of
from hftd.backtest.task import Task, Terms
from hftd.calendar import Calendar
from hftd.data.rows import Kind, Quotes, Rows, Trades
from hftd.data.writing import ParquetSink
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.session import Session
from hftd.exchange.market.minutes import quote_around, quotes_around
from hftd.exchange.market.queues import Queue
from hftd.exchange.venue.fees import Fees
from hftd.exchange.venue.latency import Constant
from tests.backtest.backtest_world import WIDE, sessions, subject

CALENDAR = Calendar()
SESSION, NEXT = sessions(CALENDAR, 2)
NAMES = ["AAPL", "SPY"]
LENGTH_NS = 4 * MINUTE_NS


class Busy(Model):
    """Does a little of everything, by what it has counted."""

    def on_start(self, context: Any) -> None:
        self.count = 0
        context.every(7.5)

    def on_quote(self, quote: Any) -> Any:
        self.count += 1
        if self.count % 11 == 5:
            return buy(3, quote.symbol, limit=round(quote.bid, 2))
        return cancel(quote.symbol) if self.count % 13 == 7 else None

    def on_trade(self, trade: Any) -> Any:
        self.count += 1
        return sell(2, trade.symbol) if self.count % 9 == 4 else None

    def on_bar(self, bar: Any) -> Any:
        return buy(1, bar.symbol, stop=round(bar.close + 0.05, 2)) if bar.volume % 2 else None

    def on_fill(self, report: Any) -> Any:
        if self.count % 3 == 0:
            self.context.after(0.25, "soon")
        return None

    def on_timer(self, name: str) -> Any:
        self.count += 1
        return sell(1, "SPY") if self.context.position("SPY") > 0 else None


class InstantByInstant(PlainDriver):
    """The plain driver without its short cut."""

    def _coast(self, session: Session) -> None:
        """Nothing."""


def tape(folder: Path, rng: np.random.Generator, count: int, symbols: int, quotes: bool) -> Path:
    """`count` rows of each kind within a few minutes after the opens of two days, many of them at one instant."""
    for kind in (Kind.TRADES, Kind.QUOTES) if quotes else (Kind.TRADES,):
        file = folder / f"{kind}.parquet"
        sink = ParquetSink(file, kind)
        sink.write(rows_of(kind, rng, count, symbols))
        sink.close()
    return folder


def rows_of(kind: Kind, rng: np.random.Generator, count: int, symbols: int) -> Rows:
    times = SESSION.open_ns + np.sort(rng.integers(0, LENGTH_NS // (SECOND_NS // 4), count)) * (SECOND_NS // 4)
    times[1::2] += NEXT.open_ns - SESSION.open_ns
    codes = rng.integers(2 - symbols, 2, count).astype(np.int32)
    cents, sizes = 10_000 + np.cumsum(rng.integers(-2, 3, count)), rng.integers(1, 400, count)
    if kind is Kind.TRADES:
        found: Rows = Trades(NAMES, codes, times, cents / 100, sizes)
    else:
        found = Quotes(NAMES, codes, times, cents / 100, sizes, (cents + 1) / 100, sizes[::-1].copy())
    return found.take(found.order())


def all_of(driver: PlainDriver) -> Iterator[Any]:
    driver.run()
    for table in (driver.record.orders, driver.record.fills, driver.record.equity):
        yield {name: [repr(value) for value in values] for name, values in table.items()}
    yield driver.tally, driver.ticks, driver.positions


TERMS = st.sampled_from(
    [
        Terms(cash=Decimal(1_000_000)),
        Terms(cash=Decimal(1_000_000), fees=Fees.REGULATORY, queue=Queue.BACK, participation=Decimal("0.2")),
        Terms(cash=Decimal(1_000_000), queue=Queue.PROPORTIONAL, latency=Constant(300_000_000)),
        Terms(cash=Decimal(1_000_000), slippage_bps=Decimal(2), latency=Constant(1)),
    ]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), symbols=st.integers(1, 2), quotes=st.booleans(), terms=TERMS)
def test_stretches_are_played_as_instant_by_instant(
    tmp_path_factory: pytest.TempPathFactory, seed: int, symbols: int, quotes: bool, terms: Terms
) -> None:
    folder = tape(tmp_path_factory.mktemp("tape"), np.random.default_rng(seed), 300, symbols, quotes)
    past = past_of(folder)
    early_ns = SESSION.close_ns - SESSION.open_ns - LENGTH_NS // 2
    limits = replace(WIDE, max_daily_loss=Decimal(40), flatten_before_close_ns=early_ns if seed % 2 else None)
    bars = dict(past.bars)
    task = Task(subject(Busy), bars, sessions_of(bars, CALENDAR, None, None), limits, terms, ticks=past.ticks)
    whole, stepwise = (list(all_of(driver(task, CALENDAR))) for driver in (PlainDriver, InstantByInstant))
    assert whole == stepwise
    assert len(whole[1]["time_ns"]) > 0


@given(
    prices=st.lists(st.integers(1, 2_000_000).map(lambda ticks: ticks / 10_000), min_size=1, max_size=20),
    spread=st.sampled_from([0.01, 0.03]),
    data=st.data(),
)
def test_quotes_left_by_many_prints_are_those_left_by_each(prices: list[float], spread: float, data: Any) -> None:
    count = len(prices)
    sizes = data.draw(st.lists(st.integers(1, 100_000), min_size=count, max_size=count))
    rising = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    times = np.arange(count)
    trades = Trades(["SPY"], np.zeros(count, np.int32), times, np.array(prices), np.array(sizes))
    each = [
        quote_around("SPY", time_ns, price, size, up, spread)
        for time_ns, price, size, up in zip(times.tolist(), prices, sizes, rising, strict=True)
    ]
    assert quotes_around(trades, np.array(rising), spread).items() == each
