"""A model that asks for history is shown it before the first live bar, and trades on none of it."""

from pathlib import Path

from hftd.domain.commands import SignalDropped, SubmitOrder
from hftd.domain.events import BarReceived, SessionOpened
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


def minutes(day: str, first: int, count: int, price: float) -> list[tuple[str, float, int]]:
    starts = [870 + first + index for index in range(count)]
    return [(f"{day}T{start // 60}:{start % 60:02}:00Z", price + index, 100) for index, start in enumerate(starts)]


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
