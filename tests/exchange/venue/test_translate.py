"""The domain's words in, the domain's words out."""

from decimal import Decimal as D

from msgspec.structs import asdict

from hftd.domain.orders import (
    ExecutionReport,
    OrderClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    ReportKind,
    Side,
    TimeInForce,
)
from hftd.exchange.venue.happenings import OrderChanged
from hftd.exchange.venue.translate import broker_order_of, new_order_of, report_of
from tests.exchange.venue.venue_world import World


def reports(world: World) -> list[ExecutionReport]:
    changes = [item for item in world.venue.drain() if isinstance(item, OrderChanged)]
    return [report for change in changes if (report := report_of(change)) is not None]


def test_a_request_keeps_all_it_says() -> None:
    request = OrderRequest(
        client_order_id="one",
        symbol="AAPL",
        side=Side.SELL,
        quantity=D(7),
        type=OrderType.STOP_LIMIT,
        time_in_force=TimeInForce.GTC,
        limit_price=D(1),
        stop_price=D(2),
        trail_price=D(3),
        trail_percent=D(4),
        extended_hours=True,
        order_class=OrderClass.BRACKET,
        take_profit_price=D(5),
        stop_loss_price=D(6),
        stop_loss_limit_price=D(8),
    )
    wanted = asdict(new_order_of(request))
    assert {name: wanted[name] for name in asdict(request)} == asdict(request)
    assert (wanted["notional"], wanted["position_intent"]) == (None, None)


def test_an_order_s_life_is_reported_in_the_domain_s_words(market: World) -> None:
    market.venue.drain()
    request = OrderRequest(client_order_id="one", symbol="AAPL", side=Side.BUY, quantity=D(5))
    order = market.venue.submit(market.id, new_order_of(request), market.step())

    pending, new, fill = reports(market)
    assert [report.kind for report in (pending, new, fill)] == [ReportKind.PENDING_NEW, ReportKind.NEW, ReportKind.FILL]
    assert (new.execution_id, new.quantity, new.filled_quantity) == ("", D(0), D(0))
    assert (fill.client_order_id, fill.broker_order_id, fill.side) == ("one", order.id, Side.BUY)
    assert (fill.quantity, fill.price, fill.filled_quantity) == (D(5), D("100.01"), D(5))
    assert fill.execution_id


def test_what_is_only_kept_is_not_reported(market: World) -> None:
    market.sell(5, "trailing_stop", trail_price="2")
    market.venue.drain()
    market.print(105.0)
    assert reports(market) == []


def test_a_rejection_says_why(world: World) -> None:
    world.open().buy(5000)
    world.quote(99.0, 99.5)
    assert reports(world)[-1].reason == "insufficient buying power"


def test_an_order_in_the_books(market: World) -> None:
    order = market.now(market.buy(None, notional="500"))
    shown = broker_order_of(order)
    assert (shown.status, shown.quantity, shown.filled_quantity) == (
        OrderStatus.FILLED,
        D("4.999500049"),
        D("4.999500049"),
    )
    assert shown.filled_average_price == D("100.01")
