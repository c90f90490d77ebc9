"""Messages a second through the market-data socket: hftd's adapter, its client for notebooks, and alpaca-py's stream.

One server process blasts the same MessagePack frames of quotes, 16 messages each, at each of them in turn.

    python benchmarks/broker_stream.py [--messages N]
"""

import argparse
import asyncio
import multiprocessing
import time
import warnings
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

FRAME_MESSAGES = 16
TARGET = 150_000


def quote_frame(number: int) -> bytes:
    import msgpack

    stamp = msgpack.Timestamp(1_795_000_000 + number, 123_456_789)
    quote = {"T": "q", "S": "SPY", "bx": "V", "bp": 271.34, "bs": 300, "ax": "V", "ap": 271.35, "as": 200, "c": ["R"]}
    packed: bytes = msgpack.packb([{**quote, "z": "B", "t": stamp}] * FRAME_MESSAGES)
    return packed


def serve(pipe: Connection, messages: int) -> None:
    """Greet, wait for the subscription, send `messages` quotes as fast as they are taken."""
    import msgpack
    from aiohttp import web

    async def stream(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for said in ("connected", "authenticated"):
            await socket.send_bytes(msgpack.packb([{"T": "success", "msg": said}]))
            await socket.receive()
        await socket.send_bytes(msgpack.packb([{"T": "subscription", "quotes": ["SPY"]}]))
        frames = [quote_frame(number) for number in range(64)]
        for number in range(messages // FRAME_MESSAGES):
            await socket.send_bytes(frames[number % 64])
        async for _ in socket:
            pass
        return socket

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/v2/iex", stream)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


class Counter:
    """Counts messages, and says when all have come."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.count = 0
        self.began = self.ended = 0.0
        self.done: Callable[[], None] = lambda: None

    def __call__(self, message: Any) -> None:
        if self.count == 0:
            self.began = time.perf_counter()
        self.count += 1
        if self.count == self.expected:
            self.ended = time.perf_counter()
            self.done()

    @property
    def rate(self) -> float:
        return (self.count - 1) / (self.ended - self.began)


async def with_adapter(url: str, counter: Counter) -> None:
    import aiohttp

    from hftd.broker.base import MarketMessage
    from hftd.broker.credentials import Keys
    from hftd.broker.data_socket import DataSocket
    from hftd.broker.endpoints import Patience
    from hftd.clock import wall_ns

    finished = asyncio.Event()
    counter.done = finished.set
    sink = lambda message: counter(message) if type(message) is MarketMessage else None  # noqa: E731
    socket = DataSocket(f"{url}/v2/iex", Keys.of("k", "s"), sink, wall_ns, Patience())
    async with aiohttp.ClientSession() as session:
        await socket.open(session)
        await socket.subscribe({"quotes": ["SPY"]})
        await finished.wait()
        await socket.close()


async def with_client(url: str, counter: Counter) -> None:
    from hftd.broker.clients import AlpacaRealtimeClient
    from hftd.broker.credentials import Keys
    from hftd.broker.endpoints import exchange_endpoints

    endpoints = exchange_endpoints(url.replace("ws", "http", 1))
    client = AlpacaRealtimeClient(
        keys=Keys.of("k", "s"), endpoints=endpoints, on_status=lambda _: None, mailbox_limit=10_000_000
    )
    counter.done = client.close
    client.subscribe_quotes("SPY")
    await asyncio.to_thread(client.listen, counter)


async def with_alpaca_py(url: str, counter: Counter) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alpaca.data.live.stock import StockDataStream
    stream = StockDataStream("k", "s", url_override=f"{url}/v2/iex")
    finished = asyncio.Event()
    counter.done = finished.set

    async def handler(quote: Any) -> None:
        counter(quote)

    stream.subscribe_quotes(handler, "SPY")
    running = asyncio.create_task(stream._run_forever())
    await finished.wait()
    running.cancel()
    await asyncio.wait({running})


def measure(run: Callable[[str, Counter], Awaitable[None]], messages: int) -> float:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, messages), daemon=True)
    server.start()
    counter = Counter(messages // FRAME_MESSAGES * FRAME_MESSAGES)

    async def main() -> None:
        await run(f"ws://127.0.0.1:{ours.recv()}", counter)

    asyncio.run(main())
    server.terminate()
    server.join()
    return counter.rate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=800_000)
    messages = parser.parse_args().messages
    runs: dict[str, tuple[Callable[[str, Counter], Awaitable[None]], int]] = {
        "hftd, the daemon's adapter": (with_adapter, messages),
        "hftd, AlpacaRealtimeClient": (with_client, messages),
        "alpaca-py, StockDataStream": (with_alpaca_py, messages // 8),
    }
    print(f"quotes a second over a real socket, MessagePack, {FRAME_MESSAGES} a frame (target {TARGET:,})")
    for name, (run, count) in runs.items():
        print(f"  {name:<28} {measure(run, count):>10,.0f}")


if __name__ == "__main__":
    main()
