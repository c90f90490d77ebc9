"""`hftd exchange`: the exchange as a process of its own."""

import asyncio
import os
import threading
from collections.abc import Callable

import msgspec
import structlog

from hftd.exchange.server.app import Addresses, serve
from hftd.exchange.server.config import ExchangeConfig

STDIN = 0
CHUNK_BYTES = 4096

log = structlog.get_logger()


async def run_exchange(config: ExchangeConfig, announce: Callable[[Addresses], None], stop: asyncio.Event) -> None:
    """Run an exchange until `stop` is set or, when tied, standard input ends. `announce` is told where it listens.

    Raises HftdError when it cannot start, or can no longer keep its state.
    """
    async with await serve(config) as running:
        announce(running.addresses())
        log.info("exchange.started", port=running.port, state=str(config.state), speed=config.speed)
        if config.tied:
            _stop_at_end_of_input(stop)
        stopping = asyncio.create_task(stop.wait())
        ending = asyncio.create_task(running.wait())
        await asyncio.wait((stopping, ending), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if ending.done():
            ending.result()
    log.info("exchange.stopped", state=str(config.state))


def announcement(addresses: Addresses, *, as_json: bool) -> str:
    """The first line of standard output: where the exchange is found, and a key."""
    if as_json:
        return msgspec.json.encode(addresses).decode()
    return (
        f"rest {addresses.rest}  stream {addresses.stream}  trades {addresses.trades}  "
        f"key {addresses.key}  secret {addresses.secret}"
    )


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends: whoever started this process has gone."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(STDIN, CHUNK_BYTES):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="tied-to-stdin", daemon=True).start()
