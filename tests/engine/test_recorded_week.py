"""The toy rule over a recorded week of SPY, against a few lines of pandas over the same file."""

import os
from pathlib import Path

import pytest

from hftd.calendar import Calendar
from hftd.domain.commands import SignalDropped, SignalRaised, SubmitOrder
from hftd.domain.events import BarReceived
from hftd.domain.intents import buy, sell
from hftd.domain.market import Bar
from tests.engine.engine_world import World, toy

DATA = Path(os.environ.get("HFTD_DATA", Path(__file__).parents[3] / "shared" / "data"))
TAPE = DATA / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"


def volume_17_31(bar: Bar):
    if bar.volume % 17 == 0:
        return sell(5, bar.symbol)
    return buy(5, bar.symbol) if bar.volume % 31 == 0 else None


@pytest.fixture(scope="module")
def frame():
    if not TAPE.exists():
        pytest.skip(f"{TAPE} is not here; set HFTD_DATA to the folder of recorded data")
    import pandas

    bars = pandas.read_parquet(TAPE)
    return bars[(bars.symbol == "SPY") & (bars.volume > 0)].sort_values("timestamp")


def test_decisions_equal_those_of_a_few_lines_of_pandas(frame, tmp_path):
    calendar = Calendar("NYSE", tmp_path)
    decided: list[tuple[int, str]] = []
    orders = 0
    for day, bars in frame.groupby(frame.timestamp.dt.date):
        session = calendar.session_on(day)
        world = World(toy(volume_17_31), session=session)
        for row in bars.itertuples():
            bar = Bar("SPY", row.timestamp.value, row.open, row.high, row.low, row.close, int(row.volume))
            commands = world.take(BarReceived(bar))
            decided += [(bar.time_ns, str(raised.side)) for raised in commands if isinstance(raised, SignalRaised)]
            orders += sum(isinstance(command, SubmitOrder) for command in commands)
            dropped = [command.cause for command in commands if isinstance(command, SignalDropped)]
            assert dropped in ([], ["after_close"])
            assert not dropped or bar.known_at_ns == session.close_ns
    sells = frame[frame.volume % 17 == 0]
    buys = frame[(frame.volume % 31 == 0) & (frame.volume % 17 != 0)]
    expected = [(stamp.value, "sell") for stamp in sells.timestamp] + [(stamp.value, "buy") for stamp in buys.timestamp]
    assert decided == sorted(expected)
    assert (len(frame), len(sells), len(buys), orders) == (1_949, 117, 64, 181)
