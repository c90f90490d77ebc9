"""The commands that look at what a daemon did or is set to do. Each is a few lines over a module of `commands`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hftd.cli.options import JsonOption, SettingsOption, StateOption, settings_of


def orders(state: StateOption = None, json: JsonOption = False) -> None:
    """The orders of the current session, or of the last one.

    Example: hftd orders
    """
    from hftd.commands.look import orders_of, rows_text
    from hftd.commands.text import as_json

    rows = orders_of(state, os.environ)
    print(as_json(rows) if json else rows_text(rows, "no orders"))


def positions(state: StateOption = None, json: JsonOption = False) -> None:
    """What each model holds, and what it gained or lost.

    Example: hftd positions
    """
    from hftd.commands.look import positions_of, rows_text
    from hftd.commands.text import as_json

    rows = positions_of(state, os.environ)
    print(as_json(rows) if json else rows_text(rows, "no positions"))


def journal(
    state: StateOption = None,
    session: Annotated[
        str | None, typer.Option(metavar="DATE", help="A session's day, like 2026-11-20; default the last one")
    ] = None,
    order: Annotated[str, typer.Option(metavar="ID", help="Only this order, by its client order id")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Go on as it is written, until Ctrl-C")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line")] = False,
) -> None:
    """What a session saw and decided: every event, and what followed from it.

    Example: hftd journal --follow
    """
    from hftd.commands.journal import chosen_journal, print_journal

    path = chosen_journal(state, os.environ, session)
    print_journal(path, client_order_id=order, follow=follow, json=json)


def report(
    state: StateOption = None,
    session: Annotated[
        str | None, typer.Option(metavar="DATE", help="A session's day, like 2026-11-20; default the last one")
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, metavar="N", help="The last N sessions together")] = None,
    backtest: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A backtest instead, by its folder or its name in backtests/")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it here; - for standard output; default STATE/reports")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser")] = False,
    json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="Only the order log, as CSV")] = False,
) -> None:
    """What a session came to: profit, risk, execution, health, every order.

    Example: hftd report --last 5 --open
    """
    from hftd.commands import report as reports

    form = "csv" if csv else "json" if json else None
    if backtest is None:
        chosen = reports.chosen_report(state, os.environ, session, last)
    else:
        chosen = reports.backtest_report(backtest)
    text, file = reports.show(*chosen, out, form)
    print(text, end="")
    if show and file is not None:
        typer.launch(file.absolute().as_uri())


def page(
    settings: SettingsOption = None,
    state: StateOption = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="P", help="TCP port; 0 takes a free one; default web.port")
    ] = None,
    tied: Annotated[bool, typer.Option("--tied", hidden=True)] = False,
    log_format: Annotated[str, typer.Option(hidden=True)] = "auto",
) -> None:
    """Serve the web page of a state directory; a running daemon serves it by itself.

    Example: hftd page --port 8081
    """
    from hftd import logs
    from hftd import state as states
    from hftd.commands.page import Place, run_page, run_tied_page

    logs.configure(log_format, "warning")
    place = states.state_path(state, os.environ)
    if tied:
        return run_tied_page(place)
    web = settings_of(settings, web__port=port).web
    token = web.token.get_secret_value() if web.token else None
    run_page(state, Place(web.host, 8080 if web.port is None else web.port, token), typer.echo)


def show_settings(
    settings: SettingsOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is at its default")] = False,
    json: JsonOption = False,
) -> None:
    """Every setting: its value, its meaning, and where the value came from.

    Example: hftd settings --all
    """
    from hftd.commands.settings import settings_text
    from hftd.commands.text import as_json
    from hftd.settings import settings_table

    rows = settings_table(settings_of(settings))
    shown = [row for row in rows if everything or row.origin != "default"]
    print(as_json(shown) if json else settings_text(rows, everything=everything))
