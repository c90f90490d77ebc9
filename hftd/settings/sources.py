"""Reading settings from YAML, environment and command line, remembering where each value stands."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hftd.errors import SettingsError
from hftd.settings.shape import Place, Settings

PREFIX = "HFTD_"
NO_SETTINGS = frozenset(
    {
        *("HFTD_STATE", "HFTD_SETTINGS", "HFTD_DATA", "HFTD_CRASH_AT", "HFTD_CRASH_MATRIX", "HFTD_CLIENTS"),
        *("HFTD_PARITY_SEEDS", "HFTD_SIMULATION_SEED", "HFTD_SIMULATION_SESSIONS"),
    }
)
"""Variables of hftd that are no settings: directories, and what tests arm."""
HIDDEN = re.compile(r"key|secret|password|token|urls", re.IGNORECASE)
"""Names of settings and variables whose values must not be repeated in a message."""


@dataclass(slots=True)
class Layer:
    """Values nested as in the file, and the origin of each path. `problems` are complete sentences."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Place, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def put(self, path: Place, value: Any, origin: str) -> None:
        """Set `value` at `path` (names only), making the sections on the way."""
        place = self.values
        for length, name in enumerate(path[:-1], start=1):
            if not isinstance(place.get(str(name)), dict):
                place[str(name)] = {}
            self.origins.setdefault(path[:length], origin)
            place = place[str(name)]
        place[str(path[-1])] = value
        self.origins[path] = origin


BARE = ("broker", "model")
"""Sections for which a bare word stands for their name: `broker: alpaca`."""


def spell_out(layer: Layer, name: str) -> Layer:
    """`layer` with a bare word for section `name` written out as {name: word}."""
    word = layer.values.get(name)
    if not isinstance(word, str):
        return layer
    origins = layer.origins | {(name, "name"): layer.origins[name,]}
    return Layer(layer.values | {name: {"name": word}}, origins, layer.problems)


def spell_out_each(layer: Layer, name: str) -> Layer:
    """The same of each bare word in the list `name`."""
    items = layer.values.get(name)
    if not isinstance(items, list):
        return layer
    words = {index: word for index, word in enumerate(items) if isinstance(word, str)}
    origins = {(name, index, "name"): layer.origins.get((name, index), layer.origins[name,]) for index in words}
    spelled = [{"name": item} if index in words else item for index, item in enumerate(items)]
    return Layer(layer.values | {name: spelled}, layer.origins | origins, layer.problems)


def merge(below: Layer, above: Layer) -> Layer:
    """`above` over `below`: sections are merged name by name; anything else, a bare word too, is replaced."""
    for name in BARE:
        if isinstance(above.values.get(name), dict):
            below = spell_out(below, name)
    origins = dict(below.origins)
    values = _merged(below.values, above.values, (), origins)
    return Layer(values, origins | above.origins, below.problems + above.problems)


def _merged(below: dict[str, Any], above: dict[str, Any], path: Place, origins: dict[Place, str]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        place = (*path, name)
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            merged[name] = _merged(below[name], value, place, origins)
            continue
        merged[name] = deepcopy(value)
        for known in [known for known in origins if known[: len(place)] == place]:
            del origins[known]
    return merged


# YAML ----------------------------------------------------------------------------------------------------------------

_SCALARS: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|"), lambda text: None),
    (re.compile(r"true|True"), lambda text: True),
    (re.compile(r"false|False"), lambda text: False),
    (re.compile(r"[-+]?(0|[1-9](_?[0-9]){0,40})"), int),
    (re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"), float),
)
"""YAML 1.2's core words. In YAML 1.1, which the library would follow, ON and NO (both are symbols) are truth values,
9:30 is the number 570 and 1e6 is text."""


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is None:
        for pattern, convert in _SCALARS:
            if pattern.fullmatch(text):
                return convert(text)
    return text


GROUPS = frozenset(name for name, field in Settings.model_fields.items() if isinstance(field.default_factory, type))
"""Sections of which nothing has to be given: with nothing but comments under it, one has its defaults."""


def _is_group(path: Place) -> bool:
    match path:
        case (name,) if name in GROUPS:
            return True
        case ("model", "parameters" | "risk") | ("models", int(), "parameters" | "risk"):
            return True
    return False


DEPTH_MAX = 50
"""Lists and mappings within one another; settings have a handful."""


def _document(text: str, layer: Layer, place: Callable[[yaml.Node], str]) -> Any:
    """The one document in `text`, None when there is none; `layer` takes its origins and problems.

    Raises yaml.YAMLError, and RecursionError for absurd nesting, which PyYAML would take many seconds to read.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            raise RecursionError
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise yaml.YAMLError(f"found an alias (*name) in line {line}; write the value out")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return None if node is None else _Reader(layer, place).value(node, ())


@dataclass(slots=True)
class _Reader:
    """Turns the nodes of one document into a layer. `place` names the origin of a node."""

    layer: Layer
    place: Callable[[yaml.Node], str]

    def value(self, node: yaml.Node, path: Place) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        self.layer.origins.setdefault(path, self.place(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        value = _scalar(node)
        return {} if value is None and _is_group(path) else value

    def _mapping(self, node: yaml.MappingNode, path: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in values:
                self.layer.problems.append(f"{self.place(key)}: {name} is given twice; keep one")
            self.layer.origins[(*path, name)] = self.place(key)
            values[name] = self.value(value, (*path, name))
        return values


def file_layer(file: Path) -> Layer:
    """The settings in a YAML file. Raises SettingsError when it cannot be read or is not YAML."""
    layer = Layer()
    try:
        values = _document(file.read_text(encoding="utf-8"), layer, lambda node: f"{file}:{node.start_mark.line + 1}")
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8 text") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{file}{_syntax_sentence(error)}") from error
    except RecursionError as error:
        raise SettingsError(f"{file}: is nested too deeply") from error
    if values is not None and not isinstance(values, dict):
        raise SettingsError(f"{file}:1: expected lines of NAME: VALUE, like symbols: [SPY]")
    layer.values = values or {}
    return layer


def _syntax_sentence(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": is not valid YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark
    context = f" {error.context}" if error.context else ""
    return f":{mark.line + 1}:{mark.column + 1}: is not valid YAML: {error.problem}{context}"


# Environment and command line ----------------------------------------------------------------------------------------


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """The settings in variables HFTD_SECTION__NAME, each read as YAML (and so as JSON too)."""
    layer = Layer()
    names = (name for name in environment if name.startswith(PREFIX) and name not in NO_SETTINGS)
    for name in sorted(names, key=lambda name: (name.count("__"), name)):
        path: Place = tuple(name.removeprefix(PREFIX).lower().split("__"))
        one = Layer()
        try:
            one.put(path, _document(environment[name], Layer(), lambda node: ""), name)
        except (yaml.YAMLError, RecursionError):
            found = "a secret" if HIDDEN.search(name) else repr(environment[name])
            layer.problems.append(f"{name}: is not valid: found {found}, expected a value, or JSON")
        layer = merge(layer, one)
    return layer


def override_layer(overrides: Mapping[str, object]) -> Layer:
    """What the command line gives, by dotted name; None is not given."""
    layer = Layer()
    for name, value in overrides.items():
        if value is not None:
            layer.put(tuple(name.split(".")), value, "command line")
    return layer


# Paths ---------------------------------------------------------------------------------------------------------------

PATHS: tuple[tuple[str, ...], ...] = (("models_folder",), ("exchange", "tape"), ("exchange", "faults"))
RECORDED = "recorded:"
"""Begins a latency that is a file."""


def resolve_paths(layer: Layer, folder: Path) -> Layer:
    """Make the layer's relative paths absolute, from `folder`."""
    for path in PATHS:
        place: Any = layer.values
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict) and isinstance(given := place.get(path[-1]), str | Path):
            place[path[-1]] = str(folder.absolute() / Path(given).expanduser())
    exchange = layer.values.get("exchange")
    if isinstance(exchange, dict) and str(latency := exchange.get("latency")).startswith(RECORDED):
        exchange["latency"] = f"{RECORDED}{folder.absolute() / Path(str(latency)[len(RECORDED) :]).expanduser()}"
    return layer
