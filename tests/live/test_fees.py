"""What trading costs beside its prices is in the books once the session is over, as in those of a backtest."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from hftd.analytics.reading import told_session
from hftd.analytics.report import report_of
from hftd.analytics.shown import summary
from hftd.domain.account import Account
from hftd.domain.events import FeesCharged, SessionClosed
from hftd.errors import BrokerError, BrokerRefused, BrokerUnavailable
from hftd.exchange.venue.fees import Fees
from hftd.journal import Journal, journal_path
from hftd.live.recovery import reviewed
from hftd.live.run import summary_of, summary_text
from tests.conftest import MakeHome
from tests.live.walking import CASH, Walk, at

DAYS = ["2026-11-25", "2026-11-27"]
FIRST_CLOSED, LAST_CLOSED = "2026-11-25 17:00", "2026-11-27 14:00"
TAPE = "us_1m_2019-02-11_2019-02-15.parquet"


async def walked(folder: Path, *stops: str) -> Walk:
    """A daemon that was stopped, and then started again, at each of these times."""
    walk = Walk(folder, "2026-11-25 08:00", fees=Fees.PER_SHARE)
    for stop in stops:
        outcome = await walk.live(until=stop)
    walk.summary, walk.text = summary_of(outcome), summary_text(outcome)
    return walk


async def away_at_the_close(folder: Path) -> Walk:
    """It was stopped a minute before the first close, and what it held is flat."""
    walk = await walked(folder, "2026-11-25 15:59")
    await walk.broker.play_until(at("2026-11-25 20:00"))
    return walk


async def charged(walk: Walk) -> Decimal:
    return await walk.broker.fees(0)


async def test_fees_are_booked_at_the_close_and_the_account_agrees(tmp_path: Path):
    walk = await walked(tmp_path, LAST_CLOSED)
    assert len(walk.logged("account.agrees")) == 2 and not walk.logged("account.differs")
    booked = [event for day in DAYS for event in walk.events(day, FeesCharged)]
    assert len(booked) == 2
    assert sum(event.amount for event in booked) == await charged(walk) > 1
    account = await walk.broker.account()
    assert Decimal(str(walk.summary["cash"])) == account.cash
    assert Decimal(str(walk.summary["pnl"])) == account.cash - CASH, "flat over night, the days add up"
    assert Decimal(str(walk.summary["fees"])) == await charged(walk)
    assert f"fees       {await charged(walk):,.2f}" in walk.text


async def test_a_restart_charges_nothing_twice(tmp_path: Path):
    walk = await walked(tmp_path, "2026-11-25 12:00", "2026-11-25 15:59", FIRST_CLOSED, LAST_CLOSED)
    booked = [event for day in DAYS for event in walk.events(day, FeesCharged)]
    assert sum(event.amount for event in booked) == await charged(walk)
    assert not walk.logged("account.differs")


async def test_a_daemon_that_was_away_at_the_close_books_them_the_next_morning_once(tmp_path: Path):
    walk = await away_at_the_close(tmp_path)
    assert walk.events(DAYS[0], FeesCharged) == []
    for stop in ("2026-11-27 09:29", "2026-11-27 11:00", LAST_CLOSED):
        await walk.live(until=stop)
    assert len(walk.logged("fees.reconciled")) == 1
    first, second = ([event.amount for event in walk.events(day, FeesCharged)] for day in DAYS)
    assert (len(first), len(second)) == (1, 1)
    assert sum(first + second) == await charged(walk)
    assert not walk.logged("account.differs")
    profits = []
    for day in DAYS:
        with Journal.read(journal_path(tmp_path, date.fromisoformat(day))) as journal:
            profits.append(reviewed(journal).profit)
    assert sum(profits) == (await walk.broker.account()).cash - CASH


async def test_cash_that_went_elsewhere_is_taken_for_no_fee(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    walk = await away_at_the_close(tmp_path)
    account = await walk.broker.account()

    async def poorer() -> Account:
        return replace(account, cash=account.cash - 1000)

    monkeypatch.setattr(walk.broker, "account", poorer)
    await walk.live(until="2026-11-27 09:29")
    assert walk.events(DAYS[0], FeesCharged) == []


@pytest.mark.parametrize("answer", [BrokerRefused("no such page", status=404), BrokerUnavailable("no answer")])
async def test_a_broker_that_tells_no_fees_keeps_no_session_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: BrokerError
):
    walk = await away_at_the_close(tmp_path)

    async def untold(after_ns: int) -> Decimal:
        raise answer

    monkeypatch.setattr(walk.broker, "fees", untold)
    await walk.live(until="2026-11-27 09:31")
    assert walk.logged("fees.unasked") and walk.logged("session.opened")
    assert walk.events(DAYS[0], FeesCharged) == []


async def test_fees_that_explain_nothing_are_of_another_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Some brokers tell the day of a fee and no time."""
    walk = Walk(tmp_path, "2026-11-25 08:00", fees=Fees.PER_SHARE)
    broker_fees = walk.broker.fees

    async def with_those_of_yesterday(after_ns: int) -> Decimal:
        return await broker_fees(after_ns) + 5

    monkeypatch.setattr(walk.broker, "fees", with_those_of_yesterday)
    await walk.live(until=FIRST_CLOSED)
    assert walk.logged("account.differs") and not walk.events(DAYS[0], FeesCharged)


async def test_they_come_after_every_decision_and_the_journal_and_the_report_know_them(tmp_path: Path):
    walk = await walked(tmp_path, FIRST_CLOSED)
    (day,) = walk.journaled
    steps = walk.steps(day)
    closed = next(number for number, (event, _) in enumerate(steps) if isinstance(event, SessionClosed))
    (fees,) = (number for number, (event, _) in enumerate(steps) if isinstance(event, FeesCharged))
    assert fees > closed and not any(out for _, out in steps[fees:])
    assert steps[fees][0].time_ns == steps[fees - 1][0].time_ns, "they are of this session, whenever they are told"
    profit = (await walk.broker.account()).cash - CASH
    path = journal_path(tmp_path, date.fromisoformat(day))
    with Journal.read(path) as journal:
        assert reviewed(journal).profit == profit
    report = report_of([told_session(path).story])
    assert report.together.figures.profit == pytest.approx(float(profit))
    assert Decimal(str(report.fees)) == await charged(walk) and f"fees {report.fees:,.2f}" in summary(report)
    assert report.curve[-1] == pytest.approx(report.equity) == pytest.approx(float(CASH + profit))


async def test_without_fees_the_broker_is_not_even_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    walk = Walk(tmp_path, "2026-11-25 08:00")

    async def nobody_asks(after_ns: int) -> Decimal:
        raise AssertionError("asked for fees")

    monkeypatch.setattr(walk.broker, "fees", nobody_asks)
    await walk.live(until=FIRST_CLOSED)
    assert walk.logged("account.agrees") and not walk.events(DAYS[0], FeesCharged)


async def test_a_broker_that_does_not_tell_its_fees_is_said_to_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    walk = Walk(tmp_path, "2026-11-25 08:00", fees=Fees.PER_SHARE)

    async def away(after_ns: int) -> Decimal:
        raise BrokerUnavailable("no answer")

    monkeypatch.setattr(walk.broker, "fees", away)
    await walk.live(until=FIRST_CLOSED)
    assert walk.logged("fees.unasked") and walk.logged("account.differs")


def test_a_run_and_a_backtest_of_one_tape_come_to_the_same(make_home: MakeHome, hftd_data: Path):
    home, tape = make_home("fees"), hftd_data / "bars" / TAPE
    told = {"HFTD_EXCHANGE__FEES": "per_share"}
    lived = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 2, "--json", **told)
    assert lived.status == 0 and not lived.lines("account.differs"), lived
    span = ("--from", "2019-02-11", "--to", "2019-02-12")
    tested = home.run("backtest", "volume_17_31", "--data", tape, "--json", *span, **told)
    names = ("sessions", "orders", "fills", "position", "cash", "equity", "pnl", "fees")
    assert {name: lived.json[name] for name in names} == {name: tested.json[name] for name in names}
    assert lived.json["fees"] > 0
