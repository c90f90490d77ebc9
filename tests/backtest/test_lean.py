"""The lean driver against the plain one: the same trades, equity and counts, or it says what it does not cover."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hftd import Bar, Model, buy, sell, target
from hftd.backtest.lean import LeanDriver, NotCovered
from hftd.backtest.plain import PlainDriver
from hftd.backtest.record import trades_hash
from hftd.backtest.run import run_task
from hftd.backtest.task import Task, Terms
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.engine.risk import Limits
from hftd.exchange.market.columns import BarColumns
from hftd.exchange.venue.fees import Fees
from tests.backtest.backtest_world import WIDE, model_of, sessions, task_of, walk

CALENDAR = Calendar()
THREE = sessions(CALENDAR, 3)
BARS = {"SPY": walk(THREE, 5)}


def both(task: Task) -> tuple[PlainDriver, LeanDriver]:
    plain, lean = PlainDriver(task, CALENDAR), LeanDriver(task, CALENDAR)
    plain.run()
    lean.run()
    return plain, lean


def assert_same(task: Task) -> None:
    plain, lean = both(task)
    for table in ("fills", "orders", "equity"):
        ours, theirs = getattr(plain.record, table), getattr(lean.record, table)
        for name in ours:
            assert repr(list(ours[name])) == repr(np.asarray(theirs[name]).tolist()), f"{table}.{name}"
    assert trades_hash(plain.record.fills) == trades_hash(lean.record.fills)
    assert plain.positions == lean.positions
    counts = ("sessions", "bars", "late_bars", "quarantined", "orders", "fills", "refused", "rejected")
    assert [getattr(plain.tally, name) for name in counts] == [getattr(lean.tally, name) for name in counts]
    assert +plain.tally.signals == +lean.tally.signals
    assert float(plain.tally.slippage) == pytest.approx(float(lean.tally.slippage), abs=1e-6)


def by_volume(buying: int, selling: int, shares: int, aim: int) -> type[Model]:
    """Buys, sells and aims by the bar's volume; looks at its position now and then."""

    def on_bar(self: Any, bar: Bar) -> Any:
        if bar.volume % buying == 0:
            return buy(shares, bar.symbol, reason=f"volume {bar.volume}")
        if bar.volume % selling == 0:
            return sell(shares + bar.volume % 3, bar.symbol)
        if bar.volume % 41 == 0:
            return target(bar.symbol, -aim if self.context.position(bar.symbol) > 0 else aim)
        return None

    return model_of(on_bar)


bounds = st.none() | st.integers(1, 60).map(Decimal)
LIMITS = st.builds(
    Limits,
    max_position=st.sampled_from([Decimal(30), Decimal(200), Decimal("12.5"), Decimal(10_000)]),
    max_order_notional=st.sampled_from([Decimal(2_000), Decimal(10**7)]),
    max_orders_per_minute=st.sampled_from([1, 2, 1000]),
    flatten_before_close_ns=st.sampled_from([None, MINUTE_NS, 5 * MINUTE_NS, 60 * MINUTE_NS]),
    max_position_notional=st.sampled_from([None, Decimal(5_000)]),
    max_order_quantity=bounds,
    max_daily_loss=st.sampled_from([None, Decimal(5), Decimal("33.3"), Decimal(1000)]),
    max_drawdown=st.sampled_from([None, Decimal(40), Decimal(5000)]),
    max_move_percent=st.sampled_from([None, Decimal("0.7"), Decimal(10)]),
    quiet_after_open_ns=st.sampled_from([None, 7 * MINUTE_NS]),
    quiet_before_close_ns=st.sampled_from([None, 9 * MINUTE_NS]),
)


@given(
    seed=st.integers(0, 2**32 - 1),
    kept=st.sampled_from([1.0, 0.9, 0.3]),
    price=st.sampled_from([0.9, 20.0, 271.0]),
    rule=st.tuples(st.integers(2, 40), st.integers(2, 40), st.integers(1, 30), st.integers(0, 20)),
    limits=LIMITS,
    fees=st.sampled_from(Fees),
)
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_the_lean_driver_does_the_same_trade_for_trade(
    seed: int, kept: float, price: float, rule: tuple[int, int, int, int], limits: Limits, fees: Fees
) -> None:
    bars = {"SPY": walk(THREE, seed, price, kept)}
    task = task_of(by_volume(*rule), bars, THREE, limits, Terms(cash=Decimal(1_000_000), fees=fees))
    try:
        assert_same(task)
    except NotCovered as error:
        assert "before the session's first bar" in str(error) or "split" in str(error) or "too near" in str(error)


def test_closing_on_time_where_that_minute_has_no_bar() -> None:
    whole = BARS["SPY"]
    gap = {"SPY": whole.rows(~np.isin(whole.time_ns, [each.close_ns - 6 * MINUTE_NS for each in THREE]))}
    assert_same(task_of(by_volume(3, 1000, 5, 5), gap, THREE, replace(WIDE, flatten_before_close_ns=5 * MINUTE_NS)))


def test_bad_prints_are_kept_from_the_model() -> None:
    columns = [column.copy() for column in BARS["SPY"].columns()]
    columns[2][[50, 51, 400]] *= 2
    assert_same(task_of(by_volume(5, 7, 5, 5), {"SPY": BarColumns(*columns)}, THREE))


def test_a_loss_halts_for_the_session_and_a_drawdown_for_good() -> None:
    limits = replace(WIDE, max_daily_loss=Decimal(20), max_drawdown=Decimal(60))
    task = task_of(by_volume(2, 1000, 20, 5), BARS, THREE, limits)
    assert_same(task)
    assert both(task)[1].tally.refused > 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (buy(5, "SPY", limit=10), "limit orders"),
        ([buy(5, "SPY"), sell(3, "SPY")], "several intents"),
        (buy("0.5", "SPY"), "fractions"),
        (buy(symbol="SPY", dollars=1000), "orders in dollars"),
        (buy(symbol="SPY", equity=1), "orders in equity"),
        (target("SPY", dollars=5000), "orders in dollars"),
        (target("SPY", equity=1), "orders in equity"),
        (buy(5, "SPY", take_profit=900, stop_loss=1), "bracket orders"),
        (buy(10**12, "SPY"), "more than 1,000,000,000 shares"),
        (buy(90_000, "SPY"), "buying power"),
    ],
)
def test_what_it_does_not_cover_is_done_by_the_plain_driver_and_said(answer: Any, said: str) -> None:
    rare = model_of(lambda self, bar: answer if bar.volume % 100 == 0 else None)
    task = task_of(rare, BARS, THREE, terms=Terms(cash=Decimal(100_000)))
    with pytest.raises(NotCovered, match=said):
        LeanDriver(task, CALENDAR).run()
    result = run_task(task)
    assert result.summary["driver"] == "plain"
    assert said in result.summary["why"]


@pytest.mark.parametrize("driver", ["lean", "plain"])
def test_what_is_closed_after_the_last_bar_is_paid_for(driver: str) -> None:
    """A thin symbol has no bar in the minutes before the close, in which positions are closed."""
    one = THREE[:1]
    thin = {"SPY": BARS["SPY"].between(one[0].open_ns, one[0].close_ns - 30 * MINUTE_NS)}
    bought = model_of(lambda self, bar: target("SPY", 10))
    limits = replace(WIDE, flatten_before_close_ns=5 * MINUTE_NS)
    result = run_task(
        task_of(bought, thin, one, limits, Terms(cash=Decimal(10_000), fees=Fees.PER_SHARE)), driver=driver
    )
    signed = result.fills["quantity"].where(result.fills["side"] == "buy", -result.fills["quantity"])
    cash = round(10_000 - (signed * result.fills["price"]).sum() - result.fills["fee"].sum(), 4)
    assert list(signed) == [10, -10]
    assert (result.summary["cash"], result.summary["equity"]) == (cash, cash)
    assert (result.equity.index[-1].value, result.equity["gross"].iloc[-1]) == (one[0].close_ns, 0)


def test_amounts_beyond_its_numbers() -> None:
    boundless = replace(WIDE, max_position=Decimal(10**30), max_order_quantity=Decimal(10**30))
    assert_same(task_of(by_volume(5, 7, 5, 5), BARS, THREE, boundless))
    rich = task_of(by_volume(5, 7, 5, 5), BARS, THREE, terms=Terms(cash=Decimal(10**30)))
    assert "cash of more than" in run_task(rich).summary["why"]


def test_a_model_that_looks_elsewhere_is_not_covered() -> None:
    def on_bar(self: Any, bar: Bar) -> Any:
        return buy(1, bar.symbol) if self.context.cash > 0 else None

    with pytest.raises(NotCovered, match=r"context\.cash"):
        LeanDriver(task_of(model_of(on_bar), BARS, THREE), CALENDAR).run()


def test_its_summary_is_plain_values_as_the_plain_drivers() -> None:
    task = task_of(by_volume(5, 7, 5, 5), BARS, THREE, terms=Terms(cash=Decimal(1_000_000), fees=Fees.PER_SHARE))
    summaries = [run_task(task, driver=driver).summary for driver in ("lean", "plain")]
    texts = [json.dumps({**summary, "seconds": 0, "driver": ""}) for summary in summaries]
    assert texts[0] == texts[1]
    assert all(msgspec.json.decode(msgspec.json.encode(summary)) == summary for summary in summaries)
