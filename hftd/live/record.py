"""`hftd record`: a broker's market data written to files, without trading."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from hftd.broker.base import ClockAnnouncement, FeedState, FeedStatus, Message, UnknownMessage
from hftd.clock import ExchangeClock
from hftd.live.connection import Connection, connect_to
from hftd.live.endings import when_told_to_end
from hftd.live.recorder import Recorder
from hftd.settings import Settings

log = structlog.get_logger()


def record(
    settings: Settings, state: Path, environment: dict[str, str], symbols: Iterable[str], seconds: float | None
) -> dict[str, Any]:
    """Record bars, trades, quotes, corrections and statuses of `symbols` until told to end, or for `seconds` of wall
    time. Returns what was recorded, for JSON. Raises BrokerError, CredentialsError."""
    return asyncio.run(_record(settings, state, environment, tuple(symbols), seconds))


async def _record(
    settings: Settings, state: Path, environment: dict[str, str], symbols: tuple[str, ...], seconds: float | None
) -> dict[str, Any]:
    stop = asyncio.Event()
    when_told_to_end(lambda _: stop.set())
    recorder = Recorder(state)

    async with connect_to(settings, state, environment, may_hold=False) as connection:

        def hear(message: Message) -> None:
            recorder.offer(message)
            _tell(connection, message)

        await recorder.start()
        if connection.hear_clock is not None:
            await connection.hear_clock(hear)
        await connection.broker.connect(hear)
        try:
            await connection.broker.subscribe(
                bars=symbols, quotes=symbols, trades=symbols, updated_bars=symbols, statuses=symbols
            )
            log.info("recording.started", symbols=",".join(symbols), folder=str(recorder.folder))
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stop.wait()
        finally:
            await connection.broker.disconnect()
            await recorder.stop()
    return {"messages": recorder.count, "lost": recorder.lost, "folder": str(recorder.folder)}


def _tell(connection: Connection, message: Message) -> None:
    if isinstance(message, ClockAnnouncement) and isinstance(connection.clock, ExchangeClock):
        connection.clock.announce(message.time_ns, message.speed, held=False)
    elif isinstance(message, FeedStatus):
        level = log.info if message.state is FeedState.UP else log.warning
        level(f"feed.{message.state}", feed=str(message.feed), detail=message.detail)
    elif isinstance(message, UnknownMessage):
        log.warning("message.unknown", text=message.text[:200], problem=message.problem)
