"""The story of a session: what is gathered from its events and commands."""

from decimal import Decimal

import pytest

from hftd.analytics.report import report_of
from hftd.analytics.session import SessionStory
from hftd.analytics.versions import Who
from hftd.domain.commands import OrderRefused, SignalDropped, SignalRaised, TradingStopped
from hftd.domain.convert import SECOND_NS
from hftd.domain.events import (
    CarriedPosition,
    ModelFaulted,
    OrderReported,
    PortfolioCarried,
    PrintQuarantined,
    Remark,
    TradingHalted,
    TradingResumed,
)
from hftd.domain.orders import ExecutionReport, ReportKind, Side
from tests.analytics.told import DAY, SESSION, Script, id_of, round_trip


def test_equity_after_all_of_a_minute_is_that_of_the_ledger():
    story = round_trip().story()
    assert [point.equity for point in story.points] == pytest.approx([10_000, 9_999, 10_009, 10_019, 10_019, 10_019])
    assert [point.gross for point in story.points] == pytest.approx([0, 1_000, 1_010, 0, 0, 0])
    assert story.points[-1].profits == {Who("toy", "f00"): pytest.approx(19.0)}


def test_an_order_tells_its_price_its_slippage_and_how_it_stood_after_it():
    first, second = round_trip().story().orders.values()
    assert (first.status, first.average_price, first.filled_quantity) == ("filled", Decimal("100.1"), 10)
    assert first.slippage == pytest.approx(1.0) and second.slippage == pytest.approx(0.0)
    assert (first.cash, first.equity) == (Decimal("8999.0"), Decimal("9999.0"))
    assert (second.cash, second.equity) == (Decimal("10019.0"), Decimal("10019.0"))
    assert second.heard_ns - second.decided_ns == 3 * SECOND_NS


def test_a_fill_that_is_told_twice_counts_once():
    script = round_trip()
    script.steps.insert(4, script.steps[3])
    assert len(script.story().executions) == 2


def test_decisions_know_their_fate():
    wish = SignalRaised("toy", "SPY", Side.BUY, Decimal(5), "why not")
    refused = OrderRefused("toy", "SPY", Side.BUY, Decimal(5), "max_position", Decimal(10), Decimal(15))
    script = (
        Script().open().bar(100.0, wish, refused).bar(100.0, wish, SignalDropped("toy", "SPY", Side.BUY, 5, "late"))
    )
    story = script.story()
    assert [decision.fate for decision in story.decisions] == [
        "max_position of its model: 15, the limit is 10",
        "late",
    ]
    assert (story.refusals, story.drops) == ({"max_position": 1}, {"late": 1})


def test_what_was_shown_of_earlier_days_is_not_the_session():
    script = Script().bar(90.0, source="history").open().bar(100.0).bar(101.0, source="backfill")
    story = script.story()
    assert [bar.close for bar in story.bars["SPY"]] == [100.0, 101.0]
    assert (story.counts["warmup_bars"], story.counts["late_bars"], story.counts["backfilled_bars"]) == (1, 1, 1)


def test_incidents_are_told_in_order():
    script = Script().open().bar(100.0)
    now = script.now_ns
    script.add(TradingHalted(now, "manual", "lunch")).add(TradingResumed(now + 1, "back"))
    script.add(PrintQuarantined(now + 2, "SPY", now, "a jump", "1/1/1/1")).add(ModelFaulted(now + 3, "toy", 2, "ouch"))
    script.bar(100.0, TradingStopped("toy", "max_daily_loss", "too much"))
    script.add(Remark(script.now_ns, "feed.up", "data")).add(Remark(script.now_ns, "feed.down", "data"))
    told = [(incident.name, incident.detail) for incident in script.story().incidents]
    assert told == [
        ("trading.halted", "manual: lunch"),
        ("trading.resumed", "back"),
        ("print.quarantined", "SPY: a jump: 1/1/1/1"),
        ("model.faulted", "toy: ouch"),
        ("trading.halted", "max_daily_loss of toy: too much"),
        ("feed.down", "data"),
    ]
    assert report_of([script.story()]).health.counts["sockets lost"] == 1


def test_a_rejected_order_tells_the_brokers_reason():
    script = Script().open().trade(Side.BUY, 10, 100.0, 100.0)
    report = ExecutionReport(ReportKind.REJECTED, id_of(1), script.now_ns, reason="no such money")
    script.steps[-1] = (OrderReported(report), [], "broker", script.now_ns)
    (order,) = script.story().orders.values()
    assert (order.status, order.problem, order.average_price) == ("rejected", "no such money", None)


def test_positions_from_before_and_models_that_nobody_noted_take_part():
    carried = CarriedPosition("gone", "SPY", Decimal(5), Decimal(450))
    story = SessionStory(DAY)
    story.take(PortfolioCarried(SESSION.open_ns, Decimal(1_000), (carried,), {"SPY": 100.0}), [])
    for event, commands, source, received_ns in Script().open().bar(110.0).steps[1:]:
        story.take(event, commands, source, received_ns)
    assert story.points[-1].profits == {Who("gone"): 50.0}
    assert story.points[-1].equity - float(story.engine.equity_at_start) == 50.0


def test_reports_of_orders_that_are_not_ours_are_counted():
    script = Script().open().add(OrderReported(ExecutionReport(ReportKind.NEW, "somebody", SESSION.open_ns)))
    assert script.story().counts["foreign_reports"] == 1
