"""A model as its user chose it: what loading, verifying and running one start from."""

from typing import Any

from msgspec import Struct


class ChosenModel(Struct, frozen=True):
    """A model's name, the symbols it is given, and values for its parameters.

    `where` is the place of the choice (a file and line, a variable), `places` that of each parameter given.
    """

    name: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any] = {}
    where: str = "command line"
    places: dict[str, str] = {}

    def locate(self, parameter: str) -> str:
        """Where a parameter's value stands, or where it is missing: the start of an error's sentence."""
        return f"{self.places.get(parameter, self.where)}: parameter {parameter}"
