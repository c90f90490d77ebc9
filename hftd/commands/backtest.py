"""`hftd backtest`: what is asked for on the command line, run, shown and kept."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from hftd.backtest.many import run_many
from hftd.backtest.prepare import past_of
from hftd.backtest.request import Request
from hftd.backtest.result import Result
from hftd.backtest.run import Progress, run_task
from hftd.calendar import Calendar
from hftd.commands.text import columns
from hftd.errors import SettingsError

FOLDER = Path("backtests")

Summary = Mapping[str, Any]


def overrides(
    seed: int | None,
    fees: str | None,
    queue: str | None,
    participation: float | None,
    latency: str | None,
    cash: float | None,
) -> dict[str, object]:
    """What the command line says of the exchange, by dotted name; None is not said."""
    given = {
        "seed": seed,
        "fees": fees,
        "queue": queue,
        "participation": None if participation is None else exact(participation),
        "latency": latency,
        "cash": None if cash is None else exact(cash),
    }
    return {f"exchange.{name}": value for name, value in given.items() if value is not None}


def exact(number: float) -> Decimal:
    """The number as it was typed."""
    return Decimal(repr(number)).normalize()


def names_of(text: str) -> tuple[str, ...]:
    """A,B as names."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def pairs_of(given: Sequence[str]) -> list[tuple[str, str]]:
    """NAME=VALUE as (name, value). Raises SettingsError."""
    pairs = [text.partition("=") for text in given]
    for name, sign, _ in pairs:
        if not sign or not name.isidentifier():
            raise SettingsError(f"--param {name}{sign}: expected NAME=VALUE, like quantity=5")
    return [(name, value) for name, _, value in pairs]


def parameters_of(given: Sequence[str]) -> dict[str, Any]:
    """Values as in settings.yaml."""
    return {name: value_of(name, text) for name, text in pairs_of(given)}


def value_of(name: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--param {name}: {text!r} cannot be read: expected a value as in settings.yaml") from error


def grid_of(given: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of NAME=VALUE,VALUE,... in the order given, the last name changing fastest."""
    choices = [[(name, value_of(name, one)) for one in text.split(",")] for name, text in pairs_of(given)]
    return [dict(combination) for combination in product(*choices)]


def run_one(request: Request, data: Sequence[Path], out: Path | None, driver: str) -> tuple[Result, Path]:
    """Run and save; returns the result and where it is."""
    task = request.task(past_of(data, request.symbols, request.reading), Calendar())
    with progress_bar(len(task.sessions), "sessions") as progress:
        result = run_task(task, progress, driver, tell=lambda words: print(words, file=sys.stderr, flush=True))
    folder = out or FOLDER / name_of(result.summary)
    result.save(folder)
    return result, folder


def run_several(
    requests: Sequence[Request], data: Sequence[Path], out: Path | None, driver: str, jobs: int = 0
) -> list[dict[str, Any]]:
    """Run in parallel; each is saved in a folder of its own when `out` is given."""
    symbols = tuple(dict.fromkeys(symbol for request in requests for symbol in request.symbols))
    past = past_of(data, symbols, requests[0].reading)
    places = places_of(out, len(requests))
    with progress_bar(len(requests), "backtests") as progress:
        return run_many(requests, past, jobs=jobs, driver=driver, out=places, progress=progress)


def places_of(out: Path | None, count: int) -> list[Path]:
    """A folder in `out` for each of `count` results, in order; none without `out`."""
    return [out / f"{number:0{len(str(count))}d}" for number in range(1, count + 1)] if out else []


def name_of(summary: Summary) -> str:
    """A folder's name: the same for the same backtest, and for no other."""
    known = {name: value for name, value in summary.items() if name not in ("seconds", "driver", "why")}
    return f"{summary['model']}-{sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:8]}"


@contextmanager
def progress_bar(total: int, what: str) -> Iterator[Progress]:
    """To be told how many are done; a bar is drawn on a terminal only."""
    if not sys.stderr.isatty() or total < 2:
        yield lambda done: None
        return
    from rich import progress
    from rich.console import Console

    shown = (progress.TextColumn(what), progress.BarColumn(), progress.MofNCompleteColumn())
    console = Console(stderr=True)
    with progress.Progress(*shown, progress.TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


# -- showing ----------------------------------------------------------------------------------------------------------


def money(value: float) -> str:
    return f"{value:,.2f}"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.3f} %"


def won(rate: float | None) -> str:
    return "" if rate is None else f", {rate:.1%} of them won"


def figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def summary_rows(summary: Summary) -> list[tuple[str, str]]:
    """What a person wants to know, in words."""
    figures = summary["figures"]
    position = ", ".join(f"{symbol} {quantity:g}" for symbol, quantity in summary["position"].items())
    return [
        ("model", f"{summary['model']} {summary['fingerprint'][:12]}"),
        ("parameters", ", ".join(f"{name}={value}" for name, value in summary["parameters"].items()) or "none"),
        ("data", f"{', '.join(summary['symbols'])}, {summary['first']} to {summary['last']}"),
        ("sessions", f"{summary['sessions']:,}"),
        ("bars", f"{summary['bars']:,}{besides(summary['quarantined'], 'bad ones set aside')}"),
        *([("ticks", f"{summary['ticks']:,} quotes and trades")] if summary["ticks"] else []),
        ("decisions", f"{summary['signals']['buy']:,} to buy, {summary['signals']['sell']:,} to sell"),
        ("orders", f"{summary['orders']:,}{besides(summary['refused'], 'more refused by risk')}"),
        ("fills", f"{summary['fills']:,}{besides(summary['rejected'], 'orders rejected')}"),
        ("position", position or "flat"),
        ("equity", money(summary["equity"])),
        ("P&L", f"{summary['pnl']:+,.2f} ({percent(figures['total_return'])})"),
        ("fees", money(summary["fees"])),
        ("slippage", money(summary["slippage"])),
        ("Sharpe", figure(figures["sharpe"])),
        ("drawdown", percent(figures["max_drawdown"])),
        ("trades", f"{figures['trades']:,.0f} closed{won(figures['win_rate'])}"),
        ("speed", f"{speed_of(summary)}, {summary['driver']} driver"),
    ]


def speed_of(summary: Summary) -> str:
    what = "ticks" if summary["ticks"] else "bars"
    return f"{summary[what] / max(summary['seconds'], 1e-3):,.0f} {what}/s"


def besides(count: int, what: str) -> str:
    return f" ({count:,} {what})" if count else ""


def show_summary(summary: Summary, folder: Path) -> None:
    """The summary, why no faster driver did, and where the tables are."""
    show(summary_rows(summary))
    if summary["why"]:
        print(summary["why"])
    print(f"kept in {folder}: summary.json, and equity, orders, fills, bars as Parquet")


def show_table(summaries: Sequence[Summary], labels: Sequence[Mapping[str, Any]]) -> None:
    """One row a backtest."""
    show(table_rows(summaries, labels), heading=True)


SHOWN = ("equity", "pnl", "return", "Sharpe", "drawdown", "orders", "fees")


def table_rows(summaries: Sequence[Summary], labels: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """One row a backtest: what tells it from the others, then its figures."""
    names = list(dict.fromkeys(name for label in labels for name in label))
    rows = [[*names, *SHOWN]]
    for summary, label in zip(summaries, labels, strict=True):
        figures = summary["figures"]
        own = [str(label.get(name, "")) for name in names]
        rows.append(
            [
                *own,
                money(summary["equity"]),
                f"{summary['pnl']:+,.2f}",
                percent(figures["total_return"]),
                figure(figures["sharpe"]),
                percent(figures["max_drawdown"]),
                f"{summary['orders']:,}",
                money(summary["fees"]),
            ]
        )
    return rows


def show(rows: Sequence[Sequence[str]], *, title: str = "", heading: bool = False) -> None:
    """Rows as a table: with lines and colours on a terminal, plain elsewhere."""
    if not sys.stdout.isatty():
        print(columns(rows))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, box=SIMPLE_HEAD, show_header=heading)
    for name in rows[0]:
        table.add_column(name if heading else "")
    for row in rows[1:] if heading else rows:
        table.add_row(*row)
    Console().print(table)
