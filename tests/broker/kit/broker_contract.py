"""What hftd relies on of every broker, as tests. A broker of your own is held to it like this:

class TestMine(BrokerContract):
    @asynccontextmanager
    async def market(self, tmp_path, sink):
        ...  # a connected broker on an open market that trades SPY far above a dollar, and the account's first orders
        yield broker, pass_time  # `await pass_time()` lets what is under way arrive
"""

from contextlib import asynccontextmanager
from decimal import Decimal

from alpaca_inbox import Inbox

from hftd.broker.base import OrdersAsked
from hftd.domain.convert import SECOND_NS
from hftd.domain.orders import ExecutionReport, OrderRequest, OrderStatus, OrderType, ReportKind, Side

ACKNOWLEDGED = {ReportKind.PENDING_NEW, ReportKind.ACCEPTED, ReportKind.NEW, ReportKind.HELD}


def bought(name, quantity=5, symbol="SPY", **values):
    return OrderRequest(name, symbol, Side.BUY, Decimal(quantity), **values)


def reports_in(messages, kind):
    return [report for report in messages if isinstance(report, ExecutionReport) and report.kind is kind]


def resting(name):
    return bought(name, type=OrderType.LIMIT, limit_price=Decimal(1))


class BrokerContract:
    """Derive from it, give `market`, and pytest runs all of it."""

    @asynccontextmanager
    async def at(self, tmp_path):
        """A broker, and what waits until the sink was told reports of a kind: they are what it returns."""
        inbox = Inbox()
        async with self.market(tmp_path, inbox) as (broker, pass_time):

            async def told(kind):
                await pass_time()
                return await inbox.until(lambda messages: reports_in(messages, kind))

            yield broker, told

    async def test_the_first_word_is_no_fill_and_fills_come_to_the_sink_each_with_its_execution(self, tmp_path):
        async with self.at(tmp_path) as (broker, told):
            first = await broker.submit(bought("contract-1"))
            assert first.kind in ACKNOWLEDGED and first.client_order_id == "contract-1"
            (fill,) = await told(ReportKind.FILL)
            assert fill.execution_id and fill.filled_quantity == 5 and fill.price > 1
            order = await broker.order("contract-1")
            assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, 5)
            assert [(held.symbol, held.quantity) for held in await broker.positions()] == [("SPY", 5)]

    async def test_what_fills_cost_beside_their_price_is_told_from_a_moment_on(self, tmp_path):
        async with self.at(tmp_path) as (broker, told):
            before = await broker.account()
            submitted_ns = (await broker.submit(bought("contract-1"))).time_ns
            await broker.submit(bought("contract-2", 3))
            (fill, *_) = await told(ReportKind.FILL)
            orders = [await broker.order(name) for name in ("contract-1", "contract-2")]
            paid = sum(order.filled_quantity * order.filled_average_price for order in orders)
            charged = before.cash - paid - (await broker.account()).cash
            assert await broker.fees(submitted_ns - SECOND_NS) == charged >= 0
            assert await broker.fees(fill.time_ns + SECOND_NS) == 0

    async def test_an_order_of_one_name_is_one_order_however_often_it_is_sent(self, tmp_path):
        async with self.at(tmp_path) as (broker, _):
            assert len({(await broker.submit(resting("contract-1"))).broker_order_id for _ in range(3)}) == 1
            assert [order.client_order_id for order in await broker.orders(OrdersAsked.ALL)] == ["contract-1"]

    async def test_a_refusal_is_a_report_with_the_brokers_reason(self, tmp_path):
        async with self.at(tmp_path) as (broker, _):
            for refused in (bought("contract-1", 10**7), bought("contract-2", symbol="NOPE")):
                report = await broker.submit(refused)
                assert (report.kind, report.client_order_id) == (ReportKind.REJECTED, refused.client_order_id)
                assert report.reason
            assert await broker.orders() == [] and await broker.positions() == []

    async def test_a_resting_order_is_cancelled_and_what_is_over_cannot_be(self, tmp_path):
        async with self.at(tmp_path) as (broker, told):
            await broker.submit(resting("contract-1"))
            assert await told(ReportKind.NEW)
            assert (await broker.cancel("contract-1")).kind is ReportKind.PENDING_CANCEL
            assert await told(ReportKind.CANCELED)
            assert (await broker.order("contract-1")).status is OrderStatus.CANCELED
            assert (await broker.cancel("contract-1")).kind is ReportKind.ORDER_CANCEL_REJECTED

    async def test_what_is_not_there_is_none(self, tmp_path):
        async with self.at(tmp_path) as (broker, _):
            assert await broker.order("never-sent") is None
            assert await broker.asset("NOPE") is None and (await broker.asset("SPY")).symbol == "SPY"
            assert (await broker.clock()).is_open and (await broker.account()).cash > 0

    async def test_disconnected_it_still_answers_and_may_be_disconnected_again(self, tmp_path):
        async with self.at(tmp_path) as (broker, _):
            await broker.disconnect_feeds()
            assert (await broker.account()).cash > 0
            for _ in range(2):
                await broker.disconnect()
