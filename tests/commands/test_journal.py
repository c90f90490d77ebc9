"""`hftd journal`: a session read back, whole, by order, and while it is written."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

from hftd.domain.commands import SignalRaised, SubmitOrder
from hftd.domain.events import BarReceived, OrderReported, PrintQuarantined, SessionOpened
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.domain.session import Session
from hftd.journal import Journal, journal_path
from tests.running import Home

SESSION = Session(1_549_895_400_000_000_000, 1_549_918_800_000_000_000, date(2019, 2, 11))
ORDER = OrderRequest("hftd-20190211-SPY-1", "SPY", Side.BUY, Decimal(5))
OTHER = OrderRequest("hftd-20190211-SPY-2", "SPY", Side.BUY, Decimal(5))


def decide(journal: Journal, order: OrderRequest) -> None:
    """A bar, the order that followed from it, and its acceptance."""
    bar = BarReceived(Bar("SPY", SESSION.open_ns, 271.0, 271.0, 271.0, 271.0, 1700))
    sequence = journal.append_event(bar, bar.time_ns, "socket")
    raised = SignalRaised("toy", "SPY", order.side, order.quantity, "because")
    journal.append_commands(sequence, [raised, SubmitOrder("toy", order, 271.0, "f00")])
    report = OrderReported(ExecutionReport(ReportKind.NEW, order.client_order_id, bar.time_ns))
    journal.append_event(report, bar.time_ns, "broker")
    journal.commit()


def open_journal(home: Home) -> Journal:
    journal = Journal.open(journal_path(home.state, SESSION.day), SESSION, "0011223344556677")
    journal.append_event(SessionOpened(SESSION.open_ns, SESSION), SESSION.open_ns, "calendar")
    journal.commit()
    return journal


def test_a_session_is_told_in_order_with_what_followed(home: Home) -> None:
    with open_journal(home) as journal:
        decide(journal, ORDER)
        told = home.run("journal")
    assert told.status == 0, told
    words = [re.sub(r" +", " ", line).strip() for line in told.out.splitlines()]
    assert [line.split(" ")[2] if line[0].isdigit() else line.split(" ")[1] for line in words] == [
        "session.opened",
        "bar.received",
        "signal.raised",
        "order.submitted",
        "order.reported",
    ]
    assert words[1].startswith("2 09:31:00 bar.received") and "volume=1700" in words[1]
    assert "reason=because" in words[2]
    assert words[0].endswith("session.opened open=09:30:00 close=16:00:00 day=2019-02-11")
    assert words[4].endswith("order.reported new client_order_id=hftd-20190211-SPY-1")


def test_one_order_with_what_led_to_it(home: Home) -> None:
    with open_journal(home) as journal:
        decide(journal, ORDER)
        decide(journal, OTHER)
    told = home.run("journal", "--order", OTHER.client_order_id, "--json", "--session", "2019-02-11")
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [(row["sequence"], row["command"], row["kind"]) for row in rows] == [
        (4, None, "bar.received"),
        (4, 4, "order.submitted"),
        (5, None, "order.reported"),
    ]
    assert rows[0]["time"] == "2019-02-11T14:31:00Z" and rows[0]["source"] == "socket"
    assert rows[1]["body"]["order"]["quantity"] == "5"


def test_a_time_that_no_calendar_has_is_told_all_the_same(home: Home) -> None:
    with open_journal(home) as journal:
        misdated = PrintQuarantined(SESSION.open_ns, "SPY", -62_135_596_800 * 10**9, "its time is far from now", "")
        journal.append_event(misdated, SESSION.open_ns, "socket")
    told = home.run("journal")
    assert told.status == 0 and "bar_time=-62135596800000000000 ns" in told.out.replace('"', ""), told


def test_it_can_be_followed_while_it_is_written(home: Home) -> None:
    with open_journal(home) as journal:
        running = home.start("journal", "--follow", "--json")
        lines = tail_of(home.folder / "out-0")
        assert json.loads(next(lines))["kind"] == "session.opened"
        decide(journal, ORDER)
        kinds = [json.loads(next(lines))["kind"] for _ in range(4)]
        assert kinds == ["bar.received", "signal.raised", "order.submitted", "order.reported"]
        assert running.end(signal.SIGINT).status == 130


def tail_of(file: Path) -> Iterator[str]:
    """The lines of a file as they are written."""
    with subprocess.Popen(["tail", "-n", "+1", "-f", str(file)], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        try:
            yield from tail.stdout
        finally:
            tail.kill()


def test_mistakes_are_told_in_a_sentence(home: Home) -> None:
    nothing = home.run("journal")
    assert (
        nothing.status,
        "there is no journal yet; the first session that hftd run prepares begins one" in nothing.log,
    ) == (1, True)
    with open_journal(home) as journal:
        decide(journal, ORDER)
    other_day = home.run("journal", "--session", "2019-02-12")
    assert other_day.status == 1 and other_day.log.endswith(
        "no journal of session 2019-02-12; did you mean 2019-02-11?\n"
    )
    other_order = home.run("journal", "--order", "hftd-20190211-SPY-9")
    assert other_order.status == 1 and "did you mean hftd-20190211-SPY-1?" in other_order.log
