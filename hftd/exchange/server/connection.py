"""One websocket of a client, as the exchange writes to it.

Frames go straight to the transport, so that one frame may be built once and written to many. What a client has not
read yet is bounded: a client that is too slow is told so and cut off, and costs the others nothing.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from aiohttp import web

from hftd.exchange.server.codec import BINARY, TEXT, Codec, codec_asked_for, encode, frame

UNREAD_BYTES_MAX = 2 * 1024 * 1024
FAREWELL_S = 5.0
"""How long a slow client may take to read what was written before it was cut off."""

MESSAGE_BYTES_MAX = 256 * 1024
"""The longest message a client may send; a longer one closes its socket with 1009 (RFC 6455)."""

CLOSE_S = 2.0
LOCKSTEP_HEADER = "X-Hftd-Lockstep"


class Connection:
    """An upgraded websocket. `account` is empty until it has authenticated. `opcode` is that of its data frames.

    `farewell` makes the frame that a client gets which is too slow. Frames may be made to pass a `gate`.
    """

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport, codec: Codec, opcode: int, lockstep: bool
    ) -> None:
        self.socket = socket
        self.codec = codec
        self.opcode = opcode
        self.lockstep = lockstep
        self.account = ""
        self.is_cut = False
        self.farewell: Callable[[], bytes] = bytes
        self.gate: Callable[[bytes], None] | None = None
        self._transport = transport

    def send(self, message: object) -> None:
        """Write one message, encoded in this connection's codec."""
        self.write(frame(encode(self.codec, message), self.opcode))

    def send_now(self, message: object) -> None:
        """Write one message past the gate."""
        self.write_now(frame(encode(self.codec, message), self.opcode))

    def write(self, framed: bytes) -> None:
        """Write whole frames, through the gate if there is one."""
        if self.gate is None:
            self.write_now(framed)
        else:
            self.gate(framed)

    def write_now(self, framed: bytes) -> None:
        """Write whole frames, unless the client has fallen too far behind: then cut it off."""
        if self.is_cut or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() + len(framed) > UNREAD_BYTES_MAX:
            self.cut(self.farewell())
        else:
            self._transport.write(framed)

    def cut(self, farewell: bytes = b"") -> None:
        """Write `farewell` and close, with patience for a while and by force afterwards."""
        self.is_cut = True
        if farewell:
            self._transport.write(farewell)
        self._transport.close()
        asyncio.get_running_loop().call_later(FAREWELL_S, self._transport.abort)

    def abort(self) -> None:
        """Cut the connection without a word."""
        self.is_cut = True
        self._transport.abort()


Present = Callable[[Connection], AbstractContextManager[None]]
"""Keeps a connection in the list of those that are open."""


async def accept(request: web.Request, json_opcode: int = TEXT) -> Connection:
    """Upgrade `request`. The codec is the one its Content-Type asks for; JSON goes in frames of `json_opcode`."""
    socket = web.WebSocketResponse(timeout=CLOSE_S, compress=False, max_msg_size=MESSAGE_BYTES_MAX)
    await socket.prepare(request)
    assert request.transport is not None, "an upgraded request has a transport"
    codec = codec_asked_for(request.headers.get("Content-Type", ""))
    opcode = BINARY if codec is Codec.MSGPACK else json_opcode
    return Connection(socket, request.transport, codec, opcode, request.headers.get(LOCKSTEP_HEADER) == "1")
