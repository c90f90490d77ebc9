"""The clock socket `/hftd/clock`: the exchange's time, and the client's say in it when in lockstep.

    S {"time_ns": int, "speed": float, "jump": bool, "hold": int}     at once, at jumps, opens and closes, each second
    C {"done": n, "wake_ns": int}                                     in lockstep: everything up to hold n is digested

`hold` is 0 unless the client is in lockstep (`?lockstep=1`) and time stands still for it. A lockstep client holds time
from the moment it is connected, so that it may open and set up its other sockets first; a socket that is opened during
a hold gets that hold's mark when it has authenticated. `wake_ns` may be left out: the next moment that is to be held
for the client, whether anything happens then or not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import WSMsgType, web

from hftd.exchange.server.codec import Codec, decode
from hftd.exchange.server.connection import Connection, Present, accept
from hftd.exchange.server.lockstep import Holds, LockstepClient
from hftd.exchange.server.timeline import Timeline


class ClockFeed:
    """All clock sockets. `on_presence` is told how many accounts have one, whenever that may have changed.

    Where some are in lockstep only those count: a daemon first asks for the speed, and then comes to stay.
    """

    def __init__(self, timeline: Timeline, holds: Holds, on_presence: Callable[[int], None]) -> None:
        self._timeline = timeline
        self._holds = holds
        self._on_presence = on_presence
        self._connections: set[Connection] = set()

    def announce(self) -> None:
        """Tell everybody the time."""
        for connection in list(self._connections):
            self.tell(connection, self._holds.hold_of(connection.account) if connection.lockstep else 0)

    def announce_turn(self, *, jump: bool) -> None:
        """Tell of a session's open or close, or of a leap, to those who will not be told by a hold."""
        for connection in list(self._connections):
            if not connection.lockstep:
                self.tell(connection, 0, jump=jump)

    def join(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._on_presence(self._account_count())

    def leave(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._on_presence(self._account_count())

    def _account_count(self) -> int:
        in_lockstep = {connection.account for connection in self._connections if connection.lockstep}
        return len(in_lockstep or {connection.account for connection in self._connections})

    def tell(self, connection: Connection, hold: int, *, jump: bool = False) -> None:
        """Tell one client the time."""
        timeline = self._timeline
        connection.send({"time_ns": timeline.now_ns(), "speed": timeline.speed, "jump": jump, "hold": hold})


async def serve_clock(
    request: web.Request,
    account: str,
    feed: ClockFeed,
    holds: Holds,
    present: Present,
    mark: Callable[[str, int], None],
) -> web.WebSocketResponse:
    """Serve one client of `account` until it leaves. It is `present` meanwhile.

    `mark(account, n)` marks the account's lockstep sockets.
    """
    connection = await accept(request)
    connection.account = account
    connection.codec = Codec.JSON
    connection.lockstep = request.query.get("lockstep") == "1"
    with present(connection), _taking_part(connection, feed, holds, mark) as client:
        async for message in connection.socket:
            if client and message.type is WSMsgType.TEXT:
                holds.done(client, *_done(message.data))
    return connection.socket


@contextmanager
def _taking_part(
    connection: Connection, feed: ClockFeed, holds: Holds, mark: Callable[[str, int], None]
) -> Iterator[LockstepClient | None]:
    """The connection gets announcements and, in lockstep, holds time."""
    client = None
    if connection.lockstep:
        client = LockstepClient(
            connection.account,
            lambda hold, jump: feed.tell(connection, hold, jump=jump),
            lambda hold: mark(connection.account, hold),
        )
        holds.join(client)
    else:
        feed.tell(connection, 0)
    feed.join(connection)
    try:
        yield client
    finally:
        feed.leave(connection)
        if client:
            holds.leave(client)


def _done(text: str) -> tuple[object, object]:
    """The hold that a client says to be done with, and when it wants to be awake; None for anything else."""
    try:
        message = decode(Codec.JSON, text)
    except ValueError:
        return None, None
    return (message.get("done"), message.get("wake_ns")) if isinstance(message, dict) else (None, None)
