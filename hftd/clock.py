"""Time, as an object that is passed in. All waiting for a moment goes through `Clock.sleep_until`.

Three clocks: the wall's; an exchange's, which may run faster than the wall, jump over closed hours and stand still;
and a manual one, which tests move. Only this module reads the machine's clocks.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

from hftd.domain.convert import SECOND_NS

RECHECK_S = 60.0
"""The longest sleep before the clock is read again: a changed clock or a suspended machine costs at most this."""


def wall_ns() -> int:
    """Nanoseconds since 1970 UTC by the machine's clock. Not monotonic: it may be set."""
    return time.time_ns()


def monotonic_s() -> float:
    """Seconds by a clock that never goes back: for measuring lengths of time, timeouts and budgets."""
    return time.monotonic()


class Clock(Protocol):
    """A source of market time."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        ...

    @property
    def speed(self) -> float:
        """Market seconds in a wall second; 1 for wall time."""
        ...

    async def sleep_until(self, time_ns: int) -> None:
        """Return as soon as `now_ns()` is at or after `time_ns`. May be cancelled at any time."""
        ...


class WallClock:
    """The machine's own clock. `read` is a parameter so that a test can set the clock back and forth."""

    speed = 1.0

    def __init__(self, read: Callable[[], int] = wall_ns) -> None:
        self._read = read

    def now_ns(self) -> int:
        return self._read()

    async def sleep_until(self, time_ns: int) -> None:
        while (remaining_ns := time_ns - self._read()) > 0:  # noqa: ASYNC110 - the clock may be set meanwhile
            await asyncio.sleep(min(remaining_ns / SECOND_NS, RECHECK_S))


class ExchangeClock:
    """The clock of an exchange, known by its announcements.

    Between announcements time runs at the announced speed; while `held` it stands still. It never goes back: an
    announcement of an earlier time only makes it wait until the exchange has caught up.
    """

    def __init__(self, time_ns: int, speed: float, monotonic: Callable[[], float] = monotonic_s) -> None:
        self._monotonic = monotonic
        self._announced_ns = time_ns
        self._announced_at_s = monotonic()
        self._latest_ns = time_ns
        self._held = False
        self.speed = speed
        self._moved = asyncio.Event()

    def announce(self, time_ns: int, speed: float, *, held: bool) -> None:
        """Take over what the exchange says: its time, its speed, and whether it stands still."""
        self._announced_ns, self._announced_at_s = time_ns, self._monotonic()
        self.speed, self._held = speed, held
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def now_ns(self) -> int:
        self._latest_ns = max(self._latest_ns, self._exchange_ns())
        return self._latest_ns

    def _exchange_ns(self) -> int:
        """The exchange's own time, which may be behind what has been shown."""
        elapsed_s = 0.0 if self._held else self._monotonic() - self._announced_at_s
        return self._announced_ns + int(elapsed_s * self.speed * SECOND_NS)

    async def sleep_until(self, time_ns: int) -> None:
        while self.now_ns() < time_ns:
            remaining_s = (time_ns - self._exchange_ns()) / SECOND_NS / self.speed
            wall_s = RECHECK_S if self._held else min(remaining_s, RECHECK_S)
            try:
                async with asyncio.timeout(wall_s):
                    await self._moved.wait()
            except TimeoutError:
                continue


class ManualClock:
    """A clock that stands still until it is moved. `advance_to` wakes its sleepers in order of their times."""

    speed = 1.0

    def __init__(self, time_ns: int) -> None:
        self._now_ns = time_ns
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ns(self) -> int:
        return self._now_ns

    @property
    def next_wake_ns(self) -> int | None:
        """When the earliest sleeper wants to wake; None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def sleep_until(self, time_ns: int) -> None:
        if time_ns <= self._now_ns:
            return
        waker = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (time_ns, next(self._order), waker))
        await waker

    def advance_to(self, time_ns: int) -> None:
        """Move time on to `time_ns` (never back) and wake everybody due by then."""
        self._now_ns = max(self._now_ns, time_ns)
        while (wake_ns := self.next_wake_ns) is not None and wake_ns <= self._now_ns:
            heapq.heappop(self._sleepers)[2].set_result(None)
