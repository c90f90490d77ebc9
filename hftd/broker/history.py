"""Pages of bars without holding up the event loop: read and sorted a little at a time.

A page of ten thousand bars takes fifty milliseconds to read; a tick must not wait for that, nor for a thread that reads
them (it would keep the interpreter to itself for just as long).
"""

import asyncio
import heapq
from collections.abc import Iterable, Iterator
from operator import attrgetter

import msgspec
from msgspec import Raw, Struct

from hftd.broker.answers import strange
from hftd.broker.wire_account import WireBar, bar_of, read
from hftd.broker.wire_market import UNREADABLE
from hftd.domain.market import Bar

BREATH = 150
"""Bars read at a stretch, about half a millisecond's work; then others have their turn."""

BarsByTime = dict[str, dict[int, Bar]]
"""Symbol -> start of the minute in nanoseconds -> bar."""

_bar = msgspec.json.Decoder(WireBar)


class _Page(Struct):
    bars: dict[str, list[Raw]] | None = None
    next_page_token: str | None = None


async def read_page(what: str, content: bytes, into: BarsByTime) -> str | None:
    """Put the bars of one page `into` those found so far; the next page's token, None after the last.

    Raises BrokerUnavailable when the page is none.
    """
    page = read(what, content, _Page)
    for symbol, raws in (page.bars or {}).items():
        bars = into.setdefault(symbol, {})
        for start in range(0, len(raws), BREATH):
            for bar in _bars_in(what, symbol, raws[start : start + BREATH]):
                bars[bar.time_ns] = bar
            await asyncio.sleep(0)
    return page.next_page_token or None


async def in_order(found: BarsByTime) -> list[Bar]:
    """All bars, sorted by time and symbol."""
    ordered: list[Bar] = []
    each = heapq.merge(*map(_by_time, found.values()), key=attrgetter("time_ns", "symbol"))
    for bar in each:
        ordered.append(bar)
        if len(ordered) % BREATH == 0:
            await asyncio.sleep(0)
    return ordered


def _bars_in(what: str, symbol: str, raws: Iterable[Raw]) -> Iterator[Bar]:
    for raw in raws:
        try:
            yield bar_of(symbol, _bar.decode(raw))
        except UNREADABLE:
            raise strange(what, bytes(raw).decode("utf-8", "replace")) from None


def _by_time(bars: dict[int, Bar]) -> list[Bar]:
    return [bars[time_ns] for time_ns in sorted(bars)]
