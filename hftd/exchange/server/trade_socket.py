"""The trade-updates socket `/stream`: what happens to an account's orders, told as it happens."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiohttp import WSMsgType, web

from hftd.exchange.server.codec import BINARY, Codec, decode, encode, frame
from hftd.exchange.server.connection import Connection, Present, accept
from hftd.exchange.server.keys import Authenticate, TurnedAway

TRADE_UPDATES = "trade_updates"


class TradeFeed:
    """Who listens to the trade updates of which account."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Connection]] = defaultdict(set)
        self._connections: set[Connection] = set()

    @property
    def listener_count(self) -> int:
        """How many listen to any account's updates."""
        return sum(map(len, self._listeners.values()))

    def connections(self) -> Iterable[Connection]:
        """All that have authenticated."""
        return self._connections

    def join(self, connection: Connection) -> None:
        """`connection` has authenticated, and listens to nothing yet."""
        self._connections.add(connection)

    def leave(self, connection: Connection) -> None:
        """`connection` has gone."""
        self._connections.discard(connection)
        self._listeners[connection.account].discard(connection)

    def listen(self, connection: Connection, *, listens: bool) -> None:
        """Start or stop the account's updates on `connection`."""
        listeners = self._listeners[connection.account]
        (listeners.add if listens else listeners.discard)(connection)

    def publish(self, account: str, make_update: Callable[[], Mapping[str, Any]]) -> bool:
        """Send one update, made only if there is a listener, to all listeners of `account`; whether there was one."""
        listeners = list(self._listeners.get(account, ()))
        if not listeners:
            return False
        update = make_update()
        frames: dict[Codec, bytes] = {}
        for connection in listeners:
            if connection.codec not in frames:
                message = {"stream": TRADE_UPDATES, "data": update}
                frames[connection.codec] = frame(encode(connection.codec, message), connection.opcode)
            connection.write(frames[connection.codec])
        return True


class TradeConversation:
    """What one client and the trade-updates socket say to each other. Nothing here waits."""

    def __init__(
        self,
        connection: Connection,
        feed: TradeFeed,
        authenticate: Authenticate,
        joined_by: Callable[[Connection], None],
    ) -> None:
        self._connection = connection
        self._feed = feed
        self._authenticated = authenticate
        self._joined_by = joined_by

    def hear(self, data: str | bytes) -> None:
        """Answer one message of the client."""
        try:
            request = decode(self._connection.codec if isinstance(data, bytes) else Codec.JSON, data)
        except ValueError:
            return self._complain("invalid syntax")
        action = request.get("action") if isinstance(request, dict) else None
        answer = _ACTIONS.get(action) if isinstance(action, str) else None
        return answer(self, request) if answer else self._complain("unknown action")

    def _authenticate(self, request: dict[str, Any]) -> None:
        data = request.get("data")
        named = data if isinstance(data, dict) else request
        key = named.get("key_id", named.get("key"))
        secret = named.get("secret_key", named.get("secret"))
        try:
            account = self._authenticated(key, secret) if isinstance(key, str) and isinstance(secret, str) else None
        except TurnedAway:
            account = None
        if account is None:
            return self._authorization("unauthorized", "authenticate")
        self._feed.leave(self._connection)
        self._connection.account = account
        self._feed.join(self._connection)
        self._authorization("authorized", "authenticate")
        return self._joined_by(self._connection)

    def _listen(self, request: dict[str, Any]) -> None:
        if not self._connection.account:
            return self._authorization("unauthorized", "listen")
        data = request.get("data")
        streams = data.get("streams") if isinstance(data, dict) else None
        if not isinstance(streams, list):
            return self._complain("streams must be a list")
        listens = TRADE_UPDATES in streams
        self._feed.listen(self._connection, listens=listens)
        return self._say("listening", {"streams": [TRADE_UPDATES] if listens else []})

    def _authorization(self, status: str, action: str) -> None:
        self._say("authorization", {"status": status, "action": action})

    def _complain(self, message: str) -> None:
        self._connection.send({"action": "error", "data": {"error_message": message}})

    def _say(self, stream: str, data: dict[str, Any]) -> None:
        self._connection.send({"stream": stream, "data": data})


_ACTIONS: dict[str, Callable[[TradeConversation, dict[str, Any]], None]] = {
    "authenticate": TradeConversation._authenticate,
    "auth": TradeConversation._authenticate,
    "listen": TradeConversation._listen,
}


async def serve_trades(
    request: web.Request,
    feed: TradeFeed,
    authenticate: Authenticate,
    present: Present,
    joined_by: Callable[[Connection], None],
) -> web.WebSocketResponse:
    """Serve one client until it leaves. JSON goes in binary frames, as from the paper host.

    It is `present` meanwhile; `joined_by` is told when it has authenticated.
    """
    connection = await accept(request, json_opcode=BINARY)
    conversation = TradeConversation(connection, feed, authenticate, joined_by)
    try:
        with present(connection):
            async for message in connection.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    conversation.hear(message.data)
    finally:
        feed.leave(connection)
    return connection.socket
