"""From one close to the next open the daemon leaves its broker alone: over a week-end, and over a holiday."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hftd.broker.inprocess import InProcessBroker
from hftd.clock import ManualClock
from tests.live.walking import Walk, at

OF_THE_TEST = {"play_until", "release"}


class Watched:
    """A broker of which every request is noted with its time."""

    def __init__(self, broker: InProcessBroker, clock: ManualClock) -> None:
        self._broker = broker
        self._clock = clock
        self.requests: list[tuple[int, str]] = []

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._broker, name)
        if name in OF_THE_TEST or not callable(asked):
            return asked

        def noted(*arguments: Any, **named: Any) -> Any:
            self.requests.append((self._clock.now_ns(), name))
            return asked(*arguments, **named)

        return noted

    def between(self, start: str, end: str) -> Iterator[str]:
        """What was asked in [start, end), New York time."""
        yield from (name for time_ns, name in self.requests if at(start) <= time_ns < at(end))


NIGHTS = {
    "a week-end": ("2026-11-20 12:00", "2026-11-20 16:02", "2026-11-23 09:29", "2026-11-23 10:00"),
    "Thanksgiving": ("2026-11-25 12:00", "2026-11-25 16:02", "2026-11-27 09:29", "2026-11-27 10:00"),
}
"""Start of the daemon, when the day is over, a minute before the next open, the end."""


@pytest.mark.parametrize("night", NIGHTS.values(), ids=NIGHTS)
async def test_nothing_is_sent_from_the_close_to_the_next_open(
    night: tuple[str, str, str, str], tmp_path: Path
) -> None:
    start, over, before_open, end = night
    walk = Walk(tmp_path, start)
    watched = Watched(walk.broker, walk.clock)
    walk.broker = cast(InProcessBroker, watched)
    await walk.live(until=end)
    assert list(watched.between(over, before_open)) == []
    assert "submit" in set(watched.between(start, over)) and "submit" in set(watched.between(before_open, end))
    assert "connect" in set(watched.between(before_open, end))
    *_, before_last, last = watched.between(start, over)
    assert (before_last, last) == ("disconnect_feeds", "clock")  # asks once when the market opens again, then sleeps
