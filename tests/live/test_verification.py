"""One model, four worlds: live on an exchange, its journal replayed, its day recorded and traded again, and a backtest
of the same tape decide alike.

Every model in models/ is run on real bars; where there is no latency, fills are the same too.
"""

import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas
import pytest
import yaml

import tests.running
from hftd.calendar import Calendar
from hftd.commands.verify import verify
from hftd.data.recorded import Recorded
from hftd.data.rows import Kind
from hftd.domain.commands import SubmitOrder
from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339
from hftd.domain.events import ModelSwapped, Remark, name_of
from hftd.domain.session import Session
from hftd.errors import StateError
from hftd.exchange.market.tape import Tape
from hftd.journal import Journal, journal_path
from hftd.journal.schema import COMMAND_SUM, make_functions
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


MINUTES = 75
"""Of each session: enough for averages and ratios, short enough to be run by every model."""
PATIENCE_S = 300.0
"""The machine may be busy."""


@pytest.fixture(scope="module")
def tape(hftd_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first minutes of two sessions, of two symbols."""
    week = Recorded.open([hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"], symbols=("SPY", "AAPL"))
    lines = ["timestamp,symbol,open,high,low,close,volume"]
    for day in DAYS:
        open_ns = ns_of_rfc3339(f"{day}T14:30:00Z")
        for bar in week.between(open_ns + 1, open_ns + MINUTES * MINUTE_NS).items([Kind.BARS]):
            values = (bar.time_ns, bar.symbol, bar.open, bar.high, bar.low, bar.close, bar.volume)
            lines.append(",".join(map(str, values)))
    file = tmp_path_factory.mktemp("tape") / "hour.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


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


def test_a_backtest_of_the_tape_sends_the_same_orders_and_fills_them_alike(lived: Home, tape: Path) -> None:
    out = lived.folder / "backtest"
    model = yaml.safe_load(lived.settings.read_text())["model"]["name"]
    ended = lived.run("backtest", model, "--data", tape, "--json", "--out", out, **WIDE)
    assert ended.status == 0, ended
    orders = pandas.read_parquet(out / "orders.parquet")
    sent = [
        (event.time_ns, command.order)
        for event, commands in lived.steps()
        for command in commands
        if isinstance(command, SubmitOrder)
    ]
    assert list(
        zip(
            orders.timestamp.astype("int64"),
            orders.symbol,
            orders.side,
            orders.quantity,
            orders.limit_price.fillna(0),
            strict=True,
        )
    ) == [
        (time_ns, order.symbol, str(order.side), float(order.quantity), float(order.limit_price or 0))
        for time_ns, order in sent
    ]
    fills = pandas.read_parquet(out / "fills.parquet")
    assert list(
        zip(fills.timestamp.astype("int64"), fills.symbol, fills.side, fills.quantity, fills.price, strict=True)
    ) == [
        (fill.time_ns, fill.symbol, str(fill.side), float(fill.quantity), float(fill.price)) for fill in lived.fills()
    ]
    assert len(fills), "nothing is proven by a model that does nothing"


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
        rewrite(connection, changed, sequence)
    connection.close()
    ended = verified(toy)
    with sqlite3.connect(path) as connection:
        rewrite(connection, body, sequence)
    connection.close()
    assert ended.status == 1 and ended.json["mismatches"] == 1
    assert '"quantity":"7"' in "".join(ended.json["first_mismatches"][0]["then"])


def rewrite(connection: sqlite3.Connection, body: str, sequence: int) -> None:
    """Change a command, and its checksum with it."""
    make_functions(connection)
    connection.execute("UPDATE commands SET body = ? WHERE sequence = ?", (body, sequence))
    connection.execute(f"UPDATE commands SET checksum = {COMMAND_SUM} WHERE sequence = ?", (sequence,))


def test_a_changed_model_is_said_to_be_changed(toy: Home) -> None:
    file = toy.folder / "models" / "volume_17_31.py"
    source = file.read_text()
    file.write_text(source.replace("% self.sell_multiple == 0", "% self.sell_multiple == 1"))
    kept = toy.state / "models"
    kept.rename(toy.state / "kept")
    ended = verified(toy)
    file.write_text(source)
    (toy.state / "kept").rename(kept)
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


@pytest.mark.parametrize(
    ("setting", "value", "cause"),
    [
        ("HFTD_EXCHANGE__LATENCY", "constant:2s", "latency"),
        ("HFTD_EXCHANGE__PARTIAL_FILL_CHANCE", 1, "fill model"),
        ("HFTD_RISK__MAX_POSITION", 4, "risk"),
    ],
)
def test_another_exchange_and_other_limits_are_named(toy: Home, setting: str, value: object, cause: str) -> None:
    variables = {"HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off", setting: value}
    ended = toy.run("verify", "--json", "--settings", toy.settings, **variables)
    assert ended.json["mismatches"] == 0, ended  # the journal says which limits held
    assert ended.json["backtest"]["differences"].get(cause, 0) >= 1, ended


def test_another_version_of_hftd_is_said_to_be_other_code(toy: Home) -> None:
    [path] = toy.journals()
    with Journal.read(path) as journal:
        assert journal.meta()["hftd_version"] == version("hftd")
    note_version(path, "0.0.1")
    ended = verified(toy)
    note_version(path, version("hftd"))
    assert ended.status == 0
    [remark] = ended.json["remarks"]
    assert remark.startswith("hftd: code changed: it was 0.0.1")


def note_version(path: Path, noted: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'hftd_version'", (noted,))
    connection.close()


def test_settings_that_no_hftd_knows_any_more_are_a_sentence(tmp_path: Path) -> None:
    session = Session(1, 2, date(2019, 2, 11))
    with Journal.open(journal_path(tmp_path, session.day), session, "0011223344556677") as journal:
        journal.append_event(Remark(1, "session.recovered", ""), 1, "daemon")
        journal.set_meta("settings", '{"symbols": ["SPY"], "gone": 1}')
    with pytest.raises(StateError, match=r"\(gone: .*; give some with --settings FILE"):
        verify(None, tmp_path, {}, None, None)


WANTING = """from hftd import Model, buy, sell

class M(Model):
    def on_bar(self, bar):
        return {wants}
"""
WANTS = {
    "one": "buy(3, bar.symbol, reason='first') if bar.volume % 2 else sell(2, bar.symbol, reason='first')",
    "two": "sell(2, bar.symbol) if bar.volume % 3 else buy(4, bar.symbol, limit=round(bar.close, 2))",
    "onlooker": "buy(1, bar.symbol)",
}


def test_a_session_with_two_models_a_shadow_and_a_swap_is_proven(home: Home) -> None:
    for name, wants in WANTS.items():
        (home.folder / "models" / f"{name}.py").write_text(WANTING.format(wants=wants))
    text = home.settings.read_text()
    start, end = text.index("model:"), text.index("risk:")
    chosen = "models: [{name: one}, {name: two, risk: {max_position: 90}}, {name: onlooker, shadow: true}]\n"
    home.settings.write_text(text[:start] + chosen + text[end:])
    fast = {
        "HFTD_EXCHANGE__SPEED": 150,
        "HFTD_EXCHANGE__REQUESTS_A_MINUTE": 0,
        "HFTD_RISK__MAX_ORDERS_PER_MINUTE": 1000,
        "HFTD_WEB__TOKEN": "of sixteen letters or more",
    }
    running = home.start("run", "--sessions", 1, **fast)
    running.wait_for("order.crossed")
    (home.folder / "models" / "one.py").write_text(WANTING.format(wants=WANTS["one"].replace("first", "second")))
    running.send(signal.SIGHUP)
    running.wait_for("reason=second")
    running.wait_for_each("order.queued", "shadow.filled")
    ended = running.end()
    assert ended.status == 0, ended
    assert home.events(ModelSwapped)
    seen = {name_of(command) for _, commands in home.steps() for command in commands}
    assert {"order.crossed", "order.queued", "shadow.ordered", "shadow.filled"} <= seen
    receipt = verified(home).json
    assert receipt["mismatches"] == 0, receipt
    assert {model["model_id"] for model in receipt["models"]} == {"one", "two", "onlooker"}


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
