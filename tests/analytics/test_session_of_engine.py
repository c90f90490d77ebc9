"""The story that is told of a real engine's steps: its books are the engine's, whoever made the orders."""

from decimal import Decimal
from typing import Any

import pytest

from hftd.analytics.closings import closed_by, closed_by_all
from hftd.analytics.curves import curve_of
from hftd.analytics.session import SessionStory
from hftd.analytics.versions import Participant, Who
from hftd.domain.commands import Command
from hftd.domain.events import Event, PositionAdopted
from hftd.domain.intents import buy, sell
from hftd.domain.orders import OrderLeg, OrderType, ReportKind, Side
from tests.engine.engine_world import SESSION, World, running, toy

LEGS = (
    OrderLeg("leg-profit", "b-profit", Side.SELL, Decimal(10), OrderType.LIMIT, limit_price=Decimal(110)),
    OrderLeg("leg-loss", "b-loss", Side.SELL, Decimal(10), OrderType.STOP, stop_price=Decimal(90)),
)


ONE, TWO = (Who(model_id, f"fingerprint of {model_id}") for model_id in ("one", "two"))


class ToldWorld(World):
    """A world whose steps a story hears."""

    def __init__(self, **wishes: list[Any]) -> None:
        begin = [Participant(model_id, f"fingerprint of {model_id}") for model_id in wishes]
        self.story = SessionStory(SESSION.day, begin)
        super().__init__(*(running(toy(_one_a_bar(list(rest))), model_id) for model_id, rest in wishes.items()))

    def take(self, event: Event) -> list[Command]:
        commands = super().take(event)
        self.story.take(event, commands)
        return commands

    def books(self) -> dict[tuple[str, str], Decimal]:
        """Signed shares by model and symbol, added up from the executions that were told."""
        books: dict[tuple[str, str], Decimal] = {}
        for execution in self.story.executions:
            key = execution.who.model_id, execution.symbol
            books[key] = books.get(key, Decimal(0)) + execution.quantity
        return {key: quantity for key, quantity in books.items() if quantity}

    def ledger(self) -> dict[tuple[str, str], Decimal]:
        """The same in the engine's own books."""
        return {
            (model_id, symbol): holding.quantity
            for model_id, one in self.engine.models.items()
            for symbol, holding in one.portfolio.holdings.items()
            if holding.quantity
        }


def _one_a_bar(wishes: list[Any]) -> Any:
    return lambda bar: wishes.pop(0) if wishes else None


def test_exits_that_the_broker_made_are_orders_of_their_model():
    world = ToldWorld(toy=[buy(10, "SPY", take_profit=110, stop_loss=90)])
    entry = world.bar_order()
    world.report(ReportKind.NEW, entry, legs=LEGS, broker_order_id="b-entry")
    world.fill(entry, 10, 100)
    assert world.books() == world.ledger() == {("toy", "SPY"): 10}
    world.fill("leg-profit", 10, 110)
    world.report(ReportKind.CANCELED, "leg-loss")
    assert world.books() == world.ledger() == {}
    told = {id: (order.who.model_id, order.status) for id, order in world.story.orders.items()}
    assert told == {entry: ("toy", "filled"), "leg-profit": ("toy", "filled"), "leg-loss": ("toy", "canceled")}
    assert world.story.orders["leg-profit"].why == f"exit of {entry}"
    assert world.story.orders["leg-profit"].slippage == 0, "a profit is no slippage"
    assert world.story.counts["foreign_reports"] == 0


def test_what_is_crossed_inside_is_told_of_both_models():
    world = ToldWorld(one=[buy(10, "SPY")], two=[sell(10, "SPY")])
    world.bar(close=100.0)
    assert world.books() == world.ledger() == {("one", "SPY"): 10, ("two", "SPY"): -10}
    assert [order.status for order in world.story.orders.values()] == ["filled", "filled"]
    world.bar(close=101.0)
    assert world.story.points[-1].profits == {ONE: pytest.approx(10.0), TWO: pytest.approx(-10.0)}


def test_a_fill_that_comes_after_the_end_of_its_order_counts():
    world = ToldWorld(toy=[buy(10, "SPY")])
    order = world.bar_order()
    world.report(ReportKind.CANCELED, order)
    world.fill(order, 4, 100)
    assert world.books() == world.ledger() == {("toy", "SPY"): 4}


def test_shares_that_are_adopted_are_no_profit_and_closing_them_is_a_trade():
    world = ToldWorld(toy=[None, sell(5, "SPY")])
    world.bar(close=100.0)
    world.take(PositionAdopted(world.engine.time_ns, "toy", "SPY", Decimal(5), Decimal(100)))
    order = world.bar_order()
    world.fill(order, 5, 101)
    world.bar(close=101.0)
    curve = curve_of(world.story)
    assert curve.profit.tolist() == [0.0, 0.0, 5.0, 5.0]
    for trades in (closed_by_all([world.story]), closed_by([world.story], Who("toy", "fingerprint of toy"))):
        assert [(trade.quantity, trade.profit) for trade in trades] == [(5.0, 5.0)]
