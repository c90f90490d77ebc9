"""Timers of models: due at their moment, before the event of that moment, and the same in every replay."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.events import Event, ModelFaulted, TimerFired
from hftd.domain.intents import buy
from hftd.engine.timers import Timers, length_ns
from hftd.model.contract import Answer, Context, Model
from hftd.model.parameters import build
from tests.engine.engine_world import CLOSE_NS, OPEN_NS, World, bar_event, orders_of, running


class Clockwork(Model):
    """Sets the timers it is given when the market opens, and notes when they fire."""

    def __init__(self) -> None:
        self.set_timers: Callable[[Context], None] = lambda context: None
        self.fired: list[tuple[str, int]] = []

    def on_session_open(self, session: object) -> None:
        self.set_timers(self.context)

    def on_timer(self, name: str) -> Answer:
        self.fired.append((name, (self.context.now_ns - OPEN_NS) // SECOND_NS))
        return buy(1, "SPY") if name == "buy" else None


def drive(world: World, event: Event) -> list[Event]:
    """Step an event as drivers do: the timers that are due before it."""
    due = []
    for timer in world.engine.due_timers(event.time_ns):
        world.take(timer)
        due.append(timer)
    world.take(event)
    return due


def fired_by(set_timers: Callable[[Context], None], minutes: int = 6) -> list[tuple[str, int]]:
    model = build(Clockwork, {})
    model.set_timers = set_timers
    world = World(running(model))
    for minute in range(minutes):
        drive(world, bar_event(minute))
    return model.fired


def test_a_timer_fires_once_at_its_own_moment():
    assert fired_by(lambda context: context.after(90, "x")) == [("x", 90)]


def test_a_repeated_timer_fires_at_each_multiple():
    assert fired_by(lambda context: context.every("2m", "x")) == [("x", 120), ("x", 240), ("x", 360)]


def test_timers_of_one_moment_fire_in_the_order_in_which_they_were_set():
    def both(context: Context) -> None:
        context.after(60, "first")
        context.every("1m", "second")

    assert fired_by(both, minutes=2) == [("first", 60), ("second", 60), ("second", 120)]


def test_a_timer_replaces_the_one_of_its_name_and_can_be_stopped():
    def change(context: Context) -> None:
        context.after(30, "x")
        context.after(90, "x")
        context.every(60, "y")
        context.stop_timer("y")
        context.stop_timer("never set")

    assert fired_by(change) == [("x", 90)]


def test_a_timer_that_is_not_due_before_the_close_never_fires():
    until_close = (CLOSE_NS - OPEN_NS) // SECOND_NS
    assert fired_by(lambda context: context.after(until_close, "late"), minutes=230) == []
    assert fired_by(lambda context: context.after(until_close - 1, "last"), minutes=230) == [("last", until_close - 1)]


def test_a_timer_comes_before_the_event_of_its_moment_and_may_trade():
    model = build(Clockwork, {})
    model.set_timers = lambda context: context.after("1m", "buy")
    world = World(running(model))
    assert world.engine.next_timer_ns == OPEN_NS + MINUTE_NS
    due = drive(world, bar_event(0, close=100.0))
    assert due == [TimerFired(OPEN_NS + MINUTE_NS, "buy", "toy")]
    assert orders_of(world.commands) == []  # no price was known at that moment, and the gate says so
    model.set_timers(model.context)
    drive(world, bar_event(1))
    assert len(orders_of(world.commands)) == 1
    assert world.engine.next_timer_ns is None


def test_the_timers_of_a_model_that_failed_are_forgotten():
    model = build(Clockwork, {})
    model.set_timers = lambda context: context.every(30, "x")
    world = World(running(model))
    world.take(ModelFaulted(OPEN_NS, "toy", world.engine.sequence, "boom"))
    assert world.engine.next_timer_ns is None
    assert world.take(TimerFired(OPEN_NS + 30 * SECOND_NS, "x", "toy")) == []
    assert model.fired == []


def test_a_journal_with_timers_is_followed_by_an_engine_whose_models_set_none():
    model = build(Clockwork, {})
    model.set_timers = lambda context: context.every(30, "buy")
    world, follower = World(running(model)), World(running(build(Clockwork, {})), opened=False)
    for event in (TimerFired(OPEN_NS + 30 * SECOND_NS, "buy", "toy"),):
        follower.engine.follow(event, world.take(event))
    assert follower.engine.next_timer_ns is None


@pytest.mark.parametrize(
    ("length", "ns"),
    [(1, SECOND_NS), (0.5, SECOND_NS // 2), ("90s", 90 * SECOND_NS), ("5m", 5 * MINUTE_NS), ("1.5h", 90 * MINUTE_NS)],
)
def test_lengths_of_time(length, ns):
    assert length_ns(length) == ns


@pytest.mark.parametrize("length", [0, -1, "", "5", "m", "5 days", "-3m", float("nan"), float("inf"), "nanm", None])
def test_what_is_no_length_of_time_is_refused(length):
    with pytest.raises(ValueError, match="no length of time"):
        length_ns(length)


def test_a_timer_is_not_repeated_more_often_than_once_a_second():
    with pytest.raises(ValueError, match="at least a second"):
        fired_by(lambda context: context.every(0.9))


lengths = st.integers(1, 400)


@given(st.lists(st.tuples(st.sampled_from("abc"), lengths, st.booleans()), max_size=6), st.integers(1, 500))
def test_what_fires_is_what_a_plain_reckoning_says(settings, until_s):
    timers = Timers(until_s)
    wanted: dict[str, tuple[int, int, int]] = {}
    for number, (name, length, again) in enumerate(settings):
        length_of = length * SECOND_NS if again else length
        timers.set("m", name, 0, length_of, again=again)
        wanted[name] = (length_of, number, length_of if again else 0)
    fired = []
    while timers.next is not None:
        fired.append((timers.next.due_ns, timers.next.name))
        timers.fired("m", timers.next.name)
    reckoned = [
        (due, number, name)
        for name, (length, number, step) in wanted.items()
        for due in (range(length, until_s, step) if step else [length] if length < until_s else [])
    ]
    assert fired == [(due, name) for due, number, name in sorted(reckoned)]
