"""The contract of a broker, of each that comes with hftd."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from broker_contract import BrokerContract
from exchange_thread import DAY, write_tape

from hftd.broker.credentials import Keys
from hftd.broker.inprocess import InProcessBroker
from hftd.broker.simulated import SimulatedBroker
from hftd.calendar import Calendar
from hftd.clock import ManualClock
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.exchange.market.course import make_course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.exchange.server.app import serve
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.venue.fees import SCHEDULES, Fees
from hftd.exchange.venue.settings import VenueSettings

CALENDAR = Calendar()
CHARGING = VenueSettings(fees=SCHEDULES[Fees.PER_SHARE])
OPEN_NS = CALENDAR.session_on(DAY).open_ns


class TestInProcess(BrokerContract):
    @asynccontextmanager
    async def market(self, tmp_path, sink):
        clock = ManualClock(OPEN_NS - MINUTE_NS)
        broker = InProcessBroker(clock, make_course(CALENDAR, RandomMarket(("SPY",), seed=3), clock.now_ns(), CHARGING))
        await broker.connect(sink)
        await broker.play_until(OPEN_NS + MINUTE_NS)
        yield broker, lambda: broker.play_until(clock.now_ns() + SECOND_NS)


class TestOverAlpacasProtocol(BrokerContract):
    """The adapter that trades on Alpaca, on an exchange moved by hand."""

    @pytest.fixture(autouse=True)
    def tape(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hftd.broker.alpaca.ACTIVITIES_A_PAGE", 1)
        self._tape = write_tape(tmp_path / "spy.csv", OPEN_NS)

    @asynccontextmanager
    async def market(self, tmp_path, sink):
        config = ExchangeConfig(
            state=tmp_path / "state", tape=self._tape, requests_a_minute=0, speed=0.0, fees=Fees.PER_SHARE
        )
        async with await serve(config, CALENDAR) as exchange:
            addresses = exchange.addresses()
            broker = SimulatedBroker(addresses.rest, Keys.of(addresses.key, addresses.secret))
            await broker.connect(sink)
            await exchange.advance_to(OPEN_NS + 2 * MINUTE_NS)
            yield broker, lambda: asyncio.sleep(0)
            await broker.disconnect()
