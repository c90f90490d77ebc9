"""The commands of hftd, by panel of `hftd --help`. Each is a few lines; what it does is imported when it is called."""

import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hftd.cli import acting, backtest, data, looking, markets, running, service, trials
from hftd.cli.options import INTERRUPTED
from hftd.errors import HftdError

PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start here": (running.run, running.check, running.new, running.models, backtest.backtest, running.status),
    "Look at what it does": (
        backtest.compare,
        looking.orders,
        looking.positions,
        looking.journal,
        looking.report,
        looking.page,
        looking.show_settings,
    ),
    "Step in": (acting.halt, acting.reload, acting.swap, acting.promote, acting.resume),
    "Everything else": (
        data.record,
        data.replay,
        data.verify,
        backtest.sweep,
        trials.drill,
        markets.exchange,
        markets.bots,
        markets.sample_data,
        trials.simulate_week,
        service.install,
        service.uninstall,
    ),
}
NAMES = {looking.show_settings: "settings"}
"""Commands whose function could not be called like them; the others are, with - for _."""


class InOrder(TyperGroup):
    """Commands as in the table; typer by itself puts groups before them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return sorted(super().list_commands(ctx), key="data".__eq__)


app = typer.Typer(
    cls=InOrder,
    help="A paper-trading daemon: your model, live bars, paper orders, every session.\n\n"
    "A first look needs no keys and no services: hftd run --speed 60",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"hftd {version('hftd')}")
        raise typer.Exit


@app.callback()
def of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that belong to no command."""


for panel, commands in PANELS.items():
    for command in commands:
        app.command(NAMES.get(command), rich_help_panel=panel)(command)
app.add_typer(data.data, name="data", rich_help_panel=panel)


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
    except OSError as error:
        if error.filename is None:
            raise
        print(f"hftd: {os.fsdecode(error.filename)}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
