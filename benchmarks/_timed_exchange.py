"""The exchange of daemon.py: it measures the time from the publication of a bar to the arrival of its order.

Two clients trade on it, each in its own account and symbols. In three minutes of four every bar is published by
itself, the clients' in turns, so that each has the machine to itself; in the fourth the bars of a client leave in one
frame. Prints its addresses, and at the end the microseconds of every order.
"""

import argparse
import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiohttp.web_protocol import RequestHandler

from hftd import logs
from hftd.exchange.server.app import RunningExchange, serve
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.feed import DataMessage, Feed

CLIENTS = {"daemon": "H", "script": "P"}
"""Account -> first letter of its symbols."""
SPEED = 60.0
WARM_UP_MINUTES = 2
BURST_EVERY = 4
SPACING_S = 0.045
HALF_MINUTE_S = 0.5
ORDER = re.compile(rb'"symbol": ?"([A-Z]+)"')
"""What an order's body says, in the bytes of a request."""


class TimedFeed(Feed):
    """A feed that publishes bars one by one or in bursts, and remembers when. `finished` is set after `minutes`."""

    def __init__(self, minutes: int) -> None:
        super().__init__()
        self.finished = asyncio.Event()
        self.taken_us: dict[str, list[float]] = defaultdict(list)
        self._minutes = minutes + WARM_UP_MINUTES
        self._minute = 0
        self._published: dict[str, tuple[str, int]] = {}

    def publish(self, messages: Sequence[DataMessage]) -> set[str]:
        bars = [message for message in messages if message.body["T"] == "b"]
        if bars and self.subscriber_count == len(CLIENTS):
            self._minute += 1
            if self._minute > self._minutes:
                self.finished.set()
            self._schedule(bars)
        return set()

    def arrived(self, symbol: str) -> None:
        """The order that follows from the last bar of `symbol` is here, still unread."""
        now_ns = time.perf_counter_ns()
        if symbol in self._published:
            how, published_ns = self._published.pop(symbol)
            self.taken_us[f"{symbol[0]} {how}"].append((now_ns - published_ns) / 1000)

    def _schedule(self, bars: list[DataMessage]) -> None:
        later = asyncio.get_running_loop().call_later
        how = self._how()
        if how == "burst":
            for place, letter in enumerate(CLIENTS.values()):
                burst = [bar for bar in bars if bar.symbol.startswith(letter)]
                later(place * HALF_MINUTE_S, self._publish_now, burst, how)
        else:
            for place, bar in enumerate(sorted(bars, key=lambda bar: bar.symbol[::-1])):
                later(place * SPACING_S, self._publish_now, [bar], how)

    def _how(self) -> str:
        if self._minute <= WARM_UP_MINUTES:
            return "warm-up"
        return "burst" if self._minute % BURST_EVERY == 0 else "alone"

    def _publish_now(self, bars: list[DataMessage], how: str) -> None:
        published_ns = time.perf_counter_ns()
        self._published.update((bar.symbol, (how, published_ns)) for bar in bars)
        super().publish(bars)


def time_orders(running: RunningExchange, minutes: int) -> TimedFeed:
    """Put a timed feed into an exchange that nobody has connected to yet, and watch what comes in on its port."""
    feed = running.exchange.feed = TimedFeed(minutes)
    receive = RequestHandler.data_received

    def timed(handler: RequestHandler, data: bytes) -> None:
        if order := ORDER.search(data):
            feed.arrived(order[1].decode())
        receive(handler, data)

    RequestHandler.data_received = timed  # type: ignore[assignment,method-assign]
    return feed


async def run(tape: Path, state: Path, minutes: int) -> None:
    config = ExchangeConfig(state=state, tape=tape, speed=SPEED, accounts=tuple(CLIENTS), requests_a_minute=0)
    async with await serve(config) as running:
        feed = time_orders(running, minutes)
        tell({account: running.addresses(account) for account in CLIENTS})
        await feed.finished.wait()
        tell(feed.taken_us)


def tell(value: object) -> None:
    print(msgspec.json.encode(value).decode(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tape", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("minutes", type=int)
    asked = parser.parse_args()
    logs.configure(level="warning")
    asyncio.run(run(asked.tape, asked.state, asked.minutes))
