"""The adapter against the exchange's own faults: single ones, and a day full of them."""

from contextlib import asynccontextmanager
from decimal import Decimal

import numpy
import pytest
from alpaca_inbox import Inbox
from broker_stub import HASTY
from exchange_thread import DAY, SKIPPED, write_tape

from hftd.broker.base import Feed, FeedState, FeedStatus, MarketMessage, OrdersAsked, TradingStatus
from hftd.broker.credentials import Keys
from hftd.broker.simulated import SimulatedBroker
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.errors import BrokerUnavailable, CredentialsError
from hftd.exchange.server.app import serve
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.faults import Fault, FaultKind, Target

ONE = Decimal(1)


@pytest.fixture(scope="module")
def calendar():
    return Calendar("NYSE")


@pytest.fixture(scope="module")
def session(calendar):
    return calendar.session_on(DAY)


@pytest.fixture(scope="module")
def tape(tmp_path_factory, session):
    return write_tape(tmp_path_factory.mktemp("tape") / "spy.csv", session.open_ns)


class Scene:
    """An exchange moved by hand, a connected broker and its inbox."""

    def __init__(self, running, session):
        addresses = running.addresses()
        self.running = running
        self.session = session
        self.broker = SimulatedBroker(addresses.rest, Keys.of(addresses.key, addresses.secret), patience=HASTY)
        self.inbox = Inbox()

    def arm(self, kind, target=Target.DATA, **options):
        self.running.exchange.arm(Fault(kind, target, **options))

    def clear(self):
        self.running.exchange.faults.clear()

    async def to_minute(self, minute):
        await self.running.advance_to(self.session.open_ns + minute * MINUTE_NS)

    def bars(self):
        return [m.data for m in self.inbox.messages if isinstance(m, MarketMessage) and isinstance(m.data, Bar)]

    def ups(self, feed):
        return sum(isinstance(m, FeedStatus) and (m.feed, m.state) == (feed, FeedState.UP) for m in self.inbox.messages)

    def fills(self):
        kinds = (ReportKind.FILL, ReportKind.PARTIAL_FILL)
        return [m for m in self.inbox.messages if isinstance(m, ExecutionReport) and m.kind in kinds]

    async def buy(self, name):
        return await self.broker.submit(OrderRequest(name, "SPY", Side.BUY, ONE))


@asynccontextmanager
async def scene_of(tmp_path, tape, calendar, session):
    config = ExchangeConfig(state=tmp_path, tape=tape, speed=0.0, requests_a_minute=0, seed=7, cash=Decimal(10**7))
    async with await serve(config, calendar) as running:
        scene = Scene(running, session)
        await scene.to_minute(1)
        await scene.broker.connect(scene.inbox)
        await scene.broker.subscribe(bars=["SPY"], statuses=["SPY"])
        yield scene
        await scene.broker.disconnect()


@pytest.fixture
async def scene(tmp_path, tape, calendar, session):
    async with scene_of(tmp_path, tape, calendar, session) as scene:
        yield scene


@pytest.mark.parametrize("done", [True, False], ids=["done all the same", "not done"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": FaultKind.STATUS, "status": 504},
        {"kind": FaultKind.STATUS, "status": 500, "html": True},
        {"kind": FaultKind.STATUS, "status": 503},
        {"kind": FaultKind.CUT},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
async def test_one_order_whatever_becomes_of_the_answer(scene, fault, done):
    scene.arm(target=Target.REST, method="POST", path="/v2/orders", count=1, done=done, **fault)
    report = await scene.buy("hftd-1")
    assert report.kind in (ReportKind.NEW, ReportKind.ACCEPTED, ReportKind.PENDING_NEW)
    await scene.inbox.until(lambda _: scene.fills())
    assert [order.client_order_id for order in await scene.broker.orders(OrdersAsked.ALL)] == ["hftd-1"]
    assert (await scene.broker.positions())[0].quantity == ONE
    assert len(scene.fills()) == 1


async def test_too_many_requests_is_waited_for(scene):
    scene.arm(FaultKind.STATUS, Target.REST, status=429, method="POST", count=2)
    assert (await scene.buy("hftd-1")).kind is not ReportKind.REJECTED
    scene.arm(FaultKind.STATUS, Target.REST, status=429, path="/v2/account", count=2)
    assert (await scene.broker.account()).status == "ACTIVE"


async def test_a_broker_that_only_fails_is_unavailable(scene):
    scene.arm(FaultKind.STATUS, Target.REST, status=504)
    for ask in (scene.broker.account, scene.broker.clock, lambda: scene.buy("hftd-1")):
        with pytest.raises(BrokerUnavailable):
            await ask()
    scene.clear()
    assert await scene.broker.order("hftd-1") is None


async def test_keys_refused_while_reconnecting(scene):
    scene.arm(FaultKind.REFUSE, Target.TRADES)
    scene.arm(FaultKind.DROP, Target.TRADES)
    (failed,) = await scene.inbox.state(Feed.TRADES, FeedState.FAILED)
    assert "refused the API keys" in failed.detail
    scene.clear()
    await scene.broker.reconnect(Feed.TRADES)
    await scene.inbox.state(Feed.TRADES, FeedState.UP, 2)


async def test_the_clock_is_never_given_up(scene):
    """Without it no time passes, and nobody would ever ask for it again."""
    scene.arm(FaultKind.REFUSE, Target.CLOCK, count=HASTY.refusals + 2)
    scene.arm(FaultKind.DROP, Target.CLOCK)
    await scene.inbox.state(Feed.CLOCK, FeedState.UP, 2)


async def test_keys_refused_when_connecting(scene):
    await scene.broker.disconnect()
    scene.arm(FaultKind.REFUSE, Target.DATA, count=1)
    with pytest.raises(CredentialsError):
        await scene.broker.connect(scene.inbox)
    await scene.broker.connect(scene.inbox)


async def test_a_mute_socket_is_cured_by_reconnecting_and_history(scene):
    scene.arm(FaultKind.MUTE)
    await scene.to_minute(4)
    scene.clear()
    assert scene.bars() == []
    await scene.broker.reconnect(Feed.DATA)
    await scene.inbox.state(Feed.DATA, FeedState.UP, 2)
    missed = await scene.broker.bars(["SPY"], scene.session.open_ns, scene.session.open_ns + 3 * MINUTE_NS)
    assert [(bar.time_ns - scene.session.open_ns) // MINUTE_NS for bar in missed] == [0, 1, 2, 3]
    await scene.to_minute(5)
    await scene.inbox.until(lambda _: scene.bars())
    assert scene.bars()[0].time_ns == scene.session.open_ns + 4 * MINUTE_NS


@pytest.mark.parametrize("kind", [FaultKind.DUPLICATE, FaultKind.REORDER])
async def test_repeated_and_disordered_reports(scene, kind):
    scene.arm(kind, Target.TRADES)
    for number in range(3):
        await scene.buy(f"hftd-{number}")
    scene.clear()
    await scene.buy("hftd-last")
    await scene.inbox.until(lambda _: len(scene.fills()) == 4)
    ids = [fill.execution_id for fill in scene.fills()]
    assert len(set(ids)) == 4


async def test_a_halt_is_told(scene):
    scene.arm(FaultKind.HALT, symbol="SPY")
    (status,) = await scene.inbox.until(
        lambda messages: [message for message in messages if isinstance(message, TradingStatus)]
    )
    assert status.symbol == "SPY"
    assert "halt" in status.message.lower()


FAULTS = [
    (FaultKind.DROP, {"target": Target.DATA}),
    (FaultKind.DROP, {"target": Target.TRADES}),
    (FaultKind.DROP, {"target": Target.CLOCK}),
    (FaultKind.DUPLICATE, {"target": Target.TRADES, "count": 2}),
    (FaultKind.DUPLICATE, {"target": Target.DATA, "count": 1}),
    (FaultKind.STATUS, {"target": Target.REST, "status": 504, "method": "POST", "count": 1, "done": True}),
    (FaultKind.STATUS, {"target": Target.REST, "status": 504, "method": "POST", "count": 1}),
    (FaultKind.STATUS, {"target": Target.REST, "status": 500, "html": True, "count": 1, "done": True}),
    (FaultKind.CUT, {"target": Target.REST, "method": "POST", "count": 1, "done": True}),
    (FaultKind.CUT, {"target": Target.REST, "method": "POST", "count": 1}),
    (FaultKind.STATUS, {"target": Target.REST, "status": 429, "count": 1}),
]


async def test_a_day_of_forty_faults(scene):
    """Every third minute something else goes wrong; every minute an order is sent. What was missed comes by REST."""
    generator = numpy.random.default_rng(17)
    drops = dict.fromkeys(Feed, 0)
    names = []
    for minute in range(2, 122):
        if minute % 3 == 0:
            kind, options = FAULTS[int(generator.integers(len(FAULTS)))]
            scene.arm(kind, **options)
            if kind is FaultKind.DROP:
                drops[Feed(options["target"].value)] += 1
        names.append(f"hftd-{minute}")
        assert (await scene.buy(names[-1])).kind is not ReportKind.REJECTED
        await scene.to_minute(minute)
        await scene.inbox.until(lambda _: all(scene.ups(feed) == 1 + drops[feed] for feed in Feed))
    scene.clear()
    assert sum(drops.values()) >= 8

    orders = await scene.broker.orders(OrdersAsked.ALL)
    assert [order.client_order_id for order in orders] == names
    assert (await scene.broker.positions())[0].quantity == len(names)
    fills = [fill.client_order_id for fill in scene.fills()]
    assert len(fills) == len(set(fills))
    assert set(fills) <= set(names)

    await scene.to_minute(122)
    seen = {bar.time_ns: bar for bar in scene.bars()}
    start_ns, end_ns = scene.session.open_ns, scene.session.open_ns + 121 * MINUTE_NS
    history = {bar.time_ns: bar for bar in await scene.broker.bars(["SPY"], start_ns, end_ns)}
    together = {**history, **seen}
    assert sorted((time_ns - start_ns) // MINUTE_NS for time_ns in together) == [
        minute for minute in range(122) if minute != SKIPPED
    ]
    assert all(history[time_ns] == bar for time_ns, bar in seen.items())
