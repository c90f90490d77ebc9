"""The commands to begin with: run, check, new, models, status. Each is a few lines over a module of `commands`."""

import os
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hftd.cli.backtest import ParameterOption
from hftd.cli.options import (
    INTERRUPTED,
    JsonOption,
    SettingsOption,
    StateOption,
    TapeOption,
    models_folder_of,
    settings_of,
)


def run(
    settings: SettingsOption = None,
    state: StateOption = None,
    sessions: Annotated[int | None, typer.Option(min=1, metavar="N", help="End after N sessions have closed")] = None,
    tape: TapeOption = None,
    speed: Annotated[
        float | None, typer.Option(metavar="X", help="Market seconds in a second; above 1 closed hours are skipped")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object")] = False,
    log_format: Annotated[
        str | None, typer.Option(metavar="auto|console|json", help="How the log is written to standard error")
    ] = None,
) -> None:
    """Run the daemon in the foreground; Ctrl-C ends it in order.

    Example: hftd run --speed 60
    """
    from hftd import logs
    from hftd import state as states
    from hftd.commands.text import as_json_line
    from hftd.live import run as live

    read = partial(settings_of, settings, exchange__tape=tape, exchange__speed=speed, log__format=log_format)
    loaded = read()
    logs.configure(loaded.log.format, loaded.log.level)
    place = states.state_directory(state)
    with states.lock(place), redirect_stdout(sys.stderr):  # what models print is no data of ours
        ended = live.run(loaded, place, dict(os.environ), sessions, read)
    summary = live.summary_of(ended.outcome)
    print(as_json_line(summary) if json else live.summary_text(ended.outcome))
    if ended.interrupted:
        raise typer.Exit(INTERRUPTED)


def check(
    settings: SettingsOption = None,
    state: StateOption = None,
    tape: TapeOption = None,
    alert: Annotated[bool, typer.Option("--alert", help="Also send a test to every address of alerts")] = False,
    json: JsonOption = False,
) -> None:
    """Is everything in place to trade? One line each: fine, or what to do.

    Example: hftd check
    """
    from hftd.commands.check import Found, check_text, exit_status_of, run_checks
    from hftd.commands.check_broker import ALL_CHECKS
    from hftd.commands.text import as_json

    overrides = {"exchange.tape": tape} if tape else {}
    found = Found(os.environ, settings_option=settings, state_option=state, overrides=overrides, send_alert=alert)
    results = run_checks(ALL_CHECKS, found)
    print(
        as_json(results) if json else check_text(results, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    )
    raise typer.Exit(exit_status_of(results))


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and underscores")],
    settings: SettingsOption = None,
    folder: Annotated[
        bool, typer.Option("--folder", help="Make a folder, for a model with weights or helpers")
    ] = False,
) -> None:
    """Write a commented model to start from.

    Example: hftd new mean_reversion
    """
    from hftd.commands.new import new_model

    file = new_model(name, models_folder_of(settings), as_folder=folder)
    print(f"{file} written; name it in settings.yaml under model, and try it with hftd check")


def models(
    verify: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hold this model to the contract: made-up days, twice, in parts")
    ] = None,
    param: ParameterOption = None,
    symbols: Annotated[str, typer.Option(metavar="A,B", help="What the made-up days are of; default SPY,QQQ")] = "",
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """List the models: what each does, its parameters, its fingerprint. Or verify one.

    Example: hftd models --verify models/crossing.py
    """
    if verify is not None:
        _verify_model(verify, param or [], symbols, json)
        return
    from hftd.commands.models import list_models, models_text
    from hftd.commands.text import as_json

    folder = models_folder_of(settings)
    rows = list_models(folder)
    print(as_json(rows) if json else models_text(rows, folder))


def _verify_model(file: Path, given: list[str], symbols: str, json: bool) -> None:
    from hftd.commands.backtest import names_of, parameters_of
    from hftd.commands.text import as_json
    from hftd.commands.verify_model import verdict_text, verify_model

    verdict = verify_model(file, parameters_of(given), names_of(symbols))
    print(as_json(verdict) if json else verdict_text(verdict))
    if not verdict.passed:
        raise typer.Exit(1)


def status(
    state: StateOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C")] = False,
    json: JsonOption = False,
) -> None:
    """What the daemon is doing now, or did last.

    Example: hftd status --watch
    """
    if watch:
        from hftd.commands.watch import watch as watch_daemon

        return watch_daemon(state, os.environ)
    from hftd.commands.look import status_of, status_text
    from hftd.commands.text import as_json

    found = status_of(state, os.environ)
    print(as_json(found) if json else status_text(found))
