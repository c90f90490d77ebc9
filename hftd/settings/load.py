"""Finding the settings file, laying the layers over each other, checking the whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hftd.errors import SettingsError
from hftd.hosts import is_loopback
from hftd.settings.sentences import sentence
from hftd.settings.shape import Settings
from hftd.settings.sources import (
    BARE,
    Layer,
    environment_layer,
    file_layer,
    merge,
    override_layer,
    resolve_paths,
    spell_out,
    spell_out_each,
)

FILE_NAME = "settings.yaml"


def find_settings_file(option: str | Path | None, environment: Mapping[str, str]) -> Path:
    """The settings file: `option` (--settings), else HFTD_SETTINGS, else settings.yaml in the working directory,
    systemd's configuration directory, or /etc/hftd. Raises SettingsError that says where it was looked for."""
    if given := option or environment.get("HFTD_SETTINGS"):
        if not Path(given).is_file():
            raise SettingsError(f"{given}: no such settings file; give one with --settings FILE")
        return Path(given)
    folders = [Path(), *map(Path, filter(None, [environment.get("CONFIGURATION_DIRECTORY")])), Path("/etc/hftd")]
    for folder in folders:
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    looked = ", ".join(str(folder.absolute()) for folder in folders)
    raise SettingsError(f"no {FILE_NAME} in {looked}; give one with --settings FILE")


def load_settings(
    file: Path | None, environment: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Settings of `file`, under variables HFTD_... of `environment`, under `overrides` (dotted name -> value).

    A `file` of None stands for an empty one. Paths in the file are relative to its folder, others to the working
    directory. Raises SettingsError listing every problem, one a line.
    """
    layer = Layer(values={"models_folder": "models"})
    folder = file.parent if file else Path()
    above = [
        (file_layer(file) if file else Layer(), folder),
        (environment_layer(environment or {}), Path()),
        (override_layer(overrides or {}), Path()),
    ]
    layer = resolve_paths(layer, folder)
    for next_layer, base in above:
        layer = merge(layer, resolve_paths(next_layer, base))
    for name in BARE:
        layer = spell_out(layer, name)
    layer = spell_out_each(layer, "models")
    return _settings(layer, file or Path(FILE_NAME))


def _settings(layer: Layer, file: Path) -> Settings:
    problems = [*layer.problems, *_conflicts(layer, file)]
    try:
        settings = Settings.model_validate(layer.values)
    except ValidationError as error:
        problems += [sentence(dict(problem), layer, file) for problem in error.errors(include_url=False)]
    else:
        settings._origins.update(layer.origins)
        settings._file = file
        problems += _unknown_symbols(settings)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _conflicts(layer: Layer, file: Path) -> list[str]:
    """What no single setting is to blame for."""
    problems = []
    match [name for name in ("model", "models") if layer.values.get(name)]:
        case []:
            problems.append(f"{file}: model: missing; it names the model that decides, like model: volume_17_31")
        case [_, _]:
            problems.append(f"{layer.origins['models',]}: found model and models, expected one of them")
    problems += _open_doors(layer)
    problems += [
        f"{layer.origins.get(('exchange', name), 'default')}: exchange.{name} is for a simulated exchange that hftd "
        f"starts itself, but {why}"
        for name, normal in (("speed", 1), ("tape", None))
        if _at(layer.values, "exchange", name) not in (None, normal)
        for why in _foreign_exchange(layer.values)
    ]
    return problems


def _open_doors(layer: Layer) -> list[str]:
    """A page that others could reach needs a token."""
    host = _at(layer.values, "web", "host")
    if not isinstance(host, str) or is_loopback(host) or _at(layer.values, "web", "token"):
        return []
    return [
        f"{layer.origins['web', 'host']}: web.host: found {host}, which is beyond this machine: give web.token too "
        "(16 characters or more), or leave it at 127.0.0.1 and come through an SSH tunnel"
    ]


def _foreign_exchange(values: dict[str, Any]) -> list[str]:
    """Why time and prices are not ours to choose, in a list of one; empty when they are."""
    if (name := _at(values, "broker", "name")) not in (None, "simulated"):
        return [f"the broker is {name}"]
    return ["broker.url names another"] if _at(values, "broker", "url") else []


def _at(values: dict[str, Any], section: str, name: str) -> Any:
    group = values.get(section)
    return group.get(name) if isinstance(group, dict) else None


def _unknown_symbols(settings: Settings) -> list[str]:
    """A model may only be given symbols that the daemon hears data of, and each model runs once."""
    problems = []
    names: set[str] = set()
    for model in settings.chosen_models:
        for symbol in model.symbols:
            if symbol not in settings.symbols:
                known = ", ".join(settings.symbols)
                problems.append(f"{model.where}: model {model.name}: found symbol {symbol}, expected some of {known}")
        if model.name in names:
            problems.append(f"{model.where}: model {model.name} is named twice; keep one")
        names.add(model.name)
    return problems
