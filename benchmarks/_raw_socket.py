"""A websocket by hand: a plain socket past its handshake, for benchmarks that count bytes and pay for nothing else."""

import asyncio
import socket
from urllib.parse import urlsplit


def frame(text: str) -> bytes:
    """A client's text frame with a mask of zeros (RFC 6455, section 5.2)."""
    data = text.encode()
    length = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data


def upgrade(url: str, hello: tuple[str, ...]) -> socket.socket:
    """A socket that has sent each text of `hello` and read what came; the server greets first if there is any."""
    parts = urlsplit(url)
    raw = socket.create_connection((parts.hostname, parts.port))
    key = "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
    raw.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n".encode()
    )
    received = b""
    while b"\r\n\r\n" not in received or (hello and not received.endswith(b"]")):
        received += raw.recv(65536)
    for text in hello:
        raw.sendall(frame(text))
        raw.recv(65536)
    return raw


async def upgraded(url: str, *hello: str) -> socket.socket:
    """`upgrade`, while the loop goes on."""
    return await asyncio.to_thread(upgrade, url, hello)


def subscription(key: str, secret: str, channel: str) -> tuple[str, str]:
    """What a client of the data socket says first: who it is, and that it wants all of `channel`."""
    return (
        f'{{"action":"auth","key":"{key}","secret":"{secret}"}}',
        f'{{"action":"subscribe","{channel}":["*"]}}',
    )
