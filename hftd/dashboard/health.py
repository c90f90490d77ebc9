"""Is it well? From what the daemon answers, a list of reasons why not; an empty one is good news."""

from typing import Any

MUTE_S = 180.0
"""Wall seconds without a bar, while the market is open, that are no longer taken for a quiet market."""
BY_HAND = frozenset({"manual"})
"""Halts that somebody wanted: they are told, and are no illness."""


def problems_of(status: dict[str, Any] | None) -> list[str]:
    """Why the daemon is not well. `status` is its answer on the control socket, None when there was none."""
    if status is None:
        return ["the daemon does not run"]
    found = [f"halted: {halt['rule']}: {halt['reason']}" for halt in status["halts"] if halt["rule"] not in BY_HAND]
    if status["phase"] in ("starting", "blocked", "waiting"):
        found.append(status["line"])
    session = status.get("session") or {}
    found += [f"model {model['model']} is paused" for model in session.get("models", []) if model["paused"]]
    bar_age_s = status.get("bar_age_s")
    if status["phase"] == "open" and bar_age_s is not None and bar_age_s > MUTE_S:
        found.append(f"no bar for {bar_age_s:.0f} s")
    return found


def health_of(status: dict[str, Any] | None, problem: str = "") -> tuple[int, dict[str, Any]]:
    """HTTP status and body of `/health`: 200 when all is well, else 503 with the reasons."""
    problems = [problem] if problem else problems_of(status)
    told = status or {}
    body = {
        "healthy": not problems,
        "problems": problems,
        "phase": told.get("phase", "not running"),
        "line": told.get("line", "not running"),
        "time": told.get("time"),
    }
    return (503 if problems else 200), body
