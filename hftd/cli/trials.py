"""The commands that try a daemon out: in a bad hour, in a week. Each is a few lines over a module of `commands`."""

import os
import sys
from datetime import datetime
from typing import Annotated

import typer

from hftd.cli.options import JsonOption, SettingsOption, settings_of


def drill(
    settings: SettingsOption = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this fault, as in the table; may be repeated")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Crash-test your settings and model: kills, cut and mute sockets, on a throw-away exchange; about a minute.

    Example: hftd drill
    """
    from hftd import logs
    from hftd.commands.drill import drill_text, exit_status_of, run_drill, summary_of
    from hftd.commands.text import as_json
    from hftd.settings import find_settings_file

    logs.configure("console", "error")
    file = find_settings_file(settings, os.environ)
    results = run_drill(settings_of(settings), file, lambda result: print(result.fault, file=sys.stderr), fault or ())
    print(as_json(summary_of(results)) if json else drill_text(results))
    raise typer.Exit(exit_status_of(results))


def simulate_week(
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="A day of the week; default: the next with unusual hours"),
    ] = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Live through a week in seconds: your settings and models on a random market, nothing sent, nothing kept.

    The default is the next week with a holiday, a short session or a change of the clocks.

    Example: hftd simulate-week --from 2026-11-23
    """
    from hftd.commands.simulate_week import week_of, week_text
    from hftd.commands.text import as_json

    days = week_of(settings_of(settings), first.date() if first else None)
    print(as_json(days) if json else week_text(days))
