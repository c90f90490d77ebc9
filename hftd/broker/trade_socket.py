"""The trade-updates socket: authentication, listening, each execution once to the sink."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import aiohttp
import msgspec

from hftd.broker.base import Feed, FeedState, FeedStatus, Message, Sink
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import Patience
from hftd.broker.line import Line, Receive, Socket
from hftd.broker.wire_trading import Authorization, Listening, read_trade_frame
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.errors import BrokerUnavailable, CredentialsError

REMEMBERED_MAX = 20_000
"""Execution ids that are remembered, to tell a repetition from a second fill."""


Answer = TypeVar("Answer", Authorization, Listening)


class TradeSocket:
    """Execution reports. A repetition of an execution id already delivered is dropped and counted."""

    def __init__(
        self,
        url: str,
        keys: Keys,
        sink: Sink,
        now_ns: Callable[[], int],
        patience: Patience,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._keys = keys
        self._sink = sink
        self._now_ns = now_ns
        self._seen: dict[tuple[str, ReportKind], None] = {}
        self.repeated = 0
        self.line = Line(Feed.TRADES, url, self, sink, now_ns, patience, dict(headers or {}))

    async def open(self, session: aiohttp.ClientSession) -> None:
        await self.line.open(session)

    async def close(self) -> None:
        await self.line.close()

    async def greet(self, socket: Socket, receive: Receive) -> None:
        key_id, secret = self._keys.key_id.reveal(), self._keys.secret.reveal()
        await self._send(socket, {"action": "authenticate", "data": {"key_id": key_id, "secret_key": secret}})
        authorization = await self._expect(receive, Authorization)
        if authorization.status != "authorized":
            raise CredentialsError(
                f"{self._url} refused the API keys ({authorization.message or authorization.status}); "
                "check that they belong to the paper account"
            )
        await self._send(socket, {"action": "listen", "data": {"streams": ["trade_updates"]}})
        listening = await self._expect(receive, Listening)
        if "trade_updates" not in listening.streams:
            raise BrokerUnavailable(f"{self._url} did not confirm that we listen to trade_updates")

    async def _expect(self, receive: Receive, kind: type[Answer]) -> Answer:
        """Read until the answer awaited. Reports that come before it go to the sink."""
        while True:
            frame, _ = await receive()
            message = read_trade_frame(frame, self._now_ns())
            if isinstance(message, kind):
                return message
            self._deliver(message)

    def take(self, frame: bytes, binary: bool, received_ns: int) -> None:
        self._deliver(read_trade_frame(frame, received_ns))

    def _deliver(self, message: Message | Authorization | Listening) -> None:
        if isinstance(message, ExecutionReport):
            if self._is_new(message):
                self._sink(message)
        elif isinstance(message, Authorization):
            detail = f"{self._url} said {message.status} to {message.action}"
            self._sink(FeedStatus(Feed.TRADES, FeedState.DEGRADED, self._now_ns(), detail))
        elif not isinstance(message, Listening):
            self._sink(message)

    def _is_new(self, report: ExecutionReport) -> bool:
        if not report.execution_id:
            return True
        seen = (report.execution_id, report.kind)
        if seen in self._seen:
            self.repeated += 1
            return False
        self._seen[seen] = None
        if len(self._seen) > REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]
        return True

    async def _send(self, socket: Socket, request: Mapping[str, object]) -> None:
        try:
            await socket.send_str(msgspec.json.encode(request).decode())
        except (aiohttp.ClientError, OSError) as error:
            raise BrokerUnavailable(f"{self._url} was lost while asking: {error}") from None
