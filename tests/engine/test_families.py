"""Brackets: the exits that the broker makes under names of its own are orders of the model like any other."""

from decimal import Decimal

from hftd.domain.commands import CancelOrder
from hftd.domain.events import OrderReported, TradingHalted
from hftd.domain.intents import Intent, buy, cancel, protect, sell, target
from hftd.domain.orders import ExecutionReport, OrderClass, OrderLeg, OrderStatus, OrderType, ReportKind, Side
from tests.engine.engine_world import OPEN_NS, World, bar_event, orders_of, running, shown, toy

TEN = Decimal(10)
TAKE_PROFIT = OrderLeg("leg-profit", "b-profit", Side.SELL, TEN, OrderType.LIMIT, limit_price=Decimal(110))
STOP_LOSS = OrderLeg("leg-loss", "b-loss", Side.SELL, TEN, OrderType.STOP, stop_price=Decimal(90))
LEGS = (TAKE_PROFIT, STOP_LOSS)


def world_of(*wishes: Intent | None) -> World:
    rest = list(wishes)
    return World(toy(lambda bar: rest.pop(0) if rest else None))


BRACKET = buy(10, "SPY", take_profit=110, stop_loss=90)


def bracket(*wishes: Intent | None) -> tuple[World, str]:
    """A bracket of 10 shares that is filled at 100, its exits at work; what the model wants on the bars after."""
    world = world_of(BRACKET, *wishes)
    entry = world.bar_order()
    world.report(ReportKind.NEW, entry, legs=LEGS, broker_order_id="b-entry")
    world.fill(entry, 10, 100)
    world.report(ReportKind.NEW, "leg-profit")
    return world, entry


def working(world: World) -> list[str]:
    return list(world.engine.working)


def test_the_order_brings_its_exits_prices():
    (submitted,) = orders_of(world_of(BRACKET).bar())
    order = submitted.order
    assert (order.order_class, order.take_profit_price, order.stop_loss_price) == (OrderClass.BRACKET, 110, 90)


def test_exits_are_orders_of_the_model_and_say_whose_they_are():
    world, entry = bracket()
    shown_orders = world.engine.models["toy"].model.context.working_orders("SPY")
    assert [(order.client_order_id, order.parent, order.limit_price, order.stop_price) for order in shown_orders] == [
        ("leg-profit", entry, 110, None),
        ("leg-loss", entry, None, 90),
    ]


def test_an_exit_closes_the_position_and_its_twin_ends():
    world, _ = bracket()
    world.fill("leg-profit", 10, 110)
    world.report(ReportKind.CANCELED, "leg-loss")
    assert (world.engine.positions, working(world)) == ({}, [])
    assert world.engine.models["toy"].portfolio.realised == 100


def test_what_was_told_of_an_exit_before_its_parent_named_it_is_not_lost():
    world = world_of(BRACKET)
    entry = world.bar_order()
    world.report(ReportKind.HELD, "leg-profit")
    world.fill(entry, 10, 100)
    world.report(ReportKind.FILL, "leg-profit", quantity=TEN, price=Decimal(110), filled_quantity=TEN, execution_id="x")
    assert world.engine.positions == {"SPY": 10}
    assert [order.awaits_legs for order in world.engine.unsettled] == [True]
    world.report(ReportKind.ACCEPTED, entry, legs=LEGS)
    assert world.engine.positions == {}
    assert working(world) == ["leg-loss"]


def test_exits_are_told_of_again_and_again_and_are_entered_once():
    world, entry = bracket()
    world.report(ReportKind.NEW, entry, legs=LEGS)
    assert world.engine.orders[entry].legs == ("leg-profit", "leg-loss")
    assert working(world) == ["leg-profit", "leg-loss"]


def test_exits_count_neither_as_exposure_nor_as_orders_sent():
    world, _ = bracket(target("SPY", 15))
    toy_model = world.engine.models["toy"]
    assert world.engine.exposure(toy_model, "SPY") == 10
    assert world.engine.closable(toy_model, "SPY") == 0  # all of it is being closed
    assert len(world.engine.sent_ns) == 1
    assert shown(world.bar()) == ["SignalRaised buy 5", "SubmitOrder buy 5"]


def test_a_partial_exit_leaves_its_twin_the_rest():
    world, _ = bracket()
    world.fill("leg-profit", 4, 110)
    assert world.engine.orders["leg-loss"].remaining == 6
    world.report(ReportKind.CANCELED, "leg-profit")
    world.fill("leg-loss", 6, 90)
    assert (world.engine.positions, working(world)) == ({}, [])


def test_partial_exits_that_are_told_in_the_wrong_order_end_too():
    world, _ = bracket()
    world.report(ReportKind.CANCELED, "leg-profit")
    world.report(ReportKind.FILL, "leg-loss", quantity=Decimal(6), price=Decimal(90), execution_id="late")
    assert working(world) == ["leg-loss"]
    world.fill("leg-profit", 4, 110)
    assert (world.engine.positions, working(world)) == ({}, [])


def test_exits_may_be_withdrawn_when_it_was_too_late_for_their_entry():
    world = world_of(BRACKET, cancel("SPY"), cancel("SPY"), cancel("SPY"))
    entry = world.bar_order()
    world.report(ReportKind.NEW, entry, legs=LEGS, broker_order_id="b-entry")
    assert shown(world.bar()) == ["CancelOrder"]
    world.fill(entry, 10, 100)
    world.report(ReportKind.NEW, "leg-profit")
    assert world.bar() == []
    world.report(ReportKind.ORDER_CANCEL_REJECTED, entry)
    (command,) = world.bar()
    assert isinstance(command, CancelOrder) and command.client_order_id == "leg-profit"


def test_one_cancellation_ends_the_family():
    world, entry = bracket(cancel("SPY"), cancel("SPY"))
    assert world.bar() == [CancelOrder("toy", "leg-profit", "")]
    assert world.bar() == []
    world.report(ReportKind.CANCELED, "leg-profit")
    world.report(ReportKind.CANCELED, "leg-loss")
    assert working(world) == []
    assert world.engine.orders[entry].status is OrderStatus.FILLED


def test_one_order_is_cancelled_by_its_name():
    world = world_of(buy(1, "SPY", limit=90), buy(2, "SPY", limit=90))
    first, second = world.bar_order(), world.bar_order()
    world.engine.models["toy"].hooks["on_bar"] = lambda bar: cancel(order=second)
    assert world.bar() == [CancelOrder("toy", second, "")]
    assert not world.engine.orders[first].cancel_requested


def test_an_exit_that_is_named_while_its_entry_is_withdrawn_is_not_withdrawn_again():
    world = world_of(BRACKET, cancel("SPY"), cancel("SPY"))
    entry = world.bar_order()
    assert world.bar() == [CancelOrder("toy", entry, "")]
    world.report(ReportKind.NEW, entry, legs=LEGS)
    assert world.bar() == []


def test_a_halt_leaves_exits_at_work_and_one_that_flattens_takes_them_back():
    world, _ = bracket()
    assert world.take(TradingHalted(OPEN_NS, "manual", "lunch")) == []
    assert shown(world.take(TradingHalted(OPEN_NS, "manual", "home", flatten=True))) == ["CancelOrder"]
    world.report(ReportKind.CANCELED, "leg-profit")
    (closing,) = orders_of(world.report(ReportKind.CANCELED, "leg-loss"))
    assert (closing.order.side, closing.order.quantity) == ("sell", 10)


def test_a_reversal_takes_its_exits_to_the_half_that_opens():
    world = world_of(sell(4, "SPY"), BRACKET)
    world.fill(world.bar_order(), 4, 100)
    (closing,) = orders_of(world.bar())
    assert (closing.order.quantity, closing.order.order_class) == (4, OrderClass.SIMPLE)
    (opening,) = orders_of(world.fill(closing.order.client_order_id, 4, 100))
    assert (opening.order.quantity, opening.order.take_profit_price) == (6, 110)


def test_a_reversal_that_is_taken_over_keeps_its_exits():
    world, follower = world_of(sell(4, "SPY"), BRACKET), World(toy(lambda bar: None))
    follower.engine.follow(bar_event(0), world.take(bar_event(0)))
    first = working(world)[0]
    fill = OrderReported(
        ExecutionReport(ReportKind.FILL, first, OPEN_NS, execution_id="x", quantity=Decimal(4), price=Decimal(100))
    )
    for event in (fill, bar_event(1)):
        follower.engine.follow(event, world.take(event))
    (waiting,) = [order.then_open for order in follower.engine.working.values()]
    assert waiting is not None and (waiting.quantity, waiting.exits) == (6, BRACKET.exits)


def test_protection_is_an_order_whose_stop_is_a_leg():
    world = world_of(buy(10, "SPY"), protect("SPY", take_profit=110, stop_loss=90))
    world.fill(world.bar_order(), 10, 100)
    (submitted,) = orders_of(world.bar())
    name = submitted.order.client_order_id
    world.report(ReportKind.NEW, name, legs=(STOP_LOSS,))
    world.fill(name, 4, 110)
    assert world.engine.orders["leg-loss"].remaining == 6
    world.report(ReportKind.CANCELED, name)
    world.fill("leg-loss", 6, 90)
    assert (world.engine.positions, working(world)) == ({}, [])


def test_an_order_that_the_broker_replaced_goes_on_under_its_new_name():
    world, entry = bracket()
    world.report(ReportKind.REPLACED, "leg-loss")
    world.report(ReportKind.NEW, "new-loss", replaces="b-loss", broker_order_id="b-new")
    assert working(world) == ["leg-profit", "new-loss"]
    assert world.engine.orders[entry].legs == ("leg-profit", "new-loss")
    world.fill("new-loss", 10, 90)
    assert world.engine.positions == {}


def test_orders_of_nobody_are_left_alone_however_many():
    world, _ = bracket()
    for number in range(1500):
        report = ExecutionReport(ReportKind.FILL, f"by hand {number}", OPEN_NS, quantity=TEN, price=TEN)
        assert world.take(OrderReported(report)) == []
    assert world.engine.positions == {"SPY": 10}


def test_following_a_journal_makes_the_same_family():
    world, follower = world_of(BRACKET, cancel("SPY")), World(toy(lambda bar: None))
    entry = world.bar_order()
    follower.engine.follow(bar_event(0), world.commands)
    for report in (
        ExecutionReport(ReportKind.NEW, entry, OPEN_NS, legs=LEGS),
        ExecutionReport(ReportKind.FILL, entry, OPEN_NS, execution_id="x", quantity=TEN, price=Decimal(100)),
    ):
        follower.engine.follow(OrderReported(report), world.take(OrderReported(report)))
    follower.engine.follow(bar_event(1), world.take(bar_event(1)))
    for each in (world, follower):
        assert [order.cancel_requested for order in each.engine.working.values()] == [True, True]
    assert follower.engine.positions == world.engine.positions == {"SPY": 10}


def test_exits_wait_until_their_entry_opens_something_for_the_account():
    short = toy(lambda bar: sell(20, "SPY") if bar.volume == 1 else None)
    wishes = [None, BRACKET]
    world = World(running(short, "short"), running(toy(lambda bar: wishes.pop(0) if wishes else None), "long"))
    world.fill(world.bar_order(), 20, 100)
    assert shown(world.bar(volume=2)) == ["SignalRaised buy 10", "OrderQueued buy 10 closing"]
