"""How orders live: stops and trails, families, replacements, auctions, halts, nights, chances."""

import itertools
from decimal import Decimal as D

import pytest

from hftd.domain.convert import DAY_NS, MINUTE_NS
from hftd.domain.orders import OrderClass, OrderStatus, OrderType, ReportKind, Side, TimeInForce
from hftd.exchange.venue.happenings import OrderChanged
from hftd.exchange.venue.orders import Changes, NewOrder, Order
from hftd.exchange.venue.queries import OrderFilter, Status
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.settings import FeeSchedule, StopTrigger, VenueSettings
from tests.exchange.venue.venue_world import CLOSE_NS, NEXT_SESSION, OPEN_NS, World

S, K = OrderStatus, ReportKind


def bracket(market: World, **more: object) -> tuple[Order, Order, Order]:
    """A bracket bought at the market: the entry, its take profit at 110, its stop loss at 90."""
    wanted = {"order_class": OrderClass.BRACKET, "take_profit_price": "110", "stop_loss_price": "90"} | more
    entry = market.buy(10, **wanted)
    profit, loss = market.venue.legs(entry)
    return entry, profit, loss


def oco(market: World) -> tuple[Order, Order]:
    """Ten shares bought, and both their exits: 110 and 90."""
    market.buy(10)
    profit = market.sell(
        10, "limit", limit_price="110", order_class=OrderClass.OCO, take_profit_price="110", stop_loss_price="90"
    )
    [loss] = market.venue.legs(profit)
    return profit, loss


# Stops and trails


def test_a_sell_stop_waits_for_a_print_and_then_goes_to_the_market(market: World) -> None:
    market.buy(5)
    stop = market.sell(5, "stop", stop_price="98")
    market.quote(97.0, 97.02)
    assert market.status(stop) is S.NEW

    market.print(98.0)
    assert market.now(stop).filled_average_price == D("97")


def test_a_buy_stop_runs_no_further_than_its_collar(market: World) -> None:
    stop = market.buy(5, "stop", stop_price="102")
    market.quote(104.9, 105.0).print(105.0)
    assert (market.now(stop).triggered, market.status(stop)) == (True, S.NEW)

    market.quote(104.5, 104.55)
    assert market.now(stop).filled_average_price == D("104.55"), "102 * 1.025 = 104.55"


def test_a_stop_limit_keeps_its_limit(market: World) -> None:
    stop = market.sell(5, "stop_limit", stop_price="98", limit_price="97.50")
    market.quote(97.0, 97.02).print(97.5)
    assert market.status(stop) is S.NEW
    market.quote(97.5, 97.52)
    assert market.now(stop).filled_average_price == D("97.5")


@pytest.mark.parametrize(("trail", "stop"), [({"trail_price": "2"}, "103"), ({"trail_percent": "2"}, "102.9")])
def test_a_trailing_stop_follows_the_best_print(market: World, trail: dict[str, str], stop: str) -> None:
    market.buy(5)
    order = market.sell(5, "trailing_stop", "gtc", **trail)
    assert market.now(order).hwm == D(100)

    market.print(105.0)
    market.print(104.0)
    assert (market.now(order).hwm, market.now(order).stop_price) == (D(105), D(stop))
    market.print(float(stop))
    assert market.status(order) is S.FILLED


def test_a_buy_trail_follows_downwards(market: World) -> None:
    market.sell(5)
    order = market.buy(5, "trailing_stop", trail_price="2")
    market.print(95.0)
    assert market.now(order).stop_price == D(97)
    market.print(97.0)
    assert market.now(order).triggered


def test_a_trail_is_kept_but_not_published(market: World) -> None:
    order = market.sell(5, "trailing_stop", trail_price="2")
    market.venue.drain()
    market.print(105.0)

    [change] = [item for item in market.venue.drain() if isinstance(item, OrderChanged)]
    assert (change.kind, change.order.id, change.order.hwm) == (None, order.id, D(105))


def test_stops_follow_quotes_if_wanted() -> None:
    world = World(VenueSettings(stop_trigger=StopTrigger.QUOTES)).open().quote(99.99, 100.01)
    world.buy(5)
    stop = world.sell(5, "stop", stop_price="98")
    world.print(97.0)
    assert world.status(stop) is S.NEW
    world.quote(97.99, 98.5)
    assert world.now(stop).filled_average_price == D("97.99")


# Families


def test_the_legs_of_a_bracket_wait_for_the_whole_entry(market: World) -> None:
    entry, profit, loss = bracket(market, kind="limit", limit_price="99")
    assert (market.status(profit), market.status(loss)) == (S.HELD, S.HELD)
    assert (profit.parent, loss.parent, entry.legs) == (entry.id, entry.id, (profit.id, loss.id))

    market.quote(98.9, 99.0)
    assert (market.status(entry), market.status(profit), market.status(loss)) == (S.FILLED, S.NEW, S.HELD)
    assert market.venue.position(market.id, "AAPL").available == 0


def test_the_take_profit_cancels_the_stop_loss(market: World) -> None:
    _, profit, loss = bracket(market)
    market.told()
    market.quote(110.0, 110.02)

    assert market.told() == [(profit.id, K.FILL), (loss.id, K.CANCELED)]
    assert (market.shares(), market.now(profit).filled_average_price) == (D(0), D(110))


def test_the_stop_loss_cancels_the_take_profit(market: World) -> None:
    _, profit, loss = bracket(market)
    market.quote(89.9, 89.92)
    market.told()
    market.print(90.0)

    assert market.told() == [(profit.id, K.CANCELED), (loss.id, K.NEW), (loss.id, K.FILL)]
    assert market.shares() == 0


def test_a_stop_loss_with_a_limit_may_stay_in_the_market(market: World) -> None:
    _, profit, loss = bracket(market, stop_loss_limit_price="89.50")
    market.quote(89.0, 89.02).print(89.0)
    assert (market.status(profit), market.status(loss)) == (S.CANCELED, S.NEW)
    market.quote(89.5, 89.52)
    assert market.status(loss) is S.FILLED


@pytest.mark.parametrize("member", [0, 1, 2])
def test_canceling_any_member_cancels_the_rest(market: World, member: int) -> None:
    family = bracket(market, kind="limit", limit_price="99")
    market.venue.cancel(market.id, family[member].id, market.step())
    assert {market.status(order) for order in family} == {S.CANCELED}


def test_a_bracket_expires_whole(market: World) -> None:
    family = bracket(market, kind="limit", limit_price="99")
    market.close()
    assert {market.status(order) for order in family} == {S.EXPIRED}


def test_the_legs_of_a_lasting_bracket_outlive_the_night(market: World) -> None:
    _, profit, loss = bracket(market, tif="gtc")
    market.close()
    market.open(NEXT_SESSION).print(90.0)
    assert (market.status(profit), market.status(loss)) == (S.CANCELED, S.NEW)
    market.quote(89.0, 89.02)
    assert market.now(loss).filled_average_price == D(89)


def test_a_short_bracket_is_the_mirror(market: World) -> None:
    entry = market.sell(10, order_class=OrderClass.BRACKET, take_profit_price="90", stop_loss_price="110")
    profit, loss = market.venue.legs(entry)
    market.quote(89.98, 90.0)
    assert (market.status(profit), market.status(loss), market.shares()) == (S.FILLED, S.CANCELED, D(0))


@pytest.mark.parametrize("leg", [{"take_profit_price": "110"}, {"stop_loss_price": "90"}])
def test_one_triggers_other(market: World, leg: dict[str, str]) -> None:
    entry = market.buy(10, "limit", limit_price="99", order_class=OrderClass.OTO, **leg)
    [other] = market.venue.legs(entry)
    assert market.status(other) is S.HELD
    market.quote(98.9, 99.0)
    assert market.status(other) is S.NEW
    market.quote(110.0, 110.02)
    market.print(90.0)
    assert (market.status(other), market.shares()) == (S.FILLED, D(0))


def test_one_cancels_other_holds_the_shares_once(market: World) -> None:
    profit, loss = oco(market)
    assert (market.status(profit), market.status(loss)) == (S.NEW, S.HELD)
    assert market.venue.position(market.id, "AAPL").available == 0
    assert (profit.limit_price, loss.stop_price, loss.parent) == (D(110), D(90), profit.id)


def test_either_side_of_an_oco_ends_the_other(market: World) -> None:
    profit, loss = oco(market)
    market.quote(110.0, 110.02)
    assert (market.status(profit), market.status(loss)) == (S.FILLED, S.CANCELED)

    market.quote(99.99, 100.01)
    profit, loss = oco(market)
    market.print(90.0)
    assert (market.status(profit), market.status(loss), market.shares()) == (S.CANCELED, S.FILLED, D(0))


def test_a_partial_fill_shrinks_the_twin() -> None:
    draws = iter([0.9, 0.1, 0.4, 0.9])
    world = World(VenueSettings(partial_fill_chance=0.5), draw=lambda: next(draws)).open().quote(99.99, 100.01)
    world.buy(10)
    world.quote(110.0, 110.02)
    profit = world.sell(10, "limit", limit_price="110", order_class=OrderClass.OCO, stop_loss_price="90")
    [loss] = world.venue.legs(profit)
    assert (world.now(profit).filled_quantity, world.now(loss).quantity) == (D(4), D(6))

    world.quote(89.9, 89.92).print(90.0)
    assert (world.status(profit), world.now(loss).filled_quantity, world.shares()) == (S.CANCELED, D(6), D(0))


# Replacement


def test_a_replacement_is_a_new_order_in_the_old_ones_place(market: World) -> None:
    old = market.buy(5, "limit", limit_price="90", client_order_id="first")
    market.told()
    new = market.venue.replace(market.id, old.id, Changes(limit_price=D(91), client_order_id="second"), market.step())

    assert market.told() == [(old.id, K.REPLACED), (new.id, K.PENDING_NEW), (new.id, K.NEW)]
    assert (new.replaces, market.now(old).replaced_by, new.client_order_id) == (old.id, new.id, "second")
    assert (new.quantity, new.limit_price) == (D(5), D(91))
    market.quote(90.9, 91.0)
    assert (market.status(old), market.status(new), market.shares()) == (S.REPLACED, S.FILLED, D(5))


def test_a_replacement_may_trade_at_once(market: World) -> None:
    old = market.buy(5, "limit", limit_price="90")
    new = market.venue.replace(market.id, old.id, Changes(quantity=D(7), limit_price=D(101)), market.step())
    assert (market.now(new).filled_quantity, market.shares()) == (D(7), D(7))


def test_only_one_of_old_and_new_is_paid_for(market: World) -> None:
    old = market.buy(3000, "limit", limit_price="100")
    with pytest.raises(Refusal, match="insufficient buying power"):
        market.venue.replace(market.id, old.id, Changes(quantity=D(4001)), market.step())
    assert market.status(old) is S.NEW
    market.venue.replace(market.id, old.id, Changes(quantity=D(4000)), market.step())
    assert market.venue.figures(market.id).buying_power == 0


@pytest.mark.parametrize(
    ("order", "changes"),
    [
        ({"quantity": "0.5", "kind": "limit", "limit_price": "90"}, Changes(limit_price=D(91))),
        ({"quantity": None, "kind": "limit", "notional": "50", "limit_price": "90"}, Changes(limit_price=D(91))),
        ({"quantity": 5, "kind": "limit", "limit_price": "90"}, Changes(quantity=D(0))),
        (
            {
                "quantity": 5,
                "kind": "limit",
                "limit_price": "90",
                "order_class": OrderClass.BRACKET,
                "take_profit_price": "110",
                "stop_loss_price": "80",
            },
            Changes(quantity=D(6)),
        ),
    ],
)
def test_what_cannot_be_replaced(market: World, order: dict[str, object], changes: Changes) -> None:
    old = market.submit("buy", **order)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="unable to replace order in current state"):
        market.venue.replace(market.id, old.id, changes, market.step())


def test_an_ended_order_is_not_replaced(market: World) -> None:
    old = market.buy(5)
    with pytest.raises(Refusal, match='order is already in "filled" state'):
        market.venue.replace(market.id, old.id, Changes(quantity=D(6)), market.step())


def test_a_replacement_obeys_the_rules(market: World) -> None:
    old = market.buy(5, "limit", limit_price="90")
    with pytest.raises(Refusal, match="sub-penny"):
        market.venue.replace(market.id, old.id, Changes(limit_price=D("90.001")), market.step())
    with pytest.raises(Refusal, match="limit orders require a limit price and no stop price"):
        market.venue.replace(market.id, old.id, Changes(stop_price=D(90)), market.step())


def test_a_replacement_is_no_way_to_fractions_that_may_not_be(market: World) -> None:
    lasting = market.buy(5, "limit", "gtc", limit_price="90")
    with pytest.raises(Refusal, match="fractional orders must be DAY orders"):
        market.venue.replace(market.id, lasting.id, Changes(quantity=D("5.5")), market.step())
    market.venue.cancel(market.id, lasting.id, market.step())
    short = market.sell(5, "limit", limit_price="110")
    with pytest.raises(Refusal, match="fractional orders cannot be sold short"):
        market.venue.replace(market.id, short.id, Changes(quantity=D("5.5")), market.step())
    night = market.buy(5, "limit", limit_price="90", extended_hours=True, symbol="MSFT")
    with pytest.raises(Refusal, match="extended hours"):
        market.venue.replace(market.id, night.id, Changes(time_in_force=TimeInForce.IOC), market.step())


def test_a_partly_filled_order_is_replaced_for_the_rest() -> None:
    draws = iter([0.0, 0.4])
    world = World(VenueSettings(partial_fill_chance=0.5), draw=lambda: next(draws, 0.9)).open().quote(99.99, 100.01)
    old = world.buy(10, "limit", limit_price="100.01")
    assert world.now(old).filled_quantity == 4
    new = world.venue.replace(world.id, old.id, Changes(quantity=D(12), limit_price=D("100.02")), world.step())

    assert new.quantity == 8
    assert (world.now(old).filled_quantity, world.now(new).filled_quantity, world.shares()) == (4, 8, 12)


def test_legs_are_replaced_within_their_family(market: World) -> None:
    entry, profit, loss = bracket(market)
    new_profit = market.venue.replace(market.id, profit.id, Changes(limit_price=D(120)), market.step())
    new_loss = market.venue.replace(market.id, loss.id, Changes(stop_price=D(95)), market.step())

    assert [leg.id for leg in market.venue.legs(market.now(entry))] == [new_profit.id, new_loss.id]
    assert (market.status(new_profit), market.status(new_loss)) == (S.NEW, S.HELD)
    market.print(95.0)
    assert (market.status(new_profit), market.status(new_loss), market.shares()) == (S.CANCELED, S.FILLED, D(0))


def test_the_head_of_an_oco_is_replaced_with_its_leg(market: World) -> None:
    profit, loss = oco(market)
    new = market.venue.replace(market.id, profit.id, Changes(limit_price=D(120)), market.step())
    assert (market.now(loss).parent, new.legs) == (new.id, (loss.id,))
    market.quote(120.0, 120.02)
    assert (market.status(new), market.status(loss)) == (S.FILLED, S.CANCELED)


def test_a_trail_is_replaced_and_keeps_its_mark(market: World) -> None:
    order = market.sell(5, "trailing_stop", trail_price="2")
    market.print(105.0)
    new = market.venue.replace(market.id, order.id, Changes(trail=D(3)), market.step())
    assert (market.now(new).hwm, market.now(new).stop_price, market.now(new).trail_price) == (D(105), D(102), D(3))


# Times in force


def test_immediate_orders_leave_nothing(market: World) -> None:
    missed = market.buy(5, "limit", "ioc", limit_price="99")
    taken = market.buy(5, "limit", "fok", limit_price="101")
    assert (market.status(missed), market.status(taken)) == (S.CANCELED, S.FILLED)


def test_the_rest_of_an_immediate_order_is_canceled() -> None:
    draws = iter([0.0, 0.4])
    world = World(VenueSettings(partial_fill_chance=0.5), draw=lambda: next(draws)).open().quote(99.99, 100.01)
    order = world.now(world.buy(10, tif="ioc"))
    assert (order.status, order.filled_quantity, order.held_buying_power) == (S.CANCELED, D(4), D(0))


def test_the_opening_auction_is_the_first_print(world: World) -> None:
    market_order = world.buy(5, tif="opg")
    reached = world.buy(5, "limit", "opg", limit_price="101")
    missed = world.buy(5, "limit", "opg", limit_price="99")
    world.open().quote(99.0, 101.0)
    assert world.status(market_order) is S.NEW

    world.print(100.0)
    assert world.now(market_order).filled_average_price == world.now(reached).filled_average_price == D(100)
    assert world.status(missed) is S.CANCELED


def test_the_closing_auction_is_the_last_print(market: World) -> None:
    market_order = market.buy(5, tif="cls")
    missed = market.buy(5, "limit", "cls", limit_price="99")
    market.print(103.0)
    assert market.status(market_order) is S.NEW
    market.close()
    assert market.now(market_order).filled_average_price == D(103)
    assert (market.now(market_order).filled_at_ns, market.status(missed)) == (CLOSE_NS, S.CANCELED)


def test_an_opening_order_without_an_auction_is_canceled(world: World) -> None:
    order = world.buy(5, "limit", "opg", limit_price="100")
    world.open().close()
    assert world.status(order) is S.CANCELED


def test_an_auction_order_is_paid_for_when_its_price_is_known(world: World) -> None:
    order = world.buy(5000, tif="opg")
    world.open().print(100.0)
    rejected = world.now(order)
    assert (rejected.status, rejected.reject_reason) == (S.REJECTED, "insufficient buying power")


def test_lasting_orders_end_after_ninety_days(market: World) -> None:
    order = market.buy(5, "limit", "gtc", limit_price="90")
    assert market.now(order).expires_at_ns == order.created_at_ns + 90 * DAY_NS
    market.close()
    market.venue.on_time(order.created_at_ns + 90 * DAY_NS)
    assert market.status(order) is S.EXPIRED


# Nights and halts


def test_a_lasting_order_does_not_trade_at_night_and_does_at_the_open(market: World) -> None:
    order = market.buy(5, "limit", "gtc", limit_price="95")
    market.close()
    market.quote(94.0, 94.5)
    assert market.status(order) is S.NEW
    market.open(NEXT_SESSION).quote(94.0, 94.5)
    assert market.now(order).filled_average_price == D("94.5")


def test_orders_for_extended_hours_trade_before_the_open_and_after_the_close(world: World) -> None:
    early = world.buy(5, "limit", limit_price="95", extended_hours=True)
    world.quote(94.0, 94.5)
    assert world.now(early).filled_average_price == D("94.5")

    world.open()
    late = world.buy(5, "limit", limit_price="90", extended_hours=True)
    world.close()
    assert world.status(late) is S.NEW
    world.venue.on_time(CLOSE_NS + 239 * MINUTE_NS)
    assert world.status(late) is S.NEW
    world.venue.on_time(CLOSE_NS + 240 * MINUTE_NS)
    assert world.status(late) is S.EXPIRED


def test_an_order_for_extended_hours_of_the_night_ends_with_the_next_day(world: World) -> None:
    order = world.buy(5, "limit", limit_price="95", extended_hours=True)
    assert world.now(order).expires_at_ns is None
    world.open()
    assert world.now(order).expires_at_ns == CLOSE_NS + 240 * MINUTE_NS


def test_an_order_for_extended_hours_of_the_evening_ends_with_it(market: World) -> None:
    market.close()
    evening = market.buy(5, "limit", limit_price="95", extended_hours=True)
    assert market.now(evening).expires_at_ns == CLOSE_NS + 240 * MINUTE_NS
    market.venue.on_time(CLOSE_NS + 240 * MINUTE_NS)
    assert market.status(evening) is S.EXPIRED
    night = market.venue.submit(
        market.id,
        NewOrder("AAPL", Side.BUY, D(5), type=OrderType.LIMIT, limit_price=D(95), extended_hours=True),
        market.step(),
    )
    assert market.now(night).expires_at_ns is None


def test_orders_wait_while_their_symbol_is_halted(market: World) -> None:
    resting = market.buy(5, "limit", limit_price="99")
    market.venue.halt("AAPL", market.step())
    waiting = market.buy(5)
    assert waiting.status is S.ACCEPTED
    market.quote(98.0, 98.5)
    assert (market.status(resting), market.status(waiting)) == (S.NEW, S.ACCEPTED)

    market.venue.resume("AAPL", market.step())
    assert market.now(resting).filled_average_price == market.now(waiting).filled_average_price == D("98.5")


@pytest.mark.parametrize("trigger", StopTrigger)
def test_no_stop_is_reached_while_its_symbol_is_halted(trigger: StopTrigger) -> None:
    world = World(VenueSettings(stop_trigger=trigger)).open().quote(99.9, 100).print(100)
    world.buy(10)
    stop = world.sell(10, "stop", stop_price="95")
    world.venue.halt("AAPL", world.step())
    world.print(94).quote(93.9, 94)
    assert world.status(stop) is S.NEW
    world.venue.resume("AAPL", world.step())
    world.quote(92.9, 93).print(93)
    assert world.now(stop).filled_average_price == D("92.9")


def test_no_auction_crosses_while_its_symbol_is_halted(world: World) -> None:
    opening = world.buy(10, "market", "opg")
    world.open().venue.halt("AAPL", world.step())
    world.print(100)
    assert world.status(opening) is S.NEW
    world.venue.resume("AAPL", world.step())
    world.print(101)
    assert world.now(opening).filled_average_price == 101

    closing = world.sell(4, "market", "cls")
    world.venue.halt("AAPL", world.step())
    late = world.sell(4, "market", "cls")
    world.close()
    assert (world.status(closing), world.status(late)) == (S.CANCELED, S.EXPIRED)
    assert world.shares() == 10


def test_a_market_order_waits_for_a_price(world: World) -> None:
    order = world.open().buy(5)
    assert order.status is S.ACCEPTED
    world.quote(99.0, 99.5)
    assert world.now(order).filled_average_price == D("99.5")


def test_an_order_too_dear_at_its_first_price_is_rejected(world: World) -> None:
    order = world.open().buy(5000)
    world.quote(99.0, 99.5)
    assert (world.status(order), world.now(order).reject_reason) == (S.REJECTED, "insufficient buying power")
    assert world.venue.figures(world.id).buying_power == 400_000


# Chances, fees, dollars


def test_the_exchange_rejects_by_chance() -> None:
    draws = itertools.cycle([0.05, 0.5])
    world = World(VenueSettings(reject_chance=0.1), draw=lambda: next(draws)).open().quote(99.99, 100.01)
    first, second = world.now(world.buy(1)), world.now(world.buy(1))
    assert (first.status, first.reject_reason, first.failed_at_ns) == (
        S.REJECTED,
        "rejected by the exchange",
        first.updated_at_ns,
    )
    assert second.status is S.FILLED


def test_a_partial_fill_by_chance_goes_on_with_the_next_quote() -> None:
    draws = iter([0.1, 0.35])
    world = World(VenueSettings(partial_fill_chance=0.2), draw=lambda: next(draws)).open().quote(99.99, 100.01)
    order = world.buy(10)
    assert (world.status(order), world.now(order).filled_quantity) == (S.PARTIALLY_FILLED, D(3))
    world.quote(100.0, 100.02)
    assert world.now(order).filled_average_price == (3 * D("100.01") + 7 * D("100.02")) / 10


def test_chances_need_a_source_of_them() -> None:
    with pytest.raises(ValueError, match="needs `draw`"):
        World(VenueSettings(reject_chance=0.1))


def test_fees_are_taken_from_cash_and_stated() -> None:
    fees = FeeSchedule(sell_per_million=D("27.80"), sell_per_share=D("0.000166"), commission_per_share=D("0.005"))
    world = World(VenueSettings(fees=fees)).open().quote(100.0, 100.0)
    world.buy(100)
    world.sell(100)
    # 0.50 each way; 10,000 * 27.80 / 1,000,000 = 0.278 and 100 * 0.000166 = 0.0166 on the sale, each up to the cent.
    assert (world.cash, world.venue.account(world.id).fees) == (D("99998.70"), D("1.30"))


def test_an_order_in_dollars_buys_what_they_pay_for(market: World) -> None:
    order = market.now(market.buy(None, notional="500"))
    assert (order.quantity, order.notional, order.status) == (None, D(500), S.FILLED)
    assert order.filled_quantity == D("4.999500049")
    assert order.filled_value <= 500


def test_market_buys_are_collared_if_wanted() -> None:
    draws = iter([0.1, 0.4])
    settings = VenueSettings(collar_market_buys=True, partial_fill_chance=0.5)
    world = World(settings, draw=lambda: next(draws)).open().quote(99.99, 100.0)
    order = world.buy(10)
    assert world.now(order).filled_quantity == 4
    world.quote(102.5, 102.51)
    assert world.now(order).filled_quantity == 4
    world.quote(102.49, 102.5)
    assert world.status(order) is S.FILLED


# All at once


def test_cancel_all_names_every_order(market: World) -> None:
    entry, profit, loss = bracket(market, kind="limit", limit_price="99")
    other = market.buy(1, "limit", limit_price="90")
    outcomes = market.venue.cancel_all(market.id, market.step())
    assert outcomes == [(order.id, None) for order in (entry, profit, loss, other)]
    assert market.venue.orders(market.id, OrderFilter(status=Status.OPEN)) == []


def test_a_position_is_closed_whole_or_in_part(market: World) -> None:
    market.buy(10)
    market.venue.close_position(market.id, "AAPL", market.step(), quantity=D(4))
    assert market.shares() == 6
    market.venue.close_position(market.id, "AAPL", market.step(), percentage=D(50))
    assert market.shares() == 3
    market.venue.close_position(market.id, "AAPL", market.step())
    assert market.shares() == 0
    with pytest.raises(Refusal, match="position does not exist") as caught:
        market.venue.close_position(market.id, "AAPL", market.step())
    assert (caught.value.status, caught.value.code) == (404, 40410000)


def test_a_short_position_is_closed_by_buying(market: World) -> None:
    market.sell(10)
    order = market.venue.close_position(market.id, "AAPL", market.step())
    assert (order.side, market.shares()) == ("buy", D(0))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"quantity": D(11)}, "requested: 11, available: 10"),
        ({"percentage": D(101)}, "percentage must be > 0 and <= 100"),
        ({"quantity": D(1), "percentage": D(1)}, "only one of qty or percentage"),
    ],
)
def test_no_more_is_closed_than_there_is(market: World, wanted: dict[str, D], message: str) -> None:
    market.buy(10)
    with pytest.raises(Refusal, match=message):
        market.venue.close_position(market.id, "AAPL", market.step(), **wanted)


def test_closing_everything_reports_what_could_not_be_closed(market: World) -> None:
    market.quote(49.99, 50.01, "MSFT")
    market.buy(10)
    market.buy(10, symbol="MSFT")
    market.sell(10, "limit", limit_price="110")

    (first, refused), (second, closed) = market.venue.close_positions(market.id, market.step())
    assert (first, second) == ("AAPL", "MSFT")
    assert isinstance(refused, Refusal) and refused.status == 403
    assert isinstance(closed, Order)
    market.venue.close_positions(market.id, market.step(), cancel_orders=True)
    assert (market.shares(), market.shares("MSFT")) == (D(0), D(0))


def test_time_before_the_open_leaves_the_open_alone(world: World) -> None:
    order = world.buy(5, "limit", limit_price="95")
    world.venue.on_time(OPEN_NS - MINUTE_NS)
    assert world.status(order) is S.ACCEPTED


def test_a_canceled_order_is_canceled_again_if_wanted() -> None:
    world = World(VenueSettings(canceling_canceled_succeeds=True))
    order = world.buy(5, "limit", limit_price="95")
    world.venue.cancel(world.id, order.id, world.step())
    world.venue.cancel(world.id, order.id, world.step())
    assert world.told() == [(order.id, K.ACCEPTED), (order.id, K.CANCELED)]


def test_an_order_in_dollars_sells_what_they_stand_for(market: World) -> None:
    market.buy(10)
    sold = market.now(market.sell(None, notional="99.99"))
    assert (sold.filled_quantity, market.shares()) == (D(1), D(9))
    with pytest.raises(Refusal, match="insufficient qty available"):
        market.sell(None, notional="1000")


def test_dollars_that_come_to_mean_too_many_shares_are_rejected(world: World) -> None:
    world.open().quote(99.99, 100.01)
    world.buy(10)
    world.quote(0.0, 0.0)
    first, second = world.sell(None, notional="400"), world.sell(None, notional="400")
    assert (first.status, first.shares, second.status) == (S.ACCEPTED, None, S.ACCEPTED)

    world.quote(50.0, 50.02)
    assert (world.status(first), world.shares()) == (S.FILLED, D(2))
    assert world.now(second).reject_reason == "insufficient qty available for order"


def test_the_shares_of_dollars_are_settled_when_the_order_is_accepted(market: World) -> None:
    market.buy(10)
    market.close()
    order = market.sell(None, notional="500")
    market.open(NEXT_SESSION).quote(49.99, 50.01)
    assert market.now(order).filled_quantity == order.shares == 5
