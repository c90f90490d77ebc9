"""The child process in which a model is tried: `python -m hftd.model.trial`, a request on stdin, an answer on stdout.

What the model itself prints goes nowhere: standard output is taken from it before it is loaded.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.load import LoadedModel, fingerprint, load_model, place_of
from hftd.model.parameters import checked, parameters_of
from hftd.model.rehearsal import Rehearsal, short_day


class TrialRequest(msgspec.Struct, frozen=True):
    """Load a model of `folder`, and unless `only_load` build it and run it. Each stage may take `limit_s` seconds."""

    chosen: ChosenModel
    folder: str
    limit_s: float
    only_load: bool = False


class ParameterRow(msgspec.Struct, frozen=True):
    """A parameter as it is shown: its type as text, its default as JSON (None with `is_required`: there is none)."""

    name: str
    type: str
    default: object
    description: str
    is_required: bool


class TrialAnswer(msgspec.Struct, frozen=True):
    """`problem` is "" when the model may be trusted. The fingerprint is of the chosen parameters, or of the defaults;
    "" when a parameter without default is missing."""

    problem: str = ""
    description: str = ""
    fingerprint: str = ""
    parameters: tuple[ParameterRow, ...] = ()


class Overrun(BaseException):
    """The time is up. Not an Exception, so that a model's own `except Exception` does not swallow it."""


def _raise_overrun(signal_number: int, frame: FrameType | None) -> None:
    raise Overrun


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    signal.signal(signal.SIGALRM, _raise_overrun)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def answer_to(request: TrialRequest) -> TrialAnswer:
    """Try the model; whatever it does becomes an answer, short of what ends the process."""
    path = Path(request.folder)
    try:
        with time_limit(request.limit_s):
            loaded = load_model(request.chosen.name, path)
        path = loaded.path
        if not request.only_load:
            with time_limit(request.limit_s):
                Rehearsal(loaded, request.chosen).play(short_day(loaded, request.chosen.symbols))
        return _described(loaded, request)
    except ModelError as error:
        return TrialAnswer(problem=str(error))
    except Overrun as error:
        return TrialAnswer(problem=f"{place_of(error, path)}: did not return within {request.limit_s:g} s")


def _described(loaded: LoadedModel, request: TrialRequest) -> TrialAnswer:
    rows = tuple(
        ParameterRow(
            name=parameter.name,
            type=parameter.type_name,
            default=None if parameter.is_required else parameter.default,
            description=parameter.description,
            is_required=parameter.is_required,
        )
        for parameter in parameters_of(loaded.cls).values()
    )
    is_complete = not request.only_load or not any(row.is_required for row in rows)
    mark = fingerprint(loaded, checked(loaded.cls, request.chosen.parameters)) if is_complete else ""
    return TrialAnswer(description=loaded.description, fingerprint=mark, parameters=rows)


def answer_and_leave(answer: Callable[[bytes], msgspec.Struct]) -> None:
    """Read a request from standard input, answer it on what was standard output, and leave.

    What the model prints goes nowhere, and nothing of it is waited for: its threads and its own children end with this
    process group.
    """
    request = sys.stdin.buffer.read()
    nothing = os.open(os.devnull, os.O_RDWR)
    answer_fd = os.dup(1)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.write(answer_fd, msgspec.json.encode(answer(request)))
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    answer_and_leave(lambda request: answer_to(msgspec.json.decode(request, type=TrialRequest)))
