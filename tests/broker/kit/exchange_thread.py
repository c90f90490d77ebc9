"""A simulated exchange in a thread of its own, for clients that block."""

from datetime import date

from hftd.broker.credentials import Keys
from hftd.broker.endpoints import exchange_endpoints
from hftd.broker.loop_thread import LoopThread
from hftd.domain.convert import MINUTE_NS, rfc3339_of
from hftd.exchange.server.app import serve
from hftd.exchange.server.config import ExchangeConfig

DAY = date(2019, 2, 11)
MINUTES = 390
SKIPPED = 5
"""A minute of the tape without a trade."""


def tape_rows(open_ns):
    """One session of SPY in a saw of cents."""
    for minute in range(MINUTES):
        price = 271 + (minute % 20) * 0.01
        volume = 0 if minute == SKIPPED else 1000 + minute
        time = rfc3339_of(open_ns + minute * MINUTE_NS)
        yield f"{time},SPY,{price:.2f},{price + 0.03:.2f},{price - 0.02:.2f},{price + 0.01:.2f},{volume}"


def write_tape(path, open_ns):
    path.write_text("timestamp,symbol,open,high,low,close,volume\n" + "\n".join(tape_rows(open_ns)) + "\n")
    return path


class ExchangeThread:
    """An exchange moved by hand."""

    def __init__(self, state, tape, calendar):
        self._thread = LoopThread("exchange under test")
        config = ExchangeConfig(state=state, tape=tape, speed=0.0, requests_a_minute=0)
        self._running = self._thread.run(serve(config, calendar))
        addresses = self._running.addresses()
        self.endpoints = exchange_endpoints(addresses.rest)
        self.keys = Keys.of(addresses.key, addresses.secret)

    @property
    def options(self):
        return {"endpoints": self.endpoints, "keys": self.keys}

    def advance_to(self, time_ns):
        self._thread.run(self._running.advance_to(time_ns))

    def stop(self):
        self._thread.run(self._running.stop())
        self._thread.stop()
