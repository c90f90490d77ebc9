"""`hftd sweep`: one model, many values of its parameters, or many days."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hftd.backtest.many import run_many
from hftd.backtest.prepare import chosen, past_of, sessions_of
from hftd.backtest.request import Base, Request, Wishes, request_of
from hftd.backtest.task import Past
from hftd.calendar import Calendar
from hftd.commands.backtest import grid_of, places_of, progress_bar


@dataclass(frozen=True)
class Sweep:
    """What is to be run on `past`, and what tells each run from the others."""

    requests: list[Request]
    labels: list[dict[str, Any]]
    past: Past


def plan_of(
    model: str, base: Base, wishes: Wishes, given: Sequence[str], data: Sequence[Path], *, by_day: bool
) -> Sweep:
    """Every combination of parameters, and with `by_day` each on every day. Raises SettingsError, DataError."""
    combinations = grid_of(given)
    requests = [request_of(model, base, replace(wishes, parameters=combination)) for combination in combinations]
    past = past_of(data, requests[0].symbols, requests[0].reading)
    if not by_day:
        return Sweep(requests, [dict(combination) for combination in combinations], past)
    first = requests[0]
    sessions = sessions_of(chosen(past.bars, first.symbols), Calendar(), wishes.first, wishes.last)
    runs = [
        (replace(request, first=session.day, last=session.day), {**combination, "day": session.day.isoformat()})
        for request, combination in zip(requests, combinations, strict=True)
        for session in sessions
    ]
    return Sweep([request for request, _ in runs], [label for _, label in runs], past)


def run_sweep(plan: Sweep, out: Path | None, driver: str, jobs: int) -> list[dict[str, Any]]:
    """The summaries in the order of the plan."""
    places = places_of(out, len(plan.requests))
    with progress_bar(len(plan.requests), "backtests") as progress:
        return run_many(plan.requests, plan.past, jobs=jobs, driver=driver, out=places, progress=progress)
