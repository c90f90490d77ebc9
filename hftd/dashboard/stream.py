"""Server-sent events: each message is encoded once for all browsers; one that does not keep up is let go and comes
back for the whole picture."""

import asyncio

import msgspec
from aiohttp import web

WAITING_MAX = 200
"""Messages that may wait for a slow browser."""
BROWSERS_MAX = 50
PING_S = 15.0
RETRY_MS = 1000

encode = msgspec.json.Encoder(decimal_format="string").encode


def framed(message: object) -> bytes:
    """A message as an event of the stream. JSON has no raw newline, so one line of data holds it."""
    return b"data: " + encode(message) + b"\n\n"


class Audience:
    """Who looks."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    def __len__(self) -> int:
        return len(self._queues)

    @property
    def is_full(self) -> bool:
        return len(self) >= BROWSERS_MAX

    def tell(self, message: object) -> None:
        """Send to everybody."""
        if self._queues:
            frame = framed(message)
            for queue in list(self._queues):
                self._offer(queue, frame)

    def end(self) -> None:
        """Let everybody go."""
        for queue in list(self._queues):
            self._dismiss(queue)

    async def attend(self, request: web.Request, first: list[object]) -> web.StreamResponse:
        """Serve one browser until it leaves: what it needs `first`, then all that is told."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues.add(queue)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY_MS}\n\n".encode() + b"".join(framed(message) for message in first))
            await _pass_on(queue, response)
        except ConnectionError:
            pass  # it has left
        finally:
            self._queues.discard(queue)
        return response

    def _offer(self, queue: asyncio.Queue[bytes | None], frame: bytes) -> None:
        if queue.qsize() < WAITING_MAX:
            queue.put_nowait(frame)
        else:
            self._dismiss(queue)

    def _dismiss(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._queues.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


async def _pass_on(queue: asyncio.Queue[bytes | None], response: web.StreamResponse) -> None:
    while True:
        try:
            async with asyncio.timeout(PING_S):
                frame = await queue.get()
        except TimeoutError:
            frame = b": still here\n\n"
        if frame is None:
            return
        await response.write(frame)
