"""The models at hand, by their fingerprints: those loaded now, and those whose files the state directory keeps."""

from pathlib import Path

from hftd.domain.events import CandidateEntered, ModelSwapped
from hftd.errors import ModelError
from hftd.model.contract import Model
from hftd.model.kept import keep, kept
from hftd.model.verify import VerifiedModel


class Library:
    """Keeps every model that is added to it, and makes instances of it again, also after a restart."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._models: dict[str, VerifiedModel] = {}

    def add(self, model: VerifiedModel) -> None:
        """Take in a model before it trades. Raises StateError or ModelError as `keep` does."""
        keep(model, self._state)
        self._models[model.fingerprint] = model

    def load(self, event: ModelSwapped | CandidateEntered) -> Model:
        """A fresh instance of the model that an event names. Raises ModelError when it is nowhere."""
        model = self._models.get(event.fingerprint)
        if model is None:
            model = kept(self._state, event.fingerprint, event.symbols, event.parameters)
        if model is None:
            raise ModelError(f"{self._state}: the files of model {event.name} ({event.fingerprint[:12]}) were not kept")
        self._models[event.fingerprint] = model
        return model.build()
