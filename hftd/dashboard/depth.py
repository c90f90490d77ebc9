"""The order book as the simulated exchange shows it. A real broker shows none."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

TIMEOUT_S = 1.0
Json = dict[str, Any]


def depth_with(headers_of: Callable[[], dict[str, str] | None]) -> Callable[[str, str], Awaitable[Json | None]]:
    """Asks exchanges for books; `headers_of` gives the keys as headers each time, None when there are none."""

    async def depth(url: str, symbol: str) -> Json | None:
        if (headers := headers_of()) is None:
            return None
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.get(f"{url}/hftd/book/{symbol}") as answer,
            ):
                book: Json | None = await answer.json() if answer.status == 200 else None
                return book
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    return depth
