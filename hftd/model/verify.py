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
from hftd.model.load import LoadedModel, find_model, fingerprint, load_model, sentence_of
from hftd.model.parameters import build, checked
from hftd.model.trial import TrialAnswer, TrialRequest
from hftd.model.unbuilt import Unbuilt

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
        """A fresh instance, for one session; one that fails when it is started if `__init__` raises, which it did not
        in its trial."""
        try:
            return build(self.loaded.cls, self.values)
        except (Exception, SystemExit) as error:
            return Unbuilt(sentence_of(error, self.loaded.path, "__init__"))


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
    path = _path_of(request.chosen.name, Path(request.folder))
    try:
        output = child_output("hftd.model.trial", msgspec.json.encode(request), 2 * request.limit_s + 5)
        return msgspec.json.decode(output, type=TrialAnswer)
    except ModelError as error:
        return TrialAnswer(problem=f"{path}: {error}")


def _path_of(name: str, folder: Path) -> Path:
    return folder / f"{name}.py" if (folder / f"{name}.py").is_file() else folder / name


def child_output(module: str, request: bytes, limit_s: float, **environment: str) -> bytes:
    """What `python -m MODULE`, in a process of its own, answers to `request`: JSON, on its standard output.

    Raises ModelError that says how it ended without an answer, or that it gave none within `limit_s` wall seconds:
    the child keeps shorter limits itself and knows the line; this one is for native code that never comes back.
    """
    own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # what resolves here resolves there
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | own | environment,
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(request, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise ModelError(f"did not return within {limit_s:g} s") from None
    finally:
        _end(child)
    if not _is_json(output):
        raise ModelError(_end_sentence(child.returncode))
    return output


def _is_json(output: bytes) -> bool:
    try:
        msgspec.json.decode(output)
    except msgspec.DecodeError:
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever the model started from it."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _end_sentence(status: int) -> str:
    if status < 0:
        return f"crashed its process ({signal.Signals(-status).name})"
    return f"ended its process (status {status}); a model only returns"
