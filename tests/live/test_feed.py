"""What the daemon does about a feed that is mute, cut, repeats itself or lies: seen from its log and its journal."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from hftd.broker.base import MarketMessage
from hftd.clock import ManualClock
from hftd.domain.commands import SignalRaised, SubmitOrder
from hftd.domain.convert import MINUTE_NS, ns_of_rfc3339, rfc3339_of
from hftd.domain.events import BarReceived, OrderReported, PrintQuarantined, TradingHalted, TradingResumed
from hftd.domain.market import Bar
from hftd.domain.orders import ReportKind
from hftd.domain.session import Session
from hftd.engine.halts import FEED_MUTE, Halts
from hftd.errors import BrokerUnavailable
from hftd.live.feed import FeedKeeper
from tests.conftest import MakeHome
from tests.live.faulty_exchange import FaultyExchange
from tests.running import Ended, Home, write_tape

OPEN_NS = ns_of_rfc3339("2019-02-11T14:30:00Z")
SPEED = 3600
BARS = 30
QUIET, SELL, BUY = 1001, 1700, 3100
OVER_NIGHT = {"HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off", "HFTD_LOG__LEVEL": "debug"}
STEPS = ("feed.probed", "feed.quiet", "bars.backfilled", "feed.reconnected", "feed.degraded")


def at(minute: int, second: int = 0) -> str:
    return rfc3339_of(OPEN_NS + minute * MINUTE_NS + second * 1_000_000_000)


def tape_of(file: Path, bars: int, prices: dict[int, float] | None = None) -> Path:
    """A tape of which every other bar is sold or bought on."""
    volumes = (SELL, QUIET, BUY, QUIET)
    rows = [(at(minute), (prices or {}).get(minute, 100.0), volumes[minute % 4]) for minute in range(bars)]
    return write_tape(file, rows)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tape_of(tmp_path_factory.mktemp("tape") / "half_an_hour.csv", BARS)


@pytest.fixture(scope="module")
def session_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tape_of(tmp_path_factory.mktemp("tape") / "session.csv", 390)


def lived(home: Home, tape: Path, *faults: dict[str, object]) -> Ended:
    """A whole session on an exchange with these faults."""
    exchange = FaultyExchange(home, tape, SPEED, faults)
    ended = home.run("run", "--sessions", 1, "--json", **exchange.broker(**OVER_NIGHT))
    assert ended.status == 0, ended
    assert "Traceback" not in ended.log, ended
    assert "account.agrees" in ended.events, ended
    return ended


def minutes_of(home: Home, *, late: bool | None = None) -> list[int]:
    """Which bars the model saw, in its order; those that were late, or were not."""
    return [
        (event.bar.time_ns - OPEN_NS) // MINUTE_NS
        for event in home.events(BarReceived)
        if late is None or event.late is late
    ]


def steps_until(ended: Ended, minute: str) -> list[str]:
    """The steps about a silence that were taken before the bar of `minute` was received."""
    lines = ended.log.splitlines()
    end = next(
        number for number, line in enumerate(lines) if f"bar.received          symbol=SPY minute={minute}" in line
    )
    return [name for name in Ended(0, "", "\n".join(lines[:end])).events if name in STEPS]


def test_a_mute_feed_is_probed_filled_and_connected_again(home: Home, tape: Path) -> None:
    ended = lived(home, tape, {"kind": "mute", "count": 3, "at": at(6, 30)})
    assert minutes_of(home) == list(range(BARS))
    assert set(minutes_of(home, late=True)) >= {6, 7, 8}
    steps = steps_until(ended, "09:45")
    assert steps[:3] == ["feed.probed", "bars.backfilled", "feed.reconnected"]
    (probed,) = ended.lines("feed.probed  since=09:35")
    (filled,) = ended.lines("bars.backfilled  bars=3 since=09:36")
    assert ended.log.index(probed) < ended.log.index(filled)


@pytest.mark.parametrize(
    ("fault", "late"),
    [
        ({"kind": "mute", "count": 1}, [6]),
        ({"kind": "mute", "count": 2}, [6, 7]),
        ({"kind": "duplicate", "count": 4}, []),
        ({"kind": "reorder", "count": 1}, []),
    ],
    ids=lambda value: value["kind"] + str(value["count"]) if isinstance(value, dict) else "",
)
def test_each_bar_comes_once_and_in_order(home: Home, tape: Path, fault: dict[str, object], late: list[int]) -> None:
    ended = lived(home, tape, {**fault, "at": at(6, 30)})
    assert minutes_of(home) == list(range(BARS))
    assert minutes_of(home, late=True) == late
    assert ended.json["quarantined"] == 0
    assert len(home.commands(SignalRaised)) == BARS // 2
    assert len(home.commands(SubmitOrder)) == BARS // 2 - sum(minute % 2 == 0 for minute in late)


def test_a_bar_that_is_overtaken_is_asked_for_and_its_own_message_is_a_repetition(home: Home, tape: Path) -> None:
    exchange = FaultyExchange(home, tape, 60, [{"kind": "reorder", "count": 1, "at": at(1, 30)}])
    running = home.start("run", **exchange.broker(**OVER_NIGHT))
    running.wait_for("minute=09:33")
    running.end()
    assert minutes_of(home)[:4] == [0, 1, 2, 3]
    assert minutes_of(home, late=True) == [1]
    assert not home.events(PrintQuarantined)


def test_a_feed_that_has_nothing_to_say_is_asked_less_and_less(home: Home, tape: Path) -> None:
    ended = lived(home, tape)
    assert "feed.reconnected" not in ended.events
    assert 3 <= ended.events.count("feed.quiet") == ended.events.count("feed.probed") <= 14  # in six hours
    assert "feed.degraded" not in ended.events


def test_trading_is_halted_after_a_long_silence_and_goes_on_with_the_bars(home: Home, session_tape: Path) -> None:
    exchange = FaultyExchange(home, session_tape, 600)
    running = home.start("run", "--json", **exchange.broker(**OVER_NIGHT))
    running.wait_for("order.filled")
    exchange.arm(kind="cut", target="data")
    exchange.arm(kind="drop", target="data")
    running.wait_for("trading.halted")
    exchange.clear()
    running.wait_for("trading.resumed")
    running.wait_for("order.filled")
    ended = running.end()
    assert ended.status == 0 and "Traceback" not in ended.log, ended
    steps = [name for name in ended.events if name in STEPS]
    once = ["feed.probed", "bars.backfilled", "feed.reconnected"]
    assert steps[:9] == [*once, *once, "feed.probed", "bars.backfilled", "feed.degraded"]
    (halt,), (resumed,) = home.events(TradingHalted), home.events(TradingResumed)
    assert halt.rule == resumed.rule == FEED_MUTE
    seen = minutes_of(home)
    assert seen == list(range(len(seen)))
    while_halted = [event.bar for event in home.events(BarReceived) if halt.time_ns <= event.time_ns < resumed.time_ns]
    assert while_halted


def test_the_last_bars_are_asked_for_after_the_close(home: Home, session_tape: Path) -> None:
    ended = lived(home, session_tape, {"kind": "mute", "count": 2, "at": at(388, 30)})
    assert minutes_of(home) == list(range(390))
    assert minutes_of(home, late=True) == [388, 389]
    assert ended.events.index("session.closed") < ended.events.index("bars.backfilled")


def test_a_broker_without_history_holds_up_no_more_than_the_gap(home: Home, tape: Path) -> None:
    ended = lived(
        home,
        tape,
        {"kind": "status", "target": "rest", "status": 404, "path": "/v2/stocks/bars", "count": 1, "at": at(5, 30)},
        {"kind": "mute", "count": 1, "at": at(6, 30)},
    )
    assert len(ended.lines("warning: bars.unavailable  since=09:36")) == 1
    assert minutes_of(home) == [minute for minute in range(BARS) if minute != 6]


async def test_of_many_gaps_a_broker_that_fails_is_asked_about_one_a_minute() -> None:
    """Each question may last three seconds, during which nothing else is dealt with."""
    symbols = tuple(f"S{number}" for number in range(40))
    clock, asked, taken = ManualClock(OPEN_NS + 3 * MINUTE_NS), [], []

    async def fail(wanted: tuple[str, ...], *_: int) -> NoReturn:
        asked.append(wanted)
        raise BrokerUnavailable("it hangs")

    trader = SimpleNamespace(
        engine=SimpleNamespace(halts=Halts()),
        admission=SimpleNamespace(last_bar_ns=lambda symbol: OPEN_NS),
        can_be=lambda time_ns: True,
        take_market=lambda data, *_: taken.append(data.symbol),
    )
    session = Session(OPEN_NS, OPEN_NS + 390 * MINUTE_NS, date(2019, 2, 11))
    keeper = FeedKeeper(trader, SimpleNamespace(bars=fail), clock, session, symbols)  # type: ignore[arg-type]
    for minute in (2, 3):
        clock.advance_to(OPEN_NS + (minute + 1) * MINUTE_NS)
        for symbol in symbols:
            await keeper.take(MarketMessage(Bar(symbol, OPEN_NS + minute * MINUTE_NS, 1.0, 1.0, 1.0, 1.0, 1), 0))
    assert asked == [("S0",), ("S0",)]
    assert taken == [*symbols, *symbols]


def test_a_start_in_mid_session_is_filled_from_the_open(make_home: MakeHome, session_tape: Path) -> None:
    first, second = make_home("first"), make_home("second")
    exchange = FaultyExchange(first, session_tape, SPEED)
    running = first.start("run", **exchange.broker(**OVER_NIGHT))
    running.wait_for("minute=10:15")
    running.end()
    ended = second.run("run", "--sessions", 1, "--json", **exchange.broker(**OVER_NIGHT))
    assert ended.status == 0, ended
    assert minutes_of(second) == list(range(390))
    late = minutes_of(second, late=True)
    assert late == list(range(len(late))) and len(late) >= 45


def test_reports_that_were_lost_are_asked_for_when_the_socket_is_back(home: Home, tape: Path) -> None:
    lived(
        home,
        tape,
        {"kind": "mute", "target": "trades", "count": 12, "at": at(2, 30)},
        {"kind": "drop", "target": "trades", "at": at(5, 30)},
        {"kind": "drop", "target": "trades", "at": at(9)},
        {"kind": "duplicate", "target": "trades", "count": 4, "at": at(11, 30)},
        {"kind": "reorder", "target": "trades", "count": 1, "at": at(15, 30)},
    )
    reports = [event.report for event in home.events(OrderReported) if event.report.kind is ReportKind.FILL]
    assert any(report.reconciled for report in reports)
    ids = [command.order.client_order_id for command in home.commands(SubmitOrder)]
    assert len(ids) == len(set(ids)) == BARS // 2
    assert {report.client_order_id for report in reports} == set(ids)


def test_a_halted_symbol_is_not_traded_until_it_is_resumed(home: Home, tape: Path) -> None:
    ended = lived(
        home,
        tape,
        {"kind": "halt", "symbol": "SPY", "at": at(2, 30)},
        {"kind": "resume", "symbol": "SPY", "at": at(10, 30)},
    )
    told = [name for name in ended.events if name in ("symbol.halted", "symbol.resumed", "order.refused")]
    assert told[0] == "symbol.halted" and told[-1] == "symbol.resumed" and "order.refused" in told
    assert minutes_of(home, late=False) == list(range(BARS))


def test_a_bad_print_is_kept_from_the_model(home: Home, tmp_path: Path) -> None:
    tape = tape_of(tmp_path / "bad.csv", BARS, prices={10: 108.0})
    ended = lived(home, tape)
    bad = {10, 11}  # it begins where the one before closed, so that both reach too far
    assert minutes_of(home) == [minute for minute in range(BARS) if minute not in bad]
    assert {(event.bar_time_ns - OPEN_NS) // MINUTE_NS for event in home.events(PrintQuarantined)} == bad
    assert ended.json["quarantined"] == 2
    assert len(ended.lines("warning: print.quarantined")) == 2
