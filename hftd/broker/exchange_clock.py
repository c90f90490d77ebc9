"""The simulated exchange's own clock: its announcements to the sink, and lockstep's `done`."""

from collections.abc import Callable
from contextlib import suppress
from sys import maxsize
from types import SimpleNamespace

import aiohttp
import msgspec
from msgspec.structs import replace

from hftd.broker.base import ClockAnnouncement, Feed, FeedStatus, HoldBegun, Sink, UnknownMessage
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import Patience
from hftd.broker.line import Line, Receive, Socket
from hftd.broker.wire_market import TEXT_MAX, UNREADABLE

LOCKSTEP_HEADERS = {"X-Hftd-Lockstep": "1"}
"""On a market-data or trade-updates socket: marks are wanted."""
HOLD_HEADER = "X-Hftd-Hold"
"""On an answer of REST: the hold during which it was given."""

_announcement = msgspec.json.Decoder(ClockAnnouncement)


class ExchangeClockLink:
    """The client of `/hftd/clock`. In lockstep the exchange's time waits for `done` of the latest hold.

    It is never given up: without it no time passes, and whoever would ask for it again waits for a time.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        now_ns: Callable[[], int],
        *,
        lockstep: bool = False,
        patience: Patience | None = None,
    ) -> None:
        self._now_ns = now_ns
        self._sink: Sink | None = None
        self.lockstep = lockstep
        address = f"{url}?lockstep=1" if lockstep else url
        endless = replace(patience or Patience(), refusals=maxsize)
        self.line = Line(Feed.CLOCK, address, self, self._report, now_ns, endless, keys.headers())

    @property
    def connected(self) -> bool:
        return self._sink is not None

    async def open(self, session: aiohttp.ClientSession, sink: Sink) -> None:
        """Connect; the first announcement is in the sink when this returns. Raises as `Line.open`."""
        self._sink = sink
        try:
            await self.line.open(session)
        except BaseException:
            self._sink = None
            raise

    async def close(self) -> None:
        await self.line.close()
        self._sink = None

    @property
    def trace(self) -> aiohttp.TraceConfig:
        """Tells the sink, before anybody has an answer of REST, of the hold in which it was given."""
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._follow_answer)
        return trace

    async def _follow_answer(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, answered: aiohttp.TraceRequestEndParams
    ) -> None:
        hold = answered.response.headers.get(HOLD_HEADER, "")
        if self._sink is not None and hold.isdecimal():
            self._sink(HoldBegun(int(hold)))

    async def done(self, hold: int, wake_ns: int | None = None) -> None:
        """Let time go on after hold number `hold`, to `wake_ns` at most; nothing while the socket is down: the lost
        hold nothing."""
        socket = self.line.socket
        if socket is not None:
            with suppress(aiohttp.ClientError, OSError):
                wake = "" if wake_ns is None else f',"wake_ns":{wake_ns}'
                await socket.send_str(f'{{"done":{hold}{wake}}}')

    async def greet(self, socket: Socket, receive: Receive) -> None:
        frame, _ = await receive()
        self.take(frame, False, self._now_ns())

    def take(self, frame: bytes, binary: bool, received_ns: int) -> None:
        assert self._sink is not None, "frames come only while open"
        try:
            self._sink(_announcement.decode(frame))
        except UNREADABLE as error:
            text = frame.decode("utf-8", "replace")[:TEXT_MAX]
            self._sink(UnknownMessage(Feed.CLOCK, received_ns, text, str(error)))

    def _report(self, status: FeedStatus) -> None:
        if self._sink is not None:
            self._sink(status)
