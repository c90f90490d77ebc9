"""Running the page until it is told to end or, when tied, until whoever started it has gone."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from hftd.dashboard.app import Page, listen

STDIN = 0
CHUNK_BYTES = 4096
NICENESS = 10
"""The page gives way to trading when both want the processor."""


async def serve_page(page: Page, host: str, port: int, announce: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until `stop` is set; `announce` is told the address. Raises HftdError when it cannot listen there."""
    runner, url = await listen(page, host, port)
    running = asyncio.create_task(page.run())
    try:
        announce(url)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((stopping, running), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if running.done():
            running.result()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await runner.cleanup()


def give_way() -> None:
    """Let others have the processor first."""
    with suppress(OSError):
        os.nice(NICENESS)


def stop_at_end_of_input(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(STDIN, CHUNK_BYTES):
            pass
        with suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="tied-to-stdin", daemon=True).start()
