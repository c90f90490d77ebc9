"""What has to happen in a session so that it goes by other settings: events, and nothing else."""

from collections.abc import Iterator, Sequence

import msgspec

from hftd.domain.events import Bound, CandidateEntered, LimitsChanged, ModelSwapped
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import RunningModel
from hftd.engine.swapping import bounds_of, candidate_id
from hftd.errors import SettingsError

Change = ModelSwapped | CandidateEntered | LimitsChanged

_ENCODER = msgspec.json.Encoder(decimal_format="string")


def chosen_text(models: Sequence[RunningModel], limits: Limits) -> str:
    """Models and limits that settings ask for, as text that is equal when they are."""
    rows = [(each.model_id, each.fingerprint, each.symbols, each.shadow, _own(each)) for each in models]
    return _ENCODER.encode([rows, bounds_of(limits)]).decode()


def changes_between(
    engine: Engine, models: Sequence[RunningModel], limits: Limits, cause: str, promote_after: int | None = None
) -> list[Change]:
    """The events that bring the slots of a session to `models` and `limits`.

    With `promote_after` a model whose code or parameters have changed becomes a candidate first. Raises SettingsError
    for what a running session cannot take over.
    """
    swaps = [_swap(engine, slot, model, cause) for slot, model in _pairs(engine, models)]
    changes: list[Change] = [
        swap if promote_after is None or swap.name != swap.model_id else _candidate(swap, promote_after)
        for swap in swaps
        if swap is not None
    ]
    own = {model.model_id: bounds for model in models if (bounds := _own(model)) is not None}
    before = {each.model_id: bounds for each in engine.models.values() if (bounds := _own(each)) is not None}
    if bounds_of(limits) != bounds_of(engine.limits) or own != before:
        changes.append(LimitsChanged(engine.time_ns, bounds_of(limits), own))
    return changes


def _own(running: RunningModel) -> dict[str, Bound] | None:
    return None if running.limits is None else bounds_of(running.limits)


def _pairs(engine: Engine, models: Sequence[RunningModel]) -> Iterator[tuple[RunningModel, RunningModel]]:
    """Each slot with the model that is to decide in it: that of the same name, and what is left over in order."""
    wanted = {model.model_id: model for model in models if not model.shadow}
    slots = {id: slot for id, slot in engine.models.items() if slot.symbols or id in wanted}
    settled = {id: slot for id, slot in engine.shadows.items() if not id.endswith(candidate_id(""))}
    shadows = {model.model_id: model for model in models if model.shadow}
    if len(wanted) != len(slots) or shadows.keys() != settled.keys():
        raise SettingsError(
            f"models: found {len(models)}, and the session began with {len(slots) + len(settled)}; a session takes "
            "over other models, not more or fewer of them: restart hftd, or wait for the next session"
        )
    for id, shadow in shadows.items():
        if shadow.fingerprint != settled[id].fingerprint:
            raise SettingsError(f"model {id}: a shadow is changed with the next session, or by a restart of hftd")
    free = iter([model for id, model in wanted.items() if id not in slots])
    for id, slot in slots.items():
        yield slot, wanted.get(id) or next(free)


def _swap(engine: Engine, slot: RunningModel, model: RunningModel, cause: str) -> ModelSwapped | None:
    if (slot.model_id, slot.fingerprint, slot.symbols) == (model.model_id, model.fingerprint, model.symbols):
        return None
    return ModelSwapped(
        time_ns=engine.time_ns,
        model_id=slot.model_id,
        name=model.model_id,
        fingerprint=model.fingerprint,
        symbols=model.symbols,
        parameters=model.parameters,
        cause=cause,
    )


def _candidate(swap: ModelSwapped, promote_after: int) -> CandidateEntered:
    return CandidateEntered(
        swap.time_ns, swap.model_id, swap.name, swap.fingerprint, swap.symbols, swap.parameters, promote_after
    )
