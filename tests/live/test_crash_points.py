"""A daemon killed at every named place, in every state of its orders: nothing is lost, nothing is done twice."""

import ast
import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import hftd
from hftd.broker.alpaca import AlpacaBroker
from hftd.broker.base import OrdersAsked
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import exchange_endpoints
from hftd.exchange.server.app import RunningExchange, serve
from hftd.exchange.server.config import ExchangeConfig
from hftd.journal import Journal
from hftd.live.books import Audit, audited
from hftd.live.crash_points import CRASH_POINTS
from hftd.live.nursery import Nursery, Wanted
from hftd.live.recovery import reviewed
from tests.running import PATIENCE_S, Home


def passed_in_code() -> list[str]:
    """The names given to `crash_point` all over hftd."""
    trees = [ast.parse(file.read_text()) for file in Path(hftd.__file__).parent.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "crash_point"
    ]


def test_every_point_of_the_table_stands_once_in_the_code() -> None:
    assert sorted(passed_in_code()) == sorted(CRASH_POINTS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("order.sendin", "HFTD_CRASH_AT: there is no crash point 'order.sendin'; did you mean order.sending?"),
        ("order.sending:0", "HFTD_CRASH_AT: found '0' after the colon, expected a number of passings, from 1"),
        ("order.sending:two", "HFTD_CRASH_AT: found 'two' after the colon, expected a number of passings, from 1"),
    ],
)
def test_a_point_that_is_none_is_refused(home: Home, value: str, expected: str) -> None:
    ended = home.run("run", "--speed", 3600, "--sessions", 1, HFTD_CRASH_AT=value)
    assert (ended.status, ended.log.strip()) == (78, f"hftd: {expected}")


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    async with Nursery() as made:
        yield made


DAYS = ("2019-02-11", "2019-02-12", "2019-02-13", "2019-02-14", "2019-02-15")
MINUTES = 60
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")


def minutes_of(symbol: str) -> Iterator[str]:
    for day in DAYS:
        for minute in range(MINUTES):
            hour, past = divmod(14 * 60 + 30 + minute, 60)
            price = 100 + (minute % 7) / 10
            yield f"{day}T{hour}:{past:02}:00Z,{symbol},{price},{price},{price},{price},{1000 + minute}"


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first hour of five days, in four symbols."""
    file = tmp_path_factory.mktemp("tape") / "five_days.csv"
    rows = [row for symbol in SYMBOLS for row in minutes_of(symbol)]
    file.write_text("\n".join(["timestamp,symbol,open,high,low,close,volume", *rows]) + "\n")
    return file


MODEL = '''
from hftd import Bar, Model, buy, cancel, sell


class Script(Model):
    """Does the same few things again and again, so that there is always an order in the state that is wanted."""

    bars = 0

    def on_bar(self, bar: Bar):
        self.bars += 1
        bars = self.bars
        {body}
'''
QUIET = "return None"
FILLED = "return buy(1, bar.symbol) if bars % 2 else sell(1, bar.symbol)"
RESTING = """if bars % 4 == 1: return buy(1, bar.symbol, limit=50)
        if bars % 4 == 3: return cancel(bar.symbol)"""
LARGE = "return buy(7, bar.symbol) if bars % 2 else sell(7, bar.symbol)"
HELD = """if bars <= 4: return buy(3, bar.symbol)
        if bars <= 8: return buy(1, bar.symbol, limit=50)"""

AT_START = ("journal.opened", "portfolio.carried")
AT_RESTART = ("session.recovered", "reconcile.done", "backfill.done")
AT_EVENTS = ("session.opened", "event.appended", "event.committed", "event.stepped", "commands.written", "change.taken")
AT_ORDERS = ("order.sending", "reconcile.resending", "order.answered", "reconcile.asked", "report.committed")
AT_CANCELS = ("cancel.sending", "cancel.answered")
AT_CLOSE = ("session.closed", "session.settled", "journal.closed")


CHANGED = {"change.taken": {"HFTD_RISK__MAX_ORDERS_PER_MINUTE": "101"}}
"""Points that are passed when settings have changed while the daemon was down."""


class Scenario(NamedTuple):
    """A state that orders are in, the points at which the daemon is killed meanwhile, one after another."""

    body: str
    points: tuple[str, ...]
    symbols: tuple[str, ...] = ("AAA",)
    partial_fills: bool = False
    flatten: str = "off"


SCENARIOS = {
    "no order": Scenario(QUIET, (*AT_START, *AT_RESTART, *AT_EVENTS, *AT_CLOSE)),
    "filled": Scenario(FILLED, (*AT_START, *AT_EVENTS, *AT_ORDERS, *AT_RESTART, *AT_CLOSE)),
    "resting, then cancelled": Scenario(
        RESTING, (*AT_START, *AT_EVENTS, *AT_ORDERS, *AT_RESTART, *AT_CANCELS, *AT_CANCELS, *AT_CLOSE)
    ),
    "partially filled": Scenario(
        LARGE, (*AT_EVENTS, *AT_ORDERS, "report.committed", *AT_RESTART, *AT_CLOSE), partial_fills=True
    ),
    "flatten under way": Scenario(
        HELD,
        ("cancel.sending", "cancel.answered", "report.committed", *AT_ORDERS, *AT_RESTART),
        symbols=SYMBOLS,
        flatten="380m",
    ),
}


def set_up(home: Home, scenario: Scenario) -> None:
    home.use_model("script", MODEL.format(body=scenario.body))
    text = home.settings.read_text()
    home.settings.write_text(text.replace("symbols: [SPY]", f"symbols: [{', '.join(scenario.symbols)}]"))


async def audit_of(home: Home, running: RunningExchange) -> Audit:
    """Our journals against the exchange's books."""
    addresses = running.addresses()
    keys = Keys.of(addresses.key, addresses.secret)
    broker = AlpacaBroker(exchange_endpoints(addresses.rest), keys)
    try:
        orders, account = await broker.orders(OrdersAsked.ALL), await broker.account()
        positions = {position.symbol: position.quantity for position in await broker.positions()}
    finally:
        await broker.disconnect()
    engines = []
    for path in home.journals():
        with Journal.read(path) as journal:
            engines.append(reviewed(journal))
    return audited(engines, orders, positions, account.cash)


@pytest.mark.parametrize("state", SCENARIOS)
async def test_killed_anywhere_in_any_state_of_orders(home: Home, nursery: Nursery, tape: Path, state: str) -> None:
    """One daemon after another is killed at the next point; the last one lives to the close of a session."""
    scenario = SCENARIOS[state]
    set_up(home, scenario)
    config = ExchangeConfig(
        state=home.folder / "exchange",
        tape=tape,
        speed=3600,
        wait=True,
        requests_a_minute=0,
        partial_fill_chance=1.0 if scenario.partial_fills else 0.0,
    )
    log = home.folder / "log"
    async with await serve(config) as running:
        addresses = running.addresses()
        environment = home.environment(
            HFTD_BROKER__URL=addresses.rest,
            APCA_API_KEY_ID=addresses.key,
            APCA_API_SECRET_KEY=addresses.secret,
            HFTD_RISK__FLATTEN_BEFORE_CLOSE=scenario.flatten,
            HFTD_RISK__MAX_ORDERS_PER_MINUTE=100,
            HFTD_LOG__FORMAT="console",
        )

        async def live(**more: str) -> int:
            wanted = Wanted(("run", "--sessions", "1"), environment | more, str(home.folder), str(log))
            async with asyncio.timeout(PATIENCE_S):
                return await (await nursery.start(wanted)).ended()

        for point in scenario.points:
            status = await live(HFTD_CRASH_AT=point, **CHANGED.get(point, {}))
            assert status == -signal.SIGKILL, f"{point}: exit status {status}\n{log.read_text()[-4000:]}"
        assert await live() == 0, log.read_text()[-4000:]
        audit = await audit_of(home, running)
    assert audit.is_clean, f"{audit}\n{log.read_text()}"
    assert "Traceback" not in log.read_text()
    assert bool(audit.orders) == (state != "no order")


def test_the_scenarios_reach_every_point() -> None:
    reached = {point for scenario in SCENARIOS.values() for point in scenario.points}
    assert reached | {"order.left"} == set(CRASH_POINTS)
