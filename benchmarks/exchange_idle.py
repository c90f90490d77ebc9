"""What the exchange costs while little happens: start to listening, memory, and memory with a thousand idle clients.

With bots, most of the memory is numba's and the market's.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from _raw_socket import subscription, upgraded

PROGRAM = """
import asyncio, sys
from pathlib import Path
import structlog
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.run import announcement, run_exchange
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
announce = lambda addresses: print(announcement(addresses, as_json=True), flush=True)
market = {} if sys.argv[2] == "bots" else {"bots": None}
asyncio.run(run_exchange(ExchangeConfig(state=Path(sys.argv[1]), speed=60, **market), announce, asyncio.Event()))
"""
TOGETHER = 50


def resident_mb(process_id: int) -> float:
    """Resident memory of a process in megabytes (10^6 bytes)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def started(state: str, market: str) -> tuple[asyncio.subprocess.Process, dict[str, str], float]:
    """An exchange, where it listens, and the seconds until it said so."""
    began = time.perf_counter()
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.DEVNULL}
    child = await asyncio.create_subprocess_exec(sys.executable, "-W", "ignore", "-c", PROGRAM, state, market, **pipes)
    assert child.stdout is not None
    told = json.loads(await child.stdout.readline())
    return child, told, time.perf_counter() - began


async def measured(clients: int, market: str) -> None:
    with tempfile.TemporaryDirectory() as state:
        child, _, cold_s = await started(state, market)
        child.terminate()
        await child.wait()
        child, told, warm_s = await started(state, market)
        alone_mb = resident_mb(child.pid)
        hello = subscription(told["key"], told["secret"], "bars")
        sockets = []
        while len(sockets) < clients:
            sockets += await asyncio.gather(*(upgraded(told["stream"], *hello) for _ in range(TOGETHER)))
        full_mb = resident_mb(child.pid)
        child.terminate()
        await child.wait()
    print(f"  {market:<14}{cold_s:10.2f} s{warm_s:10.2f} s{alone_mb:10.0f} MB{full_mb:10.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    clients = parser.parse_args().clients
    print(f"  market             first start      second       alone    {clients:,} idle clients")
    for market in ("random walk", "bots"):
        asyncio.run(measured(clients, market))


if __name__ == "__main__":
    main()
