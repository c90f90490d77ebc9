"""`hftd exchange`: the simulated exchange alone."""

import json as json_
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hftd.domain.convert import decimal_of
from hftd.errors import SettingsError
from hftd.exchange.server.config import ExchangeConfig
from hftd.state import state_path


def exchange_config(
    *,
    port: int,
    tape: Path | None,
    speed: float,
    seed: int,
    state: Path | None,
    symbols: str,
    cash: str,
    accounts: Sequence[str],
    wait: bool,
    tied: bool,
) -> ExchangeConfig:
    """What the command line asked for. Raises SettingsError."""
    try:
        dollars = decimal_of(cash)
    except ValueError as error:
        raise SettingsError(f"--cash {cash}: expected an amount of dollars, like 100000") from error
    if dollars <= 0:
        raise SettingsError(f"--cash {cash}: expected more than 0 dollars")
    if speed <= 0:
        raise SettingsError(f"--speed {speed:g}: expected more than 0 market seconds in a second")
    return ExchangeConfig(
        state=state or state_path(None, os.environ) / "exchange",
        port=port,
        symbols=tuple(filter(None, symbols.split(","))),
        speed=speed,
        seed=seed,
        tape=tape,
        cash=dollars,
        accounts=tuple(accounts) or ("default",),
        wait=wait,
        tied=tied,
    )


def run_exchange_command(config: ExchangeConfig, *, json: bool) -> None:
    """Run it until it is told to stop; the first line of standard output tells where it is."""
    from hftd.exchange.server.run import run_exchange

    def announce(addresses: Mapping[str, str]) -> None:
        words = " ".join(f"{name}={value}" for name, value in addresses.items())
        print(json_.dumps(addresses) if json else words, flush=True)

    status = run_exchange(config, announce)
    if status:
        sys.exit(status)
