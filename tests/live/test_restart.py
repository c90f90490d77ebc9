"""A daemon that is killed in mid-session and started again: nothing is lost, nothing is done twice."""

import signal
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from hftd.domain.commands import SubmitOrder
from hftd.domain.events import BarReceived
from tests.running import Ended, ExchangeProcess, Home, signed_quantity, write_tape

DAY = "2019-02-11"
CASH = Decimal(100_000)
BARS, ORDERS = 40, 20
OVER_NIGHT = {"HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off"}


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty minutes in which every second bar is sold or bought on."""
    volumes = (1001, 1700, 1001, 3100)
    rows = [
        (f"{DAY}T{hour}:{minute:02}:00Z", 100 + (minute % 7) / 10, volumes[minute % 4])
        for hour, minute in (divmod(14 * 60 + 30 + index, 60) for index in range(BARS))
    ]
    return write_tape(tmp_path_factory.mktemp("tape") / "busy.csv", rows)


def settled(home: Home, ended: Ended) -> None:
    """All decisions of the tape were made and sent once, and the ledger equals the exchange's."""
    assert ended.status == 0, ended
    bars = [event.bar.time_ns for event in home.events(BarReceived)]
    assert len(bars) == len(set(bars)) == BARS
    ids = [command.order.client_order_id for command in home.commands(SubmitOrder)]
    fills = home.fills()
    assert len(ids) == len(set(ids))
    assert sorted(fill.client_order_id for fill in fills) == sorted(ids)
    assert "account.agrees" in ended.events and "account.differs" not in ended.events
    assert ended.json["position"].get("SPY", 0) == sum(map(signed_quantity, fills))
    cash = CASH - sum((signed_quantity(fill) * fill.price for fill in fills), Decimal(0))
    assert Decimal(str(ended.json["cash"])) == cash


@pytest.mark.parametrize("line", ["signal.raised", "order.submitted", "order.accepted", "order.filled"])
def test_a_killed_daemon_goes_on_where_it_was(home: Home, tape: Path, line: str) -> None:
    running = home.start("run", "--tape", tape, "--speed", 600, **OVER_NIGHT)
    running.wait_for(line)
    killed = running.end(signal.SIGKILL)  # which returns when the exchange too has let go of the log: it ends by itself
    assert killed.status == -signal.SIGKILL
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", **OVER_NIGHT)
    assert len(ended.lines("session.recovered")) == 1
    assert len(home.commands(SubmitOrder)) == ORDERS
    assert "Traceback" not in ended.log
    settled(home, ended)
