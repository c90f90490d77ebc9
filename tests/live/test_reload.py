"""Other models and limits for a daemon that runs, on a real exchange: taken over, refused, rolled back, recovered."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from hftd.domain.commands import ShadowFilled, SubmitOrder
from hftd.domain.events import BarReceived, CandidateEntered, LimitsChanged, ModelSwapped, SessionClosed
from hftd.engine.swapping import ROLLED_BACK
from hftd.errors import StateError
from hftd.live.reload import Reloader
from hftd.live.systemd import Notifier
from hftd.settings import Settings
from tests.running import Home, Running

FAST = {"HFTD_EXCHANGE__SPEED": 150, "HFTD_EXCHANGE__REQUESTS_A_MINUTE": 0}
BUYING = """from hftd import Model, buy, sell

class M(Model):
    quantity: int = 1

    def on_bar(self, bar):
        return {side}(self.quantity, bar.symbol, reason="{side}er")
"""
RAISING = BUYING.replace(
    "        return",
    """        if bar.time_ns > 1_770_000_000_000_000_000:
            raise ValueError("no")  # not in the trial, whose session is older
        return""",
)
BUYER, SELLER = BUYING.format(side="buy"), BUYING.format(side="sell")


@pytest.fixture
def start(home: Home) -> Callable[..., Running]:
    """A daemon that runs the buyer, and has heard a few bars."""

    def started(*arguments: object, **variables: object) -> Running:
        home.use_model("mine", BUYER)
        running = home.start("run", "--sessions", 1, *arguments, **FAST | variables)
        running.wait_for("order.filled")
        return running

    return started


def model_of(home: Home) -> object:
    return home.folder / "models" / "mine.py"


def swaps(home: Home) -> list[str]:
    return [swap.cause for swap in home.events(ModelSwapped)]


def sides(home: Home) -> list[str]:
    """The sides of the orders in turn, each once."""
    orders = [order for order in home.commands(SubmitOrder) if order.reason.endswith("er")]
    found = [str(order.order.side) for order in orders]
    return [side for index, side in enumerate(found) if index == 0 or found[index - 1] != side]


def test_a_changed_model_takes_over_without_a_restart_and_every_order_bears_its_fingerprint(home, start):
    running = start()
    model_of(home).write_text(SELLER)
    running.send(signal.SIGHUP)
    running.wait_for("settings.reloaded")
    running.wait_for("reason=seller")
    ended = running.end()
    assert ended.status == 0, ended
    assert (swaps(home), sides(home)) == (["reload"], ["buy", "sell"])
    (swap,) = home.events(ModelSwapped)
    marks = {order.reason: order.fingerprint for order in home.commands(SubmitOrder)}
    assert marks["seller"] == swap.fingerprint != marks["buyer"]
    minutes = [event.bar.time_ns for event in home.events(BarReceived) if not event.late]
    assert len(minutes) == len(set(minutes))
    assert home.run("verify", "--json").json["mismatches"] == 0
    report = home.run("report", "--json").json
    told = {part["fingerprint"]: part["execution"]["orders"] for part in report["parts"][1:]}
    assert told == Counter(order["fingerprint"] for order in report["orders"])
    assert told.keys() == {*marks.values()}


@pytest.mark.parametrize(
    ("text", "reason"), [("from hftd import Model\nclass M(Model\n", "was never closed"), (BUYER + "\nboom\n", "boom")]
)
def test_a_broken_file_is_refused_and_the_old_model_goes_on(home, start, text, reason):
    running = start()
    model_of(home).write_text(text)
    running.send(signal.SIGHUP)
    assert reason in running.wait_for("reload.refused")
    running.wait_for("order.filled")
    line = home.run("status", "--json").json["line"]
    assert "reload refused" in line and reason in line
    assert running.end().status == 0
    assert (swaps(home), sides(home)) == ([], ["buy"])


def test_a_model_that_fails_in_its_first_bars_is_rolled_back(home, start):
    running = start()
    model_of(home).write_text(RAISING.format(side="sell"))
    running.send(signal.SIGHUP)
    running.wait_for("model.faulted")
    running.wait_for("model.swapped")
    running.wait_for("reason=buyer")
    assert running.end().status == 0
    assert (swaps(home), sides(home)) == (["reload", ROLLED_BACK], ["buy"])


def test_a_killed_daemon_recovers_through_a_swap_of_which_the_file_is_gone(home, start):
    running = start()
    model_of(home).write_text(SELLER)
    running.send(signal.SIGHUP)
    running.wait_for("reason=seller")
    assert running.end(signal.SIGKILL).status == -signal.SIGKILL
    again = home.start("run", "--sessions", 1, **FAST)
    assert "replayed through the same models" in again.wait_for("session.recovered")
    again.wait_for("reason=seller")
    assert again.end().status == 0
    assert swaps(home) == ["reload"]


def test_settings_changed_while_it_was_down_are_a_swap_too(home, start):
    start().end(signal.SIGKILL)
    model_of(home).write_text(SELLER)
    again = home.start("run", "--sessions", 1, **FAST)
    assert "replayed through the same models" in again.wait_for("session.recovered")
    again.wait_for("reason=seller")
    assert again.end().status == 0
    assert swaps(home) == ["restart"]


def test_limits_are_taken_over_and_what_needs_a_restart_is_named(home, start):
    running = start()
    text = home.settings.read_text()
    home.settings.write_text(text.replace("max_position: 100 ", "max_position: 2 "))
    running.send(signal.SIGHUP)
    running.wait_for("settings.reloaded")
    running.wait_for("rule=max_position")
    home.settings.write_text(text.replace("symbols: [SPY]", "symbols: [SPY, QQQ]"))
    running.send(signal.SIGHUP)
    refused = running.wait_for("reload.refused")
    assert "settings.yaml:3: symbols has changed" in refused and "restart" in refused
    assert running.end().status == 0
    assert len(home.events(LimitsChanged)) == 1


def test_by_hand(home, start):
    running = start()
    (home.folder / "models" / "other.py").write_text(SELLER)
    told = home.run("swap", "other", "--param", "quantity=2", "--json")
    assert told.status == 0, told
    running.wait_for("reason=seller")
    refused = home.run("swap", "nothing")
    assert refused.status == 1 and "hftd: the daemon answered: hftd swap: no model nothing in" in refused.log
    refused = home.run("swap", "other", "--param", "quantty=2")
    assert "hftd swap: parameter quantty: unknown; did you mean quantity?" in refused.log
    assert "no candidate decides on paper" in home.run("promote").log
    assert home.run("swap", "other", "--param", "quantity").status == 2
    assert running.end().status == 0
    (swap,) = home.events(ModelSwapped)
    assert (swap.model_id, swap.name, swap.cause) == ("mine", "other", "hand")
    assert {order.order.quantity for order in home.commands(SubmitOrder) if order.reason == "seller"} <= {1, 2}


def test_a_candidate_decides_on_paper_and_is_promoted(home, start):
    running = start(HFTD_PROMOTE_AFTER="60 bars", HFTD_EXCHANGE__SPEED=300)
    model_of(home).write_text(SELLER)
    running.send(signal.SIGHUP)
    running.wait_for("candidate.entered")
    status = home.run("status", "--json").json
    assert [row["model"] for row in status["session"]["shadows"]] == ["mine.next"]
    running.wait_for("model.swapped")
    running.wait_for("order.filled")
    assert running.end().status == 0
    assert swaps(home) == ["promoted"]
    assert home.commands(ShadowFilled)
    (entered,) = home.events(CandidateEntered)
    assert entered.promote_after == 60


def test_hftd_promote(home, start):
    running = start(HFTD_PROMOTE_AFTER="hand")
    nobody = home.run("promote")
    assert nobody.status == 1 and "no candidate decides on paper" in nobody.log
    model_of(home).write_text(SELLER)
    running.send(signal.SIGHUP)
    running.wait_for("candidate.entered")
    assert home.run("promote").status == 0
    running.wait_for("reason=seller")
    assert running.end().status == 0
    assert swaps(home) == ["promoted"]


def test_a_shadow_sends_nothing_and_is_shown(home):
    (home.folder / "models" / "one.py").write_text(BUYER)
    (home.folder / "models" / "two.py").write_text(SELLER)
    text = home.settings.read_text()
    start, end = text.index("model:"), text.index("risk:")
    chosen = "models: [{name: one}, {name: two, shadow: true}]\n"
    home.settings.write_text(text[:start] + chosen + text[end:])
    ended = home.run("run", "--sessions", 1, "--json", HFTD_EXCHANGE__SPEED=3600)
    assert ended.status == 0, ended
    assert {order.model_id for order in home.commands(SubmitOrder)} == {"one"}
    assert {fill.model_id for fill in home.commands(ShadowFilled)} == {"two"}
    assert "account.agrees" in ended.events
    assert home.events(SessionClosed)
    status = home.run("status").out
    assert "shadow two" in status and " 0 bars" not in status


def test_a_file_that_changes_is_enough_if_so_wished(home, start):
    running = start(HFTD_RELOAD_ON_CHANGE="true")
    model_of(home).write_text(SELLER)
    running.wait_for("reason=seller")
    assert running.end().status == 0
    assert swaps(home) == ["reload"]


class Full:
    """A journal whose disk is full."""

    def add_model(self, *_: object) -> None:
        raise StateError("the disk is full")


@pytest.mark.parametrize("blocked", [None, StateError("the disk is full")], ids=["just now", "for a while"])
def test_on_a_full_disk_a_rollback_waits_for_room_and_is_asked_for_once(blocked: StateError | None) -> None:
    taken: list[Any] = []
    before = SimpleNamespace(bars_seen=0, model_id="old", fingerprint="a", symbols=("SPY",), parameters={})
    slot = SimpleNamespace(before=before, paused=True, symbols=("SPY",), model_id="new", fingerprint="b")
    engine = SimpleNamespace(models={"new": slot}, shadows={}, past=[], time_ns=5)
    trader = SimpleNamespace(blocked=blocked, engine=engine, journal=Full(), take=lambda *told: taken.append(told))
    settings = Settings(symbols=("SPY",))
    reloader = Reloader(settings, lambda: settings, lambda settings: None, Notifier(""))  # type: ignore[arg-type, return-value]
    reloader._daemon = SimpleNamespace(trader=trader)  # type: ignore[assignment]
    reloader.look_after()
    assert taken == []


def test_a_reload_that_fails_as_nobody_thought_is_told_and_the_next_is_heard() -> None:
    settings = Settings(symbols=("SPY",))
    asked: list[str] = []

    def fail() -> Settings:
        asked.append("once more")
        raise PermissionError(13, "Permission denied", "settings.yaml")

    async def ask_twice() -> None:
        reloader = Reloader(settings, fail, lambda settings: None, Notifier(""))  # type: ignore[arg-type, return-value]
        for _ in range(2):
            await reloader._tried()

    with capture_logs() as told:
        asyncio.run(ask_twice())
    assert [line["event"] for line in told] == ["reload.failed"] * len(asked) == ["reload.failed"] * 2
    assert "Permission denied" in told[0]["reason"]


def test_a_reload_is_no_end_while_the_broker_is_waited_for(home: Home) -> None:
    running = home.start("run", HFTD_BROKER__URL="http://127.0.0.1:9", APCA_API_KEY_ID="k", APCA_API_SECRET_KEY="s")
    running.wait_for("broker.unreachable")
    running.send(signal.SIGHUP)
    running.wait_for("broker.unreachable")
    assert running.process.poll() is None
    running.end()
