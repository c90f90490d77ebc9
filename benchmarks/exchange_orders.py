"""Orders over REST: how many a second from eight kept connections while twenty clients stream, and how long each takes.

The exchange runs in a process of its own; the orders come from another, over plain kept sockets, one after the other
on each connection. Every order is filled, kept on disk before it is answered, and told on the trade-updates socket.
Beside it: the same requests to an aiohttp handler that does nothing.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import structlog
from _raw_socket import subscription, upgraded
from aiohttp import web

from hftd.clock import wall_ns
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.exchange.server.app import serve
from hftd.exchange.server.config import ExchangeConfig

SPEED = 60.0
STREAMING = 20
TARGET = 2000
TARGET_P99_MS = 10
BODY = '{"symbol":"SPY","qty":"1","side":"%s","type":"market","time_in_force":"day"}'


async def exchange(pipe: Pipe) -> None:
    """Serve an open market until told to stop."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as state:
        config = ExchangeConfig(state=Path(state), speed=0, requests_a_minute=0, bots=None)
        async with await serve(config) as running:
            session = running.exchange.upcoming_session(wall_ns())
            now_ns = session.open_ns + MINUTE_NS
            await running.advance_to(now_ns)
            address = running.addresses()
            pipe.send((running.port, address.key, address.secret, address.stream))
            while not pipe.poll():
                now_ns += SECOND_NS
                await running.advance_to(now_ns)
                await asyncio.sleep(1 / SPEED)


async def idle_handler(pipe: Pipe) -> None:
    """Serve the same path with a handler that only reads its request."""

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/v2/orders", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send((runner.addresses[0][1], "", "", ""))
    await asyncio.to_thread(pipe.poll, None)
    await runner.cleanup()


def process(serving: Any, pipe: Pipe) -> None:
    asyncio.run(serving(pipe))


async def connection(port: int, key: str, secret: str, orders: int, number: int) -> list[float]:
    """Send `orders` orders one after the other; the seconds that each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v2/orders HTTP/1.1\r\nHost: x\r\nAPCA-API-KEY-ID: {key}\r\nAPCA-API-SECRET-KEY: {secret}\r\n"
    taken = []
    for count in range(orders):
        body = BODY % ("buy" if (count // 10 + number) % 2 else "sell")
        started = time.perf_counter()
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length"))
        text = await reader.readexactly(int(length.split(b":")[1]))
        taken.append(time.perf_counter() - started)
        assert answer.startswith(b"HTTP/1.1 200"), text
    writer.close()
    return taken


async def drain(stream: Any) -> None:
    loop = asyncio.get_running_loop()
    stream.setblocking(False)
    while await loop.sock_recv(stream, 1 << 20):
        continue


async def measured(serving: Any, connections: int, orders: int) -> tuple[float, list[float]]:
    """Orders a second, and the seconds that each took."""
    pipe, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=process, args=(serving, theirs), daemon=True)
    child.start()
    port, key, secret, stream = await asyncio.to_thread(pipe.recv)
    hello = subscription(key, secret, "quotes")
    streams = [await upgraded(stream, *hello) for _ in range(STREAMING)] if stream else []
    readers = [asyncio.create_task(drain(each)) for each in streams]
    await connection(port, key, secret, 50, 0)
    started = time.perf_counter()
    each = await asyncio.gather(*(connection(port, key, secret, orders, number) for number in range(connections)))
    elapsed_s = time.perf_counter() - started
    pipe.send("stop")
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    for raw in streams:
        raw.close()
    await asyncio.to_thread(child.join)
    return connections * orders / elapsed_s, sorted(second for taken in each for second in taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--orders", type=int, default=1500, help="on each connection")
    options = parser.parse_args()
    print(f"orders over REST from {options.connections} connections" + " " * 10 + "a second    p50 ms    p99 ms")
    rows = (("exchange: filled, kept, told", exchange), ("aiohttp handler that does nothing", idle_handler))
    for name, serving in rows:
        rate, taken = asyncio.run(measured(serving, options.connections, options.orders))
        p50, p99 = (taken[int(len(taken) * share)] * 1000 for share in (0.5, 0.99))
        print(f"  {name:<44}{rate:>10,.0f}{p50:>10.2f}{p99:>10.2f}")
    print(f"  {'target':<44}{TARGET:>10,.0f}{'':>10}{TARGET_P99_MS:>10.2f}")


if __name__ == "__main__":
    main()
