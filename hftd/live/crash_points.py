"""Named places at which a test, or `hftd drill`, may end this process as a power cut would: SIGKILL, nothing said.

They stand at every edge between journal, engine and broker. `HFTD_CRASH_AT=order.sending:3` kills at the third passing
of `order.sending`; a name alone means the first. Where nothing is armed a point costs one look at a module's variable.
"""

import os
import signal
from collections.abc import Mapping

from hftd.errors import SettingsError
from hftd.wording import suggestion

VARIABLE = "HFTD_CRASH_AT"

CRASH_POINTS = {
    "journal.opened": "the session's journal is open, nothing was read from it",
    "session.recovered": "the engine stands where the journal ends",
    "portfolio.carried": "a new session has its first event",
    "reconcile.asked": "the broker has told of one order; nothing was done about it",
    "reconcile.resending": "an order that the broker does not know is about to be sent after a restart",
    "reconcile.done": "all that was asked about orders is journaled",
    "backfill.done": "missed bars are journaled",
    "session.opened": "the session is open",
    "event.appended": "an event is in the journal's group, not yet in the file",
    "event.committed": "an event is in the file, no model has seen it",
    "report.committed": "a report of the broker is in the file, not yet in the ledger",
    "event.stepped": "decisions were made, none is in the journal",
    "commands.written": "decisions are in the file, none was sent",
    "order.sending": "an order is about to leave",
    "order.left": "an order was written to its socket, unanswered",
    "order.answered": "the broker's answer has arrived, it is not in the journal",
    "cancel.sending": "a cancellation is about to leave",
    "cancel.answered": "the answer to a cancellation has arrived, it is not in the journal",
    "change.taken": "another model or other limits decide, for which settings is not noted yet",
    "session.closed": "the session is closed, the last reports are still awaited",
    "session.settled": "everything sent was answered, the journal is still open",
    "journal.closed": "the session's journal is closed",
}
"""Every point, and how things stand there."""

_armed: str | None = None
_passings_left = 0


def crash_point(name: str) -> None:
    """End this process here, if this is where it is to end."""
    if _armed is not None and name == _armed:
        _pass()


def _pass() -> None:
    global _passings_left
    _passings_left -= 1
    if not _passings_left:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(environment: Mapping[str, str]) -> None:
    """Arm the point that HFTD_CRASH_AT names, none if it names none. Raises SettingsError for one that is not there."""
    global _armed, _passings_left
    wanted = environment.get(VARIABLE, "")
    name, _, passing = wanted.partition(":")
    if wanted and name not in CRASH_POINTS:
        raise SettingsError(f"{VARIABLE}: there is no crash point {name!r}; {suggestion(name, CRASH_POINTS)}")
    if passing and not (passing.isdecimal() and int(passing)):
        raise SettingsError(f"{VARIABLE}: found {passing!r} after the colon, expected a number of passings, from 1")
    _armed, _passings_left = name or None, int(passing or 1)
