"""Each row of the table in hftd/live/reconcile.py: what is found at the broker, and what is done about it."""

import dataclasses
import re
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from hftd.clock import ManualClock
from hftd.domain.account import Account, Position
from hftd.domain.commands import CancelOrder, SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.events import (
    Event,
    FeesCharged,
    OrderReported,
    PortfolioCarried,
    PositionAdopted,
    SessionOpened,
    TradingHalted,
)
from hftd.domain.intents import buy, cancel
from hftd.domain.market import Bar
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderRequest, OrderStatus, ReportKind, Side
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel
from hftd.engine.tally import Tally
from hftd.errors import BrokerUnavailable, StateError
from hftd.journal import Journal
from hftd.live.audit import CHECK_NS, Audit
from hftd.live.catching_up import CatchUp, once
from hftd.live.guard import Guard
from hftd.live.reconcile import ANSWERS, Answer, Difference
from hftd.live.recovery import Decided, Step, steps_of
from hftd.live.trader import Trader
from hftd.model.contract import Answer as Wish
from hftd.model.contract import Model
from tests.engine.engine_world import OPEN_NS, RUN_ID, SESSION, WIDE, bar_event, running, toy
from tests.live.walking import Walk, at

D = Decimal
NOW_NS = OPEN_NS + 3 * MINUTE_NS
LATE_AFTER_S = 200
PRICE = D(100)


class Books:
    """A broker's books, written by hand; it notes what it is asked to do."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.answers_after_s = self.submits_after_s = 0
        self.cash = D(0)
        self.found: dict[str, BrokerOrder] = {}
        self.held: list[Position] = []
        self.submitted: list[str] = []
        self.canceled: list[str] = []

    async def order(self, client_order_id: str) -> BrokerOrder | None:
        self._clock.advance_to(self._clock.now_ns() + self.answers_after_s * SECOND_NS)
        return self.found.get(client_order_id)

    async def orders(self) -> list[BrokerOrder]:
        return [order for order in self.found.values() if not order.status.is_terminal]

    async def positions(self) -> list[Position]:
        return self.held

    async def account(self) -> Account:
        return Account("a-1", self.cash, self.cash, self.cash, "ACTIVE", trading_blocked=False)

    async def fees(self, after_ns: int) -> Decimal:
        raise BrokerUnavailable("no answer")

    async def submit(self, order: OrderRequest) -> ExecutionReport:
        self.submitted.append(order.client_order_id)
        self._clock.advance_to(self._clock.now_ns() + self.submits_after_s * SECOND_NS)
        return ExecutionReport(ReportKind.ACCEPTED, order.client_order_id, NOW_NS, "b-1")

    async def cancel(self, client_order_id: str) -> ExecutionReport:
        self.canceled.append(client_order_id)
        return ExecutionReport(ReportKind.PENDING_CANCEL, client_order_id, NOW_NS)


class Case:
    """A session with a model that wishes for `wishes`, bar by bar, after a restart; its broker, and what came of it."""

    def __init__(self, path: Path, *wishes: Wish) -> None:
        self.clock, left = ManualClock(NOW_NS), list(wishes)
        self.books = Books(self.clock)
        engine = Engine(SESSION, [running(toy(lambda bar: left.pop(0) if left else None))], WIDE, RUN_ID)
        broker: Any = self.books
        self.journal = Journal.open(path, SESSION, RUN_ID)
        self.trader = Trader(
            engine,
            self.journal,
            Guard(),
            broker,
            self.clock,
            Tally(),
            deliver=lambda report: None,
            answered=lambda: None,
            late_after_s=LATE_AFTER_S,
        )
        self.trader.sender.send = lambda command, objection: None  # type: ignore[method-assign]
        self.take(PortfolioCarried(OPEN_NS - MINUTE_NS, D(10**6)), SessionOpened(OPEN_NS, SESSION))
        self.take(*(bar_event(minute) for minute in range(len(wishes))))
        del self.trader.sender.send
        self._before = engine.sequence
        self.catch_up = CatchUp(broker, self.clock, once, lambda: False)

    def take(self, *events: Event) -> None:
        for event in events:
            self.trader.take(event, "test")

    @property
    def order(self) -> SubmitOrder:
        return next(command for _, command in self.journal.commands() if isinstance(command, SubmitOrder))

    @property
    def id(self) -> str:
        return self.order.order.client_order_id

    def report(self, kind: ReportKind, quantity: int = 0) -> None:
        report = ExecutionReport(kind, self.id, NOW_NS, "b-1")
        if quantity:
            report = replace(report, quantity=D(quantity), filled_quantity=D(quantity), price=PRICE, execution_id="e-1")
        self.take(OrderReported(report))
        self._before = self.trader.engine.sequence

    def book(self, how: OrderStatus, filled: int = 0, **changes: Any) -> None:
        """What the broker will say of the order."""
        request = self.order.order
        price = PRICE if filled else None
        symbol, side, quantity = request.symbol, request.side, request.quantity
        booked = BrokerOrder("b-1", self.id, symbol, side, quantity, D(filled), price, how, OPEN_NS, NOW_NS)
        self.books.found[self.id] = replace(booked, **changes)

    async def reconcile(self, *, fresh: bool = False, adopt: bool = False) -> list[Event]:
        """Ask about everything; the events that came of it, but for remarks."""
        self._before = self.trader.engine.sequence
        with capture_logs() as self.told:
            await self.catch_up.with_orders(
                self.trader, {self.id: Decided(self.clock.now_ns(), self.order)} if fresh else {}
            )
            await self.catch_up.with_strangers(self.trader)
            self.by_hand = await self.catch_up.with_positions(self.trader, adopt=adopt)
            await self.trader.sender.settle()
        return [event for event, _ in self.new_steps if type(event).__name__ != "Remark"]

    @property
    def new_steps(self) -> Sequence[Step]:
        return steps_of(self.journal)[self._before :]

    @property
    def found(self) -> list[tuple[str, str]]:
        """The differences that were told of, each with its answer."""
        return [
            (line.get("found") or line["event"].partition(".")[2], line["answer"])
            for line in self.told
            if "answer" in line
        ]


@pytest.fixture
async def bought(tmp_path: Path) -> AsyncIterator[Case]:
    """A restart after a decision to buy 5; nothing was heard of it."""
    case = Case(tmp_path / "j.sqlite", buy(5, "SPY", limit=100))
    yield case
    case.journal.close()


def reports_of(events: list[Event]) -> list[tuple[ReportKind, Decimal]]:
    return [(event.report.kind, event.report.quantity) for event in events if isinstance(event, OrderReported)]


def halts_of(events: list[Event]) -> list[str]:
    return [event.rule for event in events if isinstance(event, TradingHalted)]


async def test_fresh_an_intent_without_acknowledgement_is_sent_once_under_its_id(bought: Case) -> None:
    assert await bought.reconcile(fresh=True) == []
    assert (bought.found, bought.books.submitted) == ([("fresh", "send")], [bought.id])
    bought.book(OrderStatus.NEW)
    bought.report(ReportKind.ACCEPTED)
    await bought.reconcile(fresh=True)
    assert bought.books.submitted == [bought.id]


async def test_stale_an_intent_that_is_too_old_is_recorded_as_rejected(bought: Case) -> None:
    assert reports_of(await bought.reconcile()) == [(ReportKind.REJECTED, D(0))]
    assert (bought.found, bought.books.submitted) == ([("stale", "record")], [])


async def test_stale_too_is_what_grows_old_while_the_broker_is_asked(bought: Case) -> None:
    bought.books.answers_after_s = LATE_AFTER_S + 1
    assert reports_of(await bought.reconcile(fresh=True)) == [(ReportKind.REJECTED, D(0))]
    assert (bought.found, bought.books.submitted) == ([("stale", "record")], [])


async def test_what_grows_old_behind_another_order_after_a_restart_is_not_sent(tmp_path: Path) -> None:
    case = Case(tmp_path / "j.sqlite", buy(5, "SPY", limit=100), buy(5, "SPY", limit=99))
    first, second = (command for _, command in case.journal.commands() if isinstance(command, SubmitOrder))
    case.books.submits_after_s = LATE_AFTER_S + 1
    decided = {order.order.client_order_id: Decided(NOW_NS, order) for order in (first, second)}
    await case.catch_up.with_orders(case.trader, decided)
    await case.trader.sender.settle()
    assert case.books.submitted == [first.order.client_order_id]
    case.journal.close()


async def test_unanswered_an_order_that_arrived_is_recorded_as_accepted(bought: Case) -> None:
    bought.book(OrderStatus.NEW)
    assert reports_of(await bought.reconcile(fresh=True)) == [(ReportKind.ACCEPTED, D(0))]
    assert (bought.found, bought.books.submitted) == ([("unanswered", "record")], [])


async def test_vanished_acknowledged_and_unknown_to_the_broker_halts(bought: Case) -> None:
    bought.report(ReportKind.NEW)
    events = await bought.reconcile(fresh=True)
    assert (reports_of(events), halts_of(events)) == ([(ReportKind.REJECTED, D(0))], ["order_vanished"])
    assert (bought.found, bought.books.submitted) == ([("vanished", "record_and_halt")], [])


@pytest.mark.parametrize(("heard", "missing"), [(0, 5), (2, 3)])
async def test_filled_away_what_was_filled_unheard_is_recorded(bought: Case, heard: int, missing: int) -> None:
    bought.report(ReportKind.PARTIAL_FILL if heard else ReportKind.NEW, heard)
    bought.book(OrderStatus.FILLED, 5)
    bought.books.held = [Position("SPY", D(5), PRICE)]
    assert reports_of(await bought.reconcile()) == [(ReportKind.FILL, D(missing))]
    assert bought.found == [("filled_away", "record")]
    assert bought.trader.engine.positions == {"SPY": D(5)}
    bought.report(ReportKind.FILL, 5)  # the execution's own report, late
    assert bought.trader.engine.positions == {"SPY": D(5)}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (OrderStatus.CANCELED, ReportKind.CANCELED),
        (OrderStatus.EXPIRED, ReportKind.EXPIRED),
        (OrderStatus.REPLACED, ReportKind.REPLACED),
        (OrderStatus.REJECTED, ReportKind.REJECTED),
    ],
)
async def test_ended_away_an_end_that_was_not_heard_is_recorded(
    bought: Case, status: OrderStatus, kind: ReportKind
) -> None:
    bought.report(ReportKind.NEW)
    bought.book(status)
    assert reports_of(await bought.reconcile()) == [(kind, D(0))]
    assert (bought.found, not bought.trader.engine.working) == ([("ended_away", "record")], True)


async def test_filled_in_part_and_cancelled_away_is_both(bought: Case) -> None:
    bought.report(ReportKind.NEW)
    bought.book(OrderStatus.CANCELED, 2)
    bought.books.held = [Position("SPY", D(2), PRICE)]
    kinds = [ReportKind.PARTIAL_FILL, ReportKind.CANCELED]
    assert [kind for kind, _ in reports_of(await bought.reconcile())] == kinds
    assert bought.trader.engine.positions == {"SPY": D(2)}


async def test_cancel_unheard_a_cancellation_is_asked_for_again(tmp_path: Path) -> None:
    case = Case(tmp_path / "j.sqlite", buy(5, "SPY", limit=100), cancel("SPY"))
    assert any(isinstance(command, CancelOrder) for _, command in case.journal.commands())
    case.report(ReportKind.NEW)
    case.book(OrderStatus.NEW)
    await case.reconcile()
    assert (case.found, case.books.canceled) == ([("cancel_unheard", "cancel")], [case.id])
    case.journal.close()


async def test_a_cancellation_is_not_asked_for_again_before_it_could_be_heard_of(tmp_path: Path) -> None:
    case = Case(tmp_path / "j.sqlite", buy(5, "SPY", limit=100))
    case.report(ReportKind.NEW)
    case.book(OrderStatus.NEW)
    broker: Any = case.books
    audit = Audit(broker, case.clock, case.catch_up, ["SPY"], {})

    async def check() -> None:
        case.clock.advance_to(case.clock.now_ns() + CHECK_NS)
        await audit.check_quiet_orders(case.trader)
        await case.trader.sender.settle()

    await check()
    case.trader.take(TradingHalted(case.clock.now_ns(), "manual", "so told", flatten=True), "test")
    await case.trader.sender.settle()
    assert case.books.canceled == [case.id]
    await check()
    assert case.books.canceled == [case.id]
    await check()
    assert case.books.canceled == [case.id, case.id]
    case.journal.close()


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees"),
    [
        ("999999.99", "999999.99", True),
        ("999999.99", "1000000", False),
        ("999999.875", "999999.88", True),  # a broker that rounds to cents
        ("999999.875", "999999.87", True),  # or cuts
        ("999999.875", "999999.86", False),
        ("999999.1234567894", "999999.12345679", True),  # it has a rest of which it did not tell at the beginning
        ("999999.1234567894", "999999.123456791", False),
    ],
)
async def test_cash_is_compared_as_finely_as_the_broker_tells_it(
    ours: str, theirs: str, agrees: bool, tmp_path: Path
) -> None:
    case = Case(tmp_path / "j.sqlite")
    case.take(FeesCharged(case.clock.now_ns(), D(10**6) - D(ours)))
    case.books.cash = D(theirs)
    broker: Any = case.books
    with capture_logs() as told:
        await Audit(broker, case.clock, case.catch_up, ["SPY"], {}).compare_account(case.trader, {})
    assert [line["event"] for line in told if "account" in line["event"]] == [
        "account.agrees" if agrees else "account.differs"
    ]
    case.journal.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "QQQ"}, "it is to buy QQQ, ours was to buy SPY"),
        ({"side": Side.SELL}, "it is to sell SPY, ours was to buy SPY"),
        ({"filled_quantity": D(1)}, "1 shares are filled, 2 were reported"),
        ({"filled_quantity": D(6), "filled_average_price": PRICE}, "6 shares are filled of 5"),
        ({"filled_quantity": D(4)}, "4 shares are filled at no price"),
        ({"filled_quantity": D(2), "status": OrderStatus.FILLED}, "it is filled, and 2 of 5 shares are"),
    ],
)
async def test_contradicted_an_answer_that_cannot_be_halts_once_and_is_not_recorded(
    bought: Case, changes: dict[str, Any], said: str
) -> None:
    bought.report(ReportKind.PARTIAL_FILL, 2)
    bought.book(OrderStatus.PARTIALLY_FILLED, **{"filled_quantity": D(2)} | changes)
    (halted,) = await bought.reconcile()
    assert isinstance(halted, TradingHalted) and bought.found[0] == ("contradicted", "halt")
    assert (halted.rule, halted.reason) == (
        "order_contradicted",
        f"what the broker says of {bought.id} cannot be: {said}",
    )
    assert not halts_of(await bought.reconcile())
    assert bought.trader.engine.positions == {"SPY": D(2)}


@pytest.mark.parametrize(
    ("id", "found", "canceled"),
    [("hftd-20261126-SPY-0", ("stray", "cancel"), True), ("by-hand-1", ("foreign", "leave"), False)],
)
async def test_an_open_order_that_is_none_of_this_session_s(
    tmp_path: Path, id: str, found: tuple[str, str], canceled: bool
) -> None:
    case = Case(tmp_path / "j.sqlite")
    case.books.found[id] = BrokerOrder("b-2", id, "SPY", Side.BUY, D(1), D(0), None, OrderStatus.NEW, OPEN_NS, OPEN_NS)
    assert await case.reconcile() == []
    assert (case.found, case.books.canceled) == ([found], [id] if canceled else [])
    case.journal.close()


HELD_2 = (ReportKind.FILL, 2)


@pytest.mark.parametrize("theirs", [0, 1, -3])
async def test_missing_shares_that_we_hold_and_the_broker_does_not_halt(tmp_path: Path, theirs: int) -> None:
    case = Case(tmp_path / "j.sqlite", buy(2, "SPY"))
    case.report(*HELD_2)
    case.books.held = [Position("SPY", D(theirs), PRICE)] if theirs else []
    assert halts_of(await case.reconcile()) == ["position_missing"]
    assert (case.found, case.trader.engine.positions) == ([("missing", "halt")], {"SPY": D(2)})
    case.journal.close()


async def test_by_hand_shares_beyond_ours_are_left_alone(tmp_path: Path) -> None:
    case = Case(tmp_path / "j.sqlite", buy(2, "SPY"))
    case.report(*HELD_2)
    case.books.held = [Position("QQQ", D(-4), PRICE), Position("SPY", D(7), PRICE)]
    assert await case.reconcile() == []
    assert case.by_hand == {"QQQ": D(-4), "SPY": D(5)}
    assert (case.found, case.trader.engine.positions) == ([("by_hand", "leave")] * 2, {"SPY": D(2)})
    case.journal.close()


async def test_by_hand_shares_are_adopted_by_the_model_that_trades_them_if_told(tmp_path: Path) -> None:
    case = Case(tmp_path / "j.sqlite", buy(2, "SPY"))
    case.report(*HELD_2)
    engine = case.trader.engine
    before = engine.cash, engine.profit
    case.books.held = [Position("QQQ", D(-4), PRICE), Position("SPY", D(7), D(90))]
    (adopted,) = await case.reconcile(adopt=True)
    assert isinstance(adopted, PositionAdopted)
    assert (adopted.model_id, adopted.symbol, adopted.quantity, adopted.price) == ("toy", "SPY", D(5), D(100))
    assert (case.found, case.by_hand) == ([("by_hand", "leave"), ("by_hand", "adopt")], {"QQQ": D(-4)})
    assert (engine.positions, (engine.cash, engine.profit)) == ({"SPY": D(7)}, before)
    assert not await case.reconcile(adopt=True)
    case.journal.close()


def test_every_difference_has_an_answer_and_a_test() -> None:
    assert ANSWERS.keys() == set(Difference)
    assert set(ANSWERS.values()) | {Answer.ADOPT} == set(Answer)
    tests = " ".join(name for name in globals() if name.startswith("test_"))
    tests += " stray foreign legs_unheard"  # the last one in test_brackets
    assert [difference for difference in Difference if difference not in tests] == []


async def test_nothing_is_recorded_of_an_order_that_is_still_on_its_way(bought: Case) -> None:
    bought.trader.sender.sending.add(bought.id)
    assert await bought.reconcile() == [] and bought.found == []


async def test_a_state_directory_of_another_account_is_refused(tmp_path: Path) -> None:
    walk = Walk(tmp_path, "2026-11-24 09:00")
    await walk.live("2026-11-24 11:00")
    first = walk.broker.account_id
    walk.broker.account_id = second = walk.broker.venue.open_account("other", Decimal(1_000), walk.clock.now_ns()).id
    said = f"2026-11-24.sqlite: it is of account {first}, and the broker's keys are of account {second}; give each"
    with pytest.raises(StateError, match=re.escape(said)):
        await walk.make_daemon().run()
    assert not await walk.booked()


class Resting(Model):
    """Has one order working that is not filled."""

    def on_bar(self, bar: Bar) -> Wish:
        return None if self.context.working_orders(bar.symbol) else buy(1, bar.symbol, limit=1, time_in_force="gtc")


async def test_another_account_is_asked_nothing_of_the_last_session_s_orders(tmp_path: Path) -> None:
    walk = Walk(tmp_path, "2026-11-24 09:00", flatten_minutes=None)
    model = RunningModel("resting", Resting(), "fingerprint", ("SPY",))
    walk.plan = dataclasses.replace(walk.plan, make_models=lambda: [model])
    await walk.live("2026-11-24 11:00")
    reports = walk.events("2026-11-24", OrderReported)
    await walk.broker.play_until(at("2026-11-25 09:29"))
    walk.broker.account_id = walk.broker.venue.open_account("other", Decimal(1_000), walk.clock.now_ns()).id
    with pytest.raises(StateError, match="it is of account"):
        await walk.make_daemon().run()
    assert walk.events("2026-11-24", OrderReported) == reports, "it knows nothing of them"
