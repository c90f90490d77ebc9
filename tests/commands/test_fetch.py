"""Fetching from a broker's history: our own exchange, which plays a tape, answers as Alpaca does."""

from pathlib import Path

from hftd.data.recorded import Recorded
from tests.conftest import MakeHome
from tests.running import ExchangeProcess, write_tape

ROWS = [
    (f"2019-02-{day}T{hour}:{minute:02}:00Z", 100.0 + minute / 100, 100 * day + minute)
    for day in (11, 12)
    for hour in (14, 20)
    for minute in range(30, 50)
]


def test_fetched_bars_are_those_of_the_exchange_and_are_not_fetched_twice(make_home: MakeHome, tmp_path: Path) -> None:
    tape, into, home = write_tape(tmp_path / "tape.csv", ROWS), tmp_path / "fetched", make_home("fetch")
    exchange = ExchangeProcess(home, "--tape", tape, "--speed", 1_000_000, "--requests-a-minute", 0)
    asked = ("data", "fetch", "SPY", "--from", "2019-02-11", "--to", "2019-02-12", "--into", into, "--json")
    exchange.running.wait_for("tape.ended")
    ended = home.run(*asked, **exchange.broker())
    assert ended.status == 0, ended
    assert {name: ended.json[name] for name in ("sessions", "fetched", "rows")} == {
        "sessions": 2,
        "fetched": 2,
        "rows": 80,
    }
    theirs = [(bar.time_ns, bar.close, bar.volume) for bar in Recorded.open([tape]).items()]  # type: ignore[union-attr]
    assert [(bar.time_ns, bar.close, bar.volume) for bar in Recorded.open([into]).items()] == theirs  # type: ignore[union-attr]
    (into / "bars_1min_2019-02-12.parquet").unlink()
    assert home.run(*asked, **exchange.broker()).json["fetched"] == 1
    refused = home.run(*asked, "--timeframe", "2Min")
    assert refused.status == 78 and "--timeframe 2Min: did you mean" in refused.log
