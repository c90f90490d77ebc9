"""What a daemon answers before it can answer for itself: while settings and models are verified and the broker is
connected to."""

from collections.abc import Callable, Mapping
from typing import Any

from hftd import logs
from hftd.errors import StateError
from hftd.live.control import Answers
from hftd.live.systemd import Notifier

PHASE = "starting"


def starting_answers(broker: str, notifier: Notifier, tail: logs.Tail, counts: Mapping[str, Any]) -> Answers:
    """How it stands, as the service manager is told, and what it has logged; `counts` are those of nothing yet."""
    notifier.status("starting: models are verified, the broker is connected to")
    status = {
        "running": True,
        "phase": PHASE,
        "broker": broker,
        "exchange": None,
        "bar_age_s": None,
        "halts": [],
        **counts,
        "session": None,
    }
    return _Starting(
        {"status": lambda: {**status, "line": notifier.line}, "log": lambda after=0: tail.after(int(after))}
    )


class _Starting(dict[str, Callable[..., Any]]):
    """Whatever else is asked is to be asked again."""

    def __missing__(self, what: str) -> Callable[..., Any]:
        return _too_early


def _too_early(**_arguments: object) -> None:
    raise StateError("hftd is starting; ask again in some seconds")
