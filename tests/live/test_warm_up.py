"""A model that asks for history is shown it before the first live bar, and trades on none of it."""

import asyncio
import dataclasses
from pathlib import Path

from hftd.domain.commands import SignalDropped, SubmitOrder
from hftd.domain.events import BarReceived, SessionOpened
from hftd.engine.state import RunningModel
from hftd.model.contract import Model
from tests.live.walking import Walk, at
from tests.running import Home, write_tape

AVERAGE = '''
from hftd import Bar, Model, buy


class Average(Model):
    """Buys when a bar closes above the average of the bars before it, and says what it knows."""

    warmup_bars = 5

    def on_start(self, context):
        self.closes = []

    def on_bar(self, bar: Bar):
        self.closes.append(bar.close)
        return buy(1, bar.symbol, reason=f"{len(self.closes)} bars, from {self.closes[0]:g}")
'''


class Remembering(Model):
    """Asks for history, and decides nothing."""

    warmup_bars = 5


def minutes(day: str, first: int, count: int, price: float) -> list[tuple[str, float, int]]:
    starts = [870 + first + index for index in range(count)]
    return [(f"{day}T{start // 60}:{start % 60:02}:00Z", price + index, 100) for index, start in enumerate(starts)]


async def test_history_is_no_bar_of_the_session_whose_age_would_tell_of_a_dead_feed(tmp_path: Path) -> None:
    walk = Walk(tmp_path, "2026-11-25 15:50")
    model = RunningModel("remembering", Remembering(), "fingerprint", ("SPY",), {})
    walk.plan = dataclasses.replace(walk.plan, make_models=lambda: [model])
    daemon = walk.make_daemon()
    living = asyncio.create_task(daemon.run())
    ages = []
    for moment in ("2026-11-25 15:59", "2026-11-27 09:30:30", "2026-11-27 09:31:30"):
        await walk.broker.play_until(at(moment))
        ages.append(daemon.last_bar_ns)
    daemon.stop()
    await living
    assert any(event.late for event in walk.events("2026-11-27", BarReceived)), "there was history"
    assert ages == [at("2026-11-25 15:59"), None, at("2026-11-27 09:31")]


def test_the_last_bars_of_yesterday_come_first_and_late(home: Home, tmp_path: Path) -> None:
    home.use_model("average", AVERAGE)
    rows = minutes("2019-02-11", 380, 10, 100.0) + minutes("2019-02-12", 0, 4, 110.0)
    tape = write_tape(tmp_path / "tape.csv", rows)
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 2, "--json")
    assert ended.status == 0, ended
    second = home.steps()[
        next(n for n, (event, _) in enumerate(home.steps()) if isinstance(event, SessionOpened)) + 1 :
    ]
    begun = next(n for n, (event, _) in enumerate(second) if isinstance(event, SessionOpened))
    before = [event for event, _ in second[:begun] if isinstance(event, BarReceived) and event.late]
    assert [event.bar.close for event in before] == [105.0, 106.0, 107.0, 108.0, 109.0]
    sent = [command for _, commands in second[begun:] for command in commands if isinstance(command, SubmitOrder)]
    assert sent[0].reason == "6 bars, from 105"
    dropped = [command for _, commands in second[:begun] for command in commands if isinstance(command, SignalDropped)]
    assert [command.cause for command in dropped][-5:] == ["late"] * 5
    told = ended.log.split("bars.warmed_up")[-1].split("session.opened")[0]
    assert "wanted=5 bars=5" in told
    assert "bar.received" not in told and "signal.raised" not in told, "the log tells of the session, not of history"
