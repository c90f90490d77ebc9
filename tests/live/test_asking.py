"""`hftd status`, `orders` and `positions`: of a daemon that runs, and of one that has ended."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from hftd.commands.look import orders_of, positions_of, status_of
from hftd.domain.commands import SubmitOrder
from hftd.errors import StateError
from hftd.live.control import NAME, ControlServer
from hftd.state import lock, state_directory
from tests.conftest import MakeHome
from tests.running import Ended, Home, write_tape


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half an hour that begins with a sale."""
    rows = [(f"2019-02-11T14:{30 + minute}:00Z", 100.0, 1001 if minute else 1700) for minute in range(30)]
    return write_tape(tmp_path_factory.mktemp("tape") / "sale.csv", rows)


class Asked:
    """What one daemon answered while it ran, and what was said after its end."""

    def __init__(self, home: Home, tape: Path) -> None:
        running = home.start("run", "--tape", tape, "--speed", 120)
        running.wait_for("order.filled")
        self.home = home
        self.mode = (home.state / "control.sock").stat().st_mode & 0o777
        self.during = self._ask()
        self.second = home.run("run", "--tape", tape)
        self.pid = running.process.pid
        self.ended = running.end(signal.SIGTERM)
        self.after = self._ask()

    def _ask(self) -> dict[str, Ended]:
        asked = ("status", "orders", "positions")
        return {
            " ".join([name, *option]): self.home.run(name, *option) for name in asked for option in ((), ("--json",))
        }


@pytest.fixture(scope="module")
def asked(make_home: MakeHome, tape: Path) -> Asked:
    home = make_home("asked")
    home.state = home.folder / ("a-long-name-" * 12) / "state"  # beyond the 107 bytes of a unix socket's address
    return Asked(home, tape)


def test_every_question_has_an_answer(asked: Asked) -> None:
    for answers in (asked.during, asked.after):
        assert {name: (answer.status, answer.log) for name, answer in answers.items()} == dict.fromkeys(
            answers, (0, "")
        )
    assert asked.ended.status == 0
    assert asked.mode == 0o660


def test_status_of_a_running_daemon(asked: Asked) -> None:
    status = asked.during["status --json"].json
    assert (status["running"], status["phase"], status["broker"]) == (True, "open", "simulated")
    assert (status["orders"], status["fills"], status["signals"]) == (1, 1, {"buy": 0, "sell": 1})
    assert status["session"]["day"] == "2019-02-11"
    assert status["session"]["position"] == {"SPY": -5}
    assert [model["model"] for model in status["session"]["models"]] == ["volume_17_31"]
    first, second, third = asked.during["status"].out.splitlines()
    assert first.startswith("open until 16:00 ET · volume_17_31 · ") and " · SPY -5 · P&L " in first
    assert second.endswith(" bars, 1 orders, 1 fills so far")
    assert third.startswith("session 2019-02-11: SPY -5, cash 100,")


def test_status_after_its_end_is_that_of_the_last_session(asked: Asked) -> None:
    status = asked.after["status --json"].json
    assert (status["running"], status["phase"]) == (False, "not running")
    assert status["session"]["position"] == {"SPY": -5}
    first, second = asked.after["status"].out.splitlines()
    assert (first, second[:29]) == ("not running", "session 2019-02-11: SPY -5, c")


def test_orders_and_positions_are_the_same_during_and_after(asked: Asked) -> None:
    for name in ("orders", "orders --json", "positions --json"):
        shown = [json.dumps(answers[name].json) if "json" in name else answers[name].out for answers in both(asked)]
        if name != "positions --json":  # the last price moves on
            assert shown[0] == shown[1]
    (order,) = asked.during["orders --json"].json
    (submitted,) = asked.home.commands(SubmitOrder)
    assert order["client_order_id"] == submitted.order.client_order_id
    assert (order["side"], order["quantity"], order["filled"], order["status"]) == ("sell", 5, 5, "filled")
    for answers in both(asked):
        (position,) = answers["positions --json"].json
        assert (position["model"], position["symbol"], position["quantity"]) == ("volume_17_31", "SPY", -5)
        head, row = answers["positions"].out.splitlines()
        assert head.split() == list(position) and row.split()[:3] == ["volume_17_31", "SPY", "-5"]


def both(asked: Asked) -> tuple[dict[str, Ended], dict[str, Ended]]:
    return asked.during, asked.after


def test_a_second_daemon_on_the_same_state_is_refused_by_name(asked: Asked) -> None:
    assert asked.second.status == 1
    assert asked.second.out == ""
    assert asked.second.log == (
        f"hftd: state directory {asked.home.state}: another hftd (pid {asked.pid}) runs on it; "
        "stop that one first, or give this one its own with --state DIR\n"
    )


@pytest.mark.parametrize("name", ["status", "orders", "positions"])
def test_where_no_daemon_has_run_it_says_how_to_start_one(home: Home, name: str) -> None:
    ended = home.run(name)
    assert ended.status == 1
    assert ended.log == (
        f"hftd: state directory {home.state}: no daemon runs on it and none has; hftd run starts one\n"
    )


async def test_a_daemon_that_waits_for_its_first_session_has_no_orders(tmp_path: Path) -> None:
    control = ControlServer(tmp_path / NAME, {"status": lambda: {}, "orders": lambda: None, "positions": lambda: None})
    await control.start()
    for asked in (orders_of, positions_of):
        assert await asyncio.to_thread(asked, tmp_path, {}) == []
    await control.stop()


def test_a_daemon_that_is_starting_says_so(home: Home) -> None:
    keys = {"APCA_API_KEY_ID": "PKNOBODY", "APCA_API_SECRET_KEY": "nothing"}
    running = home.start("run", HFTD_BROKER__URL="http://127.0.0.1:9", **keys)
    running.wait_for("broker.unreachable")
    status = home.run("status", "--json").json
    assert (status["running"], status["phase"], status["session"]) == (True, "starting", None)
    assert home.run("status").out.startswith("waiting for the broker: ")
    for asked in ("halt", "orders"):
        refused = home.run(asked)
        assert refused.status == 1 and "hftd is starting; ask again" in refused.log
    running.end(signal.SIGKILL)


def test_a_state_directory_in_the_folder_is_pointed_at(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with lock(state_directory(home.folder / "state")):
        pass
    monkeypatch.chdir(home.folder)
    with pytest.raises(StateError, match=r"hftd run starts one; was --state state meant\?$"):
        status_of(home.folder / "elsewhere", {})
