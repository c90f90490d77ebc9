"""A whole day on which forty things go wrong, and the same with an exchange that is killed twice.

What the model saw equals the tape; what it computed from bars alone equals an undisturbed run; what it decided was
sent once, unless the bar was late; the books agree at the close.
"""

import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from hftd.domain.commands import OrderRefused, SignalDropped, SignalRaised, SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS, ns_of_rfc3339, rfc3339_of
from hftd.domain.events import BarReceived, OrderReported
from hftd.engine.order_states import FILLS
from tests.conftest import MakeHome
from tests.live.faulty_exchange import FaultyExchange
from tests.running import Ended, Home, write_tape

OPEN_NS = ns_of_rfc3339("2019-02-11T14:30:00Z")
MINUTES = 390
QUIET = frozenset({17, 18, 140, 301})
"""Minutes in which nobody trades."""

SPEED = 3600.0
"""The exchange's time waits for the daemon, but not for one that is cut off from it."""

FAULTS = 40
SETTINGS = {"HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off", "HFTD_LOG__LEVEL": "debug"}

AVERAGE = '''
from hftd import Bar, Model, buy, sell


class Average(Model):
    """Decides on every bar; its reasons tell all that it has computed from the bars so far."""

    bars = 0
    volume = 0
    average = 0.0

    def on_bar(self, bar: Bar):
        self.bars += 1
        self.volume += bar.volume
        self.average += (bar.close - self.average) / min(self.bars, 20)
        reason = f"{self.bars} bars, {self.volume} shares, {self.average:.6f}"
        return (buy if self.bars % 2 else sell)(1, bar.symbol, reason=reason)
'''

KINDS: tuple[dict[str, object], ...] = (
    {"kind": "drop", "target": "data"},
    {"kind": "drop", "target": "trades"},
    {"kind": "drop", "target": "clock"},
    {"kind": "mute", "target": "data", "count": 1},
    {"kind": "mute", "target": "data", "count": 3},
    {"kind": "mute", "target": "trades", "count": 1},
    {"kind": "delay", "target": "data", "count": 2, "delay_s": 0.2},
    {"kind": "delay", "target": "trades", "count": 2, "delay_s": 0.1},
    {"kind": "duplicate", "target": "data", "count": 3},
    {"kind": "duplicate", "target": "trades", "count": 4},
    {"kind": "reorder", "target": "data", "count": 1},
    {"kind": "reorder", "target": "trades", "count": 1},
    {"kind": "refuse", "target": "data", "code": 402, "count": 1},
    {"kind": "refuse", "target": "data", "code": 406, "count": 1},
    {"kind": "refuse", "target": "trades", "count": 1},
    {"kind": "cut", "target": "data", "count": 2},
    {"kind": "cut", "target": "rest", "method": "POST", "count": 1, "done": True},
    {"kind": "cut", "target": "rest", "method": "POST", "count": 1},
    {"kind": "status", "target": "rest", "status": 500, "html": True, "count": 1, "done": True},
    {"kind": "status", "target": "rest", "status": 503, "method": "POST", "count": 1},
    {"kind": "status", "target": "rest", "status": 504, "method": "POST", "count": 1, "done": True},
    {"kind": "status", "target": "rest", "status": 429, "count": 1},
    {"kind": "status", "target": "rest", "status": 504, "path": "/v2/stocks/bars", "count": 1},
    {"kind": "halt", "symbol": "SPY"},
    {"kind": "print", "symbol": "SPY", "price": 0.01},
)
FOLLOWED_BY: dict[str, dict[str, object]] = {
    "refuse": {"kind": "drop"},
    "halt": {"kind": "resume", "symbol": "SPY"},
}
"""What must come after a fault to make it felt, or to end it."""


def schedule() -> Iterator[dict[str, object]]:
    """Forty faults, each kind at least once, eight or nine minutes apart, in an order drawn from a seed."""
    dice = random.Random(40)
    kinds = [*KINDS, *dice.choices(KINDS, k=FAULTS - len(KINDS))]
    dice.shuffle(kinds)
    for number, fault in enumerate(kinds):
        at_ns = OPEN_NS + (5 + 9 * number) * MINUTE_NS + dice.randrange(1, 59) * SECOND_NS
        yield {**fault, "at": rfc3339_of(at_ns)}
        if after := FOLLOWED_BY.get(str(fault["kind"])):
            target = {"target": fault["target"]} if "target" in fault else {}
            yield {**after, **target, "at": rfc3339_of(at_ns + 2 * MINUTE_NS)}


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dice = random.Random(1)
    starts = [OPEN_NS + minute * MINUTE_NS for minute in range(MINUTES) if minute not in QUIET]
    rows = [
        (rfc3339_of(start_ns), 270 + dice.randrange(-50, 50) / 100, dice.randrange(100, 9999)) for start_ns in starts
    ]
    return write_tape(tmp_path_factory.mktemp("tape") / "day.csv", rows)


def bars_of(tape: Path) -> list[tuple[int, float, int]]:
    """Start, close and volume of each bar of a tape."""
    rows = [line.split(",") for line in tape.read_text().splitlines()[1:]]
    return [(ns_of_rfc3339(row[0]), float(row[5]), int(row[6])) for row in rows]


@pytest.fixture(scope="module")
def undisturbed(make_home: MakeHome, tape: Path) -> Home:
    home = make_home("undisturbed")
    home.use_model("average", AVERAGE)
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json", **SETTINGS)
    assert ended.status == 0, ended
    assert len(filled(home)) == MINUTES - len(QUIET) - 1  # the decision on the last bar comes after the close
    return home


def signals(home: Home) -> list[tuple[str, str]]:
    return [(str(signal.side), signal.reason) for signal in home.commands(SignalRaised)]


def filled(home: Home) -> dict[str, Decimal]:
    """Shares of each order that was filled, whether its fill was heard, repeated, or asked for."""
    reports = [event.report for event in home.events(OrderReported) if event.report.kind in FILLS]
    return {report.client_order_id: report.filled_quantity for report in reports}


def whole(home: Home, ended: Ended, exchange: FaultyExchange, tape: Path, undisturbed: Home) -> None:
    """Nothing was lost and nothing doubled."""
    assert ended.status == 0, ended
    assert "Traceback" not in ended.log, ended
    seen = [(event.bar.time_ns, event.bar.close, event.bar.volume) for event in home.events(BarReceived)]
    assert seen == bars_of(tape)
    assert signals(home) == signals(undisturbed)

    dropped = Counter(command.cause for command in home.commands(SignalDropped))
    refused = Counter(command.rule for command in home.commands(OrderRefused))
    orders = [command.order.client_order_id for command in home.commands(SubmitOrder)]
    late = sum(event.late for event in home.events(BarReceived))
    assert dropped.keys() <= {"late", "after_close"} and dropped["late"] == late > 0
    assert len(orders) == len(signals(home)) - dropped.total() - refused.total()

    theirs = {order["client_order_id"]: order for order in exchange.get("/v2/orders?status=all&limit=500")}
    assert theirs.keys() <= set(orders) and len(orders) == len(set(orders))
    assert {id: Decimal(order["filled_qty"]) for id, order in theirs.items() if order["filled_qty"] != "0"} == filled(
        home
    )
    assert "account.agrees" in ended.events, ended  # positions and cash


STEPS = ("feed.probed", "feed.quiet", "bars.backfilled", "feed.reconnected")
"""What is done about a silence, as the log names it."""


def in_order(ended: Ended) -> None:
    """The log's times never go back, and a silence is answered by the steps in their order."""
    lines = ended.log.splitlines()
    opened = next(number for number, line in enumerate(lines) if "session.opened" in line)
    times = [line[:19] for line in lines[opened:]]
    assert times == sorted(times)
    steps = [name for name in ended.events if name in STEPS]
    assert "feed.probed" in steps
    for index, name in enumerate(steps):
        if name == "feed.probed":
            after = steps[index + 1 : index + 3]
            assert after[0] in ("feed.quiet", "feed.reconnected") or after == ["bars.backfilled", "feed.reconnected"]


def test_a_day_of_forty_faults(home: Home, tape: Path, undisturbed: Home) -> None:
    home.use_model("average", AVERAGE)
    exchange = FaultyExchange(home, tape, SPEED, schedule())
    ended = home.run("run", "--sessions", 1, "--json", **exchange.broker(**SETTINGS))
    whole(home, ended, exchange, tape, undisturbed)
    in_order(ended)


def test_the_same_day_with_an_exchange_that_is_killed_twice(home: Home, tape: Path, undisturbed: Home) -> None:
    home.use_model("average", AVERAGE)
    exchange = FaultyExchange(home, tape, SPEED, schedule())
    running = home.start("run", "--sessions", 1, "--json", **exchange.broker(**SETTINGS))
    for minute in ("minute=10:44", "minute=14:02"):
        running.wait_for(minute)
        exchange.kill()
        running.wait_for("feed=clock detail=")
        exchange.start()
        running.wait_for("feed.up               feed=clock")
    ended = running.ended()
    whole(home, ended, exchange, tape, undisturbed)
    in_order(ended)
