"""A running exchange on a free port, whose time the test moves, and clients of it."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.exchange.server.app import RunningExchange, serve
from hftd.exchange.server.config import ExchangeConfig

sys.path.append(str(Path(__file__).parent / "kit"))

import quiet_alpaca  # noqa: F401
from exchange_kit import OPEN_NS, OPENED, Start


@pytest.fixture(scope="session")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    return Calendar(cache=tmp_path_factory.mktemp("calendar"))


@pytest.fixture
async def start(tmp_path: Path, calendar: Calendar) -> AsyncIterator[Start]:
    """Start an exchange with the given settings; it is stopped at the end, unless it was before."""
    async with AsyncExitStack() as stack:

        async def started(**settings: Any) -> RunningExchange:
            usual: dict[str, Any] = {
                "state": tmp_path / "exchange",
                "speed": 0,
                "start_ns": OPEN_NS - 5 * MINUTE_NS,
                "symbols": ("SPY", "AAPL"),
                "bots": None,
                "requests_a_minute": 0,
            }
            return await stack.enter_async_context(await serve(ExchangeConfig(**{**usual, **settings}), calendar))

        yield started


@pytest.fixture
async def running(start: Start) -> RunningExchange:
    """An exchange two minutes after the open of 2026-11-23."""
    exchange = await start()
    await exchange.advance_to(OPEN_NS + 2 * MINUTE_NS)
    return exchange


@pytest.fixture(autouse=True)
async def _sockets_closed() -> AsyncIterator[None]:
    yield
    while OPENED:
        await OPENED.pop().close()
