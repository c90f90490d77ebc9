"""What the daemon counts of itself for `/metrics`, beside what stands in the journal."""

import resource
from bisect import bisect_left
from collections import Counter
from pathlib import Path
from typing import Any

from hftd.broker.base import Feed, FeedState, FeedStatus

LATENCY_BOUNDS_S = (0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
"""Upper bounds of the histogram's buckets; there is one more, without a bound."""


class Histogram:
    """How many values fell into each bucket: `counts[i]` are at most `LATENCY_BOUNDS_S[i]` and above the one before."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, value_s: float) -> None:
        """Count a value in wall seconds."""
        self.counts[bisect_left(LATENCY_BOUNDS_S, value_s)] += 1
        self.sum_s += value_s


class Measures:
    """Since the daemon was started. `bar_to_order` is wall time from a bar's arrival on its socket until the orders
    that followed from it were on theirs; it is not measured in lockstep, where time stands still meanwhile."""

    def __init__(self) -> None:
        self.bar_to_order = Histogram()
        self.losses: Counter[str] = Counter()
        self.feeds: dict[str, str] = {}

    def follow_feed(self, status: FeedStatus) -> None:
        """A socket is up or down."""
        feed, state = str(status.feed), str(status.state)
        if status.state is FeedState.DOWN and self.feeds.get(feed) != state:
            self.losses[feed] += 1
        self.feeds[feed] = state

    def told(self) -> dict[str, Any]:
        """All of it as plain values: seconds, bytes, counts."""
        return {
            "bar_to_order": {
                "bounds_s": LATENCY_BOUNDS_S,
                "counts": self.bar_to_order.counts,
                "sum_s": self.bar_to_order.sum_s,
            },
            "losses": {str(feed): self.losses[feed] for feed in Feed},
            "feeds": self.feeds,
            "resident_bytes": resident_bytes(),
        }


def resident_bytes() -> int:
    """Memory that this process holds (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
