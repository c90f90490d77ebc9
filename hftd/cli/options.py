"""Options that several commands share."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

INTERRUPTED = 130
"""The exit status of what Ctrl-C has ended."""

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help="The settings file; default ./settings.yaml")
]
StateOption = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="The state directory; default ~/.local/state/hftd")
]
TapeOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Play these recorded minute bars (Parquet or CSV)")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON")]
ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", metavar="NAME=THEIRS", help="A column's name in the files; repeatable")
]
ZoneOption = Annotated[
    str | None, typer.Option("--time-zone", metavar="ZONE", help="Of times without one, like America/New_York")
]
FormatOption = Annotated[
    str | None, typer.Option("--time-format", metavar="FORMAT", help="Of times that are not ISO 8601")
]
StampedOption = Annotated[
    str | None, typer.Option("--stamped", metavar="start|end", help="Which end of its minute a bar's time is")
]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", metavar="A", help="Of files without a column of symbols; else by their names")
]
VolumeOption = Annotated[
    int | None, typer.Option("--volume", min=1, metavar="N", help="Shares a minute to assume where files have none")
]
SymbolsOption = Annotated[str, typer.Option("--symbols", metavar="A,B", help="Only these; default all")]


def settings_of(file: Path | None, **overrides: Any) -> Any:
    """The settings in force, under `overrides` (name__name -> value; None gives nothing)."""
    from hftd.settings import find_settings_file, load_settings

    given = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
    return load_settings(find_settings_file(file, os.environ), os.environ, given)


def models_folder_of(file: Path | None) -> Path:
    """The models folder, even if the settings name no model yet, or if there are none and none were asked for."""
    from hftd.errors import SettingsError
    from hftd.settings import find_settings_file, load_settings

    unsaid = {"model": "any", "symbols": ["ANY"]}
    try:
        found = find_settings_file(file, os.environ)
    except SettingsError:
        if file is not None or os.environ.get("HFTD_SETTINGS"):
            raise
        return load_settings(None, os.environ, unsaid).models_folder
    try:
        return load_settings(found, os.environ).models_folder
    except SettingsError as refused:
        with suppress(SettingsError):
            return load_settings(found, os.environ, unsaid).models_folder
        raise refused from None
