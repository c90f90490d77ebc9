"""A websocket that is kept: opened, greeted, read, watched, and opened again when it is lost.

What is said on it is somebody else's (`Talk`); here is only its life. Every step of that life is told as a FeedStatus,
so that a socket can be lost, but never silently. A dead peer is found by a ping without a pong after at most one and
a half heartbeats.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol

import aiohttp
from aiohttp import ClientWSTimeout, WSMsgType
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential
from tenacity.wait import wait_base

from hftd.broker.base import Feed, FeedState, FeedStatus
from hftd.broker.endpoints import Patience
from hftd.errors import BrokerError, BrokerRefused, BrokerUnavailable, CredentialsError

CONNECTION_LIMIT = 406
FRAME_BYTES_MAX = 16 * 1024 * 1024

if TYPE_CHECKING:
    Socket = aiohttp.ClientWebSocketResponse[Literal[False]]
    """A client's websocket that hands over text frames as bytes, undecoded."""
else:
    Socket = aiohttp.ClientWebSocketResponse

Receive = Callable[[], Coroutine[Any, Any, tuple[bytes, bool]]]
"""Awaits the next frame: its bytes, and whether it was a binary one."""


class Talk(Protocol):
    """What is said on a line."""

    async def greet(self, socket: Socket, receive: Receive) -> None:
        """Authenticate, and ask again for everything wanted. Raises a BrokerError or CredentialsError when refused."""
        ...

    def take(self, frame: bytes, binary: bool, received_ns: int) -> None:
        """Deal with one frame. Must be quick and not raise. `receive` in `greet` does not call it."""
        ...


class Line:
    """One kept socket. `open` raises what went wrong at the first attempt; later losses are told to `report`."""

    def __init__(
        self,
        feed: Feed,
        url: str,
        talk: Talk,
        report: Callable[[FeedStatus], None],
        now_ns: Callable[[], int],
        patience: Patience,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.feed = feed
        self._url = url
        self._talk = talk
        self._report = report
        self._now_ns = now_ns
        self._patience = patience
        self._headers = headers or {}
        self._socket: Socket | None = None
        self._session: aiohttp.ClientSession | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._hurried = asyncio.Event()
        self._last_frame_ns = 0
        self._quiet_since_ns = 0
        self._attempt = 0
        self._refusals = 0

    @property
    def socket(self) -> Socket | None:
        """The socket while it is up and greeted, else None."""
        return self._socket

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed since, up or not."""
        return self._keeper is not None

    @property
    def last_frame_ns(self) -> int:
        """When the last frame came; 0 before the first."""
        return self._last_frame_ns

    async def open(self, session: aiohttp.ClientSession) -> None:
        """Connect and greet. One attempt, but a connection limit is outlasted, since our own crash may have caused it.

        Raises CredentialsError, BrokerRefused (its code is the server's) or BrokerUnavailable.
        """
        assert self._keeper is None, "this line is open"
        socket = await self._connect_patiently(session, first=True)
        self._up(socket)
        self._begin_keeping(session, socket)

    def _begin_keeping(self, session: aiohttp.ClientSession, socket: Socket | None) -> None:
        self._keeper = asyncio.create_task(self._keep(session, socket), name=f"line to {self.feed}")
        self._session = session

    async def close(self) -> None:
        """End, whatever the line is doing. Harmless when it is not open."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})

    async def drop(self) -> None:
        """Give the present socket up and connect again, at once, also after the line has failed."""
        self._wanted.set()
        self.hurry()
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None and self._keeper is not None and self._keeper.done():  # a bug has ended it
            self._begin_keeping(self._session, None)

    def hurry(self) -> None:
        """If the next attempt was put off, make it now: the server was found to be back."""
        self._hurried.set()

    async def _nap(self, seconds: float) -> None:
        """Put the next attempt off, until somebody is in a hurry."""
        self._hurried.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()

    async def _keep(self, session: aiohttp.ClientSession, socket: Socket | None) -> None:
        try:
            await self._follow(session, socket)
        except Exception as error:  # told last of all: whoever hears of it may ask for a new beginning at once
            self._quiet_since_ns = self._last_frame_ns
            self._tell(FeedState.FAILED, f"a bug: {error!r}")
            raise

    async def _follow(self, session: aiohttp.ClientSession, socket: Socket | None) -> None:
        """Read one socket after another, for ever."""
        try:
            while True:
                if socket is not None:
                    self._lost(await self._read(socket))
                socket = await self._connect_again(session)
                self._up(socket)
        finally:
            self._socket = None
            if socket is not None:
                await socket.close()

    async def _read(self, socket: Socket) -> str:
        """Take frames until the socket is lost; returns why."""
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY or message.type is WSMsgType.TEXT:
                self._last_frame_ns = self._now_ns()
                self._talk.take(message.data, message.type is WSMsgType.BINARY, self._last_frame_ns)
            else:
                await socket.close()
                return _why_lost(message.type, message.data, message.extra, socket)

    async def _connect_again(self, session: aiohttp.ClientSession) -> Socket:
        """Connect, however often it takes; after a final refusal only when `drop` asks for it."""
        while True:
            self._wanted.clear()
            try:
                return await self._connect_patiently(session, first=False)
            except (BrokerError, CredentialsError) as error:
                self._tell(FeedState.FAILED, str(error), getattr(error, "code", 0))
            await self._wanted.wait()

    async def _connect_patiently(self, session: aiohttp.ClientSession, *, first: bool) -> Socket:
        self._refusals = self._attempt = 0
        connecting = AsyncRetrying(
            wait=self._wait(),
            retry=lambda state: self._worth_another(state, first),
            before_sleep=self._tell_attempt,
            sleep=self._nap,
            reraise=True,
        )
        return await connecting(self._connect, session)

    def _wait(self) -> wait_base:
        """Exponential backoff with full jitter, so that clients of a restarted server do not come back in step."""
        return wait_random_exponential(multiplier=self._patience.backoff_first_s, max=self._patience.backoff_cap_s)

    def _worth_another(self, state: RetryCallState, first: bool) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, BrokerError | CredentialsError):
            return False
        if getattr(error, "code", 0) == CONNECTION_LIMIT:
            return (state.seconds_since_start or 0.0) < self._patience.connection_limit_s
        if first:
            return False
        if isinstance(error, BrokerUnavailable):
            return True
        self._refusals += 1
        return self._refusals < self._patience.refusals

    def _tell_attempt(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._tell(FeedState.DOWN, str(error), getattr(error, "code", 0))

    async def _connect(self, session: aiohttp.ClientSession) -> Socket:
        self._attempt += 1
        try:
            async with asyncio.timeout(self._patience.connect_s):
                socket = await self._upgrade(session)
        except TimeoutError:
            raise BrokerUnavailable(f"{self._url} did not answer in {self._patience.connect_s:g} s") from None
        try:
            async with asyncio.timeout(self._patience.acknowledgement_s):
                await self._talk.greet(socket, lambda: self._receive(socket))
            return socket
        except TimeoutError:
            await socket.close()
            limit_s = self._patience.acknowledgement_s
            raise BrokerUnavailable(f"{self._url} let us connect and then said nothing for {limit_s:g} s") from None
        except BaseException:
            await socket.close()
            raise

    async def _upgrade(self, session: aiohttp.ClientSession) -> Socket:
        try:
            return await session.ws_connect(
                self._url,
                headers=self._headers,
                heartbeat=self._patience.heartbeat_s,
                timeout=ClientWSTimeout(ws_close=self._patience.close_s),
                max_msg_size=FRAME_BYTES_MAX,
                decode_text=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise _handshake_refused(self._url, error.status) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise BrokerUnavailable(f"{self._url} cannot be reached: {error}") from None

    async def _receive(self, socket: Socket) -> tuple[bytes, bool]:
        """The next frame while greeting. Raises BrokerUnavailable when the socket is lost."""
        message = await socket.receive()
        if message.type is WSMsgType.BINARY or message.type is WSMsgType.TEXT:
            self._last_frame_ns = self._now_ns()
            return message.data, message.type is WSMsgType.BINARY
        raise BrokerUnavailable(
            f"{self._url}: {_why_lost(message.type, message.data, message.extra, socket)} while greeting"
        )

    def _up(self, socket: Socket) -> None:
        self._socket = socket
        self._tell(FeedState.UP, quiet_since_ns=self._quiet_since_ns)
        self._quiet_since_ns = self._attempt = 0

    def _lost(self, why: str) -> None:
        self._socket = None
        self._quiet_since_ns = self._last_frame_ns
        self._tell(FeedState.DOWN, why)

    def _tell(self, state: FeedState, detail: str = "", code: int = 0, quiet_since_ns: int = 0) -> None:
        status = FeedStatus(self.feed, state, self._now_ns(), detail, code, self._attempt, quiet_since_ns)
        self._report(status)


def _why_lost(kind: WSMsgType, data: object, extra: object, socket: Socket) -> str:
    """In words: `kind`, `data` and `extra` are the last message's."""
    error = socket.exception()
    if error is not None:
        return f"lost: {error}" if str(error) else f"lost: {type(error).__name__}"
    if kind is WSMsgType.CLOSE:
        return f"the server closed it with code {data} {extra or ''}".rstrip()
    return f"closed with code {socket.close_code}"


def _handshake_refused(url: str, status: int) -> BrokerError | CredentialsError:
    if status in (401, 403):
        return CredentialsError(f"{url} refused the API keys (HTTP status {status})")
    if status == 429 or status >= 500:
        return BrokerUnavailable(f"{url} answered with HTTP status {status}")
    return BrokerRefused(f"{url} refused a websocket (HTTP status {status})", status=status)
