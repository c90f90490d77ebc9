"""`hftd backtest`, `compare` and `sweep`, as a user calls them; and against the daemon on the same tape."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import hftd
from tests.conftest import MakeHome
from tests.running import PATIENCE_S, Ended, Home, signed_quantity

WIDE = {
    "HFTD_RISK__MAX_POSITION": 100_000,
    "HFTD_RISK__MAX_ORDER_NOTIONAL": 100_000_000,
    "HFTD_RISK__MAX_ORDERS_PER_MINUTE": 1000,
    "HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off",
    "HFTD_EXCHANGE__CASH": 10_000_000,
}
SAID_BY_BOTH = ("sessions", "bars", "late_bars", "quarantined", "signals", "orders", "fills", "refused", "rejected")
MONEY = ("position", "cash", "equity", "pnl", "slippage")


@pytest.fixture(scope="module")
def tape(hftd_data: Path) -> Path:
    return hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    return make_home("backtest")


@pytest.fixture(scope="module")
def week(home: Home, tape: Path) -> Ended:
    ended = home.run("backtest", "volume_17_31", "--data", tape, "--json", "--out", home.folder / "week", **WIDE)
    assert ended.status == 0, ended
    return ended


def test_a_backtest_and_the_daemon_on_the_same_tape_do_the_same_fill_for_fill(
    week: Ended, home: Home, tape: Path
) -> None:
    live = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 5, "--json", **WIDE)
    assert live.status == 0, live
    assert {name: week.json[name] for name in SAID_BY_BOTH} == {name: live.json[name] for name in SAID_BY_BOTH}
    assert {name: week.json[name] for name in MONEY} == {name: live.json[name] for name in MONEY}
    assert (week.json["orders"], week.json["position"], week.json["cash"]) == (181, {"SPY": -265}, 10072536.30)
    kept = pandas_fills(home.folder / "week")
    heard = [(fill.time_ns, fill.symbol, signed_quantity(fill), fill.price) for fill in home.fills()]
    assert kept == [(time_ns, symbol, float(shares), float(price)) for time_ns, symbol, shares, price in heard]


def pandas_fills(folder: Path) -> list[tuple[int, str, float, float]]:
    import pandas

    fills = pandas.read_parquet(folder / "fills.parquet")
    signed = fills.quantity.where(fills.side == "buy", -fills.quantity)
    stamps = fills.timestamp.astype("int64")
    return list(zip(stamps.tolist(), fills.symbol, signed.tolist(), fills.price.tolist(), strict=True))


def test_limits_and_parameters_are_those_of_the_settings(home: Home, tape: Path) -> None:
    ended = home.run("backtest", "volume_17_31", "--data", tape, "--json", "--param", "quantity=7")
    assert ended.status == 0, ended
    assert ended.json["parameters"]["quantity"] == 7
    assert ended.json["position"] == {}
    assert ended.json["cash"] == pytest.approx(100_000, abs=2000)


def test_a_file_with_names_and_times_of_its_own_is_read_as_the_settings_say(home: Home) -> None:
    rows = ("Zeit,auf,hoch,tief,zu,Stueck", "11.02.2019 15:31,1,1,1,1,170", "11.02.2019 15:32,1,1,1,1,310")
    file = home.folder / "SPY_odd.csv"
    file.write_text("\n".join(rows) + "\n")
    refused = home.run("backtest", "volume_17_31", "--data", file)
    assert refused.status == 78 and "tell neither bars" in refused.log
    told = {
        "HFTD_DATA__COLUMNS": "{timestamp: Zeit, open: auf, high: hoch, low: tief, close: zu, volume: Stueck}",
        "HFTD_DATA__TIME_ZONE": "Europe/Berlin",
        "HFTD_DATA__TIME_FORMAT": "'%d.%m.%Y %H:%M'",
        "HFTD_DATA__STAMPED": "end",
    }
    imported = home.folder / "imported"
    assert home.run("data", "import", file, "--into", imported, **told).status == 0
    for data in (file, imported):  # what hftd wrote is read as it is
        ended = home.run("backtest", "volume_17_31", "--data", data, "--json", "--out", home.folder / "odd", **told)
        assert ended.status == 0, ended
        assert (ended.json["first"], ended.json["bars"], ended.json["signals"]["sell"]) == ("2019-02-11", 2, 1)


def test_the_summary_is_for_people_and_tells_where_the_result_is(home: Home, tape: Path) -> None:
    ended = home.run("backtest", "volume_17_31", "--data", tape)
    assert ended.status == 0, ended
    words = dict(line.split(maxsplit=1) for line in ended.out.splitlines() if " " in line)
    assert words["sessions"] == "5"
    folder = home.folder / ended.out.rsplit("kept in ", 1)[1].split(":")[0]
    assert {file.name for file in folder.iterdir()} == {
        "summary.json",
        "equity.parquet",
        "orders.parquet",
        "fills.parquet",
        "bars.parquet",
    }
    again = home.run("backtest", "volume_17_31", "--data", tape)
    assert again.out.rsplit("kept in ", 1)[1] == ended.out.rsplit("kept in ", 1)[1]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("no_such", "--data", "TAPE"), 78, "no model no_such"),
        (("volume_17_31", "--data", "none.parquet"), 78, "none.parquet: no such file"),
        (("volume_17_31", "--data", "TAPE", "--symbols", "SPI"), 78, "SPY"),
        (("volume_17_31", "--data", "TAPE", "--from", "2020-01-01"), 78, "2019-02-11 to 2019-02-15"),
        (("volume_17_31", "--data", "TAPE", "--param", "quantity"), 78, "expected NAME=VALUE"),
        (("volume_17_31", "--data", "TAPE", "--param", "quantty=5"), 78, "quantity"),
        (("volume_17_31", "--data", "TAPE", "--fees", "free"), 78, "exchange.fees"),
        (
            ("volume_17_31", "--data", "night.csv"),
            78,
            "in a session of calendar NYSE; the first is of 2019-02-11T04:30",
        ),
        (("volume_17_31", "--data", "TAPE", "--out", "night.csv"), 1, "hftd: night.csv: File exists"),
    ],
)
def test_a_mistake_gets_a_sentence(
    home: Home, tape: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    night = "symbol,time,o,h,l,c,v\nSPY,2019-02-11T04:30Z,1,1,1,1,5\n"
    (home.folder / "night.csv").write_text(night)
    ended = home.run("backtest", *(tape if word == "TAPE" else word for word in arguments))
    assert ended.status == status, ended
    assert sentence in ended.log and "Traceback" not in ended.log


def test_what_a_model_prints_is_no_data_of_ours(make_home: MakeHome) -> None:
    home = make_home("printing")
    day = "symbol,time,o,h,l,c,v\nSPY,2019-02-11T14:30Z,1,1,1,1,5\nSPY,2019-02-11T14:31Z,1,1,1,1,5\n"
    (home.folder / "day.csv").write_text(day)
    loud = "from hftd import Model\nclass M(Model):\n    def on_bar(self, bar): print('loud', bar.volume)\n"
    (home.folder / "models" / "loud.py").write_text(loud)
    for arguments in (("backtest", "loud"), ("backtest", "loud", "loud"), ("sweep", "loud", "--jobs", "2", "--by-day")):
        ended = home.run(*arguments, "--data", home.folder / "day.csv", "--json")
        assert (ended.status, "loud 5" in ended.log, "loud 5" in ended.out) == (0, True, False), ended


def test_a_sweep_is_interrupted_in_silence(make_home: MakeHome) -> None:
    home = make_home("interrupted")
    (home.folder / "day.csv").write_text("symbol,time,o,h,l,c,v\nSPY,2019-02-11T14:30Z,1,1,1,1,5\n")
    head = "from hftd import Model\nclass M(Model):\n    n: int = 1\n"
    (home.folder / "models" / "slow.py").write_text(
        f"{head}    def on_bar(self, bar):\n        print('begun')\n        while True: pass\n"
    )
    wanted = ("sweep", "slow", "--data", "day.csv", "--param", "n=1,2,3,4,5,6", "--jobs", "2")
    process = subprocess.Popen(
        [sys.executable, "-m", "hftd", *wanted],
        cwd=home.folder,
        env=home.environment(PYTHONUNBUFFERED=1),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None and process.stderr.readline() == b"begun\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors.replace(b"begun\n", b"")) == (130, b"")


def test_two_results_are_compared_to_the_first_trade_in_which_they_part(week: Ended, home: Home, tape: Path) -> None:
    out = home.folder / "other"
    ended = home.run("backtest", "volume_17_31", "--data", tape, "--out", out, "--param", "sell_multiple=19", **WIDE)
    assert ended.status == 0, ended
    told = home.run("compare", home.folder / "week", out, "--json")
    assert told.json["same_trades"] is False
    assert told.json["first_difference"]["trade"] == 1
    assert told.json["figures"]["orders"][0] == 181
    same = home.run("compare", home.folder / "week", home.folder / "week")
    assert "all trades are the same" in same.out


def test_a_sweep_runs_every_combination_in_the_order_given(home: Home, tape: Path) -> None:
    ended = home.run(
        "sweep", "volume_17_31", "--data", tape, "--param", "sell_multiple=13,17", "--param", "quantity=1,5",
        "--from", "2019-02-12", "--to", "2019-02-13", "--json",
    )  # fmt: skip
    assert ended.status == 0, ended
    told = json.loads(ended.out)
    labels = [(row["sell_multiple"], row["quantity"]) for row in told]
    assert labels == [(13, 1), (13, 5), (17, 1), (17, 5)]
    for row in told:
        assert row["summary"]["parameters"]["quantity"] == row["quantity"]
        assert row["summary"]["sessions"] == 2


def test_a_sweep_by_day_begins_each_day_anew(home: Home, tape: Path) -> None:
    ended = home.run("sweep", "volume_17_31", "--data", tape, "--by-day", "--jobs", 1)
    assert ended.status == 0, ended
    days = [line.split()[0] for line in ended.out.splitlines()[1:]]
    assert days == [f"2019-02-{day}" for day in (11, 12, 13, 14, 15)]


class Toy(hftd.Model):
    """The toy rule as a class of a notebook."""

    quantity: int = 5

    def on_bar(self, bar: hftd.Bar) -> object:
        if bar.volume % 17 == 0:
            return hftd.sell(self.quantity, bar.symbol)
        return hftd.buy(self.quantity, bar.symbol) if bar.volume % 31 == 0 else None


def test_from_python_with_a_class_and_a_frame(tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas

    monkeypatch.chdir(tmp_path)
    frame = pandas.read_parquet(tape)
    limits = {"max_position": 100_000, "max_order_notional": 10**8, "max_orders_per_minute": 1000}
    result = hftd.backtest(Toy, frame, symbols="SPY", cash=10_000_000, flatten_before_close="off", **limits)
    assert len(result.fills) == 181
    assert result.summary["position"] == {"SPY": -265}
    assert Decimal(str(result.equity.cash.iloc[-1])) == Decimal("10072536.3")
    assert list(result.equity.columns) == ["equity", "cash", "gross"]
    assert len(result.bars) == 1949 and str(result.bars.timestamp.dtype) == "datetime64[ns, UTC]"
    loaded = hftd.backtest(Toy, tape, symbols=["SPY"], cash=10_000_000, flatten_before_close="off", **limits)
    assert loaded.trades_hash == result.trades_hash
    above, _ = result.plot()
    assert above.get_title().startswith("Toy")
