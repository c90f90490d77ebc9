"""What survives the end of the exchange: everything an account is, and time."""

import asyncio
import json
import os
import signal
import stat
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_kit import CLOSE_NS, OPEN_NS, Rest, Start, key_headers

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from hftd.errors import StateError
from hftd.exchange.market.agenda import MARGIN_NS
from hftd.exchange.server.app import RunningExchange, serve
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.keys import load_keys
from hftd.exchange.server.store import Store
from hftd.exchange.venue.latency import Constant

ASKED = (
    "/v2/account",
    "/v2/account/configurations",
    "/v2/account/activities",
    "/v2/positions",
    "/v2/orders?status=all&nested=true",
    "/v2/clock",
    "/v2/account/portfolio/history?period=1D&timeframe=1Min",
)


async def traded(running: RunningExchange) -> Rest:
    """A position, a working limit order, a bracket, a cancelled order."""
    rest = Rest(running)
    await rest.order()
    await rest.order(type="limit", limit_price="100", client_order_id="working")
    await rest.order(
        qty="2",
        order_class="bracket",
        take_profit={"limit_price": "900"},
        stop_loss={"stop_price": "100"},
        time_in_force="gtc",
    )
    cancelled = await rest.order(type="limit", limit_price="101")
    status, _ = await rest.ask("DELETE", f"/v2/orders/{cancelled['id']}")
    assert status == 204
    return rest


async def everything(running: RunningExchange) -> dict[str, Any]:
    rest = Rest(running)
    return {path: await rest.get(path) for path in ASKED}


async def test_a_restart_changes_nothing(start: Start) -> None:
    running = await start()
    await running.advance_to(OPEN_NS + 10 * MINUTE_NS + 5)
    await traded(running)
    before, keys = await everything(running), key_headers(running)
    await running.stop()
    again = await start()
    assert key_headers(again) == keys
    assert await everything(again) == before


async def test_the_market_goes_on_where_it_was(start: Start, tmp_path: Path) -> None:
    """The same minutes are played after a restart as would have been without one."""
    quiet = await start(state=tmp_path / "quiet")
    running = await start()
    for exchange in (quiet, running):
        await exchange.advance_to(OPEN_NS + 10 * MINUTE_NS)
    await running.stop()
    again = await start()
    for exchange in (quiet, again):
        await exchange.advance_to(OPEN_NS + 12 * MINUTE_NS)
        await Rest(exchange).order()
    prices = [
        [position["avg_entry_price"] for position in await Rest(exchange).get("/v2/positions")]
        for exchange in (quiet, again)
    ]
    assert prices[0] == prices[1]


async def test_orders_work_on_after_a_restart(start: Start) -> None:
    running = await start()
    await running.advance_to(OPEN_NS + 10 * MINUTE_NS)
    await traded(running)
    await running.stop()
    again = await start()
    await again.advance_to(CLOSE_NS)
    order = await Rest(again).get("/v2/orders:by_client_order_id", client_order_id="working")
    assert order["status"] == "expired"


async def test_an_order_under_way_arrives_at_its_time_after_a_restart(start: Start) -> None:
    latency = Constant(5_000_000)
    running = await start(latency=latency)
    await running.advance_to(OPEN_NS + 10 * MINUTE_NS)
    order = await Rest(running).order()
    assert order["status"] == "pending_new"
    await running.stop()
    again = await start(latency=latency)
    rest, path = Rest(again), f"/v2/orders/{order['id']}"
    await again.advance_to(OPEN_NS + 10 * MINUTE_NS + latency.delay_ns - 1)
    assert (await rest.get(path))["status"] == "pending_new"
    await again.advance_to(OPEN_NS + 10 * MINUTE_NS + latency.delay_ns)
    filled = await rest.get(path)
    assert filled["status"] == "filled"
    assert ns_of_rfc3339(filled["filled_at"]) == ns_of_rfc3339(filled["submitted_at"]) + latency.delay_ns


async def test_an_order_does_not_trade_at_quotes_from_before_it(start: Start) -> None:
    """The market is at its lowest ask early; an order placed later below the market waits on through a restart."""
    running = await start(symbols=("SPY",))
    rest = Rest(running)
    asks = {}
    for minute in range(1, 60):
        await running.advance_to(OPEN_NS + minute * MINUTE_NS)
        asks[minute] = (await rest.get("/v2/stocks/SPY/quotes/latest"))["quote"]["ap"]
        if asks[minute] > min(asks.values()) + 0.05:
            break
    order = await rest.order(type="limit", limit_price=str(round(asks[minute] - 0.02, 2)))
    assert (await rest.get(f"/v2/orders/{order['id']}"))["status"] == "new"
    await running.stop()
    again = await start(symbols=("SPY",))
    assert (await Rest(again).get(f"/v2/orders/{order['id']}"))["status"] == "new"


async def test_day_orders_of_a_session_that_has_ended_expire(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """At wall time a session may end while the exchange is down."""
    now_ns = OPEN_NS + 10 * MINUTE_NS
    for module in ("opening", "timeline"):
        monkeypatch.setattr(f"hftd.exchange.server.{module}.wall_ns", lambda: now_ns)
    monkeypatch.setattr("hftd.exchange.server.timeline.Timeline.__init__.__kwdefaults__", wall_defaults(lambda: now_ns))
    running = await start(speed=1, start_ns=None)
    await traded(running)
    await running.stop()
    now_ns = CLOSE_NS + 60 * MINUTE_NS
    again = await start(speed=1, start_ns=None)
    rest = Rest(again)
    assert (await rest.get("/v2/orders:by_client_order_id", client_order_id="working"))["status"] == "expired"
    assert not (await rest.get("/v2/clock"))["is_open"]
    assert [order["time_in_force"] for order in await rest.get("/v2/orders")] == ["gtc", "gtc"]


async def test_a_market_made_faster_while_closed_leaves_the_closed_hours_out(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started at wall time on a Saturday; made faster, it goes on shortly before Monday's open."""
    saturday_ns = ns_of_rfc3339("2026-11-21T15:30:00Z")
    monkeypatch.setattr("hftd.exchange.server.opening.wall_ns", lambda: saturday_ns)
    monkeypatch.setattr(
        "hftd.exchange.server.timeline.Timeline.__init__.__kwdefaults__", wall_defaults(lambda: saturday_ns)
    )
    running = await start(speed=1, start_ns=None)
    assert running.exchange.timeline.now_ns() == saturday_ns
    await running.stop()
    faster = await start(start_ns=None)
    assert faster.exchange.timeline.now_ns() == OPEN_NS - MARGIN_NS
    await faster.advance_to(OPEN_NS)
    assert (await Rest(faster).get("/v2/clock"))["is_open"]


def wall_defaults(wall: Any) -> dict[str, Any]:
    from hftd.clock import monotonic_s

    return {"keeps_wall_time": False, "wall": wall, "monotonic": monotonic_s}


async def test_time_never_goes_back(start: Start) -> None:
    running = await start(start_ns=ns_of_rfc3339("2090-11-22T14:25:00Z"))
    await running.stop()
    with pytest.raises(StateError, match="ahead of the wall clock"):
        await start(speed=1)


async def test_a_tape_from_before(start: Start, tmp_path: Path) -> None:
    tape = tmp_path / "old.csv"
    tape.write_text(
        "timestamp,symbol,open,high,low,close,volume\n2019-02-11T14:30:00Z,SPY,271.19,271.34,271.07,271.34,1488804\n"
    )
    running = await start()
    await running.stop()
    with pytest.raises(StateError, match="after the end of tape"):
        await start(tape=tape, symbols=())


async def test_keys_are_its_owners_alone(running: RunningExchange, tmp_path: Path) -> None:
    file = tmp_path / "exchange" / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = json.loads(file.read_text())
    assert rows["default"]["key"] == running.addresses().key


async def test_a_new_account_beside_an_old_one(start: Start) -> None:
    running = await start()
    key = running.addresses().key
    await running.advance_to(OPEN_NS + MINUTE_NS)
    await Rest(running).order()
    await running.stop()
    again = await start(accounts=("default", "other"), cash=Decimal(5000))
    assert again.addresses().key == key
    assert len(await Rest(again).get("/v2/positions")) == 1
    assert (await Rest(again, "other").get("/v2/account"))["cash"] == "5000"


@pytest.mark.parametrize("text", ["{", "[]", '{"default": 3}', '{"default": {"key": "x"}}'])
def test_damaged_keys(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(StateError, match=r"keys\.json: the exchange's keys cannot be read"):
        load_keys(file, ["default"])


def test_a_damaged_store(tmp_path: Path) -> None:
    file = tmp_path / "exchange.sqlite"
    file.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(StateError, match=r"exchange\.sqlite"):
        Store(file)


def test_a_store_of_another_version(tmp_path: Path) -> None:
    file = tmp_path / "exchange.sqlite"
    store = Store(file)
    store.write([], schema_version=99)
    store.close()
    with pytest.raises(StateError, match="written in version 99"):
        Store(file)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.run import announcement, run_exchange
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
config = ExchangeConfig(state=Path(sys.argv[1]), speed=3600, start_ns=int(sys.argv[2]), requests_a_minute=0, tied=True)
announce = lambda addresses: print(announcement(addresses, as_json=True), flush=True)
asyncio.run(run_exchange(config, announce, asyncio.Event()))
"""


async def process(state: Path) -> tuple[asyncio.subprocess.Process, dict[str, str]]:
    """An exchange in a process of its own, and where it listens."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "ignore",
        "-c",
        PROGRAM,
        str(state),
        str(OPEN_NS - MINUTE_NS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(os.environ),
    )
    assert child.stdout is not None
    return child, json.loads(await child.stdout.readline())


class Elsewhere:
    """Enough of a running exchange for `Rest`, in another process."""

    def __init__(self, told: dict[str, str]) -> None:
        self._told = told

    def addresses(self, account: str | None = None) -> Any:
        return type("Addresses", (), self._told)


async def test_kill_nine(tmp_path: Path, calendar: Calendar) -> None:
    """Whatever was answered is there afterwards; time has not gone back."""
    child, told = await process(tmp_path)
    rest = Rest(Elsewhere(told))  # type: ignore[arg-type]
    orders = [await rest.order(client_order_id=f"order-{number}", qty="1") for number in range(20)]
    told_ns = ns_of_rfc3339((await rest.get("/v2/clock"))["timestamp"])
    child.send_signal(signal.SIGKILL)
    await child.wait()
    async with await serve(ExchangeConfig(state=tmp_path, speed=0, requests_a_minute=0), calendar) as again:
        found = await Rest(again).get("/v2/orders", status="all", limit=500)
        assert {order["id"] for order in found} == {order["id"] for order in orders}
        held = sum(int(position["qty"]) for position in await Rest(again).get("/v2/positions"))
        assert held == sum(int(order["filled_qty"]) for order in found)
        assert again.exchange.timeline.now_ns() >= told_ns


async def test_end_of_input_ends_a_tied_exchange(tmp_path: Path) -> None:
    child, _ = await process(tmp_path)
    assert child.stdin is not None
    child.stdin.close()
    assert await child.wait() == 0
