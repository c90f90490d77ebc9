"""What a model does to itself in a hook ends its call, not the daemon."""

import signal
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal, getcontext
from typing import Any

import pytest
from structlog.testing import capture_logs

from hftd.domain.events import ModelFaulted
from hftd.domain.intents import buy, sell
from hftd.live.guard import Guard
from tests.engine.engine_world import World, running, shown, toy

SOON_S = 0.02


def leaves(bar: Any) -> None:
    sys.exit(3)


def interrupts(bar: Any) -> None:
    raise KeyboardInterrupt


def never_returns(bar: Any) -> None:
    while True:
        pass


def will_not_be_stopped(bar: Any) -> None:
    for _ in range(3):
        try:
            never_returns(bar)
        except BaseException as error:
            kept = error
    raise kept


def is_out_of_time(bar: Any) -> None:
    signal.raise_signal(signal.SIGALRM)


def yields_for_ever(bar: Any) -> Iterator[Any]:
    while True:
        yield from ()


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        (leaves, "on_bar ends the process; a model only returns"),
        (interrupts, "KeyboardInterrupt in on_bar: "),
        (lambda bar: 1 / 0, "ZeroDivisionError in on_bar: division by zero"),
        (
            lambda bar: "buy",
            "on_bar returned 'buy' (str); expected nothing, an intent made by buy, sell, target, protect or cancel, "
            "or several of them",
        ),
    ],
)
def test_a_call_that_fails_has_no_intents_and_is_told(hook: Callable[[Any], Any], sentence: str) -> None:
    fails(Guard(), hook, sentence)


@pytest.mark.parametrize("hook", [never_returns, yields_for_ever])
def test_a_call_that_does_not_return_is_interrupted(hook: Callable[[Any], Any]) -> None:
    fails(Guard(first_call_s=SOON_S), hook, f"on_bar did not return within {SOON_S:g} s")


def fails(guard: Guard, hook: Callable[[Any], Any], sentence: str) -> None:
    with capture_logs() as lines:
        assert list(guard(running(toy(hook), "bad"), 7, "on_bar", (None,))) == []
    assert guard.take_faults(5) == [ModelFaulted(5, "bad", 7, sentence, "on_bar")]
    assert guard.take_faults(6) == []
    assert [(line["event"], line["error"]) for line in lines] == [("model.faulted", sentence)]


@pytest.mark.parametrize("is_at_the_end", [False, True], ids=["before the call", "after it"])
def test_a_process_that_stands_still_for_as_long_is_not_interrupted_ever_after(
    is_at_the_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is up just when the alarm is set or taken off, between two lines of the guard's own."""
    set_alarm, handler = signal.setitimer, signal.getsignal(signal.SIGALRM)

    def up(which: int, seconds: float, interval: float = 0.0) -> None:
        if seconds:
            set_alarm(which, seconds, interval)
        if is_at_the_end == (seconds == 0):
            monkeypatch.setattr(signal, "setitimer", set_alarm)
            signal.raise_signal(signal.SIGALRM)

    monkeypatch.setattr(signal, "setitimer", up)
    guard = Guard()
    assert list(guard(running(toy(lambda bar: buy(2, "SPY")), "slow"), 7, "on_bar", (None,))) == []
    assert len(guard.take_faults(5)) == 1
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is handler


def test_one_that_swallows_the_interruption_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hftd.live.guard.AGAIN_S", SOON_S)
    guard = Guard(first_call_s=SOON_S)
    assert list(guard(running(toy(will_not_be_stopped), "bad"), 7, "on_bar", (None,))) == []
    assert len(guard.take_faults(5)) == 1


def test_the_traceback_begins_in_the_model() -> None:
    with capture_logs() as lines:
        Guard()(running(toy(leaves), "bad"), 7, "on_bar", (None,))
    (line,) = lines
    _, _, trace = line["exc_info"]
    assert trace.tb_frame.f_globals["__name__"].startswith("tests.")
    with capture_logs() as lines:
        Guard()(running(toy(is_out_of_time), "bad"), 7, "on_bar", (None,))
    _, _, trace = lines[0]["exc_info"]
    assert trace.tb_frame.f_code is is_out_of_time.__code__ and trace.tb_next is None


def test_what_answers_in_time_is_passed_on_and_a_known_fault_is_left_out() -> None:
    guard = Guard([ModelFaulted(5, "good", 7, "then")])
    model = running(toy(lambda bar: buy(2, "SPY")), "good")
    assert list(guard(model, 7, "on_bar", (None,))) == []
    assert list(guard(model, 8, "on_bar", (None,))) == [buy(2, "SPY")]
    assert guard.take_faults(5) == []


def test_what_a_model_wanted_in_the_same_step_before_it_failed_is_wanted_again_in_a_replay() -> None:
    def world(guard: Guard) -> World:
        model = toy(
            lambda bar: buy(5, bar.symbol), on_order=lambda report: sell(1, "SPY"), on_fill=lambda report: 1 / 0
        )
        return World(model, call=guard)

    guard = Guard()
    then = world(guard)
    (order,) = then.engine.working if then.bar() else ()
    assert shown(then.fill(order, 5, 100)) == ["SignalRaised sell 1", "SubmitOrder sell 1"]
    faults = guard.take_faults(then.engine.time_ns)
    again = world(Guard(faults))
    again.bar()
    again.fill(order, 5, 100)
    assert again.commands == then.commands


def test_a_model_that_calculates_roughly_leaves_the_ledger_exact() -> None:
    def buys_roughly(bar: Any) -> Any:
        getcontext().prec = 3
        return buy(7, bar.symbol)

    world = World(toy(buys_roughly), call=Guard())
    world.fill(world.bar_order(), 7, "271.3456")
    assert world.engine.cash == Decimal("998100.5808")
