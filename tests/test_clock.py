import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.clock import RECHECK_S, ExchangeClock, ManualClock, WallClock, monotonic_s, wall_ns
from hftd.domain.convert import MINUTE_NS, SECOND_NS, ns_of_rfc3339

START_NS = ns_of_rfc3339("2026-11-26T05:00:00Z")
HOUR_NS = 60 * MINUTE_NS


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps over every wait instead of waiting. `waits` are their lengths in seconds."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now_s = 1_000.0
        self.waits: list[float] = []
        self._selector.select = self._skip

    def time(self) -> float:
        return self.now_s

    def _skip(self, timeout: float | None = None) -> list[Any]:
        if timeout:
            self.now_s += timeout
            self.waits.append(timeout)
            assert len(self.waits) < 100_000, "busy waiting"
        return []


def live(main: Callable[[SkippingLoop], Coroutine[Any, Any, None]]) -> SkippingLoop:
    """Run `main(loop)` in skipped time, and return the loop."""
    loop = SkippingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main(loop))
    return loop


class SettableTime:
    """The machine's clock as an administrator may treat it: it runs with the loop, and can be set."""

    def __init__(self, loop: SkippingLoop, rate: float = 1.0) -> None:
        self._loop, self._rate = loop, rate
        self._began_s = loop.now_s
        self.offset_ns = 0

    def __call__(self) -> int:
        return START_NS + self.offset_ns + int((self._loop.now_s - self._began_s) * self._rate * SECOND_NS)


# The wall's clock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_ns", [0, -1, -HOUR_NS])
def test_a_moment_that_has_passed_is_not_waited_for(ahead_ns):
    async def main(loop):
        await WallClock(SettableTime(loop)).sleep_until(START_NS + ahead_ns)

    assert live(main).waits == []


@settings(max_examples=50)
@given(st.integers(1, 90 * 3_600 * SECOND_NS), st.floats(0.9, 1.1))
def test_the_clock_is_read_again_every_minute_and_never_busily(ahead_ns, rate):
    """Also when the machine's clock runs fast or slow against the loop's."""

    async def main(loop):
        clock = WallClock(SettableTime(loop, rate))
        await clock.sleep_until(START_NS + ahead_ns)
        assert 0 <= clock.now_ns() - START_NS - ahead_ns < 8 * SECOND_NS

    loop = live(main)
    assert max(loop.waits, default=0) <= RECHECK_S + 1e-6
    assert len(loop.waits) <= ahead_ns / SECOND_NS / RECHECK_S / min(rate, 1) + 20


@pytest.mark.parametrize("change_ns", [HOUR_NS, -HOUR_NS, 30 * SECOND_NS, -30 * SECOND_NS])
def test_a_clock_that_is_set_meanwhile(change_ns):
    target_ns = START_NS + 2 * HOUR_NS

    async def main(loop):
        time = SettableTime(loop)
        loop.call_later(1_800, lambda: setattr(time, "offset_ns", change_ns))
        await WallClock(time).sleep_until(target_ns)
        assert target_ns <= time() < target_ns + RECHECK_S * SECOND_NS

    loop = live(main)
    assert len(loop.waits) < 3 * 60 + 10


def test_a_machine_that_was_suspended_wakes_late_by_a_minute_at_most():
    async def main(loop):
        time = SettableTime(loop)
        loop.call_later(70, lambda: setattr(time, "offset_ns", 9 * HOUR_NS))  # asleep for nine hours
        await WallClock(time).sleep_until(START_NS + HOUR_NS)
        assert loop.now_s - 1_000 <= 70 + RECHECK_S

    live(main)


def test_sleeping_can_be_cancelled():
    async def main(loop):
        sleeper = asyncio.create_task(WallClock(SettableTime(loop)).sleep_until(START_NS + HOUR_NS))
        await asyncio.sleep(5)
        sleeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeper

    assert sum(live(main).waits) < 6


def test_the_wall_clock_reads_the_machines_clock():
    clock = WallClock()
    with freeze_time("2026-11-26T14:30:00Z") as frozen:
        assert clock.now_ns() == wall_ns() == ns_of_rfc3339("2026-11-26T14:30:00Z")
        frozen.move_to("2026-11-25T00:00:00Z")
        assert clock.now_ns() == ns_of_rfc3339("2026-11-25T00:00:00Z")
    assert clock.speed == 1


async def test_sleeping_by_the_machines_clock_follows_it():
    with freeze_time("2026-11-27T14:29:59Z", real_asyncio=True) as frozen:
        sleeper = asyncio.create_task(WallClock().sleep_until(ns_of_rfc3339("2026-11-27T14:29:59.002Z")))
        await asyncio.sleep(0)
        assert not sleeper.done()
        frozen.move_to("2026-11-27T14:30:00Z")
        await sleeper


def test_lengths_of_time_never_go_back():
    assert monotonic_s() <= monotonic_s()


# The exchange's clock ------------------------------------------------------------------------------------------------


def test_exchange_time_runs_at_the_announced_speed():
    async def main(loop):
        clock = ExchangeClock(START_NS, 60.0, loop.time)
        assert clock.now_ns() == START_NS
        await asyncio.sleep(2)
        assert abs(clock.now_ns() - (START_NS + 2 * MINUTE_NS)) < 1_000
        clock.announce(START_NS + HOUR_NS, 3_600.0, held=False)
        assert (clock.now_ns(), clock.speed) == (START_NS + HOUR_NS, 3_600.0)
        await clock.sleep_until(START_NS + 3 * HOUR_NS)

    loop = live(main)
    assert abs(sum(loop.waits) - 4) < 1e-3


def test_a_jump_wakes_who_waits_for_it():
    async def main(loop):
        clock = ExchangeClock(START_NS, 1.0, loop.time)
        loop.call_later(5, lambda: clock.announce(START_NS + 9 * HOUR_NS, 1.0, held=False))
        await clock.sleep_until(START_NS + 9 * HOUR_NS)

    assert abs(sum(live(main).waits) - 5) < 1e-3


def test_held_time_stands_still_until_it_is_let_go():
    async def main(loop):
        clock = ExchangeClock(START_NS, 3_600.0, loop.time)
        clock.announce(START_NS + 5, 3_600.0, held=True)
        loop.call_later(600, lambda: clock.announce(START_NS + 5, 3_600.0, held=False))
        sleeper = asyncio.create_task(clock.sleep_until(START_NS + HOUR_NS))
        await asyncio.sleep(599)
        assert clock.now_ns() == START_NS + 5
        await sleeper
        assert abs(loop.now_s - 1_000 - 601) < 1e-3

    assert len(live(main).waits) < 20


def test_an_earlier_announcement_only_makes_time_wait():
    async def main(loop):
        clock = ExchangeClock(START_NS, 1.0, loop.time)
        await asyncio.sleep(100)
        before_ns = clock.now_ns()
        clock.announce(START_NS + 40 * SECOND_NS, 1.0, held=False)
        assert clock.now_ns() == before_ns
        await asyncio.sleep(30)
        assert clock.now_ns() == before_ns
        await clock.sleep_until(before_ns + SECOND_NS)
        assert abs(loop.now_s - 1_000 - 161) < 1e-3

    assert len(live(main).waits) < 20


def test_waiting_for_an_exchange_that_went_back_is_not_busy():
    async def main(loop):
        clock = ExchangeClock(START_NS, 1.0, loop.time)
        clock.announce(START_NS - HOUR_NS, 1.0, held=False)
        await clock.sleep_until(START_NS + SECOND_NS // 1_000)

    assert len(live(main).waits) < 70


ANNOUNCEMENTS = st.lists(
    st.tuples(st.integers(-1_000, 1_000), st.sampled_from([1.0, 60.0, 3_600.0]), st.booleans(), st.floats(0, 50)),
    max_size=15,
)


@given(ANNOUNCEMENTS)
def test_exchange_time_never_goes_back_whatever_is_announced(announcements):
    now_s = [0.0]
    clock = ExchangeClock(START_NS, 1.0, lambda: now_s[0])
    latest_ns = START_NS
    for seconds, speed, held, passed_s in announcements:
        clock.announce(START_NS + seconds * SECOND_NS, speed, held=held)
        assert clock.now_ns() >= max(latest_ns, START_NS + seconds * SECOND_NS)
        latest_ns = clock.now_ns()
        now_s[0] += passed_s
        assert clock.now_ns() >= latest_ns
        if held:
            assert clock.now_ns() == latest_ns
        latest_ns = clock.now_ns()


# A clock for tests ---------------------------------------------------------------------------------------------------


async def test_sleepers_wake_in_the_order_of_their_times():
    clock = ManualClock(100)
    woken: list[str] = []

    async def sleeper(name: str, time_ns: int) -> None:
        await clock.sleep_until(time_ns)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for name, time_ns in (("late", 300), ("first", 150), ("second", 200), ("also second", 200), ("past", 100)):
            group.create_task(sleeper(name, time_ns))
        await asyncio.sleep(0)
        assert woken == ["past"]
        assert clock.next_wake_ns == 150
        clock.advance_to(250)
        await asyncio.sleep(0)
        assert woken == ["past", "first", "second", "also second"]
        assert (clock.now_ns(), clock.next_wake_ns) == (250, 300)
        clock.advance_to(300)
    assert woken[-1] == "late"
    assert clock.next_wake_ns is None


async def test_a_manual_clock_never_goes_back_and_forgets_who_was_cancelled():
    clock = ManualClock(100)
    sleeper = asyncio.create_task(clock.sleep_until(200))
    await asyncio.sleep(0)
    clock.advance_to(50)
    assert clock.now_ns() == 100
    sleeper.cancel()
    await asyncio.sleep(0)
    assert clock.next_wake_ns is None
    clock.advance_to(300)
    assert (clock.now_ns(), clock.speed) == (300, 1)
