"""What the exchange has to do when: sessions open and close, and exchange time leaps over closed hours."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from msgspec import Struct

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.session import Session

MARGIN_NS = 5 * MINUTE_NS
"""How long before an open and after a close exchange time runs on, when it leaps over closed hours."""


class Turn(StrEnum):
    """A turning point of the day."""

    OPEN = "open"
    CLOSE = "close"
    LEAP = "leap"


class TurningPoint(Struct, frozen=True):
    """At `time_ns`, `turn` happens to `session`; a leap goes to `target_ns`."""

    time_ns: int
    turn: Turn
    session: Session
    target_ns: int = 0


class Agenda:
    """The turning points of all sessions, one after another.

    `days` are the only days with trading (a tape's); None stands for all sessions of the calendar. `leaps`: closed
    hours are left out.
    """

    def __init__(self, calendar: Calendar, days: Sequence[date] | None, *, leaps: bool) -> None:
        self.calendar = calendar
        self._days = days
        self._leaps = leaps

    def session_after(self, time_ns: int) -> Session | None:
        """The session that is open at `time_ns`, or else the next one; None when there is none any more."""
        if self._days is None:
            return self.calendar.next_session(time_ns)
        for day in self._days:
            session = self.calendar.session_on(day)
            if session is not None and session.close_ns > time_ns:
                return session
        return None

    def last_session(self) -> Session | None:
        """The last session of all; None when there is no last one."""
        return self.calendar.session_on(self._days[-1]) if self._days else None

    def first_ns(self, time_ns: int) -> int:
        """Where time starts when nothing is known yet: before the first session that matters."""
        session = self.session_after(0 if self._days else time_ns)
        assert session is not None, "a market has at least one day"
        return session.open_ns - MARGIN_NS

    def resumed_ns(self, time_ns: int) -> int:
        """Where time goes on that was last `time_ns`: closed hours that are to be left out are not entered again."""
        session = self._session_around(time_ns) if self._leaps else None
        return max(time_ns, session.open_ns - MARGIN_NS) if session else time_ns

    def after(self, done: TurningPoint | None, time_ns: int) -> TurningPoint | None:
        """What comes after `done`, or at the start (`done` None) what comes after `time_ns`; None: nothing any more."""
        session = done.session if done else self._session_around(time_ns)
        while session is not None:
            for point in self._points(session):
                is_next = point.time_ns > time_ns if done is None else _order(point) > _order(done)
                if is_next:
                    return point
            session = self.session_after(session.close_ns)
        return None

    def _session_around(self, time_ns: int) -> Session | None:
        """The session whose turning points lie about `time_ns`: a leap may still be ahead after its close."""
        return self.session_after(time_ns - MARGIN_NS if self._leaps else time_ns)

    def _points(self, session: Session) -> list[TurningPoint]:
        points = [
            TurningPoint(session.open_ns, Turn.OPEN, session),
            TurningPoint(session.close_ns, Turn.CLOSE, session),
        ]
        if not self._leaps:
            return points
        following = self.session_after(session.close_ns)
        end_ns = session.close_ns + MARGIN_NS
        target_ns = max(end_ns, following.open_ns - MARGIN_NS) if following else 0
        return [*points, TurningPoint(end_ns, Turn.LEAP, session, target_ns)]


def _order(point: TurningPoint) -> tuple[int, int]:
    return point.session.open_ns, point.time_ns
