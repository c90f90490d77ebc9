"""Recorded quotes and trades: what a model hears of them, how its orders fill, and that the daemon does the same."""

from pathlib import Path
from typing import Any

import pytest

from tests.backtest.test_backtest_command import MONEY, SAID_BY_BOTH, WIDE, pandas_fills
from tests.conftest import MakeHome
from tests.running import Home, signed_quantity

LISTENER = '''
from hftd import Model, buy, cancel, sell


class Listener(Model):
    """Joins the bid with every 40th quote, sells at the market with every 60th trade.

    The quote at the open is left out: a daemon that is started for the session may not be there yet.
    """

    def on_start(self, context):
        self.quotes = self.trades = 0

    def on_quote(self, quote):
        self.quotes += quote.time_ns > self.context.session.open_ns
        if self.quotes % 40 == 1 and self.trades:
            return buy(3, quote.symbol, limit=round(quote.bid, 2), reason=f"bid {quote.bid_size}")
        return cancel(quote.symbol) if self.quotes % 40 == 30 else None

    def on_trade(self, trade):
        self.trades += 1
        if self.trades % 60 == 0:
            return sell(2, trade.symbol, reason=f"a print of {trade.size}")
'''


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    return make_home("ticks")


@pytest.fixture(scope="module")
def sample(home: Home) -> Path:
    """A session of few bots, with every table, the messages too."""
    ended = home.run("sample-data", "sample", "--symbols", "SPY", "--from", "2026-11-20", "--wakes", 4000)
    assert ended.status == 0, ended
    return home.folder / "sample"


TERMS: dict[str, dict[str, Any]] = {
    "usual": {},
    "queue and latency": {
        "HFTD_EXCHANGE__QUEUE": "back",
        "HFTD_EXCHANGE__PARTICIPATION": 0.5,
        "HFTD_EXCHANGE__LATENCY": "constant:300ms",
    },
}


@pytest.mark.parametrize("terms", TERMS)
def test_ticks_are_traded_as_by_the_daemon_on_the_same_tape(make_home: MakeHome, sample: Path, terms: str) -> None:
    home = make_home(f"ticks {terms}")
    home.use_model("listener", LISTENER)
    said = {**WIDE, **TERMS[terms]}
    told = home.run("backtest", "listener", "--data", sample, "--json", "--out", home.folder / "out", **said)
    assert told.status == 0, told
    live = home.run("run", "--tape", sample, "--speed", 3600, "--sessions", 1, "--json", **said)
    assert live.status == 0, live
    names = (*SAID_BY_BOTH, *MONEY)
    assert {name: told.json[name] for name in names} == {name: live.json[name] for name in names}
    assert told.json["fills"] > 10 and told.json["ticks"] > 1000
    heard = [(fill.time_ns, fill.symbol, float(signed_quantity(fill)), float(fill.price)) for fill in home.fills()]
    assert pandas_fills(home.folder / "out") == heard


def test_a_quoter_fills_between_recorded_quotes(home: Home, sample: Path) -> None:
    ended = home.run("backtest", "quoter", "--data", sample, "--json", **TERMS["queue and latency"])
    assert ended.status == 0, ended
    assert ended.json["fills"] > 0 and ended.json["driver"] == "plain"
    assert ended.json["why"].startswith("no faster driver covers recorded quotes and trades")


def test_trades_alone_are_enough_and_a_sweep_goes_over_them(home: Home, sample: Path) -> None:
    ended = home.run("sweep", "quoter", "--data", sample / "trades.parquet", "--param", "quantity=1,2", "--json")
    assert ended.status == 0, ended
    assert all(row["summary"]["fills"] > 0 and row["summary"]["bars"] > 300 for row in ended.json)


def test_quotes_alone_get_a_sentence(home: Home, sample: Path) -> None:
    ended = home.run("backtest", "quoter", "--data", sample / "quotes.parquet")
    assert ended.status in (1, 78), ended
    assert "quotes alone" in ended.log and "Traceback" not in ended.log
