"""pydantic's findings as sentences: where, what was found, what was expected, the nearest valid name."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hftd.settings.shape import Place, Section, Settings
from hftd.settings.sources import HIDDEN, Layer
from hftd.wording import nearest, suggestion

SECRET = re.compile(r"key|secret|password|token", re.IGNORECASE)
"""Names that look like secrets, whose values must not be repeated in a message."""
LISTS = {"symbols": "[SPY, QQQ]", "models": "[volume_17_31, crossing]"}


def sentence(problem: dict[str, Any], layer: Layer, file: Path) -> str:
    """One line for one of pydantic's error details."""
    path: Place = tuple(problem["loc"])
    name = dotted(path)
    match problem["type"]:
        case "missing":
            return f"{file}: {name}: missing; it is needed to say {_meaning(path)}"
        case "extra_forbidden" if SECRET.search(str(path[-1])):
            return (
                f"{_where(path, layer)}: {name}: unknown setting; secrets are never settings: they come from the "
                "environment or systemd credentials"
            )
        case "extra_forbidden":
            near = suggestion(str(path[-1]), section_at(path[:-1]).model_fields)
            return f"{_where(path, layer)}: {name}: unknown setting; {near}"
    found = "a secret" if HIDDEN.search(name) else _found(problem["input"])
    return f"{_where(path, layer)}: {name}: found {found}, {_expected(problem)}"


def dotted(path: Place) -> str:
    """risk.max_position, models[0].name"""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _where(path: Place, layer: Layer) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in layer.origins:
            return layer.origins[path[:length]]
    return "default"


def section_at(path: Place) -> type[BaseModel]:
    """The section of settings at `path`; the nearest one above when the path leads out of what is known."""
    section: type[BaseModel] = Settings
    for part in path:
        field = section.model_fields.get(str(part))
        for kind in _parts(field.annotation) if field else ():
            if isinstance(kind, type) and issubclass(kind, Section):
                section = kind
    return section


def _parts(annotation: Any) -> list[Any]:
    """All types that an annotation is made of."""
    return [annotation, *(part for inner in getattr(annotation, "__args__", ()) for part in _parts(inner))]


def _meaning(path: Place) -> str:
    field = section_at(path[:-1]).model_fields.get(str(path[-1]))
    return field.description or "" if field else "a value"


def _found(value: object) -> str:
    text = "nothing" if value is None else str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _expected(problem: dict[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    match problem["type"]:
        case "literal_error":
            choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            near = nearest(str(problem["input"]), choices)
            return f"expected {', '.join(choices)}" + (f"; did you mean {near}?" if near else "")
        case "too_short" if HIDDEN.search(str(problem["loc"][-1])):
            return f"expected {problem['ctx']['min_length']} characters or more"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "expected a group of NAME: VALUE lines"
        case "tuple_type":
            example = LISTS.get(str(problem["loc"][-1]))
            return f"expected a list, like {example}" if example else "expected a list"
        case "value_error":
            return message
        case "int_parsing" | "int_type" | "int_from_float":
            return "expected a whole number"
        case "decimal_parsing" | "decimal_type" | "float_parsing" | "float_type":
            return "expected a number"
        case "bool_parsing" | "bool_type":
            return "expected true or false"
    text = re.sub(r"^(Input|Tuple|String|Decimal input|Value) should (be|have) ", "", message)
    return f"expected {text}"
