"""A daemon that is killed in mid-session and started again: nothing is lost, nothing is done twice."""

import signal
from decimal import Decimal
from pathlib import Path

import pytest

from hftd.domain.commands import SignalDropped, SignalRaised, SubmitOrder
from hftd.domain.events import BarReceived, Remark
from hftd.live.systemd import Notifier
from tests.live import walking
from tests.live.walking import Walk
from tests.running import Ended, ExchangeProcess, Home, signed_quantity, write_tape

DAY = "2019-02-11"
CASH = Decimal(100_000)
BARS, SIGNALS = 40, 20
OVER_NIGHT = {"HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off"}


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty minutes."""
    return busy(tmp_path_factory.mktemp("tape"), BARS)


def busy(folder: Path, bars: int) -> Path:
    """A tape of which every second bar is sold or bought on."""
    volumes = (1001, 1700, 1001, 3100)
    rows = [
        (f"{DAY}T{hour}:{minute:02}:00Z", 100 + (minute % 7) / 10, volumes[minute % 4])
        for hour, minute in (divmod(14 * 60 + 30 + index, 60) for index in range(bars))
    ]
    return write_tape(folder / "busy.csv", rows)


def settled(home: Home, ended: Ended) -> None:
    """All decisions of the tape were made and sent once, and the ledger equals the exchange's.

    A bar that was on its way when the daemon was killed comes back by REST, and a decision on it is late.
    """
    assert ended.status == 0, ended
    bars = [event.bar.time_ns for event in home.events(BarReceived)]
    assert len(bars) == len(set(bars)) == BARS
    signals, dropped = home.commands(SignalRaised), home.commands(SignalDropped)
    assert len(signals) == SIGNALS and {drop.cause for drop in dropped} <= {"late"} and len(dropped) <= 1
    ids = [command.order.client_order_id for command in home.commands(SubmitOrder)]
    fills = home.fills()
    assert len(ids) == len(set(ids)) == SIGNALS - len(dropped)
    assert sorted(fill.client_order_id for fill in fills) == sorted(ids)
    assert "account.agrees" in ended.events and "account.differs" not in ended.events
    assert ended.json["position"].get("SPY", 0) == sum(map(signed_quantity, fills))
    cash = CASH - sum((signed_quantity(fill) * fill.price for fill in fills), Decimal(0))
    assert Decimal(str(ended.json["cash"])) == cash


@pytest.mark.parametrize("line", ["order.submitted", "order.filled"])
def test_a_killed_daemon_goes_on_where_it_was(home: Home, tape: Path, line: str) -> None:
    running = home.start("run", "--tape", tape, "--speed", 600, **OVER_NIGHT)
    running.wait_for(line)
    killed = running.end(signal.SIGKILL)  # which returns when the exchange too has let go of the log: it ends by itself
    assert killed.status == -signal.SIGKILL
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", **OVER_NIGHT)
    assert len(ended.lines("session.recovered")) == 1
    assert "Traceback" not in ended.log
    settled(home, ended)
    assert [remark.name for remark in home.events(Remark)].count("session.recovered") == 1
    assert home.run("report", "--json").json["health"]["counts"]["restarts"] == 1


DEADLY = '''
import os, signal
from pathlib import Path
from hftd import Bar, Model, buy, sell


class Deadly(Model):
    """Kills its own process once, on the fifth bar of the tape, between the event and what follows from it."""

    bars = 0

    def on_bar(self, bar: Bar):
        self.bars += 1
        fuse = Path(__file__).with_suffix(".fuse")
        if self.bars == 5 and fuse.exists() and bar.volume in (1001, 1700, 3100):
            fuse.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return buy(1, bar.symbol) if self.bars % 2 else sell(1, bar.symbol)
'''


def test_a_kill_between_an_event_and_its_commands_costs_no_decision(home: Home, tape: Path) -> None:
    model = home.use_model("deadly", DEADLY)
    fuse = model.with_suffix(".fuse")
    fuse.touch()
    killed = home.run("run", "--tape", tape, "--speed", 3600, **OVER_NIGHT)
    assert (killed.status, fuse.exists()) == (-signal.SIGKILL, False)
    assert (len(home.events(BarReceived)), len(home.commands(SubmitOrder))) == (5, 4)
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", **OVER_NIGHT)
    assert ended.lines('how="replayed through the same models"'), ended
    assert len(ended.lines("order.sent_after_restart")) == 1
    bars = home.events(BarReceived)
    assert len(bars) == len(home.commands(SubmitOrder)) == len(home.fills()) == BARS
    assert not [bar for bar in bars if bar.late]
    assert ended.json["orders"] == BARS and ended.json["position"] == {}


def test_an_exchange_of_its_own_outlives_the_daemon(home: Home) -> None:
    exchange = ExchangeProcess(home, "--tape", busy(home.folder, 390), "--speed", 60, "--wait")
    running = home.start("run", **exchange.broker(), **OVER_NIGHT)
    running.wait_for("order.submitted")
    assert running.end(signal.SIGKILL).status == -signal.SIGKILL
    again = home.start("run", "--json", **exchange.broker(), **OVER_NIGHT)
    again.wait_for("session.recovered")
    again.wait_for("order.filled")
    ended = again.end()
    ids = [command.order.client_order_id for command in home.commands(SubmitOrder)]
    filled = {fill.client_order_id for fill in home.fills()}
    assert ended.status == 0 and len(ids) == len(set(ids))
    sent = [id for id in ids if id not in home.given_up()]
    assert filled <= set(sent) and len(sent) - len(filled) <= 1
    theirs = exchange.get("/v2/orders?status=all&direction=asc&limit=500")
    assert [order["client_order_id"] for order in theirs] == sent
    assert exchange.running.end().status == 0


def test_a_model_that_was_edited_takes_over_and_the_orders_are_kept(home: Home, tape: Path) -> None:
    running = home.start("run", "--tape", tape, "--speed", 600, **OVER_NIGHT)
    running.wait_for("order.filled")
    running.end(signal.SIGKILL)
    kept = home.fills()
    with (home.folder / "models" / "volume_17_31.py").open("a") as file:
        file.write("\n# edited\n")
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", **OVER_NIGHT)
    assert ended.lines('how="replayed through the same models"')
    assert kept and home.fills()[: len(kept)] == kept
    assert ended.lines("cause=restart")
    settled(home, ended)


FICKLE = '''
from pathlib import Path
from hftd import Bar, Model, buy


class Fickle(Model):
    """Decides by a file beside it, which no model should."""

    def on_bar(self, bar: Bar):
        return buy(len(Path(__file__).with_suffix(".txt").read_text()), bar.symbol)
'''


def test_a_model_that_decides_otherwise_in_the_replay_is_told(home: Home, tape: Path) -> None:
    model = home.use_model("fickle", FICKLE)
    model.with_suffix(".txt").write_text("1")
    running = home.start("run", "--tape", tape, "--speed", 600, **OVER_NIGHT)
    running.wait_for("order.filled")
    running.end(signal.SIGKILL)
    model.with_suffix(".txt").write_text("22")
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", **OVER_NIGHT)
    assert len(ended.lines("warning: journal.differs")) == 1, ended
    assert "account.agrees" in ended.events
    assert ended.json["position"] == {"SPY": sum(map(signed_quantity, home.fills()))}


class Counting(Notifier):
    """Counts how often progress is told."""

    count = 0

    def progress(self) -> None:
        self.count += 1


@pytest.mark.parametrize("again", ["2026-11-27 09:20", "2026-11-25 10:31"], ids=["the next session", "the same"])
async def test_reading_a_long_journal_is_progress_to_whoever_would_end_a_start(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is read and gone through twice: for what is carried, then for orders left open, or to be replayed."""
    await Walk(tmp_path, "2026-11-25 09:20").live("2026-11-25 10:30")
    events = len(Walk(tmp_path, again).steps("2026-11-25"))
    notifier = Counting("")
    monkeypatch.setattr(walking, "Notifier", lambda _: notifier)
    await Walk(tmp_path, again).live(again[:-2] + "40")
    assert notifier.count >= 4 * events > 100
