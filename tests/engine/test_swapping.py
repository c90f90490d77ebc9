"""One model for another in mid-session, candidates on paper, other limits: replayed and followed to the same state."""

from decimal import Decimal
from typing import Any

import pytest

from hftd.domain.commands import CancelOrder, Command, OrderRefused, ShadowFilled, ShadowOrdered, SubmitOrder
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    CandidateDropped,
    CandidateEntered,
    LimitsChanged,
    ModelFaulted,
    ModelSwapped,
    PortfolioCarried,
    SessionOpened,
    TradingHalted,
)
from hftd.domain.intents import buy, sell
from hftd.engine.engine import Engine
from hftd.engine.swapping import ROLLED_BACK, bounds_of
from hftd.model.contract import Model
from tests.engine.engine_world import OPEN_NS, SESSION, WIDE, World, running, toy

D = Decimal


class Remembering(Model):
    """Knows how many bars it has seen, and buys or sells that many."""

    def __init__(self, side: Any = buy) -> None:
        self.seen = 0
        self.started = 0
        self.side = side

    def on_start(self, context):
        self.started += 1

    def on_bar(self, bar):
        self.seen += 1
        return self.side(self.seen, bar.symbol)


MADE = {"new": lambda: Remembering(sell), "bad": lambda: toy(lambda bar: buy(1, bar.symbol))}


def world(model: Model) -> World:
    """An open session of one model, which can load others."""
    made = World(toy(lambda bar: None), opened=False)
    made.engine = Engine(SESSION, [running(model)], WIDE, "run", load=lambda event: MADE[event.fingerprint]())
    made.commands = []
    made.take(PortfolioCarried(OPEN_NS - MINUTE_NS, D(10**6)))
    made.take(SessionOpened(OPEN_NS, SESSION))
    return made


def swap(name: str = "toy", fingerprint: str = "new", cause: str = "reload") -> ModelSwapped:
    return ModelSwapped(0, "toy", name, fingerprint, ("SPY",), {}, cause)


def sent(commands: list[Command]) -> list[tuple[str, Decimal, str]]:
    return [(str(c.order.side), c.order.quantity, c.fingerprint) for c in commands if isinstance(c, SubmitOrder)]


def test_positions_stay_and_the_new_model_has_seen_the_session():
    here = world(Remembering())
    here.fill(here.bar_order(), 1, 100)
    here.fill(here.bar_order(), 2, 100)
    assert not sent(here.take(swap()))
    slot = here.engine.models["toy"]
    assert (slot.portfolio.quantity("SPY"), slot.model.seen, slot.model.started) == (3, 2, 1)
    assert slot.model.context.position("SPY") == 3
    assert sent(here.bar()) == [("sell", 3, "new")]


def test_orders_that_open_are_withdrawn_and_those_that_close_stay():
    wishes = [buy(5, "SPY"), [sell(5, "SPY", limit=110), buy(1, "SPY", limit=90)]]
    here = world(toy(lambda bar: wishes.pop(0)))
    here.fill(here.bar_order(), 5, 100)
    here.bar()
    closing, opening = here.engine.working
    withdrawn = [c.client_order_id for c in here.take(swap()) if isinstance(c, CancelOrder)]
    assert withdrawn == [opening]
    seen = here.engine.models["toy"].model.context.working_orders()
    assert [order.client_order_id for order in seen] == [closing, opening]


def test_another_name_takes_slot_halts_and_commands_over():
    here = world(Remembering())
    here.fill(here.bar_order(), 1, 100)
    here.take(ModelFaulted(OPEN_NS, "toy", 0, "it raised"))
    here.take(swap("other"))
    assert list(here.engine.models) == ["other"]
    assert here.engine.positions == {"SPY": 1}
    assert not here.engine.models["other"].paused
    assert {command.model_id for command in here.bar()} == {"other"}


def test_rolled_back_the_former_model_goes_on_where_it_stopped():
    before = Remembering()
    here = world(before)
    here.fill(here.bar_order(), 1, 100)
    here.take(swap(fingerprint="bad"))
    here.bar()
    here.take(ModelFaulted(OPEN_NS, "toy", 0, "it raised"))
    here.take(swap(fingerprint="fingerprint of toy", cause=ROLLED_BACK))
    slot = here.engine.models["toy"]
    assert slot.model is before and slot.before is None
    assert (before.seen, before.started) == (2, 1)
    assert sent(here.bar()) == [("buy", 3, "fingerprint of toy")]


def test_limits_hold_from_the_next_order_on_and_losses_are_watched():
    here = world(Remembering())
    here.bar()
    here.take(LimitsChanged(0, bounds_of(WIDE) | {"max_position": D(1)}))
    assert [c.limit for c in here.bar() if isinstance(c, OrderRefused)] == [1]
    here.take(LimitsChanged(0, bounds_of(WIDE), {"toy": bounds_of(WIDE) | {"max_position": D(2)}}))
    assert [c.limit for c in here.bar() if isinstance(c, OrderRefused)] == [2]


# Shadows and candidates ----------------------------------------------------------------------------------------------


def entered(here: World, after: int = 2) -> None:
    here.take(CandidateEntered(0, "toy", "toy", "new", ("SPY",), {}, after))


def test_a_candidate_trades_on_paper_at_the_next_open_and_counts_for_nothing():
    here = world(toy(lambda bar: None))
    entered(here)
    (ordered,) = [c for c in here.bar(close=100.0) if isinstance(c, ShadowOrdered)]
    assert (ordered.model_id, ordered.order.quantity) == ("toy.next", 1)
    (filled,) = [c for c in here.bar(close=102.0) if isinstance(c, ShadowFilled)]
    assert (filled.price, filled.quantity) == (102, 1)
    assert here.engine.shadows["toy.next"].portfolio.quantity("SPY") == -1
    assert (here.engine.positions, here.engine.cash, here.engine.profit) == ({}, 10**6, 0)


def test_promoted_it_brings_its_memory_and_leaves_its_paper():
    here = world(toy(lambda bar: None))
    entered(here)
    here.bar()
    candidate = here.engine.shadows["toy.next"]
    assert candidate.bars_heard == 1
    here.take(swap(cause="promoted"))
    assert not here.engine.shadows
    assert here.engine.models["toy"].model is candidate.model
    assert sent(here.bar()) == [("sell", 2, "new")]


def test_given_up_and_closed_with_everything():
    here = world(toy(lambda bar: None))
    entered(here)
    here.bar()
    here.bar()
    here.take(TradingHalted(here.engine.time_ns, "manual", "lunch", flatten=True))
    here.bar()
    assert here.engine.shadows["toy.next"].portfolio.quantity("SPY") == 0
    here.take(CandidateDropped(0, "toy", "it has failed"))
    assert not here.engine.shadows


@pytest.mark.parametrize("count", [1, 2])
def test_a_replay_decides_alike_and_a_follower_comes_to_the_same(count):
    here = world(Remembering())
    steps: list[tuple[Any, list[Command]]] = []
    step = here.engine.step

    def noted(event):
        commands = step(event)
        steps.append((event, list(commands)))
        return commands

    here.engine.step = noted  # type: ignore[method-assign]
    here.fill(here.bar_order(), 1, 100)
    entered(here)
    here.bar()
    here.bar()
    here.take(swap(cause="promoted"))
    for _ in range(count):
        here.bar()
    here.take(swap("other", "bad"))
    here.bar()
    opening = [PortfolioCarried(OPEN_NS - MINUTE_NS, D(10**6)), SessionOpened(OPEN_NS, SESSION)]
    again = Engine(SESSION, [running(Remembering())], WIDE, "run", load=lambda e: MADE[e.fingerprint]())
    follower = Engine(SESSION, [running(Model())], WIDE, "run")
    for event in opening:
        again.step(event)
        follower.follow(event, ())
    for event, commands in steps:
        assert again.step(event) == commands
        follower.follow(event, commands)
    for engine in (again, follower):
        assert engine.positions == here.engine.positions
        assert list(engine.working) == list(here.engine.working)
        assert list(engine.models) == ["other"] and list(engine.shadows) == list(here.engine.shadows)
