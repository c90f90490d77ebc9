"""A model that cannot be loaded any more while its positions are open: the copy that traded stands in for it.

A daemon that is restarted in mid-session must not stay away because a file was broken meanwhile: nobody would close
what is held. A start on which nothing depends refuses, and says why.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from hftd.clock import wall_ns
from hftd.engine.engine import Engine
from hftd.errors import ModelError, StateError
from hftd.journal.begun import beginning_of
from hftd.live.recovery import last_begun, reviewed
from hftd.model.choice import ChosenModel
from hftd.model.kept import kept
from hftd.model.verify import VerifiedModel, verified

log = structlog.get_logger()

FELL_BACK = "model.fell_back"

Copy = tuple[str, tuple[str, ...], dict[str, Any]]
"""Fingerprint, symbols and parameters of a model that traded."""


class StandIns:
    """Verifies the models `chosen`, and finds copies of those that are refused while the last session is broken off
    with positions or working orders; `refused` are the sentences of those. With `is_wall_time` a session is over at its
    close, whoever was there."""

    def __init__(self, state: Path, chosen: Sequence[ChosenModel], *, is_wall_time: bool) -> None:
        self.refused: list[str] = []
        self._state = state
        self._names = {each.name for each in chosen}
        self._is_wall_time = is_wall_time

    def verified(self, chosen: ChosenModel, folder: Path) -> VerifiedModel:
        """The model as it is in `folder`, or the copy that traded. Raises ModelError when nothing depends on it."""
        try:
            return verified(chosen, folder)
        except ModelError as error:
            copy = self._copy_of(chosen.name)
            if copy is None:
                raise
            mark = copy.fingerprint[:12]
            log.error("model.fell_back", model=copy.chosen.name, fingerprint=mark, reason=str(error), until="reload")
            self.refused.append(f"{copy.chosen.name} trades on as it was ({mark}), for its file is refused: {error}")
            return copy

    def _copy_of(self, name: str) -> VerifiedModel | None:
        try:
            copies = self._copies()
            known = copies.get(name) or _only(copies, besides=self._names)
            return kept(self._state, *known) if known else None
        except (StateError, ModelError) as error:
            log.warning("model.gone", reason=str(error))
            return None

    def _copies(self) -> dict[str, Copy]:
        """What traded last in a session that was broken off, by name; nothing when none was."""
        journal = last_begun(self._state)
        if journal is None:
            return {}
        with journal:
            engine, begun = reviewed(journal), beginning_of(journal)
            parameters = {(one.model_id, one.fingerprint): one.parameters for one in journal.models()}
        if not self._depends_on(engine):
            return {}
        at_first = begun.models if begun else ()
        copies = {one.model_id: (one.fingerprint, one.symbols, one.parameters) for one in at_first}
        for id, running in engine.models.items():
            copies[id] = (running.fingerprint, running.symbols, parameters.get((id, running.fingerprint), {}))
        return copies

    def _depends_on(self, engine: Engine) -> bool:
        """Whether something is open that nobody else looks after."""
        is_over = self._is_wall_time and wall_ns() >= engine.session.close_ns
        return engine.is_open and not is_over and bool(engine.positions or engine.working)


def _only(copies: dict[str, Copy], besides: set[str]) -> Copy | None:
    """The one copy of a name that nobody has any more; None when there are several, or none."""
    free = [copy for name, copy in copies.items() if name not in besides and copy[1]]
    return free[0] if len(free) == 1 else None
