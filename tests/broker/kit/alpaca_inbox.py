"""A sink that can be waited on."""

import asyncio

from hftd.broker.base import FeedStatus


class Inbox:
    """Keeps every message in order."""

    def __init__(self):
        self.messages = []
        self._arrived = asyncio.Event()

    def __call__(self, message):
        self.messages.append(message)
        self._arrived.set()

    async def until(self, condition):
        """Wait until `condition(messages)` is truthy, and return what it gives."""
        async with asyncio.timeout(60):
            while not (found := condition(self.messages)):
                self._arrived.clear()
                await self._arrived.wait()
        return found

    async def state(self, feed, state, count=1):
        """Wait for the `count`th FeedStatus of that feed and state; a list of that one."""

        def found(messages):
            told = [m for m in messages if isinstance(m, FeedStatus) and (m.feed, m.state) == (feed, state)]
            return told[count - 1 : count]

        return await self.until(found)
