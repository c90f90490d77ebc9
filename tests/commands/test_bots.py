"""`hftd bots`: eight processes with several models on one exchange, and its books afterwards."""

import asyncio
import json
import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from hftd.exchange.market.bots.market import BotMarket
from hftd.exchange.market.bots.settings import BotMarketSettings
from hftd.exchange.server.app import RunningExchange, serve
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.venue.accounts import Activity, ActivityType
from hftd.exchange.venue.queries import ActivityFilter
from tests.running import Home

CLOSE_NS = ns_of_rfc3339("2026-11-23T21:00:00Z")
CASH = Decimal(100_000)
NAMES = tuple(f"account-{number}" for number in range(8))

BUYER = """
from hftd import Bar, Model, buy

class Buyer(Model):
    def on_bar(self, bar: Bar):
        return buy(3, bar.symbol)
"""
SELLER = """
from hftd import Bar, Model, sell

class Seller(Model):
    def on_bar(self, bar: Bar):
        return sell(2, bar.symbol)
"""


def fills_of(running: RunningExchange, name: str) -> list[Activity]:
    exchange = running.exchange
    found = exchange.venue.activities(exchange.account_ids[name], ActivityFilter(page_size=10_000))
    return [activity for activity in found if activity.type is ActivityType.FILL]


async def test_eight_bots_trade_a_session_and_every_share_and_dollar_is_there(
    home: Home, tmp_path: Path, process_cache: Path
) -> None:
    for name, text in (("buyer", BUYER), ("seller", SELLER)):
        (home.folder / "models" / f"{name}.py").write_text(text)
    config = ExchangeConfig(
        state=tmp_path / "exchange",
        speed=3600,
        bots=BotMarketSettings(wakes_a_day=60_000),
        accounts=NAMES,
        cash=CASH,
        wait=True,
        wait_for=8,
        start_ns=CLOSE_NS - 12 * MINUTE_NS,
        requests_a_minute=0,
    )
    async with await serve(config, Calendar(cache=process_cache)) as running:
        keys = ["--keys", tmp_path / "exchange" / "keys.json", "--url", running.addresses().rest]
        models = [word for name in ("buyer", "seller", "volume_17_31") for word in ("--model", name)]
        started = home.start("bots", "--count", 8, "--sessions", 1, "--json", *keys, *models)
        ended = await asyncio.to_thread(started.ended)
        assert ended.status == 0, ended
        assert [bot["model"] for bot in ended.json.values()] == (["buyer", "seller", "volume_17_31"] * 3)[:8]
        assert all(bot["status"] == 0 for bot in ended.json.values()), ended

        market, sold, traded = running.exchange.market, Decimal(0), Decimal(0)
        assert isinstance(market, BotMarket)
        for account in running.exchange.venue.accounts():
            cash, shares = CASH, Decimal(0)
            for fill in fills_of(running, account.name):
                assert fill.price is not None and fill.quantity is not None
                sign = 1 if fill.side == "buy" else -1
                cash -= sign * fill.price * fill.quantity
                shares += sign * fill.quantity
                traded += fill.quantity
            assert account.cash == cash
            assert sum((holding.quantity for holding in account.holdings.values()), Decimal(0)) == shares
            sold -= shares
        assert traded >= 40
        assert market.bots_shares("SPY") == sold


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--model", "volume_17_13"), 78, "volume_17_31"),
        (("--url", "http://127.0.0.1:9", "--keys", "nowhere.json"), 78, "nowhere.json: no keys of an exchange there"),
        (("--count", "0"), 2, "--count"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    home: Home, arguments: tuple[str, ...], status: int, said: str
) -> None:
    ended = home.run("bots", *arguments)
    assert ended.status == status
    assert said in ended.log
    assert "Traceback" not in ended.log


def test_an_exchange_with_too_few_accounts_is_refused(home: Home) -> None:
    keys = home.folder / "keys.json"
    keys.write_text(json.dumps({"only": {"key": "a", "secret": "b"}}))
    ended = home.run("bots", "--count", 2, "--url", "http://127.0.0.1:9", "--keys", keys)
    assert ended.status == 78
    assert "2 bots need an account each, found 1 (only)" in ended.log


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_all_in_order(home: Home, number: int, status: int) -> None:
    running = home.start("bots", "--count", 2, "--speed", 60, HFTD_EXCHANGE__BOTS="{wakes_a_day: 20000}")
    started = [running.wait_for("bot.started") for _ in range(2)]
    ended = running.end(number)
    assert ended.status == status, ended
    assert [line.split()[0] for line in ended.out.splitlines()] == ["bot", "bot-1", "bot-2"]
    assert len(ended.lines("bot.ended")) == 2
    for line in started:
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.split("pid=")[1]), 0)
