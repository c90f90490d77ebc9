"""`hftd replay`: a recorded or imported day, served again by the exchange."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from hftd.commands.exchange import FASTEST, run_exchange_command
from hftd.data.reading import Reading
from hftd.domain.convert import decimal_of
from hftd.errors import SettingsError
from hftd.exchange.server.config import ExchangeConfig


def replay(
    path: Path,
    session: str | None,
    speed: float,
    symbols: Sequence[str],
    port: int,
    cash: str,
    accounts: Sequence[str],
    wait_for: int | None,
    reading: Reading,
    *,
    as_json: bool,
) -> None:
    """Run an exchange that plays `path` on new accounts, until told to end. Raises SettingsError, DataError."""
    if not 0 < speed <= FASTEST:
        raise SettingsError(f"--speed {speed:g}: expected market seconds in a second, above 0 and up to {FASTEST}")
    with tempfile.TemporaryDirectory(prefix="hftd-replay-") as state:
        config = ExchangeConfig(
            state=Path(state),
            port=port,
            symbols=tuple(symbols),
            speed=speed,
            tape=path,
            day=day_of(session) if session else None,
            reading=reading,
            cash=decimal_of(cash),
            accounts=tuple(accounts) or ("default",),
            requests_a_minute=0,
            wait=wait_for is not None,
            wait_for=wait_for or 1,
        )
        run_exchange_command(config, as_json=as_json)


def day_of(text: str) -> date:
    """The day of `--session`. Raises SettingsError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--session {text}: expected a day like 2026-11-20") from error
