"""The exchange's own time: it may run faster than the wall's, stand still and leap, and never goes back.

Nothing may happen after its time: `limit_ns` is the moment of whatever is due next, which time does not pass until
`reach` says that it has come. So what is due at t happens at exactly t, however late the machine is.
"""

from collections.abc import Callable
from math import inf

from hftd.clock import monotonic_s, wall_ns
from hftd.domain.convert import SECOND_NS

NOT_YET = "not yet started"
"""Why a new timeline stands still."""


class Timeline:
    """Exchange time from `time_ns` on at `speed` exchange seconds a wall second; 0 moves it only by `reach`.

    It stands still until `go(NOT_YET)` starts it.
    With `keeps_wall_time` it is the wall's time, which is assumed to be set back only rarely: it then stands still.
    """

    def __init__(
        self,
        time_ns: int,
        speed: float,
        *,
        keeps_wall_time: bool = False,
        wall: Callable[[], int] = wall_ns,
        monotonic: Callable[[], float] = monotonic_s,
    ) -> None:
        self.speed = speed
        self.keeps_wall_time = keeps_wall_time
        self.limit_ns: int | None = None
        self._wall = wall
        self._monotonic = monotonic
        self._latest_ns = time_ns
        self._reasons = {NOT_YET}
        self._anchor(time_ns)

    @property
    def stands(self) -> bool:
        """Whether time stands still for some reason."""
        return bool(self._reasons)

    def now_ns(self) -> int:
        """Exchange time, nanoseconds since 1970 UTC."""
        if not self._reasons:
            running_ns = self._running_ns()
            limit_ns = running_ns if self.limit_ns is None else min(running_ns, self.limit_ns)
            self._latest_ns = max(self._latest_ns, limit_ns)
        return self._latest_ns

    def wall_s_until(self, time_ns: int) -> float:
        """Wall seconds until exchange time would be `time_ns`; infinite while it stands still or is moved by hand."""
        if self._reasons or not self.speed:
            return inf
        return max(0.0, (time_ns - self._running_ns()) / SECOND_NS / self.speed)

    def reach(self, time_ns: int) -> None:
        """The moment `time_ns` has come."""
        self._latest_ns = max(self._latest_ns, time_ns)

    def leap(self, time_ns: int) -> None:
        """Go on from `time_ns`, leaving out what lies between."""
        self.reach(time_ns)
        self._anchor(self._latest_ns)

    def stop(self, reason: str) -> None:
        """Stand still until every reason for it has gone."""
        self.now_ns()
        self._reasons.add(reason)

    def go(self, reason: str) -> None:
        """`reason` to stand still has gone."""
        if reason in self._reasons:
            self._reasons.remove(reason)
            self._anchor(self._latest_ns)

    def _anchor(self, time_ns: int) -> None:
        self._anchor_ns, self._anchor_s = time_ns, self._monotonic()

    def _running_ns(self) -> int:
        if self.keeps_wall_time:
            return self._wall()
        return self._anchor_ns + int((self._monotonic() - self._anchor_s) * self.speed * SECOND_NS)
