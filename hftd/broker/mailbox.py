"""Messages from an event loop to one reader: another thread that blocks, or a coroutine of another loop.

Bounded: when the reader is slower than the market, what no longer fits is dropped and counted, and the reader is told
in its place, once there is room. Nothing is lost silently.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator

from hftd.broker.base import Feed, FeedState, FeedStatus, Message

LIMIT = 200_000

Item = Message | str


class Mailbox:
    """`put` is called by one thread, the rest by one reader. Ends when closed; then the reader gets no more."""

    def __init__(self, now_ns: Callable[[], int], limit: int = LIMIT) -> None:
        self._now_ns = now_ns
        self._limit = limit
        self._items: deque[Item] = deque()
        self._wake: Callable[[], None] = _sleep_on
        self._is_woken = False
        self._dropped = 0
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def put(self, item: Item) -> None:
        if self._dropped or len(self._items) >= self._limit:
            self._put_tight(item)
        else:
            self._items.append(item)
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def close(self) -> None:
        """No more messages: whoever waits goes home. From any thread."""
        self._is_closed = True
        self._wake()

    def wait(self) -> None:
        """Block until there is something, or it is closed."""
        ready = threading.Event()
        self._await(ready.set)
        while not (self._items or self._is_closed):
            ready.wait()
            ready.clear()
            self._is_woken = False

    async def wait_async(self) -> None:
        """Wait until there is something, or it is closed. Cancelling loses no message."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        self._await(lambda: _call_soon(loop, ready.set))
        while not (self._items or self._is_closed):
            await ready.wait()
            ready.clear()
            self._is_woken = False

    def take(self) -> Iterator[Item]:
        """What is here now, one by one: whatever the reader does not come to take stays."""
        while self._items and not self._is_closed:
            yield self._items.popleft()

    def _await(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._is_woken = False

    def _put_tight(self, item: Item) -> None:
        if len(self._items) >= self._limit // 2:
            self._dropped += 1
            return
        detail = f"the handler is too slow: {self._dropped} messages were dropped"
        self._items.append(FeedStatus(Feed.DATA, FeedState.DEGRADED, self._now_ns(), detail))
        self._items.append(item)
        self._dropped = 0


def _sleep_on() -> None:
    """Nobody waits yet."""


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
