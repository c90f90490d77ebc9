import dataclasses
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hftd.domain.commands import CancelOrder, Command, SignalRaised, SubmitOrder
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    CarriedPosition,
    Event,
    ModelFaulted,
    OrderReported,
    PortfolioCarried,
    QuoteReceived,
    SessionClosed,
    SessionOpened,
    TimerFired,
    TradeReceived,
    TradingHalted,
    TradingResumed,
)
from hftd.domain.intents import buy, cancel, sell, target
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport, OrderType, ReportKind, Side, TimeInForce
from hftd.engine.closing import FLATTEN_ATTEMPTS
from hftd.engine.risk import Limits
from hftd.errors import ModelError
from hftd.model.contract import Answer, Model, WorkingOrder
from hftd.model.parameters import build
from tests.engine.engine_world import (
    CLOSE_NS,
    OPEN_NS,
    RUN_ID,
    SESSION,
    WIDE,
    Guard,
    World,
    bar_event,
    orders_of,
    running,
    shown,
    toy,
)

LAST_MINUTE = (CLOSE_NS - OPEN_NS) // MINUTE_NS - 1


class Volume1731(Model):
    """If volume is a multiple of 17 sell, else if of 31 buy."""

    quantity: int = 5

    def on_bar(self, bar: Bar) -> Answer:
        if bar.volume % 17 == 0:
            return sell(self.quantity, bar.symbol, reason=f"volume {bar.volume} is a multiple of 17")
        if bar.volume % 31 == 0:
            return buy(self.quantity, bar.symbol, reason=f"volume {bar.volume} is a multiple of 31")
        return None


def wishing(*wishes: Answer) -> Model:
    """A model that wants one thing after another, a bar each."""
    rest = list(wishes)
    return toy(lambda bar: rest.pop(0) if rest else None)


def limits(**changes: object) -> Limits:
    return dataclasses.replace(WIDE, **changes)


# From bar to order ---------------------------------------------------------------------------------------------------


def test_the_toy_rule_decides_as_it_says():
    world = World(build(Volume1731, {}))
    volumes = [34, 62, 33, 17 * 31, 0]
    assert [shown(world.bar(volume=volume)) for volume in volumes] == [
        ["SignalRaised sell 5", "SubmitOrder sell 5"],
        ["SignalRaised buy 5", "SubmitOrder buy 5"],
        [],
        ["SignalRaised sell 5", "SubmitOrder sell 5"],
        ["SignalRaised sell 5", "SubmitOrder sell 5"],
    ]


def test_an_order_carries_what_was_wanted_and_known():
    want = buy(0.5, "SPY", limit=99.5, stop=101, time_in_force="gtc", reason="why")
    world = World(wishing(want))
    raised, submitted = world.bar(close=100.25)
    assert raised == SignalRaised("toy", "SPY", Side.BUY, Decimal("0.5"), "why")
    assert isinstance(submitted, SubmitOrder)
    assert (submitted.model_id, submitted.fingerprint, submitted.reason) == ("toy", "fingerprint of toy", "why")
    assert submitted.reference_price == 100.25
    order = submitted.order
    assert (order.type, order.time_in_force) == (OrderType.STOP_LIMIT, TimeInForce.GTC)
    assert (order.limit_price, order.stop_price) == (Decimal("99.5"), Decimal(101))


def test_several_intents_go_in_their_order():
    wishes = wishing(None, [buy(1, "SPY"), buy(2, "SPY"), sell(3, "QQQ", limit=1)])
    world = World(running(wishes, symbols=("SPY", "QQQ")), limits=limits())
    world.take(bar_event(0, "QQQ"))
    assert shown(orders_of(world.bar())) == ["SubmitOrder buy 1", "SubmitOrder buy 2", "SubmitOrder sell 3"]


def test_a_model_hears_only_its_symbols():
    world = World(running(toy(lambda bar: buy(1, bar.symbol)), symbols=("SPY",)))
    assert world.bar("QQQ") == []
    assert len(orders_of(world.bar("SPY"))) == 1


def test_a_model_may_want_only_its_symbols_even_if_another_trades_the_one():
    world = World(running(toy(lambda bar: buy(1, "QQQ")), "spy"), running(toy(lambda bar: None), "qqq", ["QQQ"]))
    world.take(bar_event(0, "QQQ"))
    with pytest.raises(ModelError, match=r"returned an intent for 'QQQ', expected one of its symbols: SPY$"):
        world.take(bar_event(0))


def test_the_reference_price_is_the_last_of_bar_quote_and_trade():
    world = World(toy(lambda bar: None, on_session_open=lambda session: buy(1, "SPY")), opened=False)

    def reference() -> float | None:
        return orders_of(world.take(SessionOpened(OPEN_NS, SESSION)))[0].reference_price

    world.take(TradeReceived(Trade("SPY", OPEN_NS, 100.0, 1)))
    assert reference() == 100.0
    world.take(QuoteReceived(Quote("SPY", OPEN_NS, 101.0, 1, 102.0, 1)))
    assert reference() == 101.5
    world.take(QuoteReceived(Quote("SPY", OPEN_NS, 0.0, 0, 90.0, 1)))
    assert reference() == 101.5


def test_a_refusal_is_told_with_rule_limit_and_value():
    world = World(wishing(buy(11, "SPY")), limits=limits(max_position=Decimal(10)))
    raised, refused = world.bar()
    assert shown([raised, refused]) == ["SignalRaised buy 11", "OrderRefused buy 11 max_position"]
    assert (refused.limit, refused.value) == (10, 11)
    assert world.engine.working == {}


def test_the_position_limit_counts_orders_that_are_still_working():
    world = World(toy(lambda bar: buy(6, "SPY")), limits=limits(max_position=Decimal(10)))
    order_id = world.bar_order()
    assert shown(world.bar())[-1] == "OrderRefused buy 6 max_position"
    world.report(ReportKind.CANCELED, order_id)
    assert shown(world.bar())[-1] == "SubmitOrder buy 6"


def test_the_rate_limit_is_over_a_minute_of_event_time():
    world = World(wishing([buy(1, "SPY")] * 3, buy(1, "SPY")), limits=limits(max_orders_per_minute=2))
    assert shown(world.bar())[1::2] == [
        "SubmitOrder buy 1",
        "SubmitOrder buy 1",
        "OrderRefused buy 1 max_orders_per_minute",
    ]
    assert shown(world.bar())[1::2] == ["SubmitOrder buy 1"]


# When nothing is sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minute", "late", "outcome"),
    [
        (LAST_MINUTE - 1, False, "SubmitOrder buy 5"),
        (LAST_MINUTE, False, "SignalDropped buy 5 after_close"),
        (LAST_MINUTE - 1, True, "SignalDropped buy 5 late"),
        (LAST_MINUTE, True, "SignalDropped buy 5 late"),
    ],
)
def test_the_last_bar_and_late_bars_do_not_trade(minute, late, outcome):
    world = World(build(Volume1731, {}))
    assert shown(world.take(bar_event(minute, volume=31, late=late))) == ["SignalRaised buy 5", outcome]


def test_nothing_is_sent_before_the_session_is_opened_nor_after_it_is_closed():
    world = World(toy(lambda bar: buy(5, "SPY"), on_session_close=lambda session: sell(1, "SPY")), opened=False)
    assert shown(world.bar())[-1] == "SignalDropped buy 5 closed"
    world.take(SessionOpened(OPEN_NS + MINUTE_NS, SESSION))
    assert shown(world.bar())[-1] == "SubmitOrder buy 5"
    assert shown(world.close())[-1] == "SignalDropped sell 1 after_close"


def test_an_unscheduled_close_ends_trading():
    world = World(toy(lambda bar: buy(5, "SPY")))
    world.take(bar_event(0))
    world.take(SessionClosed(OPEN_NS + 2 * MINUTE_NS, SESSION))
    assert shown(world.take(bar_event(3)))[-1] == "SignalDropped buy 5 closed"


def test_time_never_goes_back():
    world = World(toy(lambda bar: buy(5, "SPY")))
    world.take(TradeReceived(Trade("SPY", CLOSE_NS, 100.0, 1)))
    assert shown(world.take(bar_event(0)))[-1] == "SignalDropped buy 5 after_close"
    assert world.engine.time_ns == CLOSE_NS


def test_halted_only_what_reduces_goes_until_resumed():
    world = World(wishing(buy(5, "SPY"), buy(1, "SPY"), sell(2, "SPY"), sell(4, "SPY"), buy(1, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    world.take(TradingHalted(world.engine.time_ns, "manual", "enough"))
    assert shown(world.bar())[-1] == "OrderRefused buy 1 halted"
    assert shown(world.bar())[-1] == "SubmitOrder sell 2"
    # Three are left when that is filled: closing them goes, the fourth would open a short.
    assert shown(world.bar())[1:] == ["SubmitOrder sell 3"]
    world.take(TradingResumed(world.engine.time_ns))
    assert shown(world.bar())[-1] == "SubmitOrder buy 1"


def fill_of(commands: list[Command], quantity: int) -> OrderReported:
    """The report that the last order among `commands` was filled."""
    id_ = orders_of(commands)[-1].order.client_order_id
    return OrderReported(ExecutionReport(ReportKind.FILL, id_, OPEN_NS, quantity=Decimal(quantity), price=Decimal(100)))


# Reversals and targets -----------------------------------------------------------------------------------------------


def test_a_reversal_is_split_in_two():
    world = World(wishing(buy(5, "SPY"), sell(12, "SPY", reason="turn")))
    world.fill(world.bar_order(), 5, 100)
    (closing,) = orders_of(world.bar())
    assert (closing.order.side, closing.order.quantity, closing.reason) == (Side.SELL, 5, "turn")
    assert orders_of(world.fill(closing.order.client_order_id, 2, 101)) == []
    (opening,) = orders_of(world.fill(closing.order.client_order_id, 3, 101))
    assert (opening.order.side, opening.order.quantity, opening.reason) == (Side.SELL, 7, "turn")
    assert opening.order.client_order_id != closing.order.client_order_id
    world.fill(opening.order.client_order_id, 7, 101)
    assert world.engine.position("SPY") == -7


@pytest.mark.parametrize("end", [ReportKind.REJECTED, ReportKind.CANCELED, ReportKind.EXPIRED])
def test_a_reversal_whose_first_half_fails_opens_nothing(end):
    world = World(wishing(buy(5, "SPY"), sell(12, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    order_id = world.bar_order()
    assert shown(world.report(end, order_id)) == ["SignalDropped sell 7 not_closed"]
    assert world.report(end, order_id) == []


def test_a_reversal_whose_first_half_is_refused_opens_nothing_and_says_so():
    world = World(wishing(buy(5, "SPY"), sell(12, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    world.engine.limits = limits(max_orders_per_minute=0)
    assert shown(world.bar())[1:] == ["OrderRefused sell 5 max_orders_per_minute", "SignalDropped sell 7 close_refused"]


def test_the_other_half_of_a_reversal_outlives_a_change_of_models():
    original = World(wishing(buy(5, "SPY"), sell(12, "SPY", limit=99, reason="turn")))
    follower = World(toy(lambda bar: None))
    bought = original.take(bar_event(0))
    follower.engine.follow(bar_event(0), bought)
    fill = fill_of(bought, 5)
    follower.engine.follow(fill, original.take(fill))
    turned = original.take(bar_event(1))
    follower.engine.follow(bar_event(1), turned)
    (closing,) = orders_of(turned)
    assert closing.then_open == 7
    closed = fill_of(turned, 5)
    assert follower.take(closed) == original.take(closed)
    (opening,) = orders_of(follower.commands)
    assert (opening.order.quantity, opening.order.limit_price, opening.reason) == (7, 99, "turn")


def test_an_event_without_known_commands_is_finished_with_the_models_silent():
    """As after a kill between an event and what follows from it."""
    original = World(wishing(buy(5, "SPY"), sell(12, "SPY")))
    follower = World(toy(lambda bar: buy(1, "SPY"), on_fill=lambda report: buy(1, "SPY")))
    for event in (bar_event(0), None, bar_event(1)):
        event = event or fill_of(original.commands, 5)
        follower.engine.follow(event, original.take(event))
    closed = fill_of(original.commands, 5)
    assert follower.engine.finish(closed) == original.take(closed)
    assert shown(follower.engine.finish(bar_event(2))) == []


def test_a_reversal_that_is_withdrawn_opens_nothing():
    world = World(wishing(buy(5, "SPY"), sell(12, "SPY"), cancel("SPY")))
    world.fill(world.bar_order(), 5, 100)
    order_id = world.bar_order()
    assert shown(world.bar()) == ["CancelOrder"]
    assert world.fill(order_id, 5, 100) == []
    assert world.engine.position("SPY") == 0


def test_a_reversal_after_the_close_opens_nothing():
    world = World(wishing(buy(5, "SPY"), sell(12, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    order_id = world.bar_order()
    world.close()
    assert shown(world.fill(order_id, 5, 100)) == ["SignalDropped sell 7 after_close"]


def test_both_halves_of_a_reversal_pass_the_gate():
    world = World(wishing(buy(5, "SPY"), sell(12, "SPY")), limits=limits(max_position=Decimal(6)))
    world.fill(world.bar_order(), 5, 100)
    assert shown(world.fill(world.bar_order(), 5, 100)) == ["OrderRefused sell 7 max_position"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (0, ["SignalRaised sell 5", "SubmitOrder sell 5"]),
        (5, []),
        ("7.5", ["SignalRaised buy 2.5", "SubmitOrder buy 2.5"]),
        (2, ["SignalRaised sell 3", "SubmitOrder sell 3"]),
        (-5, ["SignalRaised sell 10", "SubmitOrder sell 5"]),
    ],
)
def test_a_target_sends_the_difference(wanted, expected):
    world = World(wishing(buy(5, "SPY"), target("SPY", wanted, reason="aim")))
    world.fill(world.bar_order(), 5, 100)
    commands = world.bar()
    assert shown(commands) == expected
    assert {command.reason for command in commands} <= {"aim"}


def test_a_target_repeated_while_orders_work_sends_nothing_more():
    world = World(toy(lambda bar: target("SPY", 5)))
    order_id = world.bar_order()
    assert world.bar() == []
    world.fill(order_id, 2, 100)
    assert world.bar() == []
    world.report(ReportKind.CANCELED, order_id)
    assert shown(orders_of(world.bar())) == ["SubmitOrder buy 3"]


def test_a_target_repeated_during_a_reversal_does_not_overshoot():
    aims = [5, -5, -5, -5]
    world = World(toy(lambda bar: target("SPY", aims.pop(0))))
    world.fill(world.bar_order(), 5, 100)
    closing = world.bar_order()
    assert world.bar() == []
    (opening,) = orders_of(world.fill(closing, 5, 100))
    assert world.bar() == []
    world.fill(opening.order.client_order_id, 5, 100)
    assert world.engine.position("SPY") == -5


@settings(max_examples=60)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8), st.data())
def test_any_targets_filled_in_any_pieces_end_at_the_last(aims, data):
    rest = list(aims)
    world = World(toy(lambda bar: target("SPY", rest.pop(0) if rest else aims[-1])))
    for _ in aims:
        world.bar()
        for order in list(world.engine.working.values()):
            if order.remaining and data.draw(st.booleans()):
                world.fill(order.request.client_order_id, data.draw(st.integers(1, int(order.remaining))), 100)
    for _ in range(4):
        while world.engine.working:
            order = next(iter(world.engine.working.values()))
            world.fill(order.request.client_order_id, order.remaining, 100)
        world.bar()
    assert world.engine.position("SPY") == aims[-1]
    assert world.engine.halted is None


def test_cancel_withdraws_working_orders_of_one_symbol_once():
    wishes = [[buy(1, "SPY", limit=90), buy(2, "SPY", limit=80)], cancel("SPY", reason="enough"), cancel("SPY")]
    world = World(running(wishing(*wishes), symbols=("SPY", "QQQ")))
    first, second = (order.order.client_order_id for order in orders_of(world.bar()))
    assert world.bar() == [CancelOrder("toy", first, "enough"), CancelOrder("toy", second, "enough")]
    assert world.bar() == []


def test_cancel_withdraws_nobody_elses_orders():
    models = [
        running(wishing(buy(1, "SPY", limit=90)), "a"),
        running(wishing(buy(2, "SPY", limit=90), cancel("SPY")), "b"),
    ]
    world = World(*models)
    of_a, of_b = (order.order.client_order_id for order in orders_of(world.bar()))
    assert world.bar() == [CancelOrder("b", of_b, "")]
    assert not world.engine.orders[of_a].cancel_requested


# What a model sees ---------------------------------------------------------------------------------------------------


def test_a_model_sees_its_fills_positions_orders_and_cash():
    seen: list[object] = []

    class Watching(Model):
        def on_start(self, context):
            seen.append((context is self.context, context.symbols, context.cash))

        def on_bar(self, bar):
            return buy(4, "SPY", limit=99)

        def on_fill(self, report):
            seen.append((report.quantity, self.context.position("SPY"), self.context.cash))
            seen.append(self.context.working_orders("SPY"))
            seen.append(self.context.working_orders("QQQ"))

    world = World(build(Watching, {}))
    order_id = world.bar_order()
    world.fill(order_id, 1, 99)
    half_done = WorkingOrder(order_id, "SPY", Side.BUY, Decimal(4), Decimal(1), OrderType.LIMIT, Decimal(99))
    assert seen == [(True, ("SPY",), 10**6), (1, 1, 10**6 - 99), (half_done,), ()]
    world.fill(order_id, 3, 99)
    assert seen[-2] == ()


def test_a_fill_may_lead_to_an_order_and_a_repeated_one_does_not():
    world = World(toy(lambda bar: buy(4, "SPY"), on_fill=lambda report: sell(report.quantity, "SPY", limit=101)))
    order_id = world.bar_order()
    assert shown(orders_of(world.fill(order_id, 3, 100, "e1"))) == ["SubmitOrder sell 3"]
    assert world.fill(order_id, 3, 100, "e1") == []


def test_what_a_model_wants_before_the_open_is_not_sent():
    world = World(toy(lambda bar: None, on_start=lambda context: buy(1, "SPY")), opened=False)
    assert shown(world.commands) == ["SignalRaised buy 1", "SignalDropped buy 1 closed"]


def test_positions_are_carried_into_a_session():
    world = World(running(toy(lambda bar: target("SPY", 0)), "toy"), opened=False)
    carried = CarriedPosition("toy", "SPY", Decimal(-3), Decimal(-300))
    world.take(PortfolioCarried(OPEN_NS - 1, Decimal(5_000), (carried,)))
    world.take(SessionOpened(OPEN_NS, SESSION))
    order_id = world.bar_order()
    world.fill(order_id, 3, 90)
    assert (world.engine.position("SPY"), world.engine.cash) == (0, 5_000 - 270)
    assert world.engine.profit == 30


def test_cash_profit_equity_and_positions_of_the_whole():
    models = [running(toy(lambda bar: buy(2, "SPY")), "a"), running(toy(lambda bar: sell(1, "SPY")), "b")]
    world = World(*models)
    for order in orders_of(world.bar(close=100.0)):
        world.fill(order.order.client_order_id, order.order.quantity, 100)
    assert world.engine.positions == {"SPY": 1}
    assert world.engine.cash == 10**6 - 100
    world.take(TradeReceived(Trade("SPY", world.engine.time_ns, 110.0, 1)))
    assert (world.engine.profit, world.engine.equity) == (10, 10**6 + 10)


# Flattening before the close -----------------------------------------------------------------------------------------

FLATTEN_NS = 5 * MINUTE_NS
DUE_NS = CLOSE_NS - FLATTEN_NS


def flattening(*models: Model) -> World:
    return World(*models, limits=limits(flatten_before_close_ns=FLATTEN_NS))


def fire(world: World, time_ns: int = DUE_NS) -> list[Command]:
    commands: list[Command] = []
    for timer in world.engine.due_timers(time_ns):
        commands += world.take(timer)
    return commands


def test_the_timer_is_due_once_in_an_open_session():
    world = World(wishing(), limits=limits(flatten_before_close_ns=FLATTEN_NS), opened=False)
    assert world.engine.next_timer_ns is None
    world.take(SessionOpened(OPEN_NS, SESSION))
    assert world.engine.next_timer_ns == DUE_NS
    assert list(world.engine.due_timers(DUE_NS - 1)) == []
    timer = next(world.engine.due_timers(DUE_NS))
    world.take(timer)
    assert timer.time_ns == DUE_NS
    assert world.engine.next_timer_ns is None
    assert list(world.engine.due_timers(CLOSE_NS)) == []


def test_without_the_setting_no_timer_is_wanted():
    world = World(wishing())
    assert world.engine.next_timer_ns is None
    world.close()
    assert list(world.engine.due_timers(CLOSE_NS)) == []


@pytest.mark.parametrize(("word", "side"), [(buy, "sell"), (sell, "buy")])
def test_what_is_held_is_closed_and_nothing_is_opened_any_more(word, side):
    world = flattening(toy(lambda bar: word(5, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    commands = fire(world)
    assert shown(commands) == [f"SubmitOrder {side} 5"]
    world.fill(orders_of(commands)[0].order.client_order_id, 5, 100)
    assert world.engine.position("SPY") == 0
    assert shown(world.take(bar_event(LAST_MINUTE - 3)))[-1].endswith("5 flatten_before_close")


def test_working_orders_are_withdrawn_before_what_is_held_is_closed():
    world = flattening(wishing([buy(5, "SPY"), buy(3, "SPY", limit=90)]))
    market, limit = (order.order.client_order_id for order in orders_of(world.bar()))
    world.fill(market, 5, 100)
    assert shown(fire(world)) == ["CancelOrder"]
    world.report(ReportKind.PENDING_CANCEL, limit)
    assert world.fill(limit, 1, 90) == []  # under way when it was withdrawn
    assert shown(world.report(ReportKind.CANCELED, limit)) == ["SubmitOrder sell 6"]


def test_what_a_model_rests_while_its_orders_are_being_withdrawn_keeps_nothing_open():
    wishes = [[buy(5, "SPY"), buy(3, "SPY", limit=90)], sell(5, "SPY", limit=120)]
    world = flattening(toy(lambda bar: wishes.pop(0)))
    market, limit = (order.order.client_order_id for order in orders_of(world.bar()))
    world.fill(market, 5, 100)
    fire(world)
    (resting,) = orders_of(world.take(bar_event(LAST_MINUTE - 4)))
    assert shown(world.report(ReportKind.CANCELED, limit)) == ["CancelOrder"]
    assert shown(world.report(ReportKind.CANCELED, resting.order.client_order_id)) == ["SubmitOrder sell 5"]


def test_shares_that_are_reported_after_the_order_was_withdrawn_are_closed_too():
    world = flattening(wishing(buy(3, "SPY", limit=90)))
    order_id = world.bar_order()
    fire(world)
    assert world.report(ReportKind.CANCELED, order_id) == []
    assert shown(world.fill(order_id, 2, 90, "late")) == ["SubmitOrder sell 2"]
    assert world.fill(order_id, 2, 90, "late") == []


def test_shares_that_are_reported_while_closing_are_closed_afterwards():
    world = flattening(wishing([buy(5, "SPY"), buy(3, "SPY", limit=90)]))
    market, limit = (order.order.client_order_id for order in orders_of(world.bar()))
    world.fill(market, 5, 100)
    fire(world)
    (closing,) = orders_of(world.report(ReportKind.CANCELED, limit))
    assert world.fill(limit, 2, 90, "late") == []
    assert shown(world.fill(closing.order.client_order_id, 5, 100)) == ["SubmitOrder sell 2"]


def test_a_closing_order_passes_the_gate_of_size_and_rate():
    world = flattening(wishing(buy(5, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    world.engine.limits = limits(
        flatten_before_close_ns=FLATTEN_NS,
        max_orders_per_minute=0,
        max_order_notional=Decimal(1),
        max_position=Decimal(0),
    )
    world.take(TradingHalted(DUE_NS, "manual", ""))
    assert shown(fire(world)) == ["SubmitOrder sell 5"]


@pytest.mark.parametrize("end", [ReportKind.REJECTED, ReportKind.CANCELED, ReportKind.EXPIRED])
def test_a_closing_order_that_fails_is_sent_again_a_few_times(end):
    world = flattening(wishing(buy(5, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    sent = orders_of(fire(world))
    stopped: list[Command] = []
    while sent and len(world.commands) < 50:
        commands = world.report(end, sent[-1].order.client_order_id)
        again = orders_of(commands)
        stopped += [command for command in commands if command not in again]
        if not again:
            break
        sent += again
    assert len(sent) == FLATTEN_ATTEMPTS
    assert len({order.order.client_order_id for order in sent}) == FLATTEN_ATTEMPTS
    assert shown(stopped) == ["TradingStopped not_flattened"]
    assert world.engine.halted == "not_flattened"


def test_flattening_ends_with_the_session():
    world = flattening(wishing(buy(5, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    (closing,) = orders_of(fire(world))
    world.close()
    assert world.report(ReportKind.EXPIRED, closing.order.client_order_id) == []


def test_each_model_closes_its_own():
    models = [running(toy(lambda bar: buy(2, "SPY")), "a"), running(toy(lambda bar: sell(1, "SPY")), "b")]
    world = World(*models, limits=limits(flatten_before_close_ns=FLATTEN_NS))
    for order in orders_of(world.bar()):
        world.fill(order.order.client_order_id, order.order.quantity, 100)
    assert shown(fire(world)) == ["OrderCrossed 1", "SubmitOrder sell 1"]


# Models that fail, several models ------------------------------------------------------------------------------------


def test_a_model_that_raises_is_paused_with_its_orders_withdrawn_and_the_others_go_on():
    def failing(bar):
        if bar.volume == 13:
            raise RuntimeError("unlucky")
        return buy(1, "SPY", limit=90)

    guard = Guard()
    models = [running(toy(failing), "bad"), running(toy(lambda bar: buy(2, "SPY")), "good")]
    world = World(*models, call=guard)
    bad_order = orders_of(world.bar())[0].order.client_order_id
    assert [order.model_id for order in orders_of(world.bar(volume=13))] == ["good"]
    (fault,) = guard.faults
    assert (fault.model_id, fault.of_sequence, fault.error) == ("bad", world.engine.sequence, "unlucky")
    assert world.take(fault) == [CancelOrder("bad", bad_order, "its model was paused")]
    assert [order.model_id for order in orders_of(world.bar())] == ["good"]


def test_a_paused_model_still_has_its_fills_and_opens_no_other_side():
    world = World(wishing(buy(5, "SPY"), sell(12, "SPY")))
    world.fill(world.bar_order(), 5, 100)
    order_id = world.bar_order()
    world.take(ModelFaulted(world.engine.time_ns, "toy", world.engine.sequence, "oops"))
    assert world.fill(order_id, 5, 100) == []
    assert world.engine.position("SPY") == 0


def test_two_models_side_by_side_have_their_own_positions_orders_and_limits():
    seen: dict[str, Decimal] = {}

    class Buying(Model):
        quantity: int

        def on_bar(self, bar):
            return buy(self.quantity, bar.symbol)

        def on_fill(self, report):
            seen[report.client_order_id] = self.context.position("SPY")

    models = [running(build(Buying, {"quantity": quantity}), f"m{quantity}") for quantity in (1, 2)]
    for made, most in zip(models, (1, 2), strict=True):
        made.limits = limits(max_position=Decimal(most))
    world = World(*models, limits=limits(max_position=Decimal(3)))
    first, second = orders_of(world.bar())
    world.fill(second.order.client_order_id, 2, 100)
    world.fill(first.order.client_order_id, 1, 100)
    assert seen == {second.order.client_order_id: 2, first.order.client_order_id: 1}
    assert world.engine.position("SPY") == 3
    assert shown(world.bar()) == [
        "SignalRaised buy 1",
        "OrderRefused buy 1 max_position",
        "SignalRaised buy 2",
        "OrderRefused buy 2 max_position",
    ]


# Order ids -----------------------------------------------------------------------------------------------------------


def first_id(run_id=RUN_ID, fingerprint="f", day=SESSION.day, symbol="SPY", minutes=1, wishes=1, lost=0):
    made = running(toy(lambda bar: [buy(1, bar.symbol)] * wishes), symbols=("SPY", "QQQ"))
    made.fingerprint = fingerprint
    world = World(made, run_id=run_id, session=replace(SESSION, day=day))
    world.minute = lost  # bars that came before, of which a power cut has left nothing
    for _ in range(minutes):
        commands = world.bar(symbol)
    return orders_of(commands)[-1].order.client_order_id


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "f" * 16},
        {"fingerprint": "g"},
        {"day": date(2026, 11, 30)},
        {"symbol": "QQQ"},
        {"minutes": 2},
        {"wishes": 2},
        {"lost": 1},
    ],
)
def test_order_ids_are_equal_for_equal_runs_and_differ_for_any_change(change):
    assert first_id() == first_id()
    assert first_id(**change) == first_id(**change)
    assert first_id(**change) != first_id()
    assert first_id(**change).startswith("hftd-2026113" if "day" in change else "hftd-20261127-")


def test_equal_models_side_by_side_have_different_order_ids():
    models = [running(toy(lambda bar: buy(1, "SPY")), name) for name in ("a", "b")]
    for made in models:
        made.fingerprint = "same"
    first, second = orders_of(World(*models).bar())
    assert first.order.client_order_id != second.order.client_order_id


# The same again ------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("bar"), st.sampled_from([7, 17, 31]), st.sampled_from([False, False, True])),
        st.tuples(st.just("fill"), st.integers(0, 3), st.integers(1, 5)),
        st.tuples(st.just("end"), st.integers(0, 3), st.sampled_from(["canceled", "rejected", "new"])),
        st.tuples(st.sampled_from(["halt", "flatten", "resume", "fault", "timer"]), st.just(0), st.just(0)),
        st.tuples(st.just("price"), st.sampled_from([97, 99, 101]), st.just(0)),
    ),
    max_size=25,
)


def play(steps) -> tuple[World, list[object]]:
    """Live through `steps`, and return the world and the events that it was given."""
    bounds = limits(
        flatten_before_close_ns=FLATTEN_NS,
        max_position=Decimal(20),
        max_drawdown=Decimal(40),
        max_consecutive_losses=2,
        max_move_percent=Decimal(4),
    )
    world = World(build(Volume1731, {}), limits=bounds)
    taken: list[object] = []
    step = world.engine.step
    world.engine.step = lambda event: (taken.append(event), step(event))[1]  # type: ignore[method-assign]
    for kind, number, value in steps:
        orders = list(world.engine.orders.values())
        if kind == "bar":
            world.bar(volume=number, late=value)
        elif kind == "fill" and number < len(orders) and value <= orders[number].remaining:
            world.fill(orders[number].request.client_order_id, value, 100)
        elif kind == "end" and number < len(orders):
            world.report(ReportKind(value), orders[number].request.client_order_id)
        elif kind == "timer":
            fire(world)
        elif kind in ("halt", "flatten"):
            world.take(TradingHalted(world.engine.time_ns, "manual", "", kind == "flatten"))
        elif kind == "price":
            world.bar(close=float(number), volume=7)
        elif kind == "resume":
            world.take(TradingResumed(world.engine.time_ns))
        elif kind == "fault":
            world.take(ModelFaulted(world.engine.time_ns, "toy", world.engine.sequence, ""))
    return world, taken


@given(STEPS)
def test_the_same_events_give_the_same_commands(steps):
    world, events = play(steps)
    again = World(build(Volume1731, {}), limits=world.engine.limits)
    for event in events:
        again.take(event)
    assert again.commands == world.commands
    assert again.engine.sequence == world.engine.sequence == len(events) + 2
    assert again.engine.positions == world.engine.positions


@given(STEPS)
def test_nothing_is_opened_while_halted(steps):
    world, _ = play(steps)
    world.take(TradingHalted(world.engine.time_ns, "manual", ""))
    before = world.engine.position("SPY")
    for order in orders_of(world.bar(volume=17) + world.bar(volume=31)):
        assert order.order.side.sign * before < 0
        assert order.order.quantity <= abs(before)


@given(STEPS)
def test_whatever_happens_orders_have_one_id_each_and_the_ledger_adds_up(steps):
    world, _ = play(steps)
    ids = [order.order.client_order_id for order in orders_of(world.commands)]
    assert len(set(ids)) == len(ids)
    assert set(ids) == world.engine.orders.keys()
    filled = sum(
        (order.request.side.sign * order.filled_quantity for order in world.engine.orders.values()), Decimal(0)
    )
    assert world.engine.position("SPY") == filled
    working = {id_ for id_, order in world.engine.orders.items() if not order.status.is_terminal}
    assert world.engine.working.keys() == working


def test_following_a_stop_stops():
    original, follower = (flattening(wishing(buy(5, "SPY"))) for _ in range(2))
    decided = original.take(bar_event(0))
    follower.engine.follow(bar_event(0), decided)
    order_id = orders_of(decided)[0].order.client_order_id
    overfill = OrderReported(ExecutionReport(ReportKind.FILL, order_id, OPEN_NS, quantity=Decimal(6)))
    follower.engine.follow(overfill, original.take(overfill))
    assert follower.engine.halted == original.engine.halted == "overfilled"


def test_orders_that_were_followed_count_once_against_the_rate():
    """Closing fails three times in the last minute; the follower's model may then still try a fourth order."""
    bounds = limits(flatten_before_close_ns=FLATTEN_NS, max_orders_per_minute=FLATTEN_ATTEMPTS + 1)
    original = World(wishing(buy(5, "SPY")), limits=bounds)
    follower = World(toy(lambda bar: sell(5, "SPY")), limits=bounds)

    def both(event: Event) -> list[SubmitOrder]:
        commands = original.take(event)
        follower.engine.follow(event, commands)
        return orders_of(commands)

    (bought,) = both(bar_event(0))
    report = ExecutionReport(ReportKind.FILL, bought.order.client_order_id, OPEN_NS, quantity=Decimal(5))
    both(OrderReported(report))
    (closing,) = both(TimerFired(DUE_NS, "flatten"))
    for _ in range(FLATTEN_ATTEMPTS):
        refused = both(OrderReported(ExecutionReport(ReportKind.REJECTED, closing.order.client_order_id, DUE_NS)))
        closing = refused[0] if refused else closing
    due_minute = (DUE_NS - OPEN_NS) // MINUTE_NS - 1
    assert shown(follower.take(bar_event(due_minute)))[-1] == "SubmitOrder sell 5"
    assert shown(follower.take(bar_event(due_minute)))[-1].startswith("OrderRefused")


@given(STEPS)
def test_following_decided_commands_leads_to_the_same_orders_and_positions(steps):
    world, events = play(steps)
    follower = World(toy(lambda bar: buy(1_000, "SPY")), limits=world.engine.limits)
    original = World(build(Volume1731, {}), limits=world.engine.limits)
    for event in events:
        follower.engine.follow(event, original.take(event))
    waiting = {id_: order.then_open for id_, order in world.engine.orders.items()}
    assert {id_: order.then_open for id_, order in follower.engine.orders.items()} == waiting
    assert follower.engine.orders.keys() == world.engine.orders.keys()
    assert follower.engine.working.keys() == world.engine.working.keys()
    assert follower.engine.positions == world.engine.positions
    assert (follower.engine.cash, follower.engine.flattening) == (world.engine.cash, world.engine.flattening)
    assert list(follower.engine.halts) == list(world.engine.halts)
    assert follower.engine.standings == world.engine.standings
    statuses = [order.status for order in follower.engine.orders.values()]
    assert statuses == [order.status for order in world.engine.orders.values()]
