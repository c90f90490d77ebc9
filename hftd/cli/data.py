"""The commands about recorded data. Each is a few lines; what it does is imported when it is called."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hftd.cli.options import (
    ColumnOption,
    FormatOption,
    JsonOption,
    SettingsOption,
    StampedOption,
    StateOption,
    SymbolOption,
    SymbolsOption,
    VolumeOption,
    ZoneOption,
    settings_of,
)

PathsArgument = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders (Parquet, CSV)")]

data = typer.Typer(
    help="Recorded market data: import, check, look at, fetch.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _reading(settings: Path | None, **given: Any) -> Any:
    from hftd.commands.data import reading_of

    return reading_of(settings, os.environ, given)


@data.command("import")
def import_(
    paths: PathsArgument,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where the clean files go")],
    symbols: SymbolsOption = "",
    column: ColumnOption = None,
    time_zone: ZoneOption = None,
    time_format: FormatOption = None,
    stamped: StampedOption = None,
    symbol: SymbolOption = None,
    volume: VolumeOption = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Clean files of bars, trades or quotes, and write them in order of time, one Parquet file of each kind.

    Example: hftd data import downloads --into data --time-zone America/New_York
    """
    from hftd.commands.data import import_data, report_text
    from hftd.commands.text import as_json

    told = dict(time_zone=time_zone, time_format=time_format, stamped=stamped, symbol=symbol, volume=volume)
    report = import_data(paths, into, _reading(settings, columns=column, **told), _names(symbols))
    print(as_json(report) if json else report_text(report))


@data.command()
def check(
    paths: PathsArgument,
    symbols: SymbolsOption = "",
    column: ColumnOption = None,
    time_zone: ZoneOption = None,
    time_format: FormatOption = None,
    stamped: StampedOption = None,
    symbol: SymbolOption = None,
    volume: VolumeOption = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Look for gaps, duplicates, bad prints, splits and rows out of order; exit status 1 if there are errors.

    Example: hftd data check data
    """
    from hftd.commands.data import check_data, report_text
    from hftd.commands.text import as_json

    told = dict(time_zone=time_zone, time_format=time_format, stamped=stamped, symbol=symbol, volume=volume)
    report = check_data(paths, _reading(settings, columns=column, **told), _names(symbols))
    print(as_json(report) if json else report_text(report))
    raise typer.Exit(1 if report.has_errors else 0)


@data.command()
def info(
    paths: PathsArgument,
    column: ColumnOption = None,
    time_zone: ZoneOption = None,
    volume: VolumeOption = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """What files hold: their kind, rows and times, without reading them through.

    Example: hftd data info data
    """
    from hftd.commands.data import info_of, info_text
    from hftd.commands.text import as_json

    rows = info_of(paths, _reading(settings, columns=column, time_zone=time_zone, volume=volume))
    print(as_json(rows) if json else info_text(rows))


@data.command()
def fetch(
    symbols: Annotated[str, typer.Argument(metavar="SYMBOLS", help="Like SPY,AAPL")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day")],
    timeframe: Annotated[str, typer.Option(metavar="T", help="1Min, 5Min, 15Min, 30Min or 1Hour")] = "1Min",
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where the files go")] = Path("data"),
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Get bars from the broker's history, a file for each session; what is there already is not asked for again.

    Example: hftd data fetch SPY,AAPL --from 2026-01-02 --to 2026-06-30
    """
    from hftd.commands.data import progress_of
    from hftd.commands.fetch import Wish, checked, client_of, now_ns, sessions_of
    from hftd.commands.fetch import fetch as fetch_bars
    from hftd.commands.text import as_json_line

    loaded = settings_of(settings)
    wish = checked(Wish(_names(symbols), first.date(), last.date(), timeframe, into, loaded.broker.feed))
    client, sessions = client_of(loaded, os.environ), sessions_of(wish, now_ns())
    with progress_of(len(sessions), "sessions") as step:
        told = fetch_bars(wish, client, sessions, step)
    text = f"{told['fetched']} of {told['sessions']} sessions fetched, {told['rows']} bars, in {told['folder']}"
    print(as_json_line(told) if json else text)


def record(
    symbols: SymbolsOption = "",
    seconds: Annotated[
        float | None, typer.Option("--for", min=0, metavar="SECONDS", help="End after so long; default: when told to")
    ] = None,
    settings: SettingsOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Write all market data of a broker's feed to STATE/records, without trading, until Ctrl-C.

    Example: hftd record --symbols SPY,AAPL
    """
    from hftd import logs
    from hftd import state as states
    from hftd.commands.text import as_json_line
    from hftd.live.record import record as record_feed

    loaded = settings_of(settings)
    logs.configure(loaded.log.format, loaded.log.level)
    place = states.state_directory(state)
    told = record_feed(loaded, place, dict(os.environ), _names(symbols) or loaded.symbols, seconds)
    print(as_json_line(told) if json else f"{told['messages']} messages in {told['folder']}")


def replay(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file or folder: recorded or imported")],
    session: Annotated[str | None, typer.Option(metavar="DATE", help="Only this day, like 2026-11-20")] = None,
    speed: Annotated[float, typer.Option(metavar="N", help="Market seconds in a second")] = 1.0,
    symbols: SymbolsOption = "",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="P", help="TCP port; 0 takes a free one")] = 0,
    cash: Annotated[str, typer.Option(metavar="DOLLARS", help="In each account")] = "100000",
    account: Annotated[list[str] | None, typer.Option(metavar="NAME", help="An account; may be repeated")] = None,
    wait_for: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Begin when clients of N accounts follow its clock")
    ] = None,
    column: ColumnOption = None,
    time_zone: ZoneOption = None,
    volume: VolumeOption = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Serve a recorded day again, as an exchange: every bar, trade and quote in order, for any client.

    Its first line of output gives the addresses and a key. Accounts are new and are not kept.

    Example: hftd replay ~/.local/state/hftd/records --session 2026-11-20 --speed 60
    """
    from hftd import logs
    from hftd.commands.replay import replay as replay_day

    logs.configure("auto", "info")
    reading = _reading(settings, columns=column, time_zone=time_zone, volume=volume)
    replay_day(path, session, speed, _names(symbols), port, cash, account or [], wait_for, reading, as_json=json)


def verify(
    session: Annotated[
        str | None, typer.Option(metavar="DATE", help="A session's day, like 2026-11-20; default the last one")
    ] = None,
    state: StateOption = None,
    recorded: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", help="Data of the day; default what was recorded"),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="Other settings than those of the session")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prove a session: replay its journal, command by command, then trade its day again on recorded data.

    Exit status 1 if the replay gives anything else. The receipt is kept in STATE/receipts.

    Example: hftd verify --session 2026-11-20
    """
    from hftd import logs
    from hftd.commands.text import as_json
    from hftd.commands.verify import receipt_text
    from hftd.commands.verify import verify as verify_session

    logs.configure("console", "error")
    receipt = verify_session(settings, state, os.environ, session, recorded)
    print(as_json(receipt) if json else receipt_text(receipt))
    raise typer.Exit(0 if receipt.proves else 1)
