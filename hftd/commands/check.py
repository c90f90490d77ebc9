"""`hftd check`: is everything in place to trade? One line a check: fine, or what to do.

A check is a function that returns a sentence when all is well and raises an HftdError when it is not. What one finds
(the settings, the models) stands in `Found` for those after it; one whose needs failed is skipped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from msgspec import Struct

from hftd.calendar import Calendar
from hftd.clock import wall_ns
from hftd.domain.convert import datetime_of
from hftd.errors import HftdError, StateError
from hftd.live.recovery import last_begun
from hftd.model.verify import VerifiedModel, verified
from hftd.settings import Settings, find_settings_file, load_settings, settings_table
from hftd.state import free_bytes, holder, place_to_look, state_directory

LEAST_FREE_BYTES = 200_000_000
"""A session's journal takes tens of megabytes; with less than this a full disk is near."""


@dataclass(slots=True)
class Found:
    """What was asked for, and what the checks have found so far."""

    environment: Mapping[str, str]
    settings_option: str | Path | None = None
    state_option: str | Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    send_alert: bool = False
    settings: Settings | None = None
    models: list[VerifiedModel] = field(default_factory=list)
    state: Path | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """`run` returns a sentence or raises HftdError; it is skipped unless the checks it `needs` were fine."""

    name: str
    run: Callable[[Found], str]
    needs: tuple[str, ...] = ()


class CheckResult(Struct, frozen=True):
    """One line. `exit_status` is 0, or that of the error."""

    name: str
    outcome: Literal["ok", "problem", "skipped"]
    sentence: str
    exit_status: int = 0


def run_checks(checks: Sequence[Check], found: Found) -> list[CheckResult]:
    """Run all checks in order, each whatever became of those it does not need."""
    results: dict[str, CheckResult] = {}
    for check in checks:
        failed = [name for name in check.needs if results[name].outcome != "ok"]
        if failed:
            results[check.name] = CheckResult(check.name, "skipped", f"needs {' and '.join(failed)}")
        else:
            results[check.name] = _run(check, found)
    return list(results.values())


def _run(check: Check, found: Found) -> CheckResult:
    try:
        return CheckResult(check.name, "ok", check.run(found))
    except HftdError as error:
        return CheckResult(check.name, "problem", str(error), error.exit_status)


def exit_status_of(results: Sequence[CheckResult]) -> int:
    """0 when all is well, 78 when the configuration is to be mended, else 1."""
    return max((result.exit_status for result in results), default=0)


def check_text(results: Sequence[CheckResult], *, colour: bool) -> str:
    """A line for each check, further lines of a sentence under its first."""
    width = max((len(result.name) for result in results), default=0)
    indent = "\n" + " " * (width + 11)
    lines = []
    for result in results:
        mark = f"{result.outcome:7}"
        if colour:
            mark = f"\x1b[{_COLOURS[result.outcome]}m{mark}\x1b[0m"
        lines.append(f"{mark}  {result.name:{width}}  {indent.join(result.sentence.splitlines())}")
    return "\n".join(lines)


_COLOURS = {"ok": 32, "problem": 31, "skipped": 33}


# The checks that need no broker --------------------------------------------------------------------------------------


def check_settings(found: Found) -> str:
    file = find_settings_file(found.settings_option, found.environment)
    found.settings = load_settings(file, found.environment, found.overrides)
    given = sum(row.origin != "default" for row in settings_table(found.settings))
    return f"{file}: {given} settings given, all others at their defaults"


def check_models(found: Found) -> str:
    assert found.settings is not None
    folder = found.settings.models_folder
    found.models = [verified(chosen, folder) for chosen in found.settings.chosen_models]
    return ", ".join(f"{model.chosen.name} {model.fingerprint[:12]}" for model in found.models)


def check_state(found: Found) -> str:
    found.state = state_directory(place_to_look(found.state_option, found.environment))
    free = free_bytes(found.state)
    if free < LEAST_FREE_BYTES:
        raise StateError(
            f"state directory {found.state}: {free / 1e6:.0f} MB free, expected {LEAST_FREE_BYTES / 1e6:.0f} MB or "
            "more; make room, or give another with --state DIR"
        )
    pid = holder(found.state)
    last = None if pid else last_begun(found.state)
    if last is not None:
        with last:  # what the next session begins with
            last.check()
    return f"{found.state}: {free / 1e9:.1f} GB free" + (f", in use by hftd (pid {pid})" if pid else "")


def check_calendar(found: Found) -> str:
    calendar = Calendar()
    now_ns = wall_ns()
    session = calendar.next_session(now_ns)
    opens, closes = (datetime_of(time_ns).astimezone(calendar.zone) for time_ns in (session.open_ns, session.close_ns))
    if session.is_open(now_ns):
        return f"{calendar.name} is open until {closes:%H:%M} New York time"
    return f"{calendar.name} is closed; next session {opens:%a %Y-%m-%d %H:%M} to {closes:%H:%M} New York time"


LOCAL_CHECKS = (
    Check("settings", check_settings),
    Check("model", check_models, needs=("settings",)),
    Check("state", check_state),
    Check("calendar", check_calendar),
)
