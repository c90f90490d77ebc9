"""The venue's first duties: market and limit orders, positions, money, the day's end, records."""

from decimal import Decimal as D

import pytest

from hftd.domain.orders import OrderStatus, ReportKind
from hftd.exchange.venue.accounts import ActivityType
from hftd.exchange.venue.happenings import ActivityAdded, OrderChanged
from hftd.exchange.venue.queries import ActivityFilter, OrderFilter, Status
from hftd.exchange.venue.refusals import Refusal
from tests.exchange.venue.venue_world import CLOSE_NS, World


def test_a_market_buy_trades_at_the_ask_in_one_execution(market: World) -> None:
    order = market.buy(5)

    assert order.status is OrderStatus.PENDING_NEW
    filled = market.now(order)
    assert (filled.status, filled.filled_quantity, filled.filled_average_price) == (
        OrderStatus.FILLED,
        D(5),
        D("100.01"),
    )
    assert (market.shares(), market.cash) == (D(5), D("99499.95"))


def test_a_market_sell_trades_at_the_bid(market: World) -> None:
    market.buy(5)
    market.sell(5)

    assert (market.shares(), market.cash) == (D(0), D("99999.90"))


def test_what_happened_is_told_once_and_in_order(market: World) -> None:
    market.venue.drain()
    order = market.buy(5)

    happenings = market.venue.drain()
    changes = [item for item in happenings if isinstance(item, OrderChanged)]
    assert [change.kind for change in changes] == [ReportKind.PENDING_NEW, ReportKind.NEW, ReportKind.FILL]
    assert [change.order.filled_quantity for change in changes] == [D(0), D(0), D(5)]
    assert changes[2].position_quantity == D(5)
    [activity] = [item.activity for item in happenings if isinstance(item, ActivityAdded)]
    assert (activity.order_id, activity.price, activity.leaves_quantity) == (order.id, D("100.01"), D(0))
    assert market.venue.drain() == []


def test_a_limit_rests_until_the_quote_reaches_it(market: World) -> None:
    order = market.buy(5, "limit", limit_price="99.50")
    assert market.status(order) is OrderStatus.NEW

    market.quote(99.60, 99.62)
    assert market.status(order) is OrderStatus.NEW
    market.quote(99.40, 99.42)
    assert market.now(order).filled_average_price == D("99.42")


def test_a_marketable_limit_trades_at_the_better_quote(market: World) -> None:
    assert market.now(market.buy(5, "limit", limit_price="101")).filled_average_price == D("100.01")


def test_orders_of_the_night_are_released_at_the_open(world: World) -> None:
    order = world.buy(5, "limit", limit_price="100")
    assert order.status is OrderStatus.ACCEPTED
    world.quote(99.0, 99.5)
    assert world.status(order) is OrderStatus.ACCEPTED

    world.open()
    assert world.status(order) is OrderStatus.NEW
    world.quote(99.0, 99.5)
    assert world.now(order).filled_average_price == D("99.5")


def test_the_quote_of_yesterday_fills_nothing_today(world: World) -> None:
    world.quote(99.0, 99.5)
    order = world.buy(5)
    world.open()
    assert world.status(order) is OrderStatus.NEW
    world.quote(101.0, 101.5)
    assert world.now(order).filled_average_price == D("101.5")


def test_day_orders_expire_at_the_close_and_lasting_ones_do_not(market: World) -> None:
    day = market.buy(5, "limit", limit_price="90")
    lasting = market.buy(5, "limit", "gtc", limit_price="90")
    market.close()

    assert market.status(day) is OrderStatus.EXPIRED
    assert market.now(day).expired_at_ns == CLOSE_NS
    assert market.status(lasting) is OrderStatus.NEW


def test_cancel_releases_what_was_held(market: World) -> None:
    before = market.venue.figures(market.id).buying_power
    order = market.buy(100, "limit", limit_price="90")
    assert market.venue.figures(market.id).buying_power == before - 9000

    market.venue.cancel(market.id, order.id, market.step())
    assert market.status(order) is OrderStatus.CANCELED
    assert market.venue.figures(market.id).buying_power == before
    with pytest.raises(Refusal, match='order is already in "canceled" state'):
        market.venue.cancel(market.id, order.id, market.step())


def test_orders_are_listed_by_state_latest_first(market: World) -> None:
    filled = market.buy(1)
    first = market.buy(1, "limit", limit_price="90")
    second = market.buy(1, "limit", limit_price="91")

    def ids(**wanted: object) -> list[str]:
        return [order.id for order in market.venue.orders(market.id, OrderFilter(**wanted))]  # type: ignore[arg-type]

    assert ids() == [second.id, first.id]
    assert ids(status=Status.CLOSED) == [filled.id]
    assert ids(status=Status.ALL, ascending=True, limit=2) == [filled.id, first.id]
    assert ids(status=Status.ALL, after_ns=first.submitted_at_ns) == [second.id]
    assert ids(status=Status.ALL, until_ns=first.submitted_at_ns) == [filled.id]
    assert ids(status=Status.ALL, after_order_id=filled.id, before_order_id=second.id) == [first.id]
    assert ids(symbols=frozenset({"MSFT"})) == []


def test_activities_are_paged(market: World) -> None:
    for _ in range(3):
        market.buy(1)
    newest = market.venue.activities(market.id, ActivityFilter(page_size=2))
    rest = market.venue.activities(market.id, ActivityFilter(page_token=newest[-1].id))

    assert [line.type for line in newest] == [ActivityType.FILL] * 2
    assert [line.type for line in rest] == [ActivityType.FILL, ActivityType.CASH_DEPOSIT]
    assert len({line.id for line in newest + rest}) == 4


def test_an_order_of_another_account_does_not_exist(market: World) -> None:
    order = market.buy(1, client_order_id="mine")
    other = market.venue.open_account("other", D(1000), market.step())

    with pytest.raises(Refusal, match=f"order not found for {order.id}"):
        market.venue.order(other.id, order.id)
    with pytest.raises(Refusal, match="order not found for mine"):
        market.venue.order_by_client_id(other.id, "mine")
    assert market.venue.order_by_client_id(market.id, "mine").id == order.id
