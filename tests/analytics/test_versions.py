"""Reports of sessions in which models were swapped, and of shadows: every order in one row, no dollar twice."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.analytics.html import html_of
from hftd.analytics.report import Report, report_of
from hftd.analytics.session import SessionStory
from hftd.analytics.shadows import PROMOTED
from hftd.analytics.shown import columns_of
from hftd.analytics.versions import Participant
from hftd.commands.report import as_values
from hftd.commands.report_text import report_text
from hftd.commands.text import as_json
from hftd.domain.commands import Command
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    CandidateDropped,
    CandidateEntered,
    CarriedPosition,
    Event,
    ModelSwapped,
    PortfolioCarried,
    SessionOpened,
)
from hftd.domain.intents import buy, sell
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel
from hftd.engine.swapping import ROLLED_BACK
from hftd.model.contract import Model
from tests.engine.engine_world import OPEN_NS, SESSION, WIDE, World, orders_of, toy

MADE: dict[str, Callable[[], Model]] = {
    "f1": lambda: toy(lambda bar: buy(1, bar.symbol, reason="one")),
    "f2": lambda: toy(lambda bar: sell(2, bar.symbol, reason="two")),
    "f3": lambda: toy(lambda bar: None),
}


class Told(World):
    """A session that the model `a` begins in its first version, each order of which is filled at once at the market's
    price, and its story."""

    def __init__(self, carried: tuple[CarriedPosition, ...] = (), shadows: dict[str, str] | None = None) -> None:
        beside = {"a": "f1"} | (shadows or {})
        slots = [_slot(id, mark, shadow=id != "a") for id, mark in beside.items()]
        self.story = SessionStory(
            SESSION.day, [Participant(id, mark, ("SPY",), shadow=id != "a") for id, mark in beside.items()]
        )
        self.engine = Engine(SESSION, slots, WIDE, "run", load=lambda event: MADE[event.fingerprint]())
        self.commands, self.minute = [], 0
        self.take(PortfolioCarried(OPEN_NS - MINUTE_NS, Decimal(10**6), carried, {"SPY": 100.0}))
        self.take(SessionOpened(OPEN_NS, SESSION))

    def take(self, event: Event) -> list[Command]:
        commands = super().take(event)
        self.story.take(event, commands)
        return commands

    def bars(self, *closes: float) -> "Told":
        for close in closes:
            for order in orders_of(self.bar(close=close)):
                self.fill(order.order.client_order_id, order.order.quantity, Decimal(str(close)))
        return self

    def swap(self, mark: str, name: str = "a", model_id: str = "a", cause: str = "reload") -> "Told":
        self.take(ModelSwapped(self.engine.time_ns, model_id, name, mark, ("SPY",), {}, cause))
        return self

    def candidate(self, mark: str) -> "Told":
        self.take(CandidateEntered(self.engine.time_ns, "a", "a", mark, ("SPY",), {}, 0))
        return self

    def whole(self) -> Report:
        self.close()
        return report_of([self.story])


def _slot(model_id: str, mark: str, *, shadow: bool) -> RunningModel:
    return RunningModel(model_id, MADE[mark](), mark, ("SPY",), shadow=shadow)


def rows(report: Report) -> dict[tuple[str, str], tuple[int, float]]:
    """Orders and profit of each row."""
    return {
        (part.model, part.fingerprint): (part.execution.orders, round(part.figures.profit, 2))
        for part in report.parts[1:]
    }


def test_a_changed_model_is_a_row_of_its_own_from_the_swap_on():
    report = Told().bars(100, 110).swap("f2").bars(120, 130).whole()
    # one: +1 at 100, +1 at 110, gives 2 up at 110; two: 2 at 110, sold at 120, then 2 short at 130
    assert rows(report) == {("a", "f1"): (2, 10.0), ("a", "f2"): (2, 20.0)}
    assert [name for name, _ in columns_of(report)] == ["all", "a f1", "a f2"]
    assert [part.figures.trades for part in report.parts] == [1, 1, 1]
    assert [part.since_ns for part in report.parts] == [None, None, OPEN_NS + 2 * MINUTE_NS]


def test_another_model_in_the_slot_leaves_its_predecessors_orders_in_the_report():
    report = Told().bars(100).swap("f2", name="b").bars(101, 102).whole()
    assert rows(report) == {("a", "f1"): (1, 0.0), ("b", "f2"): (3, 1.0)}  # b reverses in two orders
    # the share that a bought at 100 is sold by b at 101: one trade, which a ended when it gave it up
    assert [part.figures.trades for part in report.parts] == [1, 1, 1]
    assert {row.fingerprint for row in report.orders} == {"f1", "f2"}


def test_one_that_is_taken_back_goes_on_in_its_own_row():
    report = Told().bars(100).swap("f3").bars(150).swap("f1", cause=ROLLED_BACK).bars(160).whole()
    assert rows(report) == {("a", "f1"): (2, 10.0), ("a", "f3"): (0, 50.0)}
    assert report.together.figures.profit == 60.0


def test_a_model_that_was_put_in_without_a_word_is_found_by_its_orders():
    told = Told()
    told.bars(100)
    told.engine.models["a"].fingerprint = "f9"
    assert rows(told.bars(110).whole()) == {("a", "f1"): (1, 0.0), ("a", "f9"): (1, 10.0)}


@given(
    st.lists(
        st.one_of(st.integers(90, 110), st.sampled_from([("f1", "a"), ("f2", "a"), ("f2", "b"), ("f3", "b")])),
        max_size=20,
    )
)
def test_every_order_is_in_one_row_and_the_rows_add_up(happened: list[Any]):
    told, name = Told((CarriedPosition("a", "SPY", Decimal(3), Decimal(270)),)), "a"
    for one in happened:
        if isinstance(one, int):
            told.bars(one)
        else:
            told.swap(one[0], name=one[1], model_id=name)
            name = one[1]
    report = told.whole()
    whole = report.together
    assert sum(part.execution.orders for part in report.parts[1:]) == whole.execution.orders == len(report.orders)
    assert sum(part.figures.profit for part in report.parts[1:]) == pytest.approx(whole.figures.profit)


def test_sessions_with_another_version_each_are_counted_apart():
    evening = Told().bars(100, 110)
    evening.close()
    morning = Told((CarriedPosition("a", "SPY", Decimal(2), Decimal(210)),))
    story = SessionStory(SESSION.day, [Participant("a", "f2")])
    story.take(PortfolioCarried(OPEN_NS, Decimal(10**6), morning.story.carried, {"SPY": 110.0}), [])
    report = report_of([evening.story, story])
    assert rows(report) == {("a", "f1"): (2, 10.0), ("a", "f2"): (0, 0.0)}
    assert [part.figures.trades for part in report.parts] == [0, 1, 0]


# -- shadows -----------------------------------------------------------------------------------------------------------


def test_a_shadow_has_a_table_of_its_own_and_no_row_among_those_that_traded():
    report = Told(shadows={"quiet": "f3", "ghost": "f2"}).bars(100, 100, 90).whole()
    assert rows(report) == {("a", "f1"): (3, -20.0)}
    ghost = next(row for row in report.shadows if row.model == "ghost")
    # sells 2 at each bar, filled at the open of the next one: 2 short at 100, 2 more at 90
    assert (ghost.decided, ghost.ordered, ghost.filled, ghost.profit, ghost.fate) == (3, 3, 2, 20.0, "")
    assert {row.model for row in report.shadows} == {"quiet", "ghost"}
    assert report.signals == {"buy": 3}


def test_shadows_that_nobody_noted_are_found():
    told = Told(shadows={"ghost": "f2"})
    told.story = SessionStory(SESSION.day, [Participant("a", "f1")])
    told.story.take(PortfolioCarried(OPEN_NS - MINUTE_NS, Decimal(10**6)), [])
    told.story.take(SessionOpened(OPEN_NS, SESSION), [])
    report = told.bars(100, 100).whole()
    assert rows(report) == {("a", "f1"): (2, 0.0)}
    assert [(row.model, row.fingerprint, row.ordered, row.filled) for row in report.shadows] == [("ghost", "f2", 2, 1)]


def test_a_candidate_is_a_shadow_until_it_is_promoted_and_then_a_row():
    told = Told().bars(100).candidate("f2").bars(100, 90)
    report = told.swap("f2", cause="promoted").bars(80).whole()
    assert rows(report) == {("a", "f1"): (3, -20.0), ("a", "f2"): (1, -30.0)}
    (row,) = report.shadows
    assert (row.model, row.fate, row.ordered, row.filled, row.profit) == ("a.next", PROMOTED, 2, 1, 0.0)


def test_candidates_that_are_given_up_or_replaced_say_so():
    told = Told().candidate("f2").bars(100).candidate("f3").bars(100)
    told.take(CandidateDropped(told.engine.time_ns, "a", "it has failed"))
    told.candidate("f2").bars(100)
    assert {row.fingerprint: row.fate for row in told.whole().shadows} == {"f2": "", "f3": "given up: it has failed"}


def test_page_text_and_json_show_swaps_and_shadows():
    report = Told(shadows={"ghost<b>": "f2"}).bars(100).swap("f2").bars(100).whole()
    page, text, json = html_of(report), report_text(report), as_json(as_values(report))
    assert "Shadows" in page and "ghost&lt;b&gt;" in page and "ghost<b>" not in page
    assert "a f1" in page and "a f2" in page and "took over" in page
    assert "ghost<b>" in text and "a f1" in text
    assert '"shadows"' in json and '"would' not in json
