"""Brackets on the exchange, behind its sockets: exits that the exchange made are counted, through a kill as well."""

import signal
from decimal import Decimal
from pathlib import Path

import pytest

from hftd.domain.commands import SubmitOrder
from hftd.domain.events import OrderReported
from hftd.domain.orders import ReportKind
from tests.running import Ended, Home, signed_quantity, write_tape

DAY = "2019-02-11"
BARS = 30
MODEL = '''
from hftd import Model, buy, protect


class Bracketed(Model):
    """Buys with exits half a dollar away whenever it holds nothing; protects what it bought without."""

    def on_bar(self, bar):
        if self.context.working_orders():
            return None
        held = self.context.position(bar.symbol)
        if held:
            return protect(bar.symbol, take_profit=bar.close + 0.5, stop_loss=bar.close - 0.5)
        if bar.time_ns // 60_000_000_000 % 2:
            return buy(10, bar.symbol)
        return buy(10, bar.symbol, take_profit=bar.close + 0.5, stop_loss=bar.close - 0.5)
'''


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half an hour that swings by two dollars every few minutes."""
    prices = (100, 100.3, 100.8, 101.2, 101, 100.6, 100.1, 99.6, 99.5)
    rows = [(f"{DAY}T14:{30 + index}:00Z", prices[index % len(prices)], 1000) for index in range(BARS)]
    return write_tape(tmp_path_factory.mktemp("tape") / "swing.csv", rows)


def settled(home: Home, ended: Ended) -> None:
    """What the exchange did with the exits is in our books, and the two agree."""
    assert ended.status == 0, ended
    assert "account.agrees" in ended.events and "account.differs" not in ended.events
    assert not ended.lines("Traceback") and not ended.lines("trading.halted")
    submitted = {command.order.client_order_id for command in home.commands(SubmitOrder)}
    exits = [fill for fill in home.fills() if fill.client_order_id not in submitted]
    assert len(exits) >= 3
    assert all(signed_quantity(fill) < 0 for fill in exits)
    assert ended.json["fills"] == len(home.fills())
    held = sum(map(signed_quantity, home.fills()), Decimal(0))
    assert ended.json["position"] == ({"SPY": held} if held else {})


def test_exits_of_brackets_and_ocos_are_filled_and_counted(home: Home, tape: Path) -> None:
    home.use_model("bracketed", MODEL)
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json")
    settled(home, ended)
    kinds = {str(command.order.order_class) for command in home.commands(SubmitOrder)}
    assert {"bracket", "oco"} <= kinds


@pytest.mark.parametrize("point", ["order.answered", "order.answered:2", "report.committed:3"])
def test_exits_that_a_kill_kept_from_us_are_found_at_the_broker(home: Home, tape: Path, point: str) -> None:
    home.use_model("bracketed", MODEL)
    killed = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, HFTD_CRASH_AT=point)
    assert killed.status == -signal.SIGKILL
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json")
    settled(home, ended)
    told = [event.report for event in home.events(OrderReported) if event.report.legs]
    assert told and all(report.kind is not ReportKind.REJECTED for report in told)
