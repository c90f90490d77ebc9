"""One model, four worlds: live on an exchange, its journal replayed, its day recorded and traded again, decide alike.

Every model in models/ is run; where there is no latency, fills are the same too.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.running
from hftd.calendar import Calendar
from hftd.data.recorded import Recorded
from hftd.data.rows import Kind
from hftd.exchange.market.tape import Tape
from hftd.model.load import model_names
from tests.conftest import MakeHome
from tests.running import PROJECT, Ended, Home

WIDE = {
    "HFTD_SYMBOLS": "[SPY, AAPL]",
    "HFTD_RISK__MAX_POSITION": 100_000,
    "HFTD_RISK__MAX_ORDER_NOTIONAL": 100_000_000,
    "HFTD_RISK__MAX_ORDERS_PER_MINUTE": 1000,
    "HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off",
    "HFTD_EXCHANGE__CASH": 10_000_000,
    "HFTD_RECORD": "true",
    "HFTD_LOG__LEVEL": "warning",
}
MODELS = model_names(PROJECT / "models")
DAYS = ("2019-02-11", "2019-02-12")


PATIENCE_S = 300.0
"""Two sessions of every tick and bar, on a machine that may be busy."""


@pytest.fixture(scope="module")
def tape(hftd_data: Path) -> Path:
    return hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tests.running, "PATIENCE_S", PATIENCE_S)
        yield


@pytest.fixture(scope="module", params=MODELS)
def lived(request: pytest.FixtureRequest, make_home: MakeHome, tape: Path) -> Home:
    """A home in which a model has traded two sessions, keeping its positions overnight."""
    home = make_home(request.param)
    home.choose_model(request.param)
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 2, "--json", **WIDE)
    assert ended.status == 0, ended
    return home


def verified(home: Home, *arguments: object) -> Ended:
    return home.run("verify", "--json", *arguments)


@pytest.mark.parametrize("day", DAYS)
def test_the_journal_is_proven_and_the_recorded_day_decides_and_fills_alike(lived: Home, day: str) -> None:
    ended = verified(lived, "--session", day)
    assert ended.status == 0, ended
    receipt = ended.json
    assert (receipt["mismatches"], receipt["remarks"]) == (0, [])
    assert all(model["found"] for model in receipt["models"])
    assert receipt["backtest"]["differences"] == {}, ended.out
    assert receipt["decisions"] == 0 or receipt["backtest"]["agreeing"] > 0
    kept = lived.state / "receipts" / f"{day}.json"
    assert json.loads(kept.read_text()) == receipt
    assert "the journal is proven" in kept.with_suffix(".txt").read_text()


def test_the_record_holds_every_bar_of_the_tape(lived: Home, tape: Path, tmp_path: Path) -> None:
    calendar = Calendar(cache=tmp_path)
    for day in DAYS:
        recorded = Recorded.open([lived.state / "records" / day]).items([Kind.BARS])
        played = Tape(tape, calendar, ("SPY", "AAPL"))
        session = next(session for session in played.sessions if session.day.isoformat() == day)
        bars = [bar for symbol in ("AAPL", "SPY") for bar in played.history(symbol, session).bars(symbol)]
        assert sorted(recorded, key=str) == sorted(bars, key=str)


def test_the_tape_itself_serves_as_the_day(lived: Home, tape: Path) -> None:
    receipt = verified(lived, "--data", tape).json
    assert receipt["session"] == DAYS[1] and receipt["backtest"]["differences"] == {}


@pytest.fixture(scope="module")
def toy(make_home: MakeHome, tape: Path) -> Home:
    home = make_home("toy")
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", HFTD_RECORD="true")
    assert ended.status == 0, ended
    return home


def test_a_command_that_was_tampered_with_is_found(toy: Home) -> None:
    [path] = toy.journals()
    with sqlite3.connect(path) as connection:
        sequence, body = connection.execute(
            "SELECT sequence, body FROM commands WHERE kind = 'order.submitted' LIMIT 1"
        ).fetchone()
        changed = re.sub(r'"quantity":"\d+"', '"quantity":"7"', body)
        connection.execute("UPDATE commands SET body = ? WHERE sequence = ?", (changed, sequence))
    connection.close()
    ended = verified(toy)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE commands SET body = ? WHERE sequence = ?", (body, sequence))
    connection.close()
    assert ended.status == 1 and ended.json["mismatches"] == 1
    assert '"quantity":"7"' in "".join(ended.json["first_mismatches"][0]["then"])


def test_a_changed_model_is_said_to_be_changed(toy: Home) -> None:
    file = toy.folder / "models" / "volume_17_31.py"
    source = file.read_text()
    file.write_text(source.replace("% self.sell_multiple == 0", "% self.sell_multiple == 1"))
    kept = toy.state / "models"
    if kept.exists():
        kept.rename(toy.state / "kept")
    ended = verified(toy)
    file.write_text(source)
    assert ended.status == 1 and not ended.json["models"][0]["found"]
    assert ended.json["backtest"]["differences"].keys() == {"code changed"}


def test_a_bar_that_only_the_record_has_is_named(toy: Home, tmp_path: Path) -> None:
    import pyarrow.parquet

    bars = pyarrow.parquet.read_table(toy.state / "records" / DAYS[0] / "bars.parquet")
    pyarrow.parquet.write_table(
        bars.take([row for row in range(bars.num_rows) if row != 20]), tmp_path / "bars.parquet"
    )
    differences = verified(toy, "--data", tmp_path).json["backtest"]["differences"]
    assert differences["missed bar"] >= 1


def test_a_recorded_day_is_traded_alike_when_it_is_served_again(toy: Home, make_home: MakeHome) -> None:
    """The fourth world: another daemon at `hftd replay`."""
    other = make_home("replayed")
    records = toy.state / "records"
    replay = other.start("replay", records, "--session", DAYS[0], "--speed", 3600, "--wait-for", 1, "--json")
    served = json.loads(replay.first_line())
    broker = {
        "HFTD_BROKER__URL": served["rest"],
        "APCA_API_KEY_ID": served["key"],
        "APCA_API_SECRET_KEY": served["secret"],
    }
    ended = other.run("run", "--sessions", 1, "--json", **broker)
    replay.end()
    assert ended.status == 0, ended
    assert decided(other) == decided(toy) and filled(other) == filled(toy)


def decided(home: Home) -> list[tuple[object, ...]]:
    from hftd.domain.commands import SignalRaised

    return [(signal.symbol, signal.side, signal.quantity, signal.reason) for signal in home.commands(SignalRaised)]


def filled(home: Home) -> list[tuple[object, ...]]:
    return [(fill.symbol, fill.time_ns, fill.price, fill.quantity) for fill in home.fills()]
