"""What a session began with, kept in its journal: a restart begins with the same, whatever settings say by then."""

from importlib.metadata import version

import msgspec

from hftd.domain.events import ModelSwapped
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import HookCaller, ModelLoader, RunningModel, nobody
from hftd.engine.swapping import bounds_of
from hftd.journal import Journal
from hftd.journal.begun import KEY, Begun, BegunModel
from hftd.model.contract import Model

VERSION_KEY = "hftd_version"

_ENCODER = msgspec.json.Encoder(decimal_format="string")


def hftd_version() -> str:
    """The version of this hftd."""
    return version("hftd")


def note_beginning(journal: Journal, engine: Engine) -> None:
    """Note what a session begins with, once."""
    if KEY not in journal.meta():
        begun = Begun(tuple(_begun(running) for running in engine.everyone), bounds_of(engine.limits))
        journal.set_meta(KEY, _ENCODER.encode(begun).decode())
        journal.set_meta(VERSION_KEY, hftd_version())


def begun_again(begun: Begun, load: ModelLoader) -> tuple[list[RunningModel], Limits]:
    """The models and limits of a beginning, anew. Raises ModelError when the code of a model is gone."""
    return [_running(model, load) for model in begun.models], Limits(**begun.limits)  # type: ignore[arg-type]


def engine_again(begun: Begun, session: Session, run_id: str, call: HookCaller, load: ModelLoader | None) -> Engine:
    """The engine as it was when the session began. Raises ModelError when the code of a model is gone."""
    models, limits = begun_again(begun, load or nobody)
    return Engine(session, models, limits, run_id, call, load)


def _begun(running: RunningModel) -> BegunModel:
    return BegunModel(
        model_id=running.model_id,
        fingerprint=running.fingerprint,
        symbols=running.symbols,
        parameters=running.parameters,
        limits=None if running.limits is None else bounds_of(running.limits),
        shadow=running.shadow,
        retired=type(running.model) is Model,
    )


def _running(begun: BegunModel, load: ModelLoader) -> RunningModel:
    event = ModelSwapped(0, begun.model_id, begun.model_id, begun.fingerprint, begun.symbols, begun.parameters)
    return RunningModel(
        model_id=begun.model_id,
        model=Model() if begun.retired else load(event),
        fingerprint=begun.fingerprint,
        symbols=begun.symbols,
        parameters=begun.parameters,
        limits=None if begun.limits is None else Limits(**begun.limits),  # type: ignore[arg-type]
        shadow=begun.shadow,
    )
