"""The market-data socket `/v2/{feed}`: Alpaca's conversation of authentication and subscription."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WSMsgType, web

from hftd.exchange.server.codec import decode, encode, frame, joined
from hftd.exchange.server.connection import Connection, Present, accept
from hftd.exchange.server.feed import Feed, Interest, acknowledgement, changed
from hftd.exchange.server.keys import Authenticate, TurnedAway

AUTHENTICATION_S = 10.0
SYMBOLS_MAX = 10_000
"""Symbols over all channels of one socket, known or not: more are refused with 405."""

ERRORS: Final = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
CLOSING = frozenset({402, 404, 409})
"""Errors after which the socket is closed."""


class DataConversation:
    """What one client and the data socket say to each other. Nothing here waits."""

    def __init__(
        self, connection: Connection, feed: Feed, authenticate: Authenticate, joined_by: Callable[[Connection], None]
    ) -> None:
        self._connection = connection
        self._feed = feed
        self._authenticated = authenticate
        self._joined_by = joined_by
        self.is_over = False
        connection.farewell = lambda: _framed(connection, error_message(407))

    def greet(self) -> None:
        self._say({"T": "success", "msg": "connected"})

    def hear(self, data: str | bytes) -> None:
        """Answer one message of the client."""
        try:
            request = decode(self._connection.codec, data)
        except ValueError:
            return self._fail(400)
        action = request.get("action") if isinstance(request, dict) else None
        answer = _ACTIONS.get(action) if isinstance(action, str) else None
        return answer(self, request) if answer else self._fail(400)

    def time_out(self) -> None:
        """The time for authentication is over."""
        if not self._connection.account:
            self._fail(404)

    def _authenticate(self, request: dict[str, Any]) -> None:
        if self._connection.account:
            return self._fail(403)
        key, secret = request.get("key"), request.get("secret")
        try:
            account = self._authenticated(key, secret) if isinstance(key, str) and isinstance(secret, str) else None
        except TurnedAway as refusal:
            return self._fail(refusal.code)
        if account is None:
            return self._fail(402)
        self._connection.account = account
        self._feed.join(self._connection)
        self._say({"T": "success", "msg": "authenticated"})
        return self._joined_by(self._connection)

    def _subscribe(self, request: dict[str, Any]) -> None:
        self._change(request, adds=True)

    def _unsubscribe(self, request: dict[str, Any]) -> None:
        self._change(request, adds=False)

    def _change(self, request: dict[str, Any], *, adds: bool) -> None:
        if not self._connection.account:
            return self._fail(401)
        try:
            interest = changed(self._feed.interest_of(self._connection), request, adds=adds)
        except ValueError:
            return self._fail(400)
        if _symbol_count(interest) > SYMBOLS_MAX:
            return self._fail(405)
        self._feed.set_interest(self._connection, interest)
        return self._say(acknowledgement(interest))

    def _fail(self, code: int) -> None:
        self._say(error_message(code))
        self.is_over = code in CLOSING

    def _say(self, message: dict[str, Any]) -> None:
        self._connection.write(_framed(self._connection, message))


_ACTIONS: dict[str, Callable[[DataConversation, dict[str, Any]], None]] = {
    "auth": DataConversation._authenticate,
    "subscribe": DataConversation._subscribe,
    "unsubscribe": DataConversation._unsubscribe,
}


def error_message(code: int) -> dict[str, Any]:
    return {"T": "error", "code": code, "msg": ERRORS[code]}


async def serve_data(
    request: web.Request,
    feed: Feed,
    authenticate: Authenticate,
    present: Present,
    joined_by: Callable[[Connection], None],
) -> web.WebSocketResponse:
    """Serve one client until it leaves. It is `present` meanwhile; `joined_by` is told when it has authenticated."""
    connection = await accept(request)
    conversation = DataConversation(connection, feed, authenticate, joined_by)
    timeout = asyncio.get_running_loop().call_later(AUTHENTICATION_S, _time_out, conversation, connection)
    try:
        with present(connection):
            conversation.greet()
            async for message in connection.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    conversation.hear(message.data)
                if conversation.is_over:
                    await connection.socket.close()
    finally:
        timeout.cancel()
        feed.leave(connection)
    return connection.socket


def _time_out(conversation: DataConversation, connection: Connection) -> None:
    conversation.time_out()
    if conversation.is_over:
        connection.cut()


def _framed(connection: Connection, message: dict[str, Any]) -> bytes:
    return frame(joined(connection.codec, [encode(connection.codec, message)]), connection.opcode)


def _symbol_count(interest: Interest) -> int:
    return sum(map(len, interest))
