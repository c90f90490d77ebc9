"""Copies of the models that have traded: `STATE/models/FINGERPRINT/` holds each one's files as they were.

The file in the models folder may be edited while a session lasts. A restart in its middle, and whoever replays its
journal later, needs the code that decided then.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from hftd.errors import ModelError, StateError
from hftd.model.choice import ChosenModel
from hftd.model.load import files_sha256, fingerprint, load_model, model_names
from hftd.model.parameters import checked
from hftd.model.verify import VerifiedModel

FOLDER = "models"


def keep(model: VerifiedModel, state: Path) -> Path:
    """Copy a model's files into the state directory, once; the folder they stand in.

    Raises StateError when they cannot be written, ModelError when they are no longer those that were verified.
    """
    place, source = state / FOLDER / model.fingerprint, model.loaded.path
    if place.is_dir():
        return place
    unfinished = place.with_suffix(".unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        copy = unfinished / source.name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copyfile(source, copy)
        if files_sha256(copy) != model.loaded.files_sha256:
            raise ModelError(f"{source}: changed while it was copied; load it again")
        unfinished.rename(place)
    except OSError as error:
        raise StateError(f"{place}: the model's files cannot be copied: {error.strerror}") from error
    return place


def kept(state: Path, mark: str, symbols: Iterable[str], parameters: Mapping[str, object]) -> VerifiedModel | None:
    """The model with the fingerprint `mark`, as it was when it traded; None when it was not kept.

    It was tried before it traded, and is loaded without another trial. Raises ModelError when it cannot be loaded any
    more, or is another one now.
    """
    place = state / FOLDER / mark
    names = model_names(place)
    if not mark or not names:
        return None
    chosen = ChosenModel(names[0], tuple(symbols), dict(parameters), where=str(place))
    loaded = load_model(chosen.name, place)
    values = checked(loaded.cls, chosen.parameters, chosen.locate)
    found = fingerprint(loaded, values)
    if found != mark:
        raise ModelError(f"{place}: it was changed after it traded: its fingerprint is {found[:12]}")
    return VerifiedModel(chosen, loaded, values, mark)
