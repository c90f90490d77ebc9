"""How long an order or a cancellation is on its way to the venue: three policies, each drawn anew for each message.

The kinds are those that hftbacktest knows (its documentation, "Latency Models"): a constant, a distribution, and what
was recorded. What a client sends arrives in the order in which it was sent.
"""

from collections.abc import Callable
from statistics import NormalDist

from msgspec import Struct

Draw = Callable[[], float]
"""Makes numbers in [0, 1)."""

_LEAST_DRAW = 1e-12


class Constant(Struct, frozen=True):
    """Always `delay_ns`."""

    delay_ns: int

    def of(self, message: int, draw: Draw | None) -> int:
        """Nanoseconds on the way."""
        return self.delay_ns


class Normal(Struct, frozen=True):
    """Normal around `mean_ns`, cut off below at `least_ns`: nothing travels faster than light in its fibre."""

    mean_ns: int
    deviation_ns: int
    least_ns: int = 0

    def of(self, message: int, draw: Draw | None) -> int:
        """Nanoseconds on the way: the quantile at a number drawn."""
        if draw is None:
            raise ValueError("a latency that varies needs `draw`")
        quantile = NormalDist().inv_cdf(max(draw(), _LEAST_DRAW))
        return max(self.least_ns, round(self.mean_ns + self.deviation_ns * quantile))


class Recorded(Struct, frozen=True):
    """What was measured, one after the other, from the start again when all are used."""

    delays_ns: tuple[int, ...]

    def of(self, message: int, draw: Draw | None) -> int:
        """Nanoseconds on the way of message number `message`."""
        return self.delays_ns[message % len(self.delays_ns)]


Latency = Constant | Normal | Recorded
