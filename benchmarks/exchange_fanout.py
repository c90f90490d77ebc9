"""Market data to many websocket clients: messages delivered a second, beside one aiohttp send a message and client.

One process serves, another reads a hundred sockets and counts every byte. Sixteen messages are published at a time,
as an instant of a busy market is; every client wants them all. A last run has one client that never reads.
"""

import argparse
import asyncio
import multiprocessing
import selectors
import socket
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import msgspec
import structlog
from _raw_socket import subscription, upgraded
from aiohttp import web

from hftd.exchange.server.app import serve
from hftd.exchange.server.codec import TEXT, Codec, frame, joined
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.connection import Connection
from hftd.exchange.server.feed import DataMessage

INSTANT = 16
UNREAD_BYTES = 512 * 1024
CHUNK = 1 << 20
TARGET = 1_500_000


def messages() -> list[DataMessage]:
    """An instant's quotes, each for its own symbol."""
    body = {"bx": "V", "bp": 271.33, "bs": 300, "ax": "V", "ap": 271.34, "as": 200, "t": 1, "c": ["R"], "z": "B"}
    return [DataMessage("quotes", f"S{i:03}", {"T": "q", "S": f"S{i:03}", **body}) for i in range(INSTANT)]


def count(pipe: Pipe, sockets: list[socket.socket], deaf: int) -> None:
    """Read until the parent says how many bytes each socket should get, then say how long it took to have them."""
    selector = selectors.DefaultSelector()
    for each in sockets[deaf:]:
        selector.register(each, selectors.EVENT_READ)
    received, wanted = 0, None
    while wanted is None or received < wanted:
        for key, _ in selector.select(0.01):
            received += len(key.fileobj.recv(CHUNK))  # type: ignore[union-attr]
        if wanted is None and pipe.poll():
            wanted = pipe.recv()
    pipe.send((received, time.monotonic()))


async def drained(transports: list[Any]) -> None:
    """Wait until nobody has too much unread, as an exchange at a living pace would find them."""
    while any(transport.get_write_buffer_size() > UNREAD_BYTES for transport in transports):  # noqa: ASYNC110
        await asyncio.sleep(0)


async def ours(clients: int, instants: int, deaf: int) -> float:
    """Messages delivered a second by the exchange's feed."""
    with tempfile.TemporaryDirectory() as state:
        return await delivered(Path(state), clients, instants, deaf)


async def delivered(state: Path, clients: int, instants: int, deaf: int) -> float:
    async with await serve(ExchangeConfig(state=state, speed=0, bots=None)) as running:
        address = running.addresses()
        hello = subscription(address.key, address.secret, "quotes")
        sockets = [await upgraded(address.stream, *hello) for _ in range(clients)]
        feed = running.exchange.feed
        connections: list[Connection] = list(feed.connections())
        slow = connections[:deaf]
        transports = [each._transport for each in connections[deaf:]]
        pipe, child = reader(sockets, deaf)
        started, size = time.monotonic(), 0
        for _ in range(instants):
            instant = messages()
            feed.publish(instant)
            size += frame_bytes(instant)
            await drained(transports)
        pipe.send(size * (clients - deaf))
        await asyncio.to_thread(pipe.poll, None)
        received, ended = pipe.recv()
        child.join()
        assert received == size * (clients - deaf), "lost or doubled"
        assert all(each.is_cut for each in slow)
        for each in sockets:
            each.close()
    return instants * INSTANT * (clients - deaf) / (ended - started)


def frame_bytes(instant: list[DataMessage]) -> int:
    """What one instant is on the wire."""
    return len(frame(joined(Codec.JSON, [message.encoded(Codec.JSON) for message in instant]), TEXT))


def reader(sockets: list[socket.socket], deaf: int) -> tuple[Pipe, Any]:
    pipe, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=count, args=(theirs, sockets, deaf), daemon=True)
    child.start()
    return pipe, child


async def plain(clients: int, instants: int) -> float:
    """Messages delivered a second by aiohttp's own send, one message and client at a time."""
    responses: list[web.WebSocketResponse] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        responses.append(response)
        async for _ in response:
            continue
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sockets = [await upgraded(f"ws://127.0.0.1:{port}/") for _ in range(clients)]
    pipe, child = reader(sockets, 0)
    started, size = time.monotonic(), 0
    for _ in range(instants):
        for message in messages():
            text = msgspec.json.encode([message.body]).decode()
            size += len(text) + (2 if len(text) < 126 else 4)
            for response in responses:
                await response.send_str(text)
        await asyncio.sleep(0)
    pipe.send(size * clients)
    await asyncio.to_thread(pipe.poll, None)
    received, ended = pipe.recv()
    assert received == size * clients
    child.join()
    for each in sockets:
        each.close()
    await runner.cleanup()
    return instants * INSTANT * clients / (ended - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--instants", type=int, default=4000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rows = [
        ("exchange, encoded once, 16 a frame", asyncio.run(ours(options.clients, options.instants, 0))),
        ("the same, one client never reads", asyncio.run(ours(options.clients, options.instants, 1))),
        ("aiohttp send_str, one a frame", asyncio.run(plain(options.clients, max(1, options.instants // 40)))),
    ]
    print(f"messages delivered a second to {options.clients} clients, none lost")
    for name, rate in rows:
        print(f"  {name:<38}{rate:>12,.0f}")
    print(f"  {'target':<38}{TARGET:>12,.0f}")


if __name__ == "__main__":
    main()
