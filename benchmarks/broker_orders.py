"""Tick to order: from the server's sending of a quote to its receipt of the order that answers it.

hftd's adapter beside a plain alpaca-py script (stream, and submit_order in its handler), the same server process, at
several rates. Every quote is answered by one market order. The adapter alone: no journal, model or risk.

    python benchmarks/broker_orders.py [--ticks N]
"""

import argparse
import asyncio
import multiprocessing
import time
import warnings
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any

RATES = (200, 700, 2000)

Run = Callable[[str, int], Coroutine[Any, Any, None]]


def serve(pipe: Connection) -> None:
    """Send `ticks` quotes at `rate` a second, each with its number; report the microseconds to each order."""
    import msgpack
    import msgspec
    from aiohttp import web

    sent: dict[int, int] = {}
    took: list[float] = []
    stamp = msgpack.Timestamp(1_795_000_000, 1)

    def frame(number: int) -> bytes:
        quote = {"T": "q", "S": "SPY", "bx": "V", "bp": 271.34, "bs": number, "ax": "V", "ap": 271.35, "as": 200}
        packed: bytes = msgpack.packb([{**quote, "c": ["R"], "z": "B", "t": stamp}])
        return packed

    async def stream(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for said in ("connected", "authenticated"):
            await socket.send_bytes(msgpack.packb([{"T": "success", "msg": said}]))
            await socket.receive()
        await socket.send_bytes(msgpack.packb([{"T": "subscription", "quotes": ["SPY"]}]))
        await asyncio.sleep(0.2)
        rate, ticks = request.app["rate"], request.app["ticks"]
        began = time.perf_counter()
        for number in range(ticks):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            sent[number] = time.perf_counter_ns()
            await socket.send_bytes(frame(number))
        async for _ in socket:
            pass
        return socket

    async def trades(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.send_json({"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}})
        await socket.receive()
        await socket.send_json({"stream": "listening", "data": {"streams": ["trade_updates"]}})
        async for _ in socket:
            pass
        return socket

    async def order(request: web.Request) -> web.StreamResponse:
        arrived = time.perf_counter_ns()
        body = msgspec.json.decode(await request.read())
        took.append((arrived - sent[int(body["client_order_id"])]) / 1000)
        now = "2026-11-20T15:00:00Z"
        answer = {"id": "904837e3-3b76-47ec-b432-046db621571b", "client_order_id": body["client_order_id"]}
        answer |= {"created_at": now, "updated_at": now, "submitted_at": now, "symbol": "SPY", "side": "buy"}
        answer |= {"qty": "1", "filled_qty": "0", "order_class": "", "type": "market", "order_type": "market"}
        answer |= {"time_in_force": "day", "status": "accepted", "extended_hours": False}
        if len(took) == request.app["ticks"]:
            pipe.send(sorted(took))
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app["rate"], app["ticks"] = pipe.recv()
        app.router.add_get("/v2/iex", stream)
        app.router.add_get("/stream", trades)
        app.router.add_post("/v2/orders", order)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


async def with_adapter(url: str, ticks: int) -> None:
    from decimal import Decimal

    from hftd.broker.alpaca import AlpacaBroker
    from hftd.broker.base import MarketMessage, Message
    from hftd.broker.credentials import Keys
    from hftd.broker.endpoints import exchange_endpoints
    from hftd.domain.market import Quote
    from hftd.domain.orders import OrderRequest, Side

    broker = AlpacaBroker(exchange_endpoints(url), Keys.of("k", "s"))
    tasks: set[asyncio.Task[Any]] = set()
    finished = asyncio.Event()

    def sink(message: Message) -> None:
        if isinstance(message, MarketMessage) and isinstance(message.data, Quote):
            number = message.data.bid_size
            task = asyncio.create_task(broker.submit(OrderRequest(str(number), "SPY", Side.BUY, Decimal(1))))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            if number == ticks - 1:
                finished.set()

    await broker.connect(sink)
    await broker.subscribe(quotes=["SPY"])
    await finished.wait()
    await asyncio.wait(tasks)
    await broker.disconnect()


async def with_alpaca_py(url: str, ticks: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alpaca.data.live.stock import StockDataStream
        from alpaca.trading.client import TradingClient
        from alpaca.trading.enums import OrderSide, TimeInForce
        from alpaca.trading.requests import MarketOrderRequest
    stream = StockDataStream("k", "s", url_override=url.replace("http", "ws", 1) + "/v2/iex")
    client = TradingClient("k", "s", url_override=url)
    finished = asyncio.Event()

    async def handler(quote: Any) -> None:
        number = int(quote.bid_size)
        order = MarketOrderRequest(
            symbol="SPY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=str(number)
        )
        client.submit_order(order)
        if number == ticks - 1:
            finished.set()

    stream.subscribe_quotes(handler, "SPY")
    running = asyncio.create_task(stream._run_forever())
    await finished.wait()
    running.cancel()
    await asyncio.wait({running})


def measure(run: Run, rate: int, ticks: int) -> list[float]:
    """Microseconds from tick to order, sorted."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    ours.send((rate, ticks))
    asyncio.run(run(f"http://127.0.0.1:{ours.recv()}", ticks))
    took: list[float] = ours.recv()
    server.terminate()
    server.join()
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ticks", type=int, default=1500)
    ticks = parser.parse_args().ticks
    runs: dict[str, Run] = {"hftd": with_adapter, "alpaca-py": with_alpaca_py}
    print("microseconds from tick to order over loopback, p50 and p99 (target: half of alpaca-py's p50)")
    for rate in RATES:
        for name, run in runs.items():
            took = measure(run, rate, ticks)
            p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
            print(f"  {rate:>5} ticks/s  {name:<10} p50 {p50:>9,.0f}  p99 {p99:>10,.0f}")


if __name__ == "__main__":
    main()
