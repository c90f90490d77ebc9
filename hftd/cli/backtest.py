"""The commands about backtests. Each is a few lines; what it does is imported when it is called."""

import sys
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from hftd.cli.options import JsonOption, SettingsOption

DataOption = Annotated[
    list[Path], typer.Option("--data", metavar="PATH", help="Bars: a Parquet or CSV file, or a folder; may be repeated")
]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--param", metavar="K=V", help="A parameter of the model; may be repeated")
]
FromOption = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day to trade")]
ToOption = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day to trade")]
SymbolsOption = Annotated[str, typer.Option(metavar="A,B", help="What to trade; default: as in the settings")]
SeedOption = Annotated[int | None, typer.Option(min=0, metavar="N", help="Start of all chance")]
FeesOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="What trading costs: none, regulatory, per_share or maker_taker")
]
QueueOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Where orders rest in a quote: off, front, back or proportional")
]
ParticipationOption = Annotated[
    float | None, typer.Option(metavar="PART", help="The part of a minute's volume that may be ours, like 0.1")
]
SlippageOption = Annotated[
    float, typer.Option(min=0, metavar="BPS", help="Basis points by which what takes a quote is filled worse")
]
LatencyOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long orders are on their way, like constant:5ms")
]
CashOption = Annotated[float | None, typer.Option(min=0, metavar="DOLLARS", help="What to begin with")]
DriverOption = Annotated[
    Literal["auto", "plain", "lean", "compiled"],
    typer.Option(help="auto: the fastest that does the same"),
]
JobsOption = Annotated[int, typer.Option(min=0, metavar="N", help="Processes at once; 0: one for each processor")]


def backtest(
    model: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Names in the models folder, or paths")],
    data: DataOption,
    param: ParameterOption = None,
    first: FromOption = None,
    last: ToOption = None,
    symbols: SymbolsOption = "",
    settings: SettingsOption = None,
    seed: SeedOption = None,
    fees: FeesOption = None,
    queue: QueueOption = None,
    participation: ParticipationOption = None,
    slippage: SlippageOption = 0.0,
    latency: LatencyOption = None,
    cash: CashOption = None,
    driver: DriverOption = "auto",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the result is kept; default backtests/MODEL-HASH")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Trade recorded bars with a model, as the daemon would: same engine, limits and exchange, in seconds.

    Example: hftd backtest volume_17_31 --data bars.parquet
    """
    from hftd.backtest.request import Wishes, base_of, request_of
    from hftd.commands import backtest as command
    from hftd.commands.text import as_json

    overrides = command.overrides(seed, fees, queue, participation, latency, cash)
    wishes = Wishes(
        symbols=command.names_of(symbols),
        parameters=command.parameters_of(param or ()),
        first=first.date() if first else None,
        last=last.date() if last else None,
        slippage_bps=command.exact(slippage),
    )
    base = base_of(settings, overrides)
    requests = [request_of(name, base, wishes) for name in model]
    if len(requests) > 1:
        with redirect_stdout(sys.stderr):
            summaries = command.run_several(requests, data, out, driver)
        print(as_json(summaries)) if json else command.show_table(summaries, [{"model": name} for name in model])
        return
    with redirect_stdout(sys.stderr):  # what models print is no data of ours
        result, folder = command.run_one(requests[0], data, out, driver)
    if json:
        print(as_json({**result.summary, "folder": str(folder)}))
    else:
        command.show_summary(result.summary, folder)


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="The folder of a backtest's result")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The folder of another one")],
    json: JsonOption = False,
) -> None:
    """Two backtests side by side, and the first trade in which they part.

    Example: hftd compare backtests/before backtests/after
    """
    from hftd.commands.backtest import show
    from hftd.commands.compare import compared, comparison_rows, comparison_text
    from hftd.commands.text import as_json

    found = compared(first, second)
    if json:
        print(as_json(found))
        return
    show(comparison_rows(found), heading=True)
    print(comparison_text(found))


def sweep(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name in the models folder, or a path")],
    data: DataOption,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="K=V,V", help="A parameter and its values; several: every combination"),
    ] = None,
    by_day: Annotated[bool, typer.Option("--by-day", help="Each session by itself, from the same cash")] = False,
    first: FromOption = None,
    last: ToOption = None,
    symbols: SymbolsOption = "",
    settings: SettingsOption = None,
    seed: SeedOption = None,
    fees: FeesOption = None,
    queue: QueueOption = None,
    participation: ParticipationOption = None,
    slippage: SlippageOption = 0.0,
    latency: LatencyOption = None,
    cash: CashOption = None,
    driver: DriverOption = "auto",
    jobs: JobsOption = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where each result is kept; default: nowhere")] = None,
    json: JsonOption = False,
) -> None:
    """Backtest a model with many values of its parameters, or day by day, in parallel.

    Example: hftd sweep volume_17_31 --data bars.parquet --param sell_multiple=13,17,19
    """
    from hftd.backtest.request import Wishes, base_of
    from hftd.commands import backtest as command
    from hftd.commands import sweep as sweeping
    from hftd.commands.text import as_json

    overrides = command.overrides(seed, fees, queue, participation, latency, cash)
    wishes = Wishes(
        symbols=command.names_of(symbols),
        first=first.date() if first else None,
        last=last.date() if last else None,
        slippage_bps=command.exact(slippage),
    )
    plan = sweeping.plan_of(model, base_of(settings, overrides), wishes, param or (), data, by_day=by_day)
    with redirect_stdout(sys.stderr):
        summaries = sweeping.run_sweep(plan, out, driver, jobs)
    if json:
        print(as_json([{**label, "summary": summary} for label, summary in zip(plan.labels, summaries, strict=True)]))
    else:
        command.show_table(summaries, plan.labels)
