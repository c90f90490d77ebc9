"""The plain driver: what it decides and fills, and when."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd import Bar, Model, buy, cancel, sell, target
from hftd.backtest.plain import PlainDriver
from hftd.backtest.task import Task, Terms
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.orders import Side
from hftd.errors import ModelError
from hftd.exchange.market.columns import BarColumns
from hftd.exchange.market.queues import Queue
from hftd.exchange.venue.fees import Fees
from hftd.exchange.venue.latency import Constant
from tests.backtest.backtest_world import WIDE, model_of, sessions, task_of, walk

CALENDAR = Calendar()
TWO = sessions(CALENDAR, 2)
BARS = {"SPY": walk(TWO)}
CASH = Decimal(10_000_000)


def ran(task: Task) -> PlainDriver:
    driver = PlainDriver(task, CALENDAR)
    driver.run()
    return driver


def fills(task: Task) -> list[tuple[Any, ...]]:
    return list(zip(*ran(task).record.fills.values(), strict=True))


def at_minute(minute: int, answer: Any) -> type[Model]:
    """A model that answers once, on the bar of minute number `minute` of the first session."""

    def on_bar(self: Model, bar: Bar) -> Any:
        return answer if bar.time_ns == TWO[0].open_ns + minute * MINUTE_NS else None

    return model_of(on_bar)


def test_an_order_is_filled_at_the_quote_after_its_bar() -> None:
    (fill,) = fills(task_of(at_minute(10, buy(5, "SPY")), BARS, TWO))
    time_ns, number, symbol, side, quantity, price, fee = fill
    assert time_ns == TWO[0].open_ns + 11 * MINUTE_NS
    assert (number, symbol, side, quantity, fee) == (1, "SPY", "buy", 5.0, 0.0)
    assert abs(price - BARS["SPY"].close[10]) <= 0.0101


def test_a_decision_on_the_last_bar_is_not_sent() -> None:
    driver = ran(task_of(at_minute(389, buy(5, "SPY")), BARS, TWO))
    assert driver.tally.signals["buy"] == 1
    assert driver.tally.orders == 0


def test_everything_is_closed_before_the_close() -> None:
    limits = replace(WIDE, flatten_before_close_ns=5 * MINUTE_NS)
    opened, closed = fills(task_of(at_minute(10, buy(5, "SPY")), BARS, TWO, limits))
    assert closed[0] == TWO[0].close_ns - 5 * MINUTE_NS
    assert closed[3] == "sell"
    assert opened[4] == closed[4] == 5.0


def test_it_closes_on_time_where_that_minute_has_no_bar() -> None:
    limits = replace(WIDE, flatten_before_close_ns=5 * MINUTE_NS)
    whole = BARS["SPY"]
    gap = whole.rows(whole.time_ns != TWO[0].close_ns - 6 * MINUTE_NS)
    _, closed = fills(task_of(at_minute(10, buy(5, "SPY")), {"SPY": gap}, TWO, limits))
    assert closed[0] == TWO[0].close_ns - 5 * MINUTE_NS


def test_positions_are_carried_over_night() -> None:
    driver = ran(task_of(at_minute(10, buy(5, "SPY")), BARS, TWO))
    assert driver.engine.positions == {"SPY": Decimal(5)}
    assert len(driver.record.equity["equity"]) == len(BARS["SPY"])
    last = driver.record.equity["cash"][-1] + 5 * BARS["SPY"].close[-1]
    assert driver.record.equity["equity"][-1] == pytest.approx(last)


def test_fees_leave_the_cash_and_stand_beside_their_fill() -> None:
    terms = Terms(cash=CASH, fees=Fees.PER_SHARE)
    driver = ran(task_of(at_minute(10, buy(100, "SPY")), BARS, TWO, terms=terms))
    assert driver.record.fills["fee"] == [0.5]
    price = driver.record.fills["price"][0]
    assert driver.record.equity["cash"][-1] == pytest.approx(float(CASH) - 100 * price - 0.5)


def test_slippage_makes_the_price_worse_by_its_basis_points() -> None:
    plain, slipped = (
        fills(task_of(at_minute(10, buy(5, "SPY")), BARS, TWO, terms=Terms(cash=CASH, slippage_bps=Decimal(bps))))[0]
        for bps in (0, 10)
    )
    assert slipped[5] == pytest.approx(plain[5] * 1.001, abs=0.0001)
    assert slipped[5] > plain[5] * 1.001 - 1e-9


def test_latency_lets_an_order_meet_a_later_quote() -> None:
    late = Terms(cash=CASH, latency=Constant(30_000_000_000))
    (fill,) = fills(task_of(at_minute(10, buy(5, "SPY")), BARS, TWO, terms=late))
    assert fill[0] == TWO[0].open_ns + 11 * MINUTE_NS + 30_000_000_000


def test_participation_bounds_what_is_filled_of_a_minute() -> None:
    terms = Terms(cash=CASH, queue=Queue.FRONT, participation=Decimal("0.01"))
    first = fills(task_of(at_minute(10, buy(200, "SPY")), BARS, TWO, terms=terms))
    assert len(first) > 1
    assert sum(fill[4] for fill in first) <= 200


def test_a_limit_order_rests_until_the_price_comes() -> None:
    price = float(np.min(BARS["SPY"].low[11:380]))
    (fill,) = fills(task_of(at_minute(10, buy(5, "SPY", limit=round(price + 0.02, 2))), BARS, TWO))
    assert fill[0] > TWO[0].open_ns + 11 * MINUTE_NS
    assert fill[5] <= round(price + 0.02, 2)


def test_a_cancelled_order_is_not_filled() -> None:
    def on_bar(self: Any, bar: Bar) -> Any:
        if bar.time_ns == TWO[0].open_ns:
            return buy(5, "SPY", limit=1.0)
        return cancel("SPY") if bar.time_ns == TWO[0].open_ns + MINUTE_NS else None

    driver = ran(task_of(model_of(on_bar), BARS, TWO))
    assert driver.record.orders["status"] == ["canceled"]


def test_what_outlives_the_session_is_withdrawn() -> None:
    driver = ran(task_of(at_minute(10, buy(5, "SPY", limit=1.0, time_in_force="gtc")), BARS, TWO))
    assert driver.record.orders["status"] == ["canceled"]


def test_a_target_through_zero_closes_then_opens() -> None:
    def on_bar(self: Any, bar: Bar) -> Any:
        minute = (bar.time_ns - TWO[0].open_ns) // MINUTE_NS
        return target("SPY", 5) if minute == 3 else target("SPY", -5) if minute == 5 else None

    found = fills(task_of(model_of(on_bar), BARS, TWO))
    assert [(fill[3], fill[4]) for fill in found] == [("buy", 5.0), ("sell", 5.0), ("sell", 5.0)]
    assert found[1][0] == found[2][0]


def test_two_symbols_are_stepped_at_one_instant() -> None:
    bars = {"AAA": walk(TWO, 1), "BBB": walk(TWO, 2, 50.0, kept=0.9)}
    seen: list[tuple[int, str]] = []

    def on_bar(self: Any, bar: Bar) -> Any:
        seen.append((bar.time_ns, bar.symbol))
        return sell(1, bar.symbol) if bar.volume % 3 == 0 else buy(1, bar.symbol)

    driver = ran(task_of(model_of(on_bar), bars, TWO))
    assert seen == sorted(seen)
    assert len(seen) == len(bars["AAA"]) + len(bars["BBB"])
    assert driver.tally.orders == driver.tally.fills + driver.tally.rejected > 500


def test_warm_up_shows_bars_from_before_the_first_session_and_trades_on_none() -> None:
    seen: list[int] = []

    def on_bar(self: Any, bar: Bar) -> Any:
        seen.append(bar.time_ns)
        return buy(1, "SPY")

    driver = ran(task_of(model_of(on_bar, warmup_bars=30), BARS, TWO[1:]))
    assert len(seen) == 30 + 390
    assert seen == sorted(seen) and seen[29] < TWO[1].open_ns
    assert (driver.tally.warm_up_bars, driver.tally.bars, driver.tally.late_bars) == (30, 390, 0)
    assert driver.tally.orders == 389


def test_a_bad_print_is_kept_from_the_model() -> None:
    columns = [column.copy() for column in BARS["SPY"].columns()]
    columns[2][50] *= 2
    driver = ran(task_of(at_minute(10, buy(5, "SPY")), {"SPY": BarColumns(*columns)}, TWO))
    assert driver.tally.quarantined == 1


def test_a_model_that_raises_ends_it_with_a_sentence() -> None:
    def on_bar(self: Any, bar: Bar) -> Any:
        raise ZeroDivisionError("nothing to divide by")

    with pytest.raises(ModelError, match="on_bar raised ZeroDivisionError: nothing to divide by"):
        ran(task_of(model_of(on_bar), BARS, TWO))


def moody(self: Any, bar: Bar) -> Any:
    """Buys and sells by what it has seen so far, at the market and with limits."""
    self.seen = getattr(self, "seen", 0) * 31 + bar.volume + round(bar.close * 100)
    if self.seen % 5 == 0:
        return sell(1 + self.seen % 3, bar.symbol)
    if self.seen % 7 == 0:
        return buy(1 + self.seen % 3, bar.symbol, limit=round(bar.close - 0.02, 2))
    return cancel(bar.symbol) if self.seen % 11 == 0 else None


def moved(columns: BarColumns, cut: int, seed: int) -> BarColumns:
    """Another future from row `cut` on: the same minutes in another order, and somewhat elsewhere."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate((np.arange(cut), cut + rng.permutation(len(columns) - cut)))
    parts = [column[rows] for column in columns.columns()[1:]]
    parts = [np.where(np.arange(len(part)) >= cut, np.round(part * 1.01, 2), part) for part in parts[:4]] + parts[4:]
    return BarColumns(columns.time_ns, *parts[:4], parts[4].astype(np.int64))


@given(cut=st.integers(1, 779), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_another_future_changes_nothing_before_it(cut: int, seed: int) -> None:
    cut_ns = int(BARS["SPY"].time_ns[cut]) + 1  # its first print comes a second later
    records = [
        ran(task_of(model_of(moody), bars, TWO)).record for bars in (BARS, {"SPY": moved(BARS["SPY"], cut, seed)})
    ]
    for table, time in (("orders", "time_ns"), ("fills", "time_ns"), ("equity", "time_ns")):
        one, other = (rows_before(getattr(record, table), time, cut_ns) for record in records)
        assert one == other


def rows_before(table: dict[str, Any], time: str, cut_ns: int) -> list[tuple[Any, ...]]:
    """What was known by then, without what became of orders later."""
    names = [name for name in table if name not in ("status", "filled_quantity", "average_price")]
    rows = zip(*(table[name] for name in names), strict=True)
    return [tuple(map(repr, row)) for row in rows if row[names.index("time_ns")] < cut_ns]


def test_exits_outlive_no_close_when_their_entry_was_withdrawn_too_late() -> None:
    """The model withdraws its entry while it is told of the fill; nothing may then hold up the close."""

    def on_bar(self: Any, bar: Bar) -> Any:
        wants = not self.context.position("SPY") and not self.context.working_orders("SPY")
        return buy(10, "SPY", take_profit=bar.close + 50, stop_loss=bar.close - 50) if wants else None

    def on_fill(self: Any, report: Any) -> Any:
        return cancel("SPY") if report.side is Side.BUY else None

    one = sessions(CALENDAR, 1)
    limits = replace(WIDE, flatten_before_close_ns=5 * MINUTE_NS)
    driver = PlainDriver(task_of(model_of(on_bar, on_fill=on_fill), {"SPY": walk(one)}, one, limits), CALENDAR)
    driver.run()
    assert driver.positions == {}
    assert driver.tally.fills == 2
