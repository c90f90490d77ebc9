"""`hftd record`: what a feed delivers, written down beside whoever trades."""

import json
import signal
from pathlib import Path

import pyarrow.parquet as parquet

from hftd.broker.base import MarketMessage
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.market import Bar
from hftd.live.recorder import Recorder, records_folder
from tests.conftest import MakeHome
from tests.running import Home, write_tape

DAYS = ("2026-11-23", "2026-11-24")
CLOSES = (10.0, 10.1)
MINUTES = [
    (f"{day}T14:{minute}:00Z", close, 100) for day in DAYS for minute, close in zip((30, 31), CLOSES, strict=True)
]


def test_a_feed_of_two_days_is_written_down_day_by_day(home: Home, make_home: MakeHome) -> None:
    tape = write_tape(home.folder / "bars.csv", MINUTES)
    exchange = ("exchange", "--json", "--tape", tape, "--speed", 3600, "--wait", "--wait-for", 2)
    served = home.start(*exchange, "--account", "recorder", "--account", "trader", "--state", home.folder / "exchange")
    told = json.loads(served.first_line())
    keys = json.loads((home.folder / "exchange" / "keys.json").read_text())
    recorder, trader = (_broker(told["rest"], **keys[name]) for name in ("recorder", "trader"))
    recording = home.start("record", "--symbols", "SPY", "--json", **recorder)
    recording.wait_for("recording.started")
    trading = make_home("trading").start("run", "--sessions", 2, **trader)  # the exchange waits for both
    assert DAYS[0] in recording.wait_for("records.written")  # long before it is told to end
    assert trading.ended().status == 0
    served.end()
    recording.wait_for("feed.down")
    ended = recording.end(signal.SIGINT)
    assert len(ended.lines("feed.down")) <= 3, ended  # told once each, however often it is tried again
    assert ended.status == 0, ended
    written = records_folder(home.state)
    bars = [parquet.read_table(written / day / "bars.parquet")["close"].to_pylist() for day in DAYS]
    assert bars == [list(CLOSES)] * len(DAYS)
    assert ended.json["folder"] == str(written) and ended.json["lost"] == 0
    assert ended.json["messages"] >= len(MINUTES)  # and the quotes and trades that the exchange makes of bars


def _broker(url: str, key: str, secret: str) -> dict[str, object]:
    return {"HFTD_BROKER__URL": url, "APCA_API_KEY_ID": key, "APCA_API_SECRET_KEY": secret}


def test_it_can_be_ended_while_the_broker_is_away(home: Home) -> None:
    keys = {"APCA_API_KEY_ID": "PKNOBODY", "APCA_API_SECRET_KEY": "nothing"}
    recording = home.start("record", "--json", HFTD_BROKER__URL="http://127.0.0.1:9", **keys)
    recording.wait_for("broker.unreachable")
    ended = recording.end()
    assert ended.status == 0
    assert ended.json["messages"] == 0


async def test_what_no_file_can_hold_is_counted_and_costs_nothing_else(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for minute, (time_ns, volume) in enumerate([(0, 1), (2**63, 1), (-(2**66), 1), (0, 2**70), (0, 3)]):
        bar = Bar("SPY", time_ns or ns_of_rfc3339(f"2026-11-23T15:0{minute}:00Z"), 1.0, 1.0, 1.0, 1.0, volume)
        recorder.offer(MarketMessage(bar, 1))
        await recorder.write()
    await recorder.finish()
    [file] = records_folder(tmp_path).rglob("bars.parquet")
    assert parquet.read_table(file)["volume"].to_pylist() == [1, 3]
    assert (recorder.count, recorder.lost) == (5, 3)
