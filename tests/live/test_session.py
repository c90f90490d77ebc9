"""One session, seen as a newcomer sees it: what is logged, what is summed up, what a signal does."""

import signal
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import pytest

from hftd.domain.commands import OrderRefused, SignalDropped, SignalRaised, SubmitOrder
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.orders import Side
from tests.conftest import MakeHome
from tests.running import Ended, Home, signed_quantity, write_tape

QUIET, SELL, BUY = 1001, 1700, 3100
"""Volumes that are a multiple of neither 17 nor 31, of 17, of 31."""

OPEN, BARS = 14 * 60 + 30, 390
"""Of the session of 2019-02-11: its open in minutes UTC, and its length."""

SIGNALS = {"14:31": SELL, "14:33": BUY, "14:34": SELL, "20:56": BUY, "20:59": SELL}


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole session with a few minutes to decide on."""
    return write_tape(tmp_path_factory.mktemp("tape") / "session.csv", minutes(SIGNALS))


def minutes(volumes: Mapping[str, int]) -> list[tuple[str, float, int]]:
    """The session's rows, quiet but at the times of `volumes`."""
    starts = [f"{minute // 60}:{minute % 60:02}" for minute in range(OPEN, OPEN + BARS)]
    return [
        (f"2019-02-11T{start}:00Z", 100 + index % 5 / 10, volumes.get(start, QUIET))
        for index, start in enumerate(starts)
    ]


@pytest.fixture(scope="module")
def session(make_home: MakeHome, tape: Path) -> tuple[Home, Ended]:
    home = make_home("session")
    return home, home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1)


STORY = """
    model.loaded exchange.started feed.up market.closed feed.up session.opened bar.received
    signal.raised order.submitted order.accepted order.filled bar.received
    signal.raised order.submitted order.accepted order.filled bar.received
    signal.raised order.submitted order.accepted order.filled bar.received
    timer.fired order.submitted bar.received order.accepted order.filled bar.received
    signal.raised order.refused bar.received signal.raised signal.after_close session.closed account.agrees
    report.written
"""


def test_the_log_tells_the_session_from_start_to_end(session: tuple[Home, Ended]) -> None:
    _, ended = session
    assert ended.status == 0
    told = [name for name in ended.events if name != "exchange.awaited"]  # on a busy machine only
    assert [name for name, _ in groupby(told)] == STORY.split()
    assert ended.events.count("bar.received") == BARS


@pytest.mark.parametrize(
    "fragment",
    [
        '2019-02-11 09:25:00  market.closed         opens="Mon 2019-02-11 09:30 New York" sleeping="4 min 0 s"\n',
        "2019-02-11 09:30:00  session.opened        day=2019-02-11 closes=16:00\n",
        "2019-02-11 09:32:00  bar.received          symbol=SPY minute=09:31 close=100.1 volume=1700\n",
        "2019-02-11 09:32:00  signal.raised         model=volume_17_31 side=sell quantity=5 symbol=SPY "
        'reason="volume 1700 is a multiple of 17"\n',
        "2019-02-11 09:32:00  order.submitted       symbol=SPY side=sell quantity=5 type=market market=100.1 "
        'reason="volume 1700 is a multiple of 17" id=hftd-20190211-SPY-',
        "2019-02-11 09:32:00  order.filled          symbol=SPY side=sell quantity=5 price=",
        ' reason="flatten before the close" id=',
        "warning: order.refused  symbol=SPY side=buy quantity=5 rule=flatten_before_close limit=0 value=5\n",
        "2019-02-11 16:00:00  signal.after_close    model=volume_17_31 side=sell symbol=SPY sent=no\n",
        "2019-02-11 16:00:00  session.closed        day=2019-02-11 position=flat cash=",
    ],
)
def test_each_line_says_what_happened(session: tuple[Home, Ended], fragment: str) -> None:
    assert fragment in session[1].log


def test_nothing_is_held_over_night_by_default(session: tuple[Home, Ended]) -> None:
    home, ended = session
    orders = [command.order for command in home.commands(SubmitOrder)]
    assert [order.side for order in orders] == [Side.SELL, Side.BUY, Side.SELL, Side.BUY]
    assert sum(map(signed_quantity, home.fills())) == 0
    assert "position   flat\n" in ended.out


def test_a_decision_on_the_last_bar_comes_after_the_close_and_is_not_sent(session: tuple[Home, Ended]) -> None:
    home, _ = session
    (dropped,) = home.commands(SignalDropped)
    assert (dropped.side, dropped.cause) == (Side.SELL, "after_close")
    assert len(home.commands(SignalRaised)) == 5
    assert len(home.commands(SubmitOrder)) == 4


def test_what_risk_refuses_is_told_with_its_rule(session: tuple[Home, Ended]) -> None:
    (refused,) = session[0].commands(OrderRefused)
    assert (refused.rule, refused.side) == ("flatten_before_close", Side.BUY)


def test_the_summary_is_a_table_on_standard_output(session: tuple[Home, Ended]) -> None:
    names = [line.split("  ")[0] for line in session[1].out.splitlines()]
    assert names == [
        *("sessions", "bars", "decisions", "orders", "fills"),
        *("position", "cash", "equity", "P&L", "slippage"),
    ]


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({"HFTD_RISK__MAX_POSITION": 4}, "max_position"),
        ({"HFTD_RISK__MAX_ORDER_NOTIONAL": 500}, "max_order_notional"),
    ],
)
def test_limits_of_the_settings_hold(home: Home, tape: Path, variables: dict[str, object], rule: str) -> None:
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", **variables)
    assert {refused.rule for refused in home.commands(OrderRefused)} == {rule, "flatten_before_close"}
    assert (ended.json["orders"], ended.json["position"]) == (0, {})
    assert f"order.refused  symbol=SPY side=sell quantity=5 rule={rule} " in ended.log


def test_a_parquet_tape_plays_as_its_csv_does(session: tuple[Home, Ended], home: Home, tape: Path) -> None:
    import pandas

    parquet = home.folder / "short.parquet"
    pandas.read_csv(tape, parse_dates=["timestamp"]).to_parquet(parquet)
    ended = home.run("run", "--tape", parquet, "--speed", 3600, "--sessions", 1)
    assert (ended.status, ended.out, ended.events) == (0, session[1].out, session[1].events)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_in_order_with_the_summary(home: Home, number: int, status: int) -> None:
    rows = minutes({"14:31": SELL})  # and nothing else, so that it is held whenever the signal comes
    running = home.start("run", "--tape", write_tape(home.folder / "sale.csv", rows), "--speed", 300)
    running.wait_for("order.filled")
    ended = running.end(number)
    assert ended.status == status, ended
    assert "daemon.stopping" in ended.events
    assert "Traceback" not in ended.log
    assert ended.out.startswith("sessions   0\n") and "position   SPY -5\n" in ended.out


FAULTY = '''
from hftd import Bar, Model, buy


class Faulty(Model):
    """Buys on each bar of the tape, and fails on the third."""

    bars = 0

    def on_bar(self, bar: Bar):
        self.bars += 1
        if self.bars == 3 and bar.volume in (1001, 1700, 3100):
            raise ZeroDivisionError("the third bar")
        return buy(1, bar.symbol)
'''


def test_a_model_that_raises_is_paused_and_the_daemon_goes_on(home: Home, tape: Path) -> None:
    home.use_model("faulty", FAULTY)
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json")
    assert ended.status == 0, ended
    assert ended.log.count("Traceback") == 1
    (paused,) = ended.lines("model.paused")
    assert 'model=faulty error="ZeroDivisionError in on_bar: the third bar" until="the next open"' in paused
    assert "paused: faulty has failed, the log says how; it is tried again at the next open\n" in home.run("status").out
    assert ended.json["bars"] == BARS
    assert ended.json["signals"] == {"buy": 2, "sell": 0}
    assert "side=buy quantity=1 symbol=SPY\n" in ended.log  # without a reason, nothing is said of one
    assert ended.json["position"] == {}


BUYER = """
from hftd import Model, buy


class Buyer(Model):
    def on_bar(self, bar):
        return buy(1, bar.symbol)
"""
UNBUILT = """
from pathlib import Path

from hftd import Model


class Unbuilt(Model):
    def __init__(self):
        if Path({gone!r}).exists():
            raise FileNotFoundError("the weights are gone")

    def on_bar(self, bar):
        if bar.time_ns > {first_ns}:  # not in its trial
            Path({gone!r}).touch()
"""


def test_a_model_that_cannot_be_built_at_an_open_is_paused_and_the_others_trade(home: Home) -> None:
    rows = [(f"2026-11-{day}T14:{minute}:00Z", 100.0, 1700) for day in (23, 24) for minute in (30, 31, 32)]
    text = UNBUILT.format(gone=str(home.folder / "gone"), first_ns=ns_of_rfc3339(rows[0][0]) - 1)
    (home.folder / "models" / "unbuilt.py").write_text(text)
    (home.folder / "models" / "buyer.py").write_text(BUYER)
    start, end = (home.settings.read_text().index(section) for section in ("model:", "risk:"))
    chosen = "models: [{name: unbuilt}, {name: buyer}]\n"
    home.settings.write_text(home.settings.read_text()[:start] + chosen + home.settings.read_text()[end:])
    tape = write_tape(home.folder / "bars.csv", rows)
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 2, "--json")
    assert ended.status == 0, ended
    (paused,) = ended.lines("model.paused")
    assert "model=unbuilt" in paused and "__init__ raised FileNotFoundError: the weights are gone" in paused
    assert ended.json["sessions"] == 2 and ended.json["signals"]["buy"] == len(rows)


def test_positions_are_closed_on_time_even_if_nobody_trades(home: Home, tmp_path: Path) -> None:
    """The exchange's time must not run past the daemon's timers to the next trade, which here is the next day's."""
    tape = write_tape(
        tmp_path / "tape.csv",
        [
            ("2019-02-11T14:30:00Z", 100.0, SELL),
            ("2019-02-11T14:31:00Z", 100.0, QUIET),
            ("2019-02-12T14:30:00Z", 100.0, QUIET),
        ],
    )
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json")
    assert ended.json["position"] == {}, ended
    sale, flattening = home.fills()
    assert flattening.time_ns == ns_of_rfc3339("2019-02-11T20:55:00Z")
    assert signed_quantity(sale) == -signed_quantity(flattening)


def test_each_session_is_reported_at_its_close(session: tuple[Home, Ended]) -> None:
    home, _ = session
    page = (home.state / "reports" / "2019-02-11.html").read_text()
    assert "volume_17_31" in page and "What is missing" not in page


def test_no_report_is_written_where_none_is_wanted(home: Home, tape: Path) -> None:
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, HFTD_REPORT__AT_CLOSE="false")
    assert ended.status == 0 and "report.written" not in ended.events
    assert not (home.state / "reports").exists()


def test_a_report_that_cannot_be_written_is_told_and_ends_nothing(home: Home, tape: Path) -> None:
    home.state.mkdir()
    (home.state / "reports").write_text("in the way")
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1)
    assert ended.status == 0
    assert "the report cannot be written" in ended.lines("report.failed")[0]
