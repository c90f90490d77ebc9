"""What a session began with, as its journal keeps it: models in their slots, and limits."""

from typing import Any

import msgspec

from hftd.domain.events import Bound
from hftd.journal.reading import Reader

KEY = "begun_with"


class BegunModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A slot as it was when the session began. One that is `retired` only held something from before."""

    model_id: str
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any] = {}
    limits: dict[str, Bound] | None = None
    shadow: bool = False
    retired: bool = False


class Begun(msgspec.Struct, frozen=True):
    """Slots and limits with which a session began."""

    models: tuple[BegunModel, ...]
    limits: dict[str, Bound]


def beginning_of(journal: Reader) -> Begun | None:
    """What the session of a journal began with; None where it was not noted, or by a version that noted it otherwise.

    Raises StateError for a damaged file.
    """
    noted = journal.meta().get(KEY)
    try:
        return msgspec.json.decode(noted, type=Begun) if noted else None
    except msgspec.DecodeError:
        return None
