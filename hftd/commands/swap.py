"""`hftd swap`, `promote` and `reload`: asked of the running daemon."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml

from hftd.errors import StateError
from hftd.live.control import ask_first, sockets_to_ask
from hftd.state import state_path

WITHIN_S = 60.0
"""How long verifying a model may take before the answer."""
RELOAD_S = 150.0
"""The same for all models; less than the service manager waits."""

Answer = dict[str, Any]


def swap(state: Path | None, environment: Mapping[str, str], name: str, parameters: Iterable[str], slot: str) -> Answer:
    """Swap a model; `parameters` are NAME=VALUE. Raises StateError when none runs, or when it was refused."""
    return _asked(state, environment, "swap", WITHIN_S, name=name, parameters=parsed(parameters), slot=slot)


def promote(state: Path | None, environment: Mapping[str, str], model_id: str) -> Answer:
    """Let a candidate take over. Raises StateError when none runs, or there is no candidate."""
    return _asked(state, environment, "promote", WITHIN_S, model_id=model_id)


def reload(state: Path | None, environment: Mapping[str, str]) -> Answer:
    """Read settings and models again. Raises StateError when none runs, or when they were refused."""
    return _asked(state, environment, "reload", RELOAD_S)


def parsed(parameters: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE as names and values, which are read as in settings.yaml. Raises typer.BadParameter."""
    values = {}
    for given in parameters:
        name, is_given, value = given.partition("=")
        if not is_given or not name:
            raise typer.BadParameter(f"--param {given}: expected NAME=VALUE, like --param quantity=5")
        values[name] = yaml.safe_load(value)
    return values


def _asked(state: Path | None, environment: Mapping[str, str], what: str, within_s: float, **arguments: Any) -> Answer:
    place = state_path(state, environment)
    told = ask_first(sockets_to_ask(state, place, environment), what, within_s, **arguments)
    if told is None:
        raise StateError(f"state directory {place}: no daemon runs on it, so there is nothing to {what}")
    return dict(told)


def changes_text(answer: Answer) -> str:
    """What was done, one line each."""
    return "\n".join(answer["changes"]) or "nothing has changed"
