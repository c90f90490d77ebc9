"""The market-data socket: authentication, subscriptions and their confirmations, messages to the sink."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import aiohttp
import msgspec

from hftd.broker.base import Feed, FeedState, FeedStatus, Message, Sink
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import Patience
from hftd.broker.line import Line, Receive, Socket
from hftd.broker.wire_market import Connected, Control, Refused, Subscribed, read_market_frame
from hftd.errors import BrokerError, BrokerRefused, BrokerUnavailable, CredentialsError

CHANNELS = {
    "bars": "bars",
    "quotes": "quotes",
    "trades": "trades",
    "updated_bars": "updatedBars",
    "daily_bars": "dailyBars",
    "statuses": "statuses",
}
"""Our channel name -> the wire's."""

Symbols = Mapping[str, Iterable[str]]
"""Channel name -> symbols."""

CODEC_HEADERS = {"Content-Type": "application/msgpack"}

_ADVICE = {
    401: "the server did not accept that we had authenticated",
    402: "the API keys were refused; check that they belong to the paper account",
    404: "it did not wait for our authentication",
    405: "the plan allows no more symbols; subscribe to fewer, or to bars",
    406: "the plan allows no further connection with these keys; close the other program that uses them",
    407: "we read too slowly",
    408: "this account has no market data of version 2",
    409: "the plan does not include this feed; set broker.feed to iex",
    410: "this feed has no such channel",
}


class DataSocket:
    """Market data. All methods belong to the event loop; all but `open` and `subscribe` return at once."""

    def __init__(
        self,
        url: str,
        keys: Keys,
        sink: Sink,
        now_ns: Callable[[], int],
        patience: Patience,
        headers: Mapping[str, str] | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        """With `on_text` the socket speaks JSON, and each frame's text is handed over too, as it came."""
        self._url = url
        self._keys = keys
        self._sink = sink
        self._now_ns = now_ns
        self._patience = patience
        self._wanted: dict[str, dict[str, None]] = {channel: {} for channel in CHANNELS}
        self._asking = asyncio.Lock()
        self._answer: asyncio.Future[Subscribed] | None = None
        self._binary = True
        self._on_text = on_text
        codec_headers = CODEC_HEADERS if on_text is None else {}
        self.line = Line(Feed.DATA, url, self, self._report, now_ns, patience, {**codec_headers, **(headers or {})})

    async def open(self, session: aiohttp.ClientSession) -> None:
        await self.line.open(session)

    async def close(self) -> None:
        await self.line.close()

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """What is subscribed to, or will be when the socket is up again: channel -> symbols."""
        return {channel: tuple(symbols) for channel, symbols in self._wanted.items() if symbols}

    async def subscribe(self, symbols: Symbols) -> None:
        """Add symbols, and wait for the confirmation when the socket is up.

        Raises BrokerRefused when the server refuses (its subscriptions are then as before), BrokerUnavailable when it
        does not answer: the socket is then dropped, and asked again for everything when it is back.
        """
        added = {
            channel: [name for name in names if name not in self._wanted[channel]]
            for channel, names in _lists(symbols).items()
        }
        for channel, names in added.items():
            self._wanted[channel].update(dict.fromkeys(names))
        try:
            await self._ask("subscribe", added)
        except BrokerRefused:
            self._forget(added)
            raise

    async def unsubscribe(self, symbols: Symbols) -> None:
        """Take symbols away. Raises as `subscribe`."""
        removed = _lists(symbols)
        self._forget(removed)
        await self._ask("unsubscribe", removed)

    def _forget(self, symbols: Mapping[str, list[str]]) -> None:
        for channel, names in symbols.items():
            for name in names:
                self._wanted[channel].pop(name, None)

    async def _ask(self, action: str, symbols: Mapping[str, list[str]]) -> None:
        if not any(symbols.values()):
            return
        async with self._asking:
            socket = self.line.socket
            if socket is None:
                return
            self._answer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(self._patience.acknowledgement_s):
                    await self._send(socket, {"action": action, **_wire_channels(symbols)})
                    await self._answer
            except TimeoutError:
                await self.line.drop()
                raise BrokerUnavailable(f"{self._url} did not confirm: {action} {_spoken(symbols)}") from None
            finally:
                self._answer = None

    async def greet(self, socket: Socket, receive: Receive) -> None:
        await self._expect(receive, Connected)
        key_id, secret = self._keys.key_id.reveal(), self._keys.secret.reveal()
        await self._send(socket, {"action": "auth", "key": key_id, "secret": secret})
        await self._expect(receive, Connected)
        asked: dict[str, list[str]] = {}
        while change := self._next_change(asked):
            action, symbols = change
            await self._send(socket, {"action": action, **_wire_channels(symbols)})
            await self._expect(receive, Subscribed)

    def _next_change(self, asked: dict[str, list[str]]) -> tuple[str, dict[str, list[str]]] | None:
        """What a new socket has still to be asked for, beyond what it was `asked`, which is brought up to date.

        More than one question is needed when somebody subscribes while the first is on its way.
        """
        wanted = {channel: list(names) for channel, names in self.wanted().items()}
        if missing := _difference(wanted, asked):
            for channel, names in missing.items():
                asked.setdefault(channel, []).extend(names)
            return "subscribe", missing
        if surplus := _difference(asked, wanted):
            asked.clear()
            asked.update(wanted)
            return "unsubscribe", surplus
        return None

    async def _expect(self, receive: Receive, kind: type[Control]) -> None:
        """Read until the control message awaited. Market data that come before it go to the sink."""
        while True:
            frame, self._binary = await receive()
            arrived = False
            for message in self._read(frame, self._binary, self._now_ns()):
                if isinstance(message, Refused):
                    raise refusal(self._url, message)
                if isinstance(message, Connected | Subscribed):
                    arrived = arrived or isinstance(message, kind)
                else:
                    self._sink(message)
            if arrived:
                return

    def take(self, frame: bytes, binary: bool, received_ns: int) -> None:
        sink = self._sink
        for message in self._read(frame, binary, received_ns):
            if isinstance(message, Connected | Refused | Subscribed):
                self._take_control(message)
            else:
                sink(message)

    def _read(self, frame: bytes, binary: bool, received_ns: int) -> list[Message | Control]:
        if self._on_text is not None:
            self._on_text(frame.decode("utf-8", "replace"))
        return read_market_frame(frame, received_ns, binary=binary)

    def _take_control(self, message: Control) -> None:
        answer = self._answer if self._answer is not None and not self._answer.done() else None
        if isinstance(message, Subscribed):
            if answer is not None:
                answer.set_result(message)
        elif isinstance(message, Refused):
            error = refusal(self._url, message)
            if answer is not None:
                answer.set_exception(error)
            else:
                self._report(self._degraded(str(error), message.code))

    def _degraded(self, detail: str, code: int) -> FeedStatus:
        return FeedStatus(Feed.DATA, FeedState.DEGRADED, self._now_ns(), detail, code)

    def _report(self, status: FeedStatus) -> None:
        if status.state is FeedState.DOWN and self._answer is not None and not self._answer.done():
            self._answer.set_exception(BrokerUnavailable(f"{self._url}: {status.detail} while subscribing"))
        message: Message = status
        self._sink(message)

    async def _send(self, socket: Socket, request: Mapping[str, object]) -> None:
        try:
            if self._binary:
                await socket.send_bytes(msgspec.msgpack.encode(request))
            else:
                await socket.send_str(msgspec.json.encode(request).decode())
        except (aiohttp.ClientError, OSError) as error:
            raise BrokerUnavailable(f"{self._url} was lost while asking: {error}") from None


def refusal(url: str, message: Refused) -> BrokerError | CredentialsError:
    """An error message of the data socket as an error of ours, with advice where there is one."""
    said = f"{url} said {message.code} {message.msg}"
    sentence = f"{said}: {_ADVICE[message.code]}" if message.code in _ADVICE else said
    if message.code in (401, 402):
        return CredentialsError(sentence)
    if message.code in (404, 407, 500):
        return BrokerUnavailable(sentence)
    return BrokerRefused(sentence, status=0, code=message.code)


def _lists(symbols: Symbols) -> dict[str, list[str]]:
    return {channel: list(dict.fromkeys(names)) for channel, names in symbols.items()}


def _difference(left: Mapping[str, list[str]], right: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What is in `left` and not in `right`."""
    beyond = {
        channel: [name for name in names if name not in right.get(channel, ())] for channel, names in left.items()
    }
    return {channel: names for channel, names in beyond.items() if names}


def _wire_channels(symbols: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {CHANNELS[channel]: names for channel, names in symbols.items() if names}


def _spoken(symbols: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{channel} {', '.join(names)}" for channel, names in symbols.items() if names)
