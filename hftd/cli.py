"""The commands of hftd. Each is a few lines; what it does is imported when it is called."""

import os
import sys
from datetime import datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from hftd import cli_backtest
from hftd.cli_data import register
from hftd.cli_options import JsonOption, SettingsOption, StateOption
from hftd.cli_options import settings_of as _settings
from hftd.errors import HftdError

FIRST = "Start here"
LOOKING = "Look at what it does"
ACTING = "Step in"
REST = "Everything else"
PANELS = (FIRST, LOOKING, ACTING, REST)
INTERRUPTED = 130


class Panelled(TyperGroup):
    """Commands in the order of their panels, wherever they were registered."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return sorted(super().list_commands(ctx), key=lambda name: PANELS.index(self._panel_of(name)))

    def _panel_of(self, name: str) -> str:
        panel = getattr(self.commands[name], "rich_help_panel", None)
        return panel if panel in PANELS else REST


app = typer.Typer(
    cls=Panelled,
    help="A paper-trading daemon: your model, live bars, paper orders, every session.\n\n"
    "A first look needs no keys and no services: hftd run --speed 60",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

register(app, REST)

TapeOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Play these recorded minute bars (Parquet or CSV)")
]


def main() -> None:
    """Run a command and exit with its status: 0, 1, 2 usage, 78 configuration, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale that lacks a character costs that character alone
    try:
        app(prog_name="hftd")
    except HftdError as error:
        print(f"hftd: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@app.command(rich_help_panel=FIRST)
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

    read = partial(_settings, settings, exchange__tape=tape, exchange__speed=speed, log__format=log_format)
    loaded = read()
    logs.configure(loaded.log.format, loaded.log.level)
    place = states.state_directory(state)
    with states.lock(place):
        ended = live.run(loaded, place, dict(os.environ), sessions, read)
    summary = live.summary_of(ended.outcome)
    print(as_json_line(summary) if json else live.summary_text(ended.outcome))
    if ended.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command(rich_help_panel=FIRST)
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


@app.command(rich_help_panel=FIRST)
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

    file = new_model(name, _settings(settings).models_folder, as_folder=folder)
    print(f"{file} written; name it in settings.yaml under model, and try it with hftd check")


@app.command(rich_help_panel=FIRST)
def models(
    verify: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hold this model to the contract: made-up days, twice, in parts")
    ] = None,
    param: cli_backtest.ParameterOption = None,
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

    folder = _settings(settings).models_folder
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


app.command(rich_help_panel=FIRST)(cli_backtest.backtest)


app.command(rich_help_panel=LOOKING)(cli_backtest.compare)


app.command(rich_help_panel=REST)(cli_backtest.sweep)


@app.command(rich_help_panel=FIRST)
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


@app.command(rich_help_panel=LOOKING)
def orders(state: StateOption = None, json: JsonOption = False) -> None:
    """The orders of the current session, or of the last one.

    Example: hftd orders
    """
    from hftd.commands.look import orders_of, rows_text
    from hftd.commands.text import as_json

    rows = orders_of(state, os.environ)
    print(as_json(rows) if json else rows_text(rows, "no orders"))


@app.command(rich_help_panel=LOOKING)
def positions(state: StateOption = None, json: JsonOption = False) -> None:
    """What each model holds, and what it gained or lost.

    Example: hftd positions
    """
    from hftd.commands.look import positions_of, rows_text
    from hftd.commands.text import as_json

    rows = positions_of(state, os.environ)
    print(as_json(rows) if json else rows_text(rows, "no positions"))


@app.command(rich_help_panel=LOOKING)
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


@app.command(rich_help_panel=LOOKING)
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


@app.command(rich_help_panel=LOOKING)
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
    web = _settings(settings, web__port=port).web
    token = web.token.get_secret_value() if web.token else None
    run_page(state, Place(web.host, 8080 if web.port is None else web.port, token), print)


@app.command(rich_help_panel=ACTING)
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


@app.command(rich_help_panel=ACTING)
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


@app.command(rich_help_panel=ACTING)
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


@app.command(rich_help_panel=ACTING)
def resume(
    reason: Annotated[str, typer.Argument(metavar="[REASON]", help="Kept in the journal")] = "",
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """End every halt that a person may end; exit status 1 if any is still in force.

    Example: hftd resume
    """
    from hftd.commands.halt import halting_text
    from hftd.commands.halt import resume as resume_daemon
    from hftd.commands.text import as_json

    told = resume_daemon(state, os.environ, reason)
    print(as_json(told) if json else halting_text(told))
    raise typer.Exit(1 if told["halts"] else 0)


@app.command(rich_help_panel=REST)
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
    results = run_drill(_settings(settings), file, lambda result: print(result.fault, file=sys.stderr), fault or ())
    print(as_json(summary_of(results)) if json else drill_text(results))
    raise typer.Exit(exit_status_of(results))


@app.command("settings", rich_help_panel=LOOKING)
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

    rows = settings_table(_settings(settings))
    shown = [row for row in rows if everything or row.origin != "default"]
    print(as_json(shown) if json else settings_text(rows, everything=everything))


@app.command(rich_help_panel=REST)
def exchange(
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="P", help="TCP port; 0 takes a free one")] = 0,
    tape: TapeOption = None,
    speed: Annotated[float, typer.Option(metavar="X", help="Market seconds in a second")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Start of the market of bots")] = 1,
    bots: Annotated[
        str, typer.Option(metavar="JSON", help='Who trades in it, like {"makers": 12}; see docs/market.md')
    ] = "{}",
    fees: Annotated[
        Literal["none", "regulatory", "per_share", "maker_taker"], typer.Option(help="What trading costs")
    ] = "none",
    latency: Annotated[
        str, typer.Option(metavar="POLICY", help="How long orders are on their way: none, constant:5ms, ...")
    ] = "none",
    queue: Annotated[
        Literal["off", "front", "back", "proportional"],
        typer.Option(help="Where in a tape's quotes an order rests; off fills whatever the size"),
    ] = "off",
    participation: Annotated[
        float | None, typer.Option(metavar="PART", help="The part of a minute of a tape that users may be, like 0.1")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where accounts are kept; default STATE/exchange")
    ] = None,
    symbols: Annotated[str, typer.Option(metavar="A,B", help="What is traded; default SPY, or all of the tape")] = "",
    cash: Annotated[str, typer.Option(metavar="DOLLARS", help="In each new account")] = "100000",
    account: Annotated[list[str] | None, typer.Option(metavar="NAME", help="An account; may be repeated")] = None,
    json: JsonOption = False,
    log_format: Annotated[
        Literal["auto", "console", "json"], typer.Option(help="How the log is written to standard error")
    ] = "auto",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="The least important line to write")
    ] = "info",
    requests_a_minute: Annotated[
        int, typer.Option(min=0, metavar="N", help="Each key's limit of requests; 0 for none")
    ] = 200,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="A schedule of faults to play")] = None,
    partial_fill_chance: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="How often an order is filled only in part at first")
    ] = 0.0,
    reject_chance: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="How often an order is rejected for no reason")
    ] = 0.0,
    control_port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="P", help="Open a second address that takes faults")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", hidden=True)] = False,
    wait_for: Annotated[int, typer.Option("--wait-for", min=1, hidden=True)] = 1,
    tied: Annotated[bool, typer.Option("--tied", hidden=True)] = False,
    data: Annotated[str, typer.Option("--data", hidden=True)] = "{}",
) -> None:
    """Run the simulated exchange alone; any Alpaca client can trade on it.

    Its first line of output gives the addresses and a key.

    Example: hftd exchange --port 8090 --speed 60
    """
    from hftd import logs
    from hftd.commands.exchange import exchange_config, run_exchange_command

    logs.configure(log_format, log_level)
    config = exchange_config(
        port=port,
        tape=tape,
        speed=speed,
        seed=seed,
        bots=bots,
        fees=fees,
        latency=latency,
        queue=queue,
        participation=participation,
        state=state,
        symbols=symbols,
        cash=cash,
        accounts=account or [],
        requests_a_minute=requests_a_minute,
        faults=faults,
        partial_fill_chance=partial_fill_chance,
        reject_chance=reject_chance,
        control_port=control_port,
        wait=wait,
        wait_for=wait_for,
        tied=tied,
        data=data,
    )
    run_exchange_command(config, as_json=json)


@app.command(rich_help_panel=REST)
def bots(
    count: Annotated[int, typer.Option(min=1, max=200, metavar="N", help="How many")] = 4,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A model; several take turns; default: those of the settings"),
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="An exchange that runs already; default: one of their own")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The keys.json of that exchange; default STATE/exchange/keys.json"),
    ] = None,
    sessions: Annotated[int | None, typer.Option(min=1, metavar="N", help="End after N sessions have closed")] = None,
    settings: SettingsOption = None,
    state: StateOption = None,
    tape: TapeOption = None,
    speed: Annotated[float | None, typer.Option(metavar="X", help="Market seconds in a second")] = None,
    json: JsonOption = False,
) -> None:
    """Run many daemons on one simulated exchange: each has an account, a state and a log of its own.

    Example: hftd bots --count 8 --speed 60
    """
    from hftd import logs
    from hftd import state as states
    from hftd.commands.bots import Bots, bots_text, run_bots
    from hftd.commands.text import as_json

    loaded = _settings(settings, exchange__tape=tape, exchange__speed=speed)
    logs.configure(loaded.log.format, loaded.log.level)
    place = states.state_directory(state)
    with states.lock(place):
        ran = run_bots(loaded, Bots(count, tuple(model or ()), place, url, keys, sessions))
    print(as_json(ran.bots) if json else bots_text(ran.bots))
    if ran.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command(rich_help_panel=REST)
def sample_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write")],
    symbols: Annotated[str, typer.Option(metavar="A,B", help="What is traded")] = "SPY",
    sessions: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many sessions")] = 1,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day; default: the last sessions")
    ] = None,
    tables: Annotated[
        str, typer.Option(metavar="A,B", help="Of bars, trades, quotes and messages")
    ] = "bars,trades,quotes,messages",
    form: Annotated[str, typer.Option("--format", metavar="parquet|csv", help="The kind of files")] = "parquet",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Start of the market of bots")] = 1,
    wakes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Decisions of bots a session: two to three messages each")
    ] = None,
) -> None:
    """Write sessions of the market of bots to files: bars, trades, quotes, and every message to the order book.

    Example: hftd sample-data samples --symbols SPY,AAPL --sessions 5
    """
    from hftd.calendar import Calendar
    from hftd.clock import wall_ns
    from hftd.commands.sample_data import Sample, checked, sample_settings, sessions_of, write_sample

    day = first.date() if first else None
    names = tuple(filter(None, symbols.split(",")))
    wanted = tuple(filter(None, tables.split(",")))
    sample = checked(Sample(folder, names, day, sessions, wanted, form, sample_settings(seed, wakes)))
    found = sessions_of(sample, Calendar(), wall_ns())
    with typer.progressbar(length=len(found), label="sessions", file=sys.stderr) as bar:
        for file, rows in write_sample(sample, found, lambda: bar.update(1)).items():
            print(f"{file}  {rows} rows")


@app.command("simulate-week", rich_help_panel=REST)
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

    days = week_of(_settings(settings), first.date() if first else None)
    print(as_json(days) if json else week_text(days))


@app.command(rich_help_panel=REST)
def install(
    prefix: Annotated[Path | None, typer.Option(metavar="DIR", help="Where hftd goes; default /opt/hftd")] = None,
    user: Annotated[bool, typer.Option("--user", help="As a service of yours alone, without root")] = False,
    packages: Annotated[
        list[str] | None, typer.Option("--with", metavar="PACKAGE", help="Also this, for a model; may be repeated")
    ] = None,
    keys: Annotated[
        str | None, typer.Option(metavar="FILE", help="A broker's keys: a file of NAME=VALUE lines, or - to be asked")
    ] = None,
    exchange: Annotated[bool, typer.Option("--exchange", help="Trade on hftd-exchange.service")] = False,
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="Put everything beneath DIR, for an image")] = None,
) -> None:
    """Install hftd as a service, or upgrade it: settings, models, keys and state stay as they are.

    Example: hftd install --user --with scikit-learn
    """
    from hftd.commands.install import install as install_hftd
    from hftd.commands.install import places_of

    places = places_of(prefix, os.environ, for_user=user, root=root)
    print(install_hftd(places, packages or (), keys, exchange=exchange))


@app.command(rich_help_panel=REST)
def uninstall(
    prefix: Annotated[Path | None, typer.Option(metavar="DIR", help="Where hftd is; default /opt/hftd")] = None,
    user: Annotated[bool, typer.Option("--user", help="The service of yours alone")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Also state, settings, models")] = False,
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="What was put beneath DIR")] = None,
) -> None:
    """Stop the service and remove it. State stays, and settings and models that you have changed.

    Example: hftd uninstall --user
    """
    from hftd.commands.install import places_of
    from hftd.commands.install import uninstall as uninstall_hftd

    print(uninstall_hftd(places_of(prefix, os.environ, for_user=user, root=root), purge=purge))
