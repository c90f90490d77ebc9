"""One model for another in mid-session, candidates on paper, other limits: replayed and followed to the same state."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hftd.domain.commands import (
    CancelOrder,
    Command,
    OrderRefused,
    ShadowFilled,
    ShadowOrdered,
    ShadowWithdrawn,
    SubmitOrder,
)
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    CandidateDropped,
    CandidateEntered,
    CarriedPosition,
    LimitsChanged,
    ModelFaulted,
    ModelSwapped,
    PortfolioCarried,
    SessionOpened,
    TradingHalted,
)
from hftd.domain.intents import buy, cancel, sell
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel
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


class Ticking(Model):
    """Notes when it is woken, and how much of the past it may look at."""

    history_bars = 50

    def __init__(self) -> None:
        self.woken: list[str] = []

    def on_start(self, context):
        context.every("1m", "minute")
        context.after("90s", "once")

    def on_timer(self, name):
        self.woken.append(name)

    def on_bar(self, bar):
        self.known = len(self.context.history(bar.symbol))


MADE["ticking"] = Ticking


def wake(here: World, minute: int) -> None:
    for timer in here.engine.due_timers(OPEN_NS + minute * MINUTE_NS):
        here.take(timer)


def test_a_candidate_keeps_its_timers_when_it_is_promoted():
    here = world(toy(lambda bar: None))
    here.take(CandidateEntered(0, "toy", "toy", "ticking", ("SPY",), {}, 0))
    wake(here, 1)
    here.take(swap(fingerprint="ticking", cause="promoted"))
    wake(here, 3)
    assert here.engine.models["toy"].model.woken == ["minute", "once", "minute", "minute"]


def test_a_model_that_is_rolled_back_to_keeps_its_timers_and_their_rhythm():
    first = Ticking()
    here = world(first)
    wake(here, 1)
    first.context.after("75s", "once")
    here.take(swap(fingerprint="bad"))
    for _ in range(5):
        here.bar()
    here.take(ModelSwapped(0, "toy", "toy", "fingerprint of toy", ("SPY",), {}, ROLLED_BACK))
    wake(here, 5)
    assert here.engine.models["toy"].model is first
    assert first.woken == ["minute", "once", "minute", "once"]
    assert here.engine.next_timer_ns == OPEN_NS + 6 * MINUTE_NS


@pytest.mark.parametrize("enter", [swap(fingerprint="ticking"), CandidateEntered(0, "toy", "toy", "ticking", ("SPY",))])
def test_a_model_that_comes_in_mid_session_has_as_much_history_as_it_asks_for(enter):
    short = toy(lambda bar: None)
    type(short).history_bars = 3
    here = world(short)
    for _ in range(20):
        here.bar()
    here.take(enter)
    here.bar()
    (model,) = (each.model for each in here.engine.everyone if isinstance(each.model, Ticking))
    assert model.known == 21


def test_a_shadow_may_withdraw_what_it_has_ordered_on_paper():
    wishes = [buy(5, "SPY", limit=90), cancel("SPY")]
    shadow = running(toy(lambda bar: wishes.pop(0) if wishes else None), "shadow")
    shadow.shadow = True
    here = World(running(toy(lambda bar: None)), shadow)
    here.bar()
    assert [type(command) for command in here.bar()] == [ShadowWithdrawn]
    assert not shadow.paper


def test_what_goes_from_one_slot_to_another_is_neither_gain_nor_loss():
    limits = replace(WIDE, max_daily_loss=D(500), max_drawdown=D(500))
    slots = [running(toy(lambda bar: None)), RunningModel("old", Model(), "", ())]
    here = World(toy(lambda bar: None), opened=False)
    here.engine = Engine(SESSION, slots, limits, "run", load=lambda event: MADE[event.fingerprint]())
    held = CarriedPosition("old", "SPY", D(100), D(9_000))
    here.take(PortfolioCarried(OPEN_NS - MINUTE_NS, D(10**6), (held,), {"SPY": 100.0}))
    here.take(SessionOpened(OPEN_NS, SESSION))
    here.bar(close=101.0)
    here.take(swap("old"))
    here.bar(close=100.5)
    assert not here.engine.halts
    assert [(each.model_id, each.start, each.peak, each.worth) for each in here.engine.standings] == [
        ("", 10_000, 10_100, 10_050),
        ("old", 10_000, 10_100, 10_050),
    ]
    here.bar(close=95.0)
    assert {halt.rule for halt in here.engine.halts} == {"max_daily_loss", "max_drawdown"}
