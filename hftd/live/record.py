"""`hftd record`: a broker's market data written to files, without trading."""

import asyncio
import signal
from collections.abc import Iterable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import structlog

from hftd.broker.base import ClockAnnouncement, Feed, FeedState, FeedStatus, Message, UnknownMessage
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
    recorder = Recorder(state)
    recording = asyncio.ensure_future(_record_into(recorder, settings, state, environment, symbols, seconds))

    def end(_: signal.Signals) -> None:
        recording.cancel()

    when_told_to_end(end)  # from the first moment: the broker may be away and waited for
    with suppress(asyncio.CancelledError):
        await recording
    return {"messages": recorder.count, "lost": recorder.lost, "folder": str(recorder.folder)}


async def _record_into(
    recorder: Recorder,
    settings: Settings,
    state: Path,
    environment: dict[str, str],
    symbols: tuple[str, ...],
    seconds: float | None,
) -> None:
    async with connect_to(settings, state, environment, may_hold=False) as connection:
        feeds: dict[Feed, FeedState] = {}

        def hear(message: Message) -> None:
            recorder.offer(message)
            _tell(connection, feeds, message)

        await recorder.start()
        try:
            if connection.hear_clock is not None:
                await connection.hear_clock(hear)
            await connection.broker.connect(hear)
            await connection.broker.subscribe(
                bars=symbols, quotes=symbols, trades=symbols, updated_bars=symbols, statuses=symbols
            )
            log.info("recording.started", symbols=",".join(symbols), folder=str(recorder.folder))
            await asyncio.sleep(inf if seconds is None else seconds)
        finally:
            await connection.broker.disconnect()
            await recorder.stop()


def _tell(connection: Connection, feeds: dict[Feed, FeedState], message: Message) -> None:
    if isinstance(message, ClockAnnouncement) and isinstance(connection.clock, ExchangeClock):
        connection.clock.announce(message.time_ns, message.speed, held=False)
    elif isinstance(message, FeedStatus):
        if feeds.get(message.feed) is not message.state:  # and not each time that it is tried again
            level = log.info if message.state is FeedState.UP else log.warning
            level(f"feed.{message.state}", feed=str(message.feed), detail=message.detail)
        feeds[message.feed] = message.state
    elif isinstance(message, UnknownMessage):
        log.warning("message.unknown", text=message.text[:200], problem=message.problem)
