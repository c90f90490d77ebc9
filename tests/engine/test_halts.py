"""Halts in an engine: what breaks a limit, what it stops, and what ends it."""

import dataclasses
from decimal import Decimal

import pytest

from hftd.domain.commands import CancelOrder, OrderRefused, TradingStopped
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    CarriedPosition,
    CarriedStanding,
    Halt,
    LimitsChanged,
    PortfolioCarried,
    PositionAdopted,
    QuoteReceived,
    SessionOpened,
    SymbolHalted,
    TradeReceived,
    TradingHalted,
    TradingResumed,
)
from hftd.domain.intents import buy, sell
from hftd.domain.market import Quote, Trade
from hftd.domain.orders import ReportKind
from hftd.engine.halts import ENDS, Halts
from hftd.engine.risk import Limits
from hftd.engine.swapping import bounds_of
from hftd.model.contract import Answer, Model
from tests.engine.engine_world import OPEN_NS, SESSION, WIDE, World, bar_event, orders_of, running, shown, toy


def limits(**changes: object) -> Limits:
    return dataclasses.replace(WIDE, **changes)


def wishing(*wishes: Answer) -> Model:
    rest = list(wishes)
    return toy(lambda bar: rest.pop(0) if rest else None)


def holding(quantity: int = 10, *more: Answer, **bounds: object) -> World:
    """A model that has bought `quantity` shares at 100, or sold them short."""
    word = buy if quantity > 0 else sell
    world = World(wishing(word(abs(quantity), "SPY"), *more), limits=limits(**bounds))
    world.fill(world.bar_order(), abs(quantity), 100)
    return world


def halt(world: World, rule: str = "manual", *, flatten: bool = False) -> list[str]:
    return shown(world.take(TradingHalted(world.engine.time_ns, rule, "because", flatten)))


def resume(world: World, rule: str = "") -> list[str]:
    return shown(world.take(TradingResumed(world.engine.time_ns, rule=rule)))


# The set -------------------------------------------------------------------------------------------------------------


def test_halts_stand_beside_each_other():
    halts = Halts([Halt("broker_closed", ""), Halt("manual", "lunch")])
    halts.add(Halt("max_daily_loss", "", "toy"))
    assert str(halts) == "broker_closed, manual, max_daily_loss of toy"
    assert (halts.holds("broker_closed"), halts.holds("max_daily_loss"), len(halts)) == (True, False, 3)
    assert [halt.rule for halt in halts.lift("broker_closed")] == ["broker_closed"]
    assert halts.lift("broker_closed") == []
    assert [halt.rule for halt in halts] == ["manual", "max_daily_loss"]


def test_a_model_s_halt_stops_that_model_alone():
    halts = Halts([Halt("max_daily_loss", "", "toy")])
    assert (halts.stops("toy"), halts.stops("other")) == (True, False)
    halts.add(Halt("manual", ""))
    assert halts.stops("other")


@pytest.mark.parametrize(
    ("rule", "by_hand", "lasts"),
    [
        ("manual", True, True),
        ("max_drawdown", True, True),
        ("max_move_percent", True, True),
        ("max_consecutive_losses", True, True),
        ("contradiction", True, True),
        ("overfilled", True, True),
        ("max_daily_loss", False, False),
        ("broker_closed", False, False),
        ("feed_mute", False, False),
        ("overflow", True, False),
        ("not_flattened", True, False),
    ],
)
def test_what_ends_each_halt(rule, by_hand, lasts):
    halts = Halts([Halt(rule, "")])
    assert bool(halts.lasting) == lasts
    assert bool(halts.lift("")) == by_hand
    assert len(halts) == (not by_hand)
    assert Halts([Halt(rule, "")]).lift(rule)
    assert rule in ENDS or lasts


# What a halt does ----------------------------------------------------------------------------------------------------


def test_a_closed_broker_is_not_forgotten_behind_another_halt():
    world = holding(10, sell(1, "SPY"), sell(2, "SPY"), buy(1, "SPY"), buy(1, "SPY"))
    halt(world, "broker_closed")
    halt(world, "manual")
    assert world.engine.halted == "broker_closed, manual"
    assert shown(world.bar())[1:] == ["SignalDropped sell 1 closed"]
    resume(world, "broker_closed")
    assert shown(world.bar())[1:] == ["SubmitOrder sell 2"]
    assert shown(world.bar())[1:] == ["OrderRefused buy 1 halted"]
    resume(world)
    assert world.engine.halted is None
    assert shown(world.bar())[1:] == ["SubmitOrder buy 1"]


def test_a_halt_withdraws_what_would_open_and_keeps_what_closes():
    world = holding(10, [buy(1, "SPY", limit=90), sell(4, "SPY", limit=110)])
    opening, closing = (order.order.client_order_id for order in orders_of(world.bar()))
    commands = world.take(TradingHalted(world.engine.time_ns, "manual", "lunch"))
    assert commands == [CancelOrder("toy", opening, "manual")]
    assert not world.engine.orders[closing].cancel_requested


@pytest.mark.parametrize("rule", ["broker_closed", "feed_mute"])
def test_a_halt_that_may_soon_be_over_leaves_working_orders_alone(rule):
    world = holding(10, buy(1, "SPY", limit=90))
    world.bar()
    assert halt(world, rule) == []


@pytest.mark.parametrize(
    "event", [TradingHalted(OPEN_NS, "manual", "lunch"), SymbolHalted(OPEN_NS, "SPY", "exchange", "LULD")]
)
def test_a_halt_holds_back_an_order_that_opens_and_none_that_closes(event):
    decisions = iter([buy(5, "SPY"), sell(2, "SPY"), sell(3, "SPY"), buy(1, "SPY")])
    world = World(toy(lambda bar: next(decisions)))
    world.fill(world.bar_order(), 5, 100)
    closing, last_closing, opening = world.bar_order(), world.bar_order(), world.bar_order()
    assert world.engine.objection_to(opening) is None
    world.take(event)
    assert world.engine.objection_to(opening) == "trading was halted meanwhile"
    assert (world.engine.objection_to(closing), world.engine.objection_to(last_closing)) == (None, None)


def test_what_no_longer_closes_is_held_back_by_a_halt():
    decisions = iter([buy(5, "SPY"), sell(5, "SPY")])
    world = World(toy(lambda bar: next(decisions)))
    bought = world.bar_order()
    world.fill(bought, 5, 100)
    sold = world.bar_order()
    world.take(TradingHalted(OPEN_NS, "manual", "lunch"))
    assert world.engine.objection_to(sold) is None
    world.fill(sold, 5, 100)
    assert world.engine.objection_to(sold) == "trading was halted meanwhile"


def test_one_model_s_halt_holds_back_nothing_of_another():
    models = [running(toy(lambda bar: buy(1, "SPY")), name) for name in ("calm", "wild")]
    world = World(*models)
    calm, wild = (order.order.client_order_id for order in orders_of(world.bar()))
    world.engine.halts.add(Halt("max_drawdown", "lost", "wild"))
    assert (world.engine.objection_to(calm), world.engine.objection_to(wild)) == (None, "trading was halted meanwhile")


def test_a_closed_broker_holds_back_what_closes_too():
    decisions = iter([buy(5, "SPY"), sell(5, "SPY")])
    world = World(toy(lambda bar: next(decisions)))
    world.fill(world.bar_order(), 5, 100)
    closing = world.bar_order()
    world.take(TradingHalted(OPEN_NS, "broker_closed", "says so"))
    assert world.engine.objection_to(closing) == "the broker says the market is closed"


def test_halt_with_flatten_closes_everything_and_resume_ends_that():
    world = holding(10, buy(3, "SPY", limit=90), None, buy(2, "SPY"))
    (working,) = (order.order.client_order_id for order in orders_of(world.bar()))
    assert halt(world, flatten=True) == ["CancelOrder"]
    (closing,) = orders_of(world.report(ReportKind.CANCELED, working))
    assert (closing.order.quantity, closing.reason) == (10, "halted: manual")
    world.fill(closing.order.client_order_id, 10, 99)
    assert (world.engine.positions, world.engine.flattening) == ({}, True)
    assert halt(world) == [] and world.engine.flattening  # a second halt takes nothing back
    resume(world)
    assert not world.engine.flattening
    world.bar()
    assert shown(world.bar())[-1] == "SubmitOrder buy 2"


def test_flattening_by_hand_does_not_replace_flattening_before_the_close():
    world = holding(10, flatten_before_close_ns=5 * MINUTE_NS)
    halt(world, flatten=True)
    resume(world)
    assert world.engine.next_timer_ns == SESSION.close_ns - 5 * MINUTE_NS


def test_a_halt_with_flatten_from_before_the_open_closes_at_the_open():
    world = World(wishing(), opened=False)
    carried = (CarriedPosition("toy", "SPY", Decimal(7), Decimal(700)),)
    halts = (Halt("manual", "away", flatten=True),)
    world.take(PortfolioCarried(OPEN_NS - 1, Decimal(5_000), carried, {"SPY": 100.0}, halts))
    assert shown(world.take(SessionOpened(OPEN_NS, SESSION))) == ["SubmitOrder sell 7"]


def test_carried_halts_hold_in_the_new_session():
    world = World(wishing(buy(1, "SPY")), opened=False)
    world.take(PortfolioCarried(OPEN_NS - 1, Decimal(5_000), halts=(Halt("max_drawdown", "since Monday"),)))
    world.take(SessionOpened(OPEN_NS, SESSION))
    assert shown(world.bar())[-1] == "OrderRefused buy 1 halted"
    resume(world)
    assert world.engine.halted is None


# Losses --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quantity", "bad"), [(10, -1), (-10, 1)])
def test_a_daily_loss_halts_at_its_limit_and_counts_what_is_held(quantity, bad):
    world = holding(quantity, max_daily_loss=Decimal(50))
    world.bar(close=100 + bad * 4.99)
    assert world.engine.halted is None
    (stopped,) = world.bar(close=100 + bad * 5.0)
    assert isinstance(stopped, TradingStopped)
    assert (stopped.rule, stopped.limit, stopped.value) == ("max_daily_loss", 50, 50)
    assert stopped.reason == "max_daily_loss: 50, the limit is 50"
    assert world.bar(close=100 + bad * 9) == []  # told once
    resume(world)
    assert world.engine.halted == "max_daily_loss"


def test_a_loss_is_seen_in_trades_and_quotes_too():
    for event in (
        TradeReceived(Trade("SPY", OPEN_NS, 94.0, 1)),
        QuoteReceived(Quote("SPY", OPEN_NS, 93.9, 1, 94.1, 1)),
    ):
        world = holding(10, max_daily_loss=Decimal(50))
        assert shown(world.take(event)) == ["TradingStopped max_daily_loss"]


def test_the_same_price_again_is_a_breach_when_limits_or_holdings_are_others():
    world = holding(10, max_daily_loss=Decimal(50))
    lost = QuoteReceived(Quote("SPY", OPEN_NS, 95.9, 1, 96.1, 1))
    assert world.take(lost) == world.take(lost) == []
    world.take(LimitsChanged(OPEN_NS, bounds_of(limits(max_daily_loss=Decimal(40)))))
    assert shown(world.take(lost)) == ["TradingStopped max_daily_loss"]
    world = holding(10, max_daily_loss=Decimal(50))
    assert world.take(lost) == []
    world.take(PositionAdopted(OPEN_NS, "toy", "SPY", Decimal(10), Decimal(98)))
    assert shown(world.take(lost)) == ["TradingStopped max_daily_loss"]


def test_a_model_that_decides_on_the_bar_of_the_breach_is_refused():
    world = holding(10, buy(1, "SPY"), max_daily_loss=Decimal(50))
    assert shown(world.bar(close=90)) == [
        "TradingStopped max_daily_loss",
        "SignalRaised buy 1",
        "OrderRefused buy 1 halted",
    ]


def test_the_day_s_loss_counts_from_the_session_before():
    """What was held over night is taken at the last price, not at its cost; the cash of the account does not count."""
    world = World(wishing(), limits=limits(max_daily_loss=Decimal(50)), opened=False)
    carried = (CarriedPosition("toy", "SPY", Decimal(10), Decimal(5_000)),)
    world.take(PortfolioCarried(OPEN_NS - 1, Decimal(-3), carried, {"SPY": 100.0}))
    world.take(SessionOpened(OPEN_NS, SESSION))
    assert world.bar(close=95.01) == []
    assert shown(world.bar(close=94.9)) == ["TradingStopped max_daily_loss"]


def test_a_drawdown_counts_from_the_best_and_begins_anew_when_resumed():
    world = holding(10, buy(1, "SPY"), max_drawdown=Decimal(50), max_daily_loss=Decimal(1_000))
    world.bar(close=110)
    world.engine.working.clear()
    assert world.bar(close=105.1) == []
    (stopped,) = world.bar(close=104)
    assert (stopped.rule, stopped.value) == ("max_drawdown", 60)
    resume(world)
    assert world.bar(close=99.5) == [] and world.engine.halted is None
    assert shown(world.bar(close=98)) == ["TradingStopped max_drawdown"]


def test_a_drawdown_goes_on_over_sessions():
    world = World(wishing(), limits=limits(max_drawdown=Decimal(50)), opened=False)
    carried = (CarriedPosition("toy", "SPY", Decimal(10), Decimal(1_000)),)
    before = (CarriedStanding("", 40.0, 0),)
    world.take(PortfolioCarried(OPEN_NS - 1, Decimal(10**6), carried, {"SPY": 100.0}, standings=before))
    assert world.bar(close=99.1) == []
    (stopped,) = world.bar(close=98.9)
    assert (stopped.rule, stopped.value) == ("max_drawdown", 51)


def round_trip(world: World, price: float) -> list[str]:
    """Buy one at 100 and sell it at `price` in two pieces of a half."""
    world.fill(world.bar_order(), 1, 100)
    sale = world.bar_order()
    world.fill(sale, "0.5", price)
    return shown(world.fill(sale, "0.5", price))


def test_losing_trades_in_a_row_are_counted_by_order():
    trades = [word(1, "SPY") for _ in range(6) for word in (buy, sell)]
    world = World(wishing(*trades), limits=limits(max_consecutive_losses=2))
    assert [round_trip(world, price) for price in (99, 101, 99, 100)] == [[], [], [], []]  # even is neither
    assert round_trip(world, 98) == ["TradingStopped max_consecutive_losses"]
    assert shown(world.bar())[-1] == "OrderRefused buy 1 halted"
    resume(world)
    assert world.engine.standings[0].losses == 0


# A market that moves -------------------------------------------------------------------------------------------------


def moving(closes: list[float], minutes: list[int] | None = None) -> list[str]:
    world = World(wishing(), limits=limits(max_move_percent=Decimal(3), max_move_within_ns=5 * MINUTE_NS))
    told = []
    for minute, close in zip(minutes or range(len(closes)), closes, strict=False):
        told += shown(world.take(bar_event(minute, close=close)))
    return told


@pytest.mark.parametrize(
    ("closes", "minutes", "breaks"),
    [
        ([100, 102.9], None, False),
        ([100, 103], None, True),
        ([100, 97], None, True),
        ([100, 101, 102, 103, 103.5], None, True),
        ([100, 101, 98.1], None, False),
        ([100, 101, 97.9], None, True),
        ([100, 103], [0, 5], True),
        ([100, 103], [0, 6], False),
        ([100, 101, 102, 103, 104, 105, 106], [0, 2, 4, 6, 8, 10, 12], False),
    ],
)
def test_a_move_within_some_minutes_halts(closes, minutes, breaks):
    assert moving(closes, minutes) == ["TradingStopped max_move_percent"] * breaks


def test_symbols_move_by_themselves_and_resuming_begins_anew():
    world = World(wishing(), limits=limits(max_move_percent=Decimal(3)))
    assert world.take(bar_event(0, "SPY", close=100)) == []
    assert world.take(bar_event(0, "QQQ", close=200)) == []
    (stopped,) = world.take(bar_event(1, "QQQ", close=210))
    assert (stopped.value, stopped.reason) == (5, "QQQ in max_move_percent: 5, the limit is 3")
    resume(world)
    assert world.take(bar_event(2, "QQQ", close=208)) == []
    assert world.engine.halted is None


# Several models ------------------------------------------------------------------------------------------------------


def pair(first: Model, second: Model, **bounds: object) -> World:
    return World(running(first, "a", ("SPY", "QQQ")), running(second, "b", ("SPY", "QQQ")), limits=limits(**bounds))


def test_limits_hold_for_each_model_and_for_all_together():
    world = pair(wishing(buy(6, "SPY"), sell(5, "SPY")), wishing(buy(6, "SPY")), max_position=Decimal(10))
    commands = world.bar()
    assert shown(commands)[2:] == ["SubmitOrder buy 6", "OrderRefused buy 6 max_position"]
    refused = commands[-1]
    assert isinstance(refused, OrderRefused)
    assert (refused.model_id, refused.limit, refused.value, refused.scope) == ("b", 10, 12, "all")


@pytest.mark.parametrize("scope", ["model", "all"])
@pytest.mark.parametrize(
    ("rule", "limit", "value"),
    [
        ("max_position", 4, 5),
        ("max_position_notional", 400, 500),
        ("max_gross_exposure", 400, 500),
        ("max_net_exposure", 400, 500),
        ("max_order_quantity", 4, 5),
        ("max_order_notional", 400, 500),
        ("price_collar_percent", 5, 10),
    ],
)
def test_each_limit_is_one_of_a_model_and_one_of_all_and_a_refusal_has_both_numbers(rule, limit, value, scope):
    own, together = limits(**{rule: Decimal(limit)}), limits()
    if scope == "all":
        own, together = together, own
    world = World(running(wishing(buy(5, "SPY", limit=110)), "a"), running(wishing(None), "b"), limits=together)
    for model in world.engine.models.values():
        model.limits = own
    (refused,) = [command for command in world.bar() if isinstance(command, OrderRefused)]
    assert (refused.rule, refused.limit, refused.value, refused.scope) == (rule, limit, value, scope)
    assert (refused.model_id, refused.symbol, refused.quantity) == ("a", "SPY", 5)


def test_a_model_may_close_what_it_holds_though_all_together_then_hold_more():
    world = pair(wishing(buy(8, "SPY"), sell(8, "SPY")), wishing(sell(10, "SPY")), max_position=Decimal(9))
    for order in orders_of(world.bar()):
        world.fill(order.order.client_order_id, order.order.quantity, 100)
    assert world.engine.positions == {"SPY": 8}  # b's own position would be too large
    world = pair(
        wishing(buy(8, "SPY"), sell(8, "SPY")), wishing(sell(8, "SPY"), sell(1, "SPY")), max_position=Decimal(9)
    )
    for order in orders_of(world.bar()):
        world.fill(order.order.client_order_id, order.order.quantity, 100)
    assert shown(world.bar())[2:] == ["SubmitOrder sell 8", "SubmitOrder sell 1"]


def test_the_order_rate_is_counted_for_each_model_and_for_all():
    world = pair(wishing(buy(1, "SPY")), wishing([buy(1, "SPY")] * 3), max_orders_per_minute=3)
    world.engine.models["b"].limits = limits(max_orders_per_minute=2)
    refused = [command for command in world.bar() if isinstance(command, OrderRefused)]
    assert [(command.model_id, command.limit, command.scope) for command in refused] == [("b", 2, "model")]
    world = pair(wishing([buy(1, "SPY")] * 2), wishing([buy(1, "SPY")] * 2), max_orders_per_minute=3)
    (refusal,) = [command for command in world.bar() if isinstance(command, OrderRefused)]
    assert (refusal.model_id, refusal.limit, refusal.scope) == ("b", 3, "all")


def test_orders_that_rest_on_the_other_side_make_no_room():
    resting = [buy(5, "SPY", limit=99), sell(5, "SPY", limit=101), buy(5, "SPY", limit=98), sell(5, "SPY", limit=102)]
    world = holding(5, *resting, max_position=Decimal(10))
    assert [shown(world.bar())[-1] for _ in resting] == [
        "SubmitOrder buy 5",
        "SubmitOrder sell 5",
        "OrderRefused buy 5 max_position",
        "SubmitOrder sell 5",
    ]
    world = pair(wishing(buy(6, "SPY", limit=99)), wishing(sell(6, "SPY", limit=101), buy(6, "SPY", limit=98)))
    world.engine.limits = limits(max_position=Decimal(10))
    world.bar()
    assert shown(world.bar())[-1] == "OrderRefused buy 6 max_position"


def test_an_order_that_has_waited_for_long_hides_none_that_was_sent_since():
    own = [None, sell(5, "SPY", limit=98), None, None, buy(1, "QQQ"), buy(1, "QQQ")]
    world = pair(wishing(None, buy(5, "SPY", limit=99)), wishing(*own))
    world.engine.models["b"].limits = limits(max_orders_per_minute=1)
    world.take(bar_event(0, "QQQ"))
    assert shown(world.bar())[-1] == "OrderQueued sell 5 opposed"
    world.bar()
    world.bar()
    assert shown(world.bar())[1:] == ["SubmitOrder buy 1"]
    assert shown(world.take(bar_event(3, "QQQ")))[1:] == ["OrderRefused buy 1 max_orders_per_minute"]


def test_exposure_counts_other_symbols_and_what_is_still_working():
    world = pair(wishing([buy(5, "QQQ")], sell(6, "SPY")), wishing(None, None), max_gross_exposure=Decimal(1_500))
    world.take(bar_event(0, "QQQ", close=200.0))
    (refused,) = [command for command in world.bar(close=100.0) if isinstance(command, OrderRefused)]
    assert (refused.rule, refused.limit, refused.value) == ("max_gross_exposure", 1_500, 1_600)


def test_one_model_s_loss_halts_that_model():
    world = pair(wishing(buy(10, "SPY"), buy(1, "SPY")), wishing(sell(10, "SPY"), sell(1, "SPY")))
    world.engine.models["a"].limits = limits(max_daily_loss=Decimal(50))
    for order in orders_of(world.bar()):
        world.fill(order.order.client_order_id, 10, 100)
    assert shown(world.bar(close=90)) == [
        "TradingStopped max_daily_loss",
        "SignalRaised buy 1",
        "OrderRefused buy 1 halted",
        "SignalRaised sell 1",
        "SubmitOrder sell 1",
    ]
    assert world.engine.halted == "max_daily_loss of a"


# Following -----------------------------------------------------------------------------------------------------------


def test_a_limit_that_was_not_broken_then_is_not_broken_while_following():
    original, follower = holding(10), holding(10, max_daily_loss=Decimal(50))
    event = bar_event(1, close=90)
    follower.engine.follow(event, original.take(event))
    assert follower.engine.halted is None
    assert shown(follower.take(bar_event(2, close=90))) == ["TradingStopped max_daily_loss"]


def test_a_breach_that_was_journaled_is_followed():
    original, follower = holding(10, max_daily_loss=Decimal(50)), holding(10)
    event = bar_event(1, close=90)
    follower.engine.follow(event, original.take(event))
    assert list(follower.engine.halts) == list(original.engine.halts)
