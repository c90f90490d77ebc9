"""`hftd exchange`: the simulated exchange alone."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hftd.data.reading import Reading
from hftd.domain.convert import decimal_of
from hftd.errors import SettingsError
from hftd.exchange.market.bots.settings import settings_of
from hftd.exchange.market.latencies import latency_of
from hftd.exchange.market.queues import Queue
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.venue.fees import Fees
from hftd.live.endings import when_told_to_end
from hftd.live.exhaustion import tell_exhaustion_once
from hftd.state import state_path

if TYPE_CHECKING:
    from hftd.live.systemd import Notifier

FASTEST = 1_000_000


def exchange_config(
    *,
    port: int,
    tape: Path | None,
    speed: float,
    seed: int,
    bots: str,
    fees: str,
    latency: str,
    queue: str,
    participation: float | None,
    state: Path | None,
    symbols: str,
    cash: str,
    accounts: Sequence[str],
    requests_a_minute: int,
    faults: Path | None,
    partial_fill_chance: float,
    reject_chance: float,
    control_port: int | None,
    wait: bool,
    wait_for: int,
    tied: bool,
    data: str = "{}",
) -> ExchangeConfig:
    """What the command line asked for. Raises SettingsError."""
    try:
        dollars = decimal_of(cash)
    except ValueError as error:
        raise SettingsError(f"--cash {cash}: expected an amount of dollars, like 100000") from error
    if dollars <= 0:
        raise SettingsError(f"--cash {cash}: expected more than 0 dollars")
    if not 0 < speed <= FASTEST:
        raise SettingsError(f"--speed {speed:g}: expected market seconds in a second, above 0 and up to {FASTEST}")
    return ExchangeConfig(
        state=state or state_path(None, os.environ) / "exchange",
        port=port,
        symbols=tuple(filter(None, symbols.split(","))),
        speed=speed,
        seed=seed,
        bots=settings_of(bots),
        fees=Fees(fees),
        latency=latency_of(latency),
        queue=None if queue == "off" else Queue(queue),
        participation=None if participation is None else decimal_of(participation),
        tape=tape,
        reading=Reading(**json.loads(data)),
        cash=dollars,
        accounts=tuple(accounts) or ("default",),
        requests_a_minute=requests_a_minute,
        faults=faults,
        partial_fill_chance=partial_fill_chance,
        reject_chance=reject_chance,
        control_port=control_port,
        wait=wait,
        wait_for=wait_for,
        tied=tied,
    )


def run_exchange_command(config: ExchangeConfig, *, as_json: bool) -> None:
    """Run it until told to end; the first line of standard output tells where it is, and systemd that it is ready."""
    from hftd.exchange.server.app import Addresses
    from hftd.exchange.server.run import announcement, run_exchange
    from hftd.live.systemd import Notifier

    notifier = Notifier("" if config.tied else None)  # one that belongs to a daemon is no service

    def announce(addresses: Addresses) -> None:
        print(announcement(addresses, as_json=as_json), flush=True)
        notifier.ready()
        notifier.status(f"listening on {addresses.rest}")

    async def until_told_to_stop() -> None:
        stop = asyncio.Event()
        tell_exhaustion_once(asyncio.get_running_loop())
        when_told_to_end(lambda _: stop.set())
        watched = asyncio.create_task(_feed_watchdog(notifier))
        try:
            await run_exchange(config, announce, stop)
        finally:
            notifier.stopping()
            watched.cancel()

    asyncio.run(until_told_to_stop())


async def _feed_watchdog(notifier: "Notifier") -> None:
    """The exchange's loop goes round as long as this is called."""
    while notifier.watchdog_interval_s:
        notifier.watchdog()
        await asyncio.sleep(notifier.watchdog_interval_s / 2)
