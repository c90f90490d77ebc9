"""Trade updates as server-sent events: `GET /v2/events/trades`.

Each line `data: {...}` is one update with its time `at` and an `event_id` that grows. `since` and `since_id` begin
with what was before, as far as it is remembered (the last updates of each account since the exchange was started);
`until` and `until_id` end the stream.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from hftd.domain.convert import rfc3339_of
from hftd.exchange.server.call import Call, Fields, moment, whole

REMEMBERED = 2_000
"""Updates of an account that are remembered."""

WAITING_MAX = 1_000
"""Updates that may wait for a slow client before it is cut off."""

LARGEST_ID = 2**53


class Update(msgspec.Struct, frozen=True):
    """One trade update of an account; `make` gives its fields."""

    id: int
    time_ns: int
    make: Callable[[], Mapping[str, Any]]


class Span(msgspec.Struct, frozen=True):
    """Which updates a client wants. None: no bound."""

    since_ns: int | None = None
    until_ns: int | None = None
    since_id: int | None = None
    until_id: int | None = None

    @property
    def looks_back(self) -> bool:
        return self.since_ns is not None or self.since_id is not None

    def has_begun(self, update: Update) -> bool:
        by_time = self.since_ns is None or update.time_ns >= self.since_ns
        return by_time and (self.since_id is None or update.id >= self.since_id)

    def is_over(self, update: Update) -> bool:
        by_time = self.until_ns is not None and update.time_ns > self.until_ns
        return by_time or (self.until_id is not None and update.id > self.until_id)

    def is_past(self, now_ns: int) -> bool:
        """Whether nothing that is still to come can belong to it."""
        return self.until_ns is not None and now_ns > self.until_ns


class EventLog:
    """The latest updates of each account, and who waits for more."""

    def __init__(self) -> None:
        self._made = 0
        self._updates: dict[str, deque[Update]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._waiting: dict[str, set[asyncio.Queue[Update | None]]] = defaultdict(set)

    def add(self, account: str, time_ns: int, make: Callable[[], Mapping[str, Any]]) -> None:
        """Something happened to an order of `account`."""
        self._made += 1
        update = Update(self._made, time_ns, make)
        self._updates[account].append(update)
        for queue in list(self._waiting[account]):
            self._offer(account, queue, update)

    def remembered(self, account: str) -> list[Update]:
        return list(self._updates[account])

    def join(self, account: str) -> asyncio.Queue[Update | None]:
        """A queue of what is to come; None in it is its end."""
        queue: asyncio.Queue[Update | None] = asyncio.Queue(WAITING_MAX + 1)
        self._waiting[account].add(queue)
        return queue

    def leave(self, account: str, queue: asyncio.Queue[Update | None]) -> None:
        self._waiting[account].discard(queue)

    def end(self) -> None:
        """Nothing more comes, for anybody."""
        for account, queues in self._waiting.items():
            for queue in list(queues):
                queue.put_nowait(None)
                self.leave(account, queue)

    def _offer(self, account: str, queue: asyncio.Queue[Update | None], update: Update) -> None:
        if queue.qsize() < WAITING_MAX:
            queue.put_nowait(update)
        else:
            self.leave(account, queue)
            queue.put_nowait(None)


async def trades(call: Call) -> web.StreamResponse:
    """GET /v2/events/trades"""
    span, log = span_of(call.query), call.exchange.event_log
    queue = log.join(call.account)
    try:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(call.request)
        await response.write(b": connected\n\n")
        past = log.remembered(call.account) if span.looks_back else []
        if await _written(response, span, past) and not span.is_past(call.now_ns):
            await _follow(response, span, queue)
        await response.write_eof()
        return response
    finally:
        log.leave(call.account, queue)


def span_of(query: Fields) -> Span:
    """Which updates a query asks for. Raises Refusal."""
    identity = {name: whole(query, name, 0, LARGEST_ID, -1) for name in ("since_id", "until_id")}
    return Span(
        since_ns=moment(query, "since"),
        until_ns=moment(query, "until", end_of_day=True),
        since_id=None if identity["since_id"] < 0 else identity["since_id"],
        until_id=None if identity["until_id"] < 0 else identity["until_id"],
    )


async def _follow(response: web.StreamResponse, span: Span, queue: asyncio.Queue[Update | None]) -> None:
    while (update := await queue.get()) is not None:
        if not await _written(response, span, [update]):
            return


async def _written(response: web.StreamResponse, span: Span, updates: list[Update]) -> bool:
    """Write what belongs to `span`; whether more may follow."""
    for update in updates:
        if span.is_over(update):
            return False
        if span.has_begun(update):
            await response.write(_line(update))
    return True


def _line(update: Update) -> bytes:
    fields = {"at": rfc3339_of(update.time_ns), "event_id": str(update.id), **update.make()}
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"
