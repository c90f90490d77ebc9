"""What a model sees: its share of the account, past bars, chance."""

from decimal import Decimal
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived, CarriedPosition, PortfolioCarried
from hftd.domain.history import History
from hftd.domain.intents import buy
from hftd.domain.market import Bar
from hftd.engine.bar_history import BarHistory
from hftd.engine.state import RunningModel
from hftd.model.contract import Context, Model
from tests.engine.engine_world import OPEN_NS, SESSION, World, running, toy

CASH = Decimal(10**6)


def still() -> Model:
    return toy(lambda bar: None)


def context_of(world: World, model_id: str = "toy") -> Context:
    return world.engine.models[model_id].model.context


# Standing ------------------------------------------------------------------------------------------------------------


def test_one_model_has_the_whole_account():
    world = World(toy(lambda bar: buy(10, "SPY")))
    world.fill(world.bar_order(), 10, 100)
    world.bar(close=103.0)
    context = context_of(world)
    assert (context.cash, context.equity) == (CASH - 1000, CASH + 30) == (world.engine.cash, world.engine.equity)
    assert context.positions == {"SPY": 10}
    assert context.price("SPY") == 103.0
    assert context.price("QQQ") is None
    assert context.session == SESSION


def test_models_have_equal_shares_of_what_the_session_begins_with():
    gone = RunningModel("gone", Model(), "", ())
    world = World(running(still(), "a"), running(still(), "b"), gone, opened=False)
    carried = (
        CarriedPosition("a", "SPY", Decimal(10), Decimal(900)),
        CarriedPosition("gone", "QQQ", Decimal(1), Decimal(50)),
    )
    world.take(PortfolioCarried(OPEN_NS, Decimal(1000), carried, {"SPY": 100.0}))
    a, b = context_of(world, "a"), context_of(world, "b")
    assert (a.equity, b.equity) == (1000, 1000)
    assert (a.cash, b.cash) == (0, 1000)
    portfolios = [running.portfolio for running in world.engine.models.values()]
    assert sum(portfolio.cash for portfolio in portfolios) == world.engine.cash == 1000
    assert sum(portfolio.equity(world.engine.prices) for portfolio in portfolios) == world.engine.equity


def test_the_moment_is_the_events():
    world = World(still())
    world.bar()
    context = context_of(world)
    assert context.now_ns == OPEN_NS + MINUTE_NS
    assert context.now.isoformat() == "2026-11-27T14:31:00+00:00"


# History -------------------------------------------------------------------------------------------------------------


def bar(number: int, **values: Any) -> Bar:
    price = 100.0 + number
    return Bar(
        "SPY", number * MINUTE_NS, price, price + 2, price - 1, price + 1, number, vwap=values.get("vwap", price)
    )


def test_history_has_the_bar_at_hand_and_those_before():
    seen: list[History] = []
    world = World(toy(lambda bar: seen.append(model.context.history("SPY"))))
    model = world.engine.models["toy"].model
    for close in (100.0, 101.0, 102.0):
        world.bar(close=close)
    assert [list(history.close) for history in seen] == [[100], [100, 101], [100, 101, 102]]
    assert [len(history) for history in seen] == [1, 2, 3]
    assert isnan(seen[0].vwap[0])


def test_history_cannot_be_written_to():
    world = World(still())
    world.bar()
    with pytest.raises(ValueError, match="read-only"):
        context_of(world).history("SPY").close[0] = 1.0


def test_history_of_a_symbol_that_is_not_followed_is_refused():
    with pytest.raises(ValueError, match="this model follows SPY"):
        context_of(World(still())).history("QQQ")


def test_late_bars_are_history_too():
    world = World(still())
    world.take(BarReceived(bar(0), late=True))
    assert list(context_of(world).history("SPY").volume) == [0]


def test_a_model_says_how_much_it_wants_to_keep():
    class Short(Model):
        history_bars = 3

        def on_bar(self, bar: Bar) -> None: ...

    world = World(running(Short()))
    for _ in range(9):
        world.bar()
    assert len(context_of(world).history("SPY")) == 3


@given(st.integers(1, 7), st.lists(st.integers(0, 9), max_size=12))
def test_history_is_always_the_last_bars_whenever_it_was_asked_for(capacity, runs):
    history, number, given_out = BarHistory("SPY", capacity), 0, []
    for length in runs:
        for _ in range(length):
            history.add(bar(number))
            number += 1
        columns = history.last()
        given_out.append((columns, columns.close.copy()))
        assert list(columns.volume) == list(range(number))[-capacity:]
        assert np.array_equal(columns.close, columns.volume + 101.0)
        assert np.array_equal(columns.open, columns.vwap)
        assert len(history.last(1)) == min(1, number)
    assert all(np.array_equal(columns.close, before) for columns, before in given_out)


def test_a_history_of_no_bars_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        BarHistory("SPY", 5).last(0)


# Chance --------------------------------------------------------------------------------------------------------------


def test_chance_is_the_same_for_the_same_model_and_session_and_for_no_other():
    def draw(run_id: str, model_id: str) -> float:
        return context_of(World(running(still(), model_id), run_id=run_id), model_id).rng.random()

    assert draw("one run", "a") == draw("another", "a")
    assert draw("one run", "a") != draw("one run", "b")
