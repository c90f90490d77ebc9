"""The commands that step in while a daemon runs. Each is a few lines over a module of `commands`."""

import os
from typing import Annotated

import typer

from hftd.cli.options import JsonOption, StateOption


def halt(
    reason: Annotated[str, typer.Argument(metavar="[REASON]", help="Kept in the journal and shown by status")] = "",
    flatten: Annotated[bool, typer.Option("--flatten", help="Also close all positions")] = False,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Open no more positions until hftd resume, also after a restart; closing goes on.

    Example: hftd halt --flatten "earnings tonight"
    """
    from hftd.commands.halt import halt as halt_daemon
    from hftd.commands.halt import halting_text
    from hftd.commands.text import as_json

    told = halt_daemon(state, os.environ, reason, flatten=flatten)
    print(as_json(told) if json else halting_text(told))


def resume(
    reason: Annotated[str, typer.Argument(metavar="[REASON]", help="Kept in the journal")] = "",
    symbol: Annotated[
        str | None,
        typer.Option(metavar="SYMBOL", help="End the halt of this symbol alone, such as for a split that was none"),
    ] = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """End every halt that a person may end, but those of symbols; exit status 1 if any is still in force.

    Example: hftd resume
    """
    from hftd.commands.halt import halting_text
    from hftd.commands.halt import resume as resume_daemon
    from hftd.commands.text import as_json

    told = resume_daemon(state, os.environ, reason, symbol)
    print(as_json(told) if json else halting_text(told))
    raise typer.Exit(1 if told["halts"] else 0)


def reload(state: StateOption = None, json: JsonOption = False) -> None:
    """Read settings and models again: taken over as soon as they are verified, or refused, and then nothing changes.

    Example: hftd reload
    """
    from hftd.commands.swap import changes_text
    from hftd.commands.swap import reload as reload_settings
    from hftd.commands.text import as_json

    told = reload_settings(state, os.environ)
    print(as_json(told) if json else changes_text(told))


def swap(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of models_folder")],
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter; may be repeated")] = None,
    slot: Annotated[str, typer.Option(metavar="MODEL", help="The model that it replaces, where several run")] = "",
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Let another model, or other parameters, decide from now on, until the session ends or settings are reloaded.

    Example: hftd swap volume_17_31 --param quantity=2
    """
    from hftd.commands.swap import changes_text
    from hftd.commands.swap import swap as swap_model
    from hftd.commands.text import as_json

    told = swap_model(state, os.environ, model, param or [], slot)
    print(as_json(told) if json else changes_text(told))


def promote(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Whose candidate, where there are several")] = "",
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Let the candidate that decides on paper take over now.

    Example: hftd promote
    """
    from hftd.commands.swap import changes_text
    from hftd.commands.swap import promote as promote_model
    from hftd.commands.text import as_json

    told = promote_model(state, os.environ, model)
    print(as_json(told) if json else changes_text(told))
