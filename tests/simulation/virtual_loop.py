"""An event loop in virtual time: every wait is over at once, and the loop's clock says that it was not."""

import asyncio
import selectors
from typing import Any

ROUNDS_MAX = 400_000
"""Far more than a world needs, far less than one that is busy waiting."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing outside the process is waited for. `rounds` counts how often it went round."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now_s = 0.0
        self.rounds = 0
        self._selector: Any
        self._selector.select = self._skip

    def time(self) -> float:
        return self.now_s

    def _skip(self, timeout: float | None = None) -> list[Any]:
        self.rounds += 1
        assert self.rounds < ROUNDS_MAX, "busy waiting"
        assert timeout is not None, "everybody waits for ever"
        self.now_s += timeout
        return []
