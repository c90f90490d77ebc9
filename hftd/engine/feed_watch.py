"""Is the feed mute? Judged by what its symbols usually say, so that a thin symbol is not taken for a dead socket.

Pure: it is told what arrived and asked when to worry. What is done about it (probe, reconnect, backfill, raise) is the
daemon's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.session import Session

USUAL_GAP_NS = MINUTE_NS
"""A symbol is taken to trade every minute until it has shown otherwise."""

GAPS = 2
"""Silence of this many usual gaps, and the allowance, is suspicious."""

ALLOWANCE_NS = 30 * SECOND_NS
"""What publication and transport may add to a gap."""

WEIGHT = 0.2
"""How much the latest gap counts in a symbol's usual one."""

BACKOFF_MAX = 16
"""A feed that was probed and had nothing to say is left alone up to this many times longer."""


@dataclass(slots=True)
class _Cadence:
    last_ns: int
    gap_ns: float = USUAL_GAP_NS


class FeedWatch:
    """Watches one session's bars. Times are market time in nanoseconds.

    The feed as a whole is suspicious when even the symbol that speaks most often has been silent for too long.
    """

    def __init__(self, session: Session, symbols: Iterable[str]) -> None:
        self._session = session
        self._cadences = {symbol: _Cadence(session.open_ns) for symbol in symbols}
        self._since_ns = session.open_ns
        self._patience = 1

    def heard(self, symbol: str, bar_time_ns: int, now_ns: int) -> None:
        """A bar of `symbol` that starts at `bar_time_ns` arrived from the socket."""
        self._since_ns = max(self._since_ns, now_ns)
        self._patience = 1
        cadence = self._cadences.setdefault(symbol, _Cadence(bar_time_ns))
        gap_ns = bar_time_ns - cadence.last_ns
        if gap_ns > 0:
            cadence.gap_ns += WEIGHT * (gap_ns - cadence.gap_ns)
            cadence.last_ns = bar_time_ns

    def was_quiet(self, now_ns: int) -> None:
        """A probe has shown that there was nothing to hear: wait longer before the next one."""
        self._since_ns = now_ns
        self._patience = min(2 * self._patience, BACKOFF_MAX)

    def restart(self, now_ns: int) -> None:
        """The feed was connected again: give it the usual time from now."""
        self._since_ns = now_ns

    @property
    def suspicious_at_ns(self) -> int | None:
        """When silence until then will be suspicious; None when the session will be over by then."""
        gap_ns = min((cadence.gap_ns for cadence in self._cadences.values()), default=USUAL_GAP_NS)
        at_ns = self._since_ns + int(self._patience * (GAPS * gap_ns + ALLOWANCE_NS))
        return at_ns if at_ns < self._session.close_ns else None

    def is_suspicious(self, now_ns: int) -> bool:
        """Whether the feed has been silent for too long by `now_ns`."""
        at_ns = self.suspicious_at_ns
        return at_ns is not None and at_ns <= now_ns
