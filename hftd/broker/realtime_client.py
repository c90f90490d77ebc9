"""`AlpacaRealtimeClient`: the real-time socket for notebooks and scripts, in cpquant's shape.

The socket lives on an event loop in a thread of its own; a handler runs in the thread, or on the loop, of whoever
listens. So a slow handler delays nobody but itself, a handler that raises loses nothing but its own message, and a
handler may subscribe, unsubscribe and close.
"""

import inspect
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import cast

import aiohttp
import structlog

from hftd.broker.base import FeedState, FeedStatus, Handler, Message, RealtimeClient, Symbols
from hftd.broker.credentials import Keys, find_keys
from hftd.broker.data_client import DATA_VARIABLES
from hftd.broker.data_socket import DataSocket
from hftd.broker.endpoints import Endpoints, Patience, alpaca_endpoints
from hftd.broker.loop_thread import LoopThread
from hftd.broker.mailbox import LIMIT, Item, Mailbox
from hftd.broker.moments import symbols_of
from hftd.clock import wall_ns
from hftd.errors import BrokerUnavailable, SettingsError
from hftd.wording import suggestion

TIMEFRAMES = {"1Min": "bars", "1T": "bars", "1D": "daily_bars", "1Day": "daily_bars"}
"""The lengths of bars that are streamed -> their channel."""

TextHandler = Callable[[str], object]

log = structlog.get_logger()


class AlpacaRealtimeClient(RealtimeClient):
    """Real-time data: connected and authenticated when made.

    A handler gets each message (`MarketMessage`, `TradingStatus`, `TradeWithdrawn`, `UnknownMessage`, and a
    `FeedStatus` that says what was dropped when it is too slow); with `text` it gets the frames as the server wrote
    them, as JSON text. `on_status` is told, on the socket's own thread, whenever the socket is lost, found again or
    given up; by default that is logged. A lost socket is connected and subscribed again by itself.

    Raises CredentialsError, BrokerRefused or BrokerUnavailable when it cannot connect.
    """

    def __init__(
        self,
        feed: str = "iex",
        *,
        text: bool = False,
        on_status: Callable[[FeedStatus], None] | None = None,
        env_file: str | Path = ".env",
        keys: Keys | None = None,
        endpoints: Endpoints | None = None,
        patience: Patience | None = None,
        mailbox_limit: int = LIMIT,
    ) -> None:
        keys = keys or find_keys(os.environ, Path(env_file), DATA_VARIABLES)
        self._on_status = on_status or _log_status
        self._mailbox = Mailbox(wall_ns, mailbox_limit)
        self._socket = DataSocket(
            (endpoints or alpaca_endpoints(feed)).stream,
            keys,
            self._take,
            wall_ns,
            patience or Patience(),
            on_text=self._mailbox.put if text else None,
        )
        self._is_text = text
        self._thread = LoopThread("hftd: real-time data")
        try:
            self._thread.run(self._open())
        except BaseException:
            self._thread.run(self._shut())
            self._thread.stop()
            raise

    def subscribe_bars(self, symbols: Symbols, timeframe: str = "1Min") -> None:
        """Minute bars (`1Min`), or bars of the day so far (`1D`). Every subscription waits for its confirmation, and
        raises BrokerRefused when there is none to be had. Raises SettingsError for a length that is not streamed."""
        self._change("subscribe", _channel_of(timeframe), symbols)

    def subscribe_updated_bars(self, symbols: Symbols) -> None:
        """Bars published again because late trades changed them."""
        self._change("subscribe", "updated_bars", symbols)

    def subscribe_daily_bars(self, symbols: Symbols) -> None:
        """The day's bar so far, published again each minute."""
        self._change("subscribe", "daily_bars", symbols)

    def subscribe_quotes(self, symbols: Symbols) -> None:
        """Each change of the best bid or ask."""
        self._change("subscribe", "quotes", symbols)

    def subscribe_trades(self, symbols: Symbols) -> None:
        """Each print of the market; and what the exchange takes back, as `TradeWithdrawn`."""
        self._change("subscribe", "trades", symbols)

    def subscribe_statuses(self, symbols: Symbols) -> None:
        """Halts and resumptions."""
        self._change("subscribe", "statuses", symbols)

    def unsubscribe_bars(self, symbols: Symbols, timeframe: str = "1Min") -> None:
        """No more bars of that length. What was never subscribed to is no error, here and in all that follow. Raises
        SettingsError for a length that is not streamed."""
        self._change("unsubscribe", _channel_of(timeframe), symbols)

    def unsubscribe_updated_bars(self, symbols: Symbols) -> None:
        """No more bars that are published again."""
        self._change("unsubscribe", "updated_bars", symbols)

    def unsubscribe_daily_bars(self, symbols: Symbols) -> None:
        """No more bars of the day so far."""
        self._change("unsubscribe", "daily_bars", symbols)

    def unsubscribe_quotes(self, symbols: Symbols) -> None:
        """No more quotes."""
        self._change("unsubscribe", "quotes", symbols)

    def unsubscribe_trades(self, symbols: Symbols) -> None:
        """No more prints."""
        self._change("unsubscribe", "trades", symbols)

    def unsubscribe_statuses(self, symbols: Symbols) -> None:
        """No more halts and resumptions."""
        self._change("unsubscribe", "statuses", symbols)

    def subscriptions(self) -> Mapping[str, tuple[str, ...]]:
        """Channel -> symbols subscribed to."""
        return self._socket.wanted()

    def listen(self, handler: Handler | TextHandler | None = None) -> None:
        """Call `handler` for each message, in this thread, until `close`; without one, print them.

        What it raises comes out here; the messages after it wait for the next `listen`. Raises BrokerUnavailable when
        the socket was lost and connecting again is given up; `reconnect` tries again.
        """
        handle = handler or print
        if inspect.iscoroutinefunction(handle):
            raise TypeError("listen needs a plain function; with a coroutine function use: await async_listen(handler)")
        while not self._mailbox.is_closed:
            self._mailbox.wait()
            for item in self._mailbox.take():
                handle(_unless_failed(item))  # type: ignore[arg-type]

    async def async_listen(self, handler: Handler | TextHandler | None = None) -> None:
        """As `listen`, on the running event loop; `handler` may be a coroutine function. May be cancelled."""
        handle = handler or print
        async for item in self._each():
            awaitable = handle(item)  # type: ignore[arg-type]
            if inspect.isawaitable(awaitable):
                await awaitable

    async def messages(self) -> AsyncIterator[Message]:
        """Each message, until `close`."""
        async for item in self._each():
            yield cast("Message", item)

    def reconnect(self) -> None:
        """Drop the socket, if it is up, and connect it again."""
        self._thread.run(self._socket.line.drop())

    def close(self) -> None:
        """Close the socket and end every `listen`, in under a second. From any thread, a handler's too."""
        if not self._mailbox.is_closed:
            self._mailbox.close()
            self._thread.run(self._shut())
            self._thread.stop()

    async def _each(self) -> AsyncIterator[Item]:
        while not self._mailbox.is_closed:
            await self._mailbox.wait_async()
            for item in self._mailbox.take():
                yield _unless_failed(item)

    def _change(self, action: str, channel: str, symbols: Symbols) -> None:
        wanted = {channel: symbols_of(symbols)}
        change = self._socket.subscribe if action == "subscribe" else self._socket.unsubscribe
        self._thread.run(change(wanted))

    def _take(self, message: Message) -> None:
        if isinstance(message, FeedStatus):
            self._on_status(message)
            if message.state is FeedState.FAILED:
                self._mailbox.put(message)
        elif not self._is_text:
            self._mailbox.put(message)

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession()
        await self._socket.open(self._session)

    async def _shut(self) -> None:
        await self._socket.close()
        await self._session.close()


def _unless_failed(item: Item) -> Item:
    if isinstance(item, FeedStatus) and item.state is FeedState.FAILED:
        raise BrokerUnavailable(f"the market-data socket was lost and is given up: {item.detail}")
    return item


def _channel_of(timeframe: str) -> str:
    if timeframe not in TIMEFRAMES:
        raise SettingsError(f"bars of {timeframe!r} are not streamed; {suggestion(timeframe, TIMEFRAMES)}")
    return TIMEFRAMES[timeframe]


def _log_status(status: FeedStatus) -> None:
    log.info(f"feed.{status.state}", feed=status.feed.value, detail=status.detail, attempt=status.attempt)
