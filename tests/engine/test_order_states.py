from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.commands import TradingStopped
from hftd.domain.intents import Intent, buy, cancel, sell
from hftd.domain.orders import TERMINAL, ExecutionReport, OrderStatus, ReportKind, Side
from hftd.engine.order_states import EFFECTS, NAMED_STATUS, Effect, effect_of
from tests.engine.engine_world import OPEN_NS, World, toy

S, K = OrderStatus, ReportKind
FILLS = (K.PARTIAL_FILL, K.FILL)
PAIRS = [(status, kind) for status in OrderStatus for kind in ReportKind]

# The table, read once more from the outside: a letter for each pair. A advance, F fill, L late fill, . ignore, H halt.
LETTERS = {Effect.ADVANCE: "A", Effect.FILL: "F", Effect.LATE_FILL: "L", Effect.IGNORE: ".", Effect.HALT: "H"}
COLUMNS = (
    *(K.PENDING_REVIEW, K.PENDING_NEW, K.ACCEPTED, K.HELD, K.NEW),
    *(K.STOPPED, K.SUSPENDED, K.CALCULATED, K.DONE_FOR_DAY, K.PENDING_CANCEL, K.PENDING_REPLACE),
    *(K.PARTIAL_FILL, K.FILL),
    *(K.CANCELED, K.EXPIRED, K.REPLACED, K.REJECTED),
    *(K.RESTATED, K.ORDER_CANCEL_REJECTED, K.ORDER_REPLACE_REJECTED, K.UNKNOWN),
)
TABLE = {
    S.UNSENT: "AAAAA AAAAAA FF AAAA ....",
    S.PENDING_REVIEW: ".AAAA AAAAAA FF AAAA ....",
    S.PENDING_NEW: "..AAA AAAAAA FF AAAA ....",
    S.ACCEPTED: "...AA AAAAAA FF AAAA ....",
    S.ACCEPTED_FOR_BIDDING: "...AA AAAAAA FF AAAA ....",
    S.HELD: "....A AAAAAA FF AAAA ....",
    S.NEW: "..... AAAAAA FF AAAA ....",
    S.STOPPED: "..... AAAAAA FF AAAA ....",
    S.SUSPENDED: "..... AAAAAA FF AAAA ....",
    S.CALCULATED: "..... AAAAAA FF AAAA ....",
    S.DONE_FOR_DAY: "..... AAAAAA FF AAAA ....",
    S.PENDING_CANCEL: "..... AAAAAA FF AAAA ....",
    S.PENDING_REPLACE: "..... AAAAAA FF AAAA ....",
    S.PARTIALLY_FILLED: "..... ...... FF AAAH ....",
    S.FILLED: "..... ...... LL ...H ....",
    S.CANCELED: "..... ...... LL ...H ....",
    S.EXPIRED: "..... ...... LL ...H ....",
    S.REPLACED: "..... ...... LL ...H ....",
    S.REJECTED: "..... ...... HH .... ....",
}


def test_the_columns_are_all_kinds():
    assert sorted(COLUMNS) == sorted(ReportKind)


@pytest.mark.parametrize("status", OrderStatus)
def test_every_pair_is_decided(status):
    expected = TABLE[status].replace(" ", "")
    assert "".join(LETTERS[effect_of(status, kind)] for kind in COLUMNS) == expected


def test_the_table_has_every_pair_and_no_other():
    assert {(status, kind) for status, row in EFFECTS.items() for kind in row} == set(PAIRS)


def test_only_kinds_that_name_a_status_advance():
    assert {kind for status, kind in PAIRS if effect_of(status, kind) is Effect.ADVANCE} <= NAMED_STATUS.keys()


def entered(status: OrderStatus, world: World) -> str:
    """Send an order for 10 shares and bring it into `status`; returns its id."""
    order_id = world.bar_order()
    world.engine.orders[order_id].status = status
    return order_id


@pytest.mark.parametrize(("status", "kind"), PAIRS)
def test_the_engine_does_what_the_table_says(status, kind):
    world = World(toy(lambda bar: buy(10, "SPY")))
    order_id = entered(status, world)
    order = world.engine.orders[order_id]
    fill = {"quantity": Decimal(4), "price": Decimal(100), "execution_id": "e1"} if kind in FILLS else {}
    commands = world.report(kind, order_id, **fill)
    effect = effect_of(status, kind)
    assert world.engine.position("SPY") == (4 if effect in (Effect.FILL, Effect.LATE_FILL) else 0)
    expected = {Effect.ADVANCE: NAMED_STATUS.get(kind), Effect.FILL: S.PARTIALLY_FILLED}.get(effect, status)
    assert order.status is expected
    assert any(isinstance(command, TradingStopped) for command in commands) == (effect is Effect.HALT)
    assert (world.engine.halted == "contradiction") == (effect is Effect.HALT)
    if status in TERMINAL:
        assert order.status is status
    assert (order_id in world.engine.working) == (order.status not in TERMINAL)


# Any order of the truth ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Life:
    """The true reports of one order of 10 shares, in the order in which they happened."""

    side: Side
    reports: tuple[ExecutionReport, ...]


@st.composite
def lives(draw: st.DrawFn) -> Life:
    order_id = "set later"
    side = draw(st.sampled_from(Side))
    parts = draw(st.lists(st.integers(1, 9), max_size=4).filter(lambda parts: sum(parts) <= 10))
    prices = [Decimal(draw(st.integers(9_000, 11_000))) / 100 for _ in parts]
    kinds = [K.PENDING_NEW, *draw(st.sampled_from([[], [K.ACCEPTED], [K.ACCEPTED, K.NEW], [K.NEW]]))]
    reports = [ExecutionReport(kind, order_id, OPEN_NS + 61_000_000_000) for kind in kinds]
    filled = 0
    for number, (part, price) in enumerate(zip(parts, prices, strict=True)):
        filled += part
        kind = K.FILL if filled == 10 else K.PARTIAL_FILL
        reports.append(
            ExecutionReport(
                kind,
                order_id,
                OPEN_NS + 62_000_000_000,
                execution_id=f"e{number}",
                quantity=Decimal(part),
                price=price,
                filled_quantity=Decimal(filled),
            )
        )
    if filled < 10:
        end = draw(st.sampled_from([[K.PENDING_CANCEL, K.CANCELED], [K.CANCELED], [K.EXPIRED], [K.DONE_FOR_DAY]]))
        reports += [ExecutionReport(kind, order_id, OPEN_NS + 63_000_000_000) for kind in end]
    return Life(side, tuple(reports))


@settings(max_examples=200)
@given(lives(), st.data())
def test_shuffled_and_repeated_reports_end_the_same(life, data):
    word = buy if life.side is Side.BUY else sell
    straight, shuffled = (World(toy(lambda bar: word(10, "SPY"))) for _ in range(2))
    order_id = straight.bar_order()
    assert shuffled.bar_order() == order_id
    repeated = life.reports + tuple(data.draw(st.lists(st.sampled_from(life.reports), max_size=6)))
    for report in life.reports:
        straight.take_report(report, order_id)
    for report in data.draw(st.permutations(repeated)):
        shuffled.take_report(report, order_id)
    one, other = straight.engine.orders[order_id], shuffled.engine.orders[order_id]
    assert other.filled_quantity == one.filled_quantity == sum(report.quantity for report in life.reports)
    assert shuffled.engine.halted is None
    assert shuffled.engine.cash == straight.engine.cash
    assert shuffled.engine.position("SPY") == straight.engine.position("SPY")
    assert other.status.is_terminal == one.status.is_terminal
    if one.status.is_terminal:
        assert other.status is one.status
        assert order_id not in shuffled.engine.working


@settings(max_examples=200)
@given(lives(), st.data())
def test_executions_taken_from_the_books_are_not_counted_again(life, data):
    """Some reports are heard, the books are asked, and every report arrives once more, in any order."""
    word = buy if life.side is Side.BUY else sell
    world = World(toy(lambda bar: word(10, "SPY")))
    order_id = world.bar_order()
    order = world.engine.orders[order_id]
    fills = [report for report in life.reports if report.kind in FILLS]
    on_the_books = fills[: data.draw(st.integers(0, len(fills)))]
    heard = [report for report in on_the_books if data.draw(st.booleans())]
    for report in data.draw(st.permutations(heard)):
        world.take_report(report, order_id)
    filled = sum((report.quantity for report in on_the_books), Decimal(0))
    notional = sum((report.quantity * report.price for report in on_the_books), Decimal(0))
    if missing := filled - order.filled_quantity:
        price = (notional - order.filled_notional) / missing
        kind = K.FILL if filled == 10 else K.PARTIAL_FILL
        world.report(
            kind,
            order_id,
            execution_id="from the books",
            quantity=missing,
            price=price,
            filled_quantity=filled,
            reconciled=True,
        )
    for report in data.draw(st.permutations(life.reports)):
        world.take_report(report, order_id)
    expected = sum((report.quantity * report.price for report in fills), Decimal(0))
    assert order.filled_quantity == sum(report.quantity for report in fills)
    assert abs(order.filled_notional - expected) < Decimal("1e-20")
    assert abs(world.engine.cash - (10**6 - life.side.sign * expected)) < Decimal("1e-20")
    assert world.engine.halted is None


def test_an_overfill_is_booked_and_stops_trading():
    world = World(toy(lambda bar: buy(10, "SPY")))
    order_id = world.bar_order()
    world.fill(order_id, 8, 100, "e1")
    commands = world.fill(order_id, 5, 100, "e2")
    assert [command.rule for command in commands if isinstance(command, TradingStopped)] == ["overfilled"]
    assert world.engine.position("SPY") == 13
    assert world.engine.orders[order_id].status is S.FILLED


def test_a_report_of_an_unknown_order_changes_nothing():
    world = World(toy(lambda bar: None))
    assert world.report(K.FILL, "someone-elses", quantity=Decimal(5), price=Decimal(1), execution_id="e") == []
    assert world.engine.position("SPY") == 0


def test_a_refused_cancel_may_be_asked_for_again():
    wishes: list[Intent] = []
    world = World(toy(lambda bar: wishes.pop(0) if wishes else None))
    wishes[:] = [buy(10, "SPY"), cancel("SPY"), cancel("SPY"), cancel("SPY")]
    order_id = world.bar_order()
    assert [type(command).__name__ for command in world.bar()] == ["CancelOrder"]
    assert world.bar() == []
    world.report(K.ORDER_CANCEL_REJECTED, order_id)
    assert [type(command).__name__ for command in world.bar()] == ["CancelOrder"]
