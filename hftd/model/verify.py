"""Try a model in a child process before trusting it in this one.

The child imports it, builds it with its parameters and runs it over a few synthetic bars. A model that raises,
blocks, ends the process, or returns nonsense is refused with a sentence, whatever it does to the child.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.contract import Model
from hftd.model.load import LoadedModel, find_model, fingerprint, load_model
from hftd.model.parameters import build, checked
from hftd.model.trial import TrialAnswer, TrialRequest

LIMIT_S = 10.0
"""How long loading, and then the trial run, may take in seconds of wall time."""


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """A model that passed its trial, loaded into this process. `values` holds every parameter."""

    chosen: ChosenModel
    loaded: LoadedModel
    values: dict[str, Any]
    fingerprint: str

    def build(self) -> Model:
        """A fresh instance, for one session. What its `__init__` raises is passed on."""
        return build(self.loaded.cls, self.values)


def verified(chosen: ChosenModel, folder: Path, limit_s: float = LIMIT_S) -> VerifiedModel:
    """Try a model in a child process, then load it here. Blocks; raises ModelError with the reason."""
    try:
        find_model(chosen.name, folder)
    except ModelError as error:
        raise ModelError(f"{chosen.where}: {error}") from error
    answer = tried(TrialRequest(chosen, str(folder), limit_s))
    if answer.problem:
        raise ModelError(answer.problem)
    loaded = load_model(chosen.name, folder)
    values = checked(loaded.cls, chosen.parameters, chosen.locate)
    mark = fingerprint(loaded, values)
    if mark != answer.fingerprint:
        raise ModelError(f"{loaded.path}: changed while it was verified; load it again")
    return VerifiedModel(chosen, loaded, values, mark)


def describe(names: Sequence[str], folder: Path, limit_s: float = LIMIT_S) -> list[TrialAnswer]:
    """Load each model in a child process of its own, and answer what it declares, or its problem, in order."""
    requests = [TrialRequest(ChosenModel(name, ()), str(folder), limit_s, only_load=True) for name in names]
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(tried, requests))


def tried(request: TrialRequest) -> TrialAnswer:
    """The child's answer; a child that gives none is answered for."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "hftd.model.trial"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # what resolves here resolves there
        start_new_session=True,
    )
    folder, name = Path(request.folder), request.chosen.name
    path = folder / f"{name}.py" if (folder / f"{name}.py").is_file() else folder / name
    try:
        # The child keeps the limits itself and knows the line; this one is for native code that never comes back.
        output, _ = child.communicate(msgspec.json.encode(request), timeout=2 * request.limit_s + 5)
    except subprocess.TimeoutExpired:
        return TrialAnswer(problem=f"{path}: did not return within {request.limit_s:g} s")
    finally:
        _end(child)
    try:
        return msgspec.json.decode(output, type=TrialAnswer)
    except msgspec.DecodeError:
        return TrialAnswer(problem=f"{path}: {_end_sentence(child.returncode)}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever the model started from it."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _end_sentence(status: int) -> str:
    if status < 0:
        return f"crashed its process ({signal.Signals(-status).name})"
    return f"ended its process (status {status}); a model only returns"
