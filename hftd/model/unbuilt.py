"""What stands for a model that cannot be built, so that the others trade on."""

from typing import Any

from hftd.errors import ModelError
from hftd.model.contract import Model


class Unbuilt(Model):
    """Fails as soon as it is started, with what its `__init__` raised, and is then paused as every model that fails."""

    def __init__(self, problem: str) -> None:
        self._problem = problem

    def on_start(self, context: Any) -> None:
        raise ModelError(f"cannot be called: {self._problem}")
