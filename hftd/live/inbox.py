"""What has arrived at the daemon and waits its turn. Everything goes through here, so that it is taken one by one."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from hftd.clock import Clock

CAPACITY = 100_000


class Overflowed(Struct, frozen=True):
    """More arrived than could be taken in: `lost` messages are gone, and what they said must be asked for again."""

    lost: int


class Inbox:
    """A bounded queue with one reader. `on_idle` is called each time the reader is about to wait for something new."""

    def __init__(self, clock: Clock, on_idle: Callable[[], None] = lambda: None, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._on_idle = on_idle
        self._capacity = capacity
        self._items: deque[Any] = deque()
        self._lost = 0
        self._is_woken = False
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_ns = 0

    def put(self, item: Any) -> None:
        """Add `item`; never blocks. What is beyond the capacity is counted and told by an `Overflowed`."""
        if len(self._items) >= self._capacity:
            self._lost += 1
            return
        self._items.append(item)
        self.wake()

    def wake_soon(self) -> None:
        """Make the reader go round once more before it waits."""
        self._is_woken = True

    def wake(self) -> None:
        """Make the reader go round even if nothing has arrived."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def is_awaited(self) -> bool:
        """Whether the reader has dealt with everything and waits."""
        return not self._items and self._waiter is not None and not self._waiter.done()

    def __len__(self) -> int:
        return len(self._items)

    def take(self) -> Any:
        """The oldest item, None when there is none."""
        if self._items:
            return self._items.popleft()
        if self._lost:
            lost, self._lost = self._lost, 0
            return Overflowed(lost)
        return None

    async def wait_until(self, time_ns: int) -> None:
        """Return when something has arrived, at `time_ns` by the clock, or on `wake`, whichever is first."""
        if not self._items:
            self._on_idle()
        if self._items or self._is_woken:
            self._is_woken = False
            return
        self._waiter = asyncio.get_running_loop().create_future()
        self._set_alarm(time_ns)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        """Stop waiting for any time."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self, time_ns: int) -> None:
        """Wake the reader at `time_ns`: one task serves all the waits until the same moment."""
        if self._alarm is not None and not self._alarm.done():
            if self._alarm_ns == time_ns:
                return
            self._alarm.cancel()
        self._alarm_ns = time_ns
        self._alarm = asyncio.create_task(self._clock.sleep_until(time_ns))
        self._alarm.add_done_callback(lambda alarm: None if alarm.cancelled() else self.wake())
