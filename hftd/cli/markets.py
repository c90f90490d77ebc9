"""The commands about the simulated exchange and its bots. Each is a few lines over a module of `commands`."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from hftd.cli.options import INTERRUPTED, JsonOption, SettingsOption, StateOption, TapeOption, settings_of


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

    loaded = settings_of(settings, exchange__tape=tape, exchange__speed=speed)
    logs.configure(loaded.log.format, loaded.log.level)
    place = states.state_directory(state)
    with states.lock(place):
        ran = run_bots(loaded, Bots(count, tuple(model or ()), place, url, keys, sessions))
    print(as_json(ran.bots) if json else bots_text(ran.bots))
    if ran.interrupted:
        raise typer.Exit(INTERRUPTED)


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
