"""Rate limits: so many requests a minute for each key, in exchange time."""

from msgspec import Struct

from hftd.domain.convert import MINUTE_NS, SECOND_NS

STALE_AFTER = 1024
"""How many counters are kept before those of past minutes are thrown away."""


class Allowance(Struct, frozen=True):
    """Whether a request may pass, and what its answer says of the limit: requests, and seconds since 1970."""

    granted: bool
    limit: int
    remaining: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class RateLimit:
    """At most `requests` a minute of exchange time and name; 0 for no limit."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._counts: dict[tuple[int, str], int] = {}

    def ask(self, name: str, time_ns: int) -> Allowance | None:
        """Count one request of `name` at `time_ns`; None without a limit."""
        if not self._requests:
            return None
        minute = time_ns // MINUTE_NS
        if len(self._counts) > STALE_AFTER:
            self._counts = {key: count for key, count in self._counts.items() if key[0] == minute}
        count = self._counts.get((minute, name), 0) + 1
        self._counts[minute, name] = count
        reset_s = (minute + 1) * (MINUTE_NS // SECOND_NS)
        return Allowance(count <= self._requests, self._requests, max(0, self._requests - count), reset_s)
