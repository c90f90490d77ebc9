"""An exchange that dies in mid-session and comes back: the daemon says so, catches up, and trades again."""

import signal
from pathlib import Path

import pytest

from hftd.domain.commands import SubmitOrder
from hftd.domain.events import BarReceived
from tests.live.faulty_exchange import FaultyExchange
from tests.running import ExchangeProcess, Home, signed_quantity, write_tape

QUIET, SELL, BUY = 1001, 1700, 3100
SOCKETS = ("clock", "data", "trades")


def test_an_exchange_that_was_killed_is_found_again(home: Home, tmp_path: Path) -> None:
    rows = [
        (
            f"2019-02-11T{14 + (30 + index) // 60}:{(30 + index) % 60:02}:00Z",
            100.0,
            (SELL, QUIET, BUY, QUIET)[index % 4],
        )
        for index in range(390)
    ]
    tape = write_tape(tmp_path / "tape.csv", rows)
    exchange = ExchangeProcess(home, "--tape", tape, "--speed", 60, "--wait")
    running = home.start("run", "--json", **exchange.broker())
    running.wait_for("order.filled")
    exchange.running.end(signal.SIGKILL)
    running.wait_for("feed.down")
    exchange.start()
    for _ in SOCKETS:
        running.wait_for("feed.up")
    running.wait_for("bar.received")
    running.wait_for("signal.raised")
    running.wait_for("order.filled")
    ended = running.end()
    assert ended.status == 0, ended
    assert "Traceback" not in ended.log
    assert len(ended.lines("warning: feed.down")) == len(SOCKETS), ended  # each is told once
    assert len(ended.lines("feed.up")) == 2 * len(SOCKETS)
    bars = [event.bar.time_ns for event in home.events(BarReceived)]
    assert bars == sorted(set(bars))
    ids = [command.order.client_order_id for command in home.commands(SubmitOrder)]
    theirs = exchange.get("/v2/orders?status=all&direction=asc&limit=500")
    assert [order["client_order_id"] for order in theirs] == [id for id in ids if id not in home.given_up()]
    (held,) = exchange.get("/v2/positions") or [{"qty": "0"}]
    waiting = len(theirs) - len(home.fills())
    assert waiting or int(held["qty"]) == sum(map(signed_quantity, home.fills()))
    assert exchange.running.end().status == 0


@pytest.mark.parametrize("path", ["/v2/account", "/v2/orders", "/v2/positions"])
def test_a_broker_whose_sockets_are_up_and_whose_rest_is_not_is_waited_for(
    path: str, home: Home, tmp_path: Path
) -> None:
    rows = [(f"2019-02-11T14:{30 + index}:00Z", 100.0, (SELL, BUY)[index % 2]) for index in range(5)]
    exchange = FaultyExchange(home, write_tape(tmp_path / "tape.csv", rows), 3600)
    exchange.arm(kind="status", target="rest", status=503, method="GET", path=path, count=7)
    ended = home.run("run", "--sessions", 1, "--json", **exchange.broker())
    assert (ended.status, "Traceback" in ended.log) == (0, False), ended
    assert ended.lines("warning: broker.unreachable") and "account.agrees" in ended.events


def test_a_feed_that_the_plan_lacks_is_for_its_user_to_mend(home: Home, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "tape.csv", [("2019-02-11T14:30:00Z", 100.0, SELL)])
    exchange = FaultyExchange(home, tape, 3600)
    exchange.arm(kind="refuse", target="data", code=409, count=10)
    ended = home.run("run", "--sessions", 1, **exchange.broker())
    assert (ended.status, "Traceback" in ended.log) == (78, False), ended  # and systemd does not try again
    assert "set broker.feed to iex" in ended.log.splitlines()[-1]
