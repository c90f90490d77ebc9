"""How long REST holds up the event loop: a server that hangs, and 200,000 bars; alpaca-py called inline beside.

A coroutine sleeps for half a millisecond again and again; what it overslept is what a tick would have waited. Beside it
the processor time that the loop's thread used meanwhile: that much is ours, the rest is the machine's other work, as
the row without any REST shows too. The garbage that was made by importing is frozen first, as a daemon does.

    python benchmarks/broker_loop.py [--pages N]
"""

import argparse
import asyncio
import gc
import multiprocessing
import time
import warnings
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

BARS_A_PAGE = 10_000
NAP_S = 0.0005
TARGET_MS = 5.0
HANG_S = 1.0

Work = Callable[[], Awaitable[Any]]


def serve(pipe: Connection) -> None:
    import msgspec
    from aiohttp import web

    bar = {"t": "2026-11-20T15:00:00Z", "o": 271.34, "h": 271.5, "l": 271.3, "c": 271.42, "v": 36839, "n": 512}
    pages = int(pipe.recv())

    async def bars(request: web.Request) -> web.Response:
        page = int(request.query.get("page_token") or 0)
        token = str(page + 1) if page + 1 < pages else None
        body = msgspec.json.encode({"bars": {"SPY": [{**bar, "vw": 271.4}] * BARS_A_PAGE}, "next_page_token": token})
        return web.Response(body=body, content_type="application/json")

    async def clock(request: web.Request) -> web.Response:
        await asyncio.sleep(HANG_S)
        moment = "2026-11-20T15:00:00Z"
        return web.json_response({"timestamp": moment, "is_open": True, "next_open": moment, "next_close": moment})

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/v2/stocks/bars", bars)
        app.router.add_get("/v2/clock", clock)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


async def stalls_ms(work: Work) -> tuple[list[float], list[float]]:
    """Milliseconds overslept while `work` ran, and milliseconds of processor time used at a stretch; sorted."""
    overslept: list[float] = []
    used: list[float] = []

    async def nap() -> None:
        while True:
            began, began_used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(NAP_S)
            overslept.append((time.perf_counter() - began - NAP_S) * 1000)
            used.append((time.thread_time() - began_used) * 1000)

    napping = asyncio.create_task(nap())
    await asyncio.sleep(0.05)
    overslept.clear()
    used.clear()
    await work()
    await asyncio.sleep(0.05)
    napping.cancel()
    return sorted(overslept), sorted(used)


async def measure(url: str) -> dict[str, tuple[list[float], list[float]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alpaca.data.historical.stock import StockHistoricalDataClient
        from alpaca.data.requests import StockBarsRequest
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
        from alpaca.trading.client import TradingClient

    from hftd.broker.alpaca import AlpacaBroker
    from hftd.broker.credentials import Keys
    from hftd.broker.endpoints import exchange_endpoints

    broker = AlpacaBroker(exchange_endpoints(url), Keys.of("k", "s"))
    history = StockHistoricalDataClient("k", "s", url_override=url)
    wanted = StockBarsRequest(symbol_or_symbols="SPY", timeframe=TimeFrame(1, TimeFrameUnit("Min")))

    async def inline_clock() -> None:
        TradingClient("k", "s", url_override=url).get_clock()

    async def inline_history() -> None:
        history.get_stock_bars(wanted)

    gc.collect()
    gc.freeze()
    works: dict[str, Work] = {
        "nothing at all": lambda: asyncio.sleep(1),
        "hftd, a server that hangs": broker.clock,
        "alpaca-py, a server that hangs": inline_clock,
        "hftd, history": lambda: broker.bars(["SPY"], 0, 1),
        "alpaca-py, history": inline_history,
    }
    found = {name: await stalls_ms(work) for name, work in works.items()}
    await broker.disconnect()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=20)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    ours.send(parser.parse_args().pages)
    found = asyncio.run(measure(f"http://127.0.0.1:{ours.recv()}"))
    server.terminate()
    print(f"milliseconds that the event loop was held up (target: never more than {TARGET_MS:g})")
    for name, (overslept, used) in found.items():
        p99 = overslept[len(overslept) * 99 // 100]
        print(f"  {name:<32} p99 {p99:>8,.2f}  longest {overslept[-1]:>9,.2f}  own work {used[-1]:>9,.2f}")


if __name__ == "__main__":
    main()
