"""The order path: no order lost, none doubled, whatever the broker answers or does not."""

import asyncio
import json
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web
from broker_stub import HASTY, KEYS, answering, serving

from hftd.broker.alpaca import AlpacaBroker
from hftd.broker.base import UnknownMessage
from hftd.broker.endpoints import Patience, exchange_endpoints
from hftd.domain.orders import OrderClass, OrderRequest, OrderType, ReportKind, Side, TimeInForce
from hftd.errors import BrokerRefused, BrokerUnavailable, CredentialsError

REQUEST = OrderRequest("hftd-1", "SPY", Side.BUY, Decimal("0.1"))
ACCEPTED = {
    "id": "904837e3",
    "client_order_id": "hftd-1",
    "submitted_at": "2026-11-20T15:00:00Z",
    "symbol": "SPY",
    "side": "buy",
    "qty": "0.1",
    "filled_qty": "0",
    "status": "pending_new",
}
NOT_FOUND = (404, {"code": 40410000, "message": "order not found for hftd-1"})
BY_NAME = "GET /v2/orders:by_client_order_id"
HTML = web.Response(text="<html>gateway</html>", status=504, content_type="text/html")


class Books:
    """A broker's books that keep every order posted, even when the answer to it is an error."""

    def __init__(self, answers):
        self.posted = []
        self.orders = {}
        self.answers = answers

    async def post(self, request):
        order = json.loads(await request.read())
        self.posted.append(order)
        verdict = self.answers.pop(0)
        if (
            verdict in ("keep", "keep and fail", "keep and hang", "keep and cut")
            and order["client_order_id"] in self.orders
        ):
            return web.json_response({"code": 40010001, "message": "client_order_id must be unique"}, status=422)
        if verdict.startswith("keep"):
            self.orders[order["client_order_id"]] = {**ACCEPTED, **order}
        if verdict.endswith("hang"):
            await asyncio.sleep(30)
        if verdict.endswith("cut"):
            request.transport.abort()
        if verdict.endswith("fail"):
            return web.json_response({"code": 50410000, "message": "request timed out"}, status=504)
        return web.json_response({**ACCEPTED, **order})

    async def show(self, request):
        order = self.orders.get(request.query["client_order_id"])
        return web.json_response(order or NOT_FOUND[1], status=200 if order else 404)

    def routes(self):
        return {"POST /v2/orders": self.post, BY_NAME: self.show}


@asynccontextmanager
async def broker_with(routes, patience=HASTY):
    async with serving(routes) as url:
        broker = AlpacaBroker(exchange_endpoints(url), KEYS, patience=patience)
        try:
            yield broker
        finally:
            await broker.disconnect()


async def test_the_body_is_ours_with_decimals_as_text():
    seen = []
    async with broker_with({"POST /v2/orders": answering((200, ACCEPTED), seen=seen)}) as broker:
        report = await broker.submit(REQUEST)
    assert report.kind is ReportKind.PENDING_NEW
    assert (report.client_order_id, report.broker_order_id) == ("hftd-1", "904837e3")
    assert seen == [
        {
            "client_order_id": "hftd-1",
            "symbol": "SPY",
            "side": "buy",
            "type": "market",
            "qty": "0.1",
            "time_in_force": "day",
        }
    ]


@pytest.mark.parametrize(
    "strange",
    [{"submitted_at": "yesterday"}, {"filled_qty": "NaN"}, {"legs": [{**ACCEPTED, "side": None}]}],
    ids=["a time that is none", "a number that is none", "a leg without a side"],
)
async def test_of_an_answer_that_makes_no_sense_the_broker_is_asked_again(strange):
    routes = {"POST /v2/orders": answering((200, {**ACCEPTED, **strange})), BY_NAME: answering((200, ACCEPTED))}
    async with broker_with(routes) as broker:
        assert (await broker.submit(REQUEST)).kind is ReportKind.PENDING_NEW


@pytest.mark.parametrize("strange", [{"side": None}, {"filled_avg_price": "Infinity"}], ids=lambda fields: str(fields))
async def test_an_order_of_which_nothing_can_be_made_is_no_answer(strange):
    async with broker_with({BY_NAME: answering((200, {**ACCEPTED, **strange}))}) as broker:
        with pytest.raises(BrokerUnavailable, match="strange"):
            await broker.order("hftd-1")


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"type": OrderType.LIMIT, "limit_price": Decimal("271.10")}, {"type": "limit", "limit_price": "271.1"}),
        ({"type": OrderType.STOP, "stop_price": Decimal(5)}, {"type": "stop", "stop_price": "5"}),
        (
            {"type": OrderType.STOP_LIMIT, "stop_price": Decimal(5), "limit_price": Decimal("5.01")},
            {"type": "stop_limit", "stop_price": "5", "limit_price": "5.01"},
        ),
        ({"type": OrderType.TRAILING_STOP, "trail_percent": Decimal("1.5")}, {"trail_percent": "1.5"}),
        ({"type": OrderType.TRAILING_STOP, "trail_price": Decimal("0.25")}, {"trail_price": "0.25"}),
        (
            {
                "type": OrderType.LIMIT,
                "limit_price": Decimal(5),
                "extended_hours": True,
                "time_in_force": TimeInForce.DAY,
            },
            {"extended_hours": True},
        ),
        (
            {
                "order_class": OrderClass.BRACKET,
                "take_profit_price": Decimal(300),
                "stop_loss_price": Decimal(250),
                "stop_loss_limit_price": Decimal("249.5"),
            },
            {
                "order_class": "bracket",
                "take_profit": {"limit_price": "300"},
                "stop_loss": {"stop_price": "250", "limit_price": "249.5"},
            },
        ),
        (
            {"order_class": OrderClass.OTO, "stop_loss_price": Decimal(250)},
            {"order_class": "oto", "stop_loss": {"stop_price": "250"}},
        ),
        (
            {
                "order_class": OrderClass.OCO,
                "type": OrderType.LIMIT,
                "limit_price": Decimal(300),
                "take_profit_price": Decimal(300),
                "stop_loss_price": Decimal(250),
            },
            {"order_class": "oco", "take_profit": {"limit_price": "300"}, "stop_loss": {"stop_price": "250"}},
        ),
        ({"time_in_force": TimeInForce.CLS, "quantity": Decimal(100000)}, {"time_in_force": "cls", "qty": "100000"}),
    ],
)
async def test_every_kind_of_order_passes_alpacas_models_and_is_sent_whole(changes, sent):
    seen = []
    fields = {name: getattr(REQUEST, name) for name in REQUEST.__struct_fields__}
    async with broker_with({"POST /v2/orders": answering((200, ACCEPTED), seen=seen)}) as broker:
        report = await broker.submit(OrderRequest(**{**fields, **changes}))
    assert report.kind is ReportKind.PENDING_NEW, report.reason
    assert seen[0].items() >= sent.items()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": OrderType.LIMIT}, "limit_price"),
        ({"type": OrderType.TRAILING_STOP}, "trail"),
        ({"order_class": OrderClass.BRACKET}, "take_profit"),
        ({"limit_price": Decimal(5)}, "limit_price"),
        ({"client_order_id": "x" * 129}, "128 characters"),
        ({"quantity": Decimal(0)}, "above 0"),
    ],
)
async def test_what_alpacas_models_refuse_is_a_rejection_that_is_not_sent(changes, reason):
    seen = []
    fields = {name: getattr(REQUEST, name) for name in REQUEST.__struct_fields__}
    async with broker_with({"POST /v2/orders": answering((200, ACCEPTED), seen=seen)}) as broker:
        report = await broker.submit(OrderRequest(**{**fields, **changes}))
    assert report.kind is ReportKind.REJECTED
    assert reason in report.reason
    assert seen == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"code": 40310000, "message": "insufficient buying power", "buying_power": "0"}),
        (422, {"code": 42210000, "message": 'asset "X" not found'}),
    ],
)
async def test_a_refusal_is_a_rejection_with_the_brokers_sentence(status, body):
    async with broker_with({"POST /v2/orders": answering((status, body))}) as broker:
        report = await broker.submit(REQUEST)
    assert (report.kind, report.reason) == (ReportKind.REJECTED, body["message"])
    assert (report.symbol, report.side) == ("SPY", Side.BUY)


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_keys_are_an_error(status):
    async with broker_with({"POST /v2/orders": answering((status, {"message": "forbidden."}))}) as broker:
        with pytest.raises(CredentialsError, match="refused the API keys"):
            await broker.submit(REQUEST)


@pytest.mark.parametrize("fault", ["fail", "cut", "hang"])
async def test_an_order_that_exists_after_all_is_found_and_not_sent_again(fault):
    books = Books([f"keep and {fault}"])
    async with broker_with(books.routes(), Patience(request_s=0.2, backoff_first_s=0.01)) as broker:
        report = await broker.submit(REQUEST)
    assert report.kind is ReportKind.PENDING_NEW
    assert len(books.posted) == 1


@pytest.mark.parametrize("fault", ["lose and fail", "lose and cut", "lose and hang"])
async def test_an_order_that_never_arrived_is_sent_again_under_the_same_name(fault):
    books = Books([fault, "keep"])
    async with broker_with(books.routes(), Patience(request_s=0.2, backoff_first_s=0.01)) as broker:
        report = await broker.submit(REQUEST)
    assert report.kind is ReportKind.PENDING_NEW
    assert [order["client_order_id"] for order in books.posted] == ["hftd-1", "hftd-1"]
    assert len(books.orders) == 1


async def test_a_slow_order_that_surfaces_between_asking_and_sending_again_is_taken_for_ours():
    books = Books(["lose and fail", "keep"])

    async def show(request):
        answer = await Books.show(books, request)
        books.orders.setdefault("hftd-1", {**ACCEPTED, "status": "filled"})
        return answer

    async with broker_with({**books.routes(), BY_NAME: show}) as broker:
        report = await broker.submit(REQUEST)
    assert report.kind is ReportKind.NEW
    assert len(books.orders) == 1


async def test_a_name_that_another_order_has_is_a_rejection():
    books = Books(["keep"])
    books.orders["hftd-1"] = {**ACCEPTED, "symbol": "QQQ"}
    async with broker_with(books.routes()) as broker:
        report = await broker.submit(REQUEST)
    assert (report.kind, report.reason) == (ReportKind.REJECTED, "client_order_id must be unique")


async def test_when_asking_fails_too_the_fate_is_unknown():
    routes = {"POST /v2/orders": answering(HTML), BY_NAME: answering(HTML)}
    async with broker_with(routes) as broker:
        with pytest.raises(BrokerUnavailable, match=r"a page of HTML.*unknown whether the order exists"):
            await broker.submit(REQUEST)


async def test_an_order_that_never_arrives_is_unknown_after_a_few_attempts():
    books = Books(["lose and fail"] * 9)
    async with broker_with(books.routes()) as broker:
        with pytest.raises(BrokerUnavailable, match="does not know the order"):
            await broker.submit(REQUEST)
    assert len(books.posted) == HASTY.request_attempts


async def test_a_success_that_is_no_order_is_asked_about():
    page = web.Response(text="<html>welcome</html>", content_type="text/html")
    routes = {"POST /v2/orders": answering(page), BY_NAME: answering((200, ACCEPTED))}
    async with broker_with(routes) as broker:
        assert (await broker.submit(REQUEST)).kind is ReportKind.PENDING_NEW


async def test_too_many_requests_waits_as_told_and_sends_the_same_again():
    seen = []
    busy = web.Response(
        status=429, text='{"code":42910000,"message":"rate limit exceeded"}', headers={"Retry-After": "0"}
    )
    accepted = web.Response(text=json.dumps(ACCEPTED), content_type="application/json")
    async with broker_with({"POST /v2/orders": answering(busy, busy, accepted, seen=seen)}) as broker:
        report = await broker.submit(REQUEST)
    assert report.kind is ReportKind.PENDING_NEW
    assert len(seen) == 3
    assert seen[0] == seen[1] == seen[2]


async def test_too_many_requests_for_too_long_is_a_rejection_because_nothing_was_done():
    busy = (429, {"code": 42910000, "message": "rate limit exceeded"})
    async with broker_with({"POST /v2/orders": answering(busy)}) as broker:
        report = await broker.submit(REQUEST)
    assert report.kind is ReportKind.REJECTED
    assert "rate limit exceeded" in report.reason


async def test_nobody_there_is_unavailable():
    async with serving({}) as url:
        pass
    broker = AlpacaBroker(exchange_endpoints(url), KEYS, patience=HASTY)
    with pytest.raises(BrokerUnavailable):
        await broker.submit(REQUEST)
    await broker.disconnect()


async def test_redirects_are_not_followed():
    async def redirect(request):
        raise web.HTTPFound("/elsewhere")

    async with broker_with({"POST /v2/orders": redirect, BY_NAME: answering((200, ACCEPTED))}) as broker:
        assert (await broker.submit(REQUEST)).kind is ReportKind.PENDING_NEW


async def test_cancelling_uses_the_id_learned_and_asks_when_there_is_none():
    asked = []
    routes = {
        "POST /v2/orders": answering((200, ACCEPTED)),
        "DELETE /v2/orders/904837e3": answering(web.Response(status=204)),
        BY_NAME: answering((200, ACCEPTED), seen=asked),
    }
    async with broker_with(routes) as broker:
        await broker.submit(REQUEST)
        report = await broker.cancel("hftd-1")
        assert (report.kind, report.broker_order_id, asked) == (ReportKind.PENDING_CANCEL, "904837e3", [])
    async with broker_with(routes) as broker:
        assert (await broker.cancel("hftd-1")).kind is ReportKind.PENDING_CANCEL
        assert asked == [{"client_order_id": "hftd-1"}]


async def test_a_refused_cancellation_is_a_report():
    filled = (422, {"code": 42210000, "message": 'order is already in "filled" state'})
    routes = {"DELETE /v2/orders/904837e3": answering(filled), BY_NAME: answering((200, ACCEPTED))}
    async with broker_with(routes) as broker:
        report = await broker.cancel("hftd-1")
    assert (report.kind, report.reason) == (ReportKind.ORDER_CANCEL_REJECTED, filled[1]["message"])


async def test_cancelling_what_the_broker_never_saw_is_a_report():
    async with broker_with({BY_NAME: answering(NOT_FOUND)}) as broker:
        report = await broker.cancel("hftd-1")
        assert (report.kind, report.reason) == (ReportKind.ORDER_CANCEL_REJECTED, "order not found for hftd-1")
        assert await broker.order("hftd-1") is None


async def test_replacing_sends_only_what_changes_and_reports_the_successor():
    seen = []
    successor = {**ACCEPTED, "id": "b", "client_order_id": "hftd-2", "status": "accepted"}
    routes = {"PATCH /v2/orders/904837e3": answering((200, successor), seen=seen), BY_NAME: answering((200, ACCEPTED))}
    async with broker_with(routes) as broker:
        report = await broker.replace("hftd-1", "hftd-2", quantity=Decimal(7), limit_price=Decimal("271.50"))
    assert (report.kind, report.client_order_id) == (ReportKind.ACCEPTED, "hftd-2")
    assert seen == [{"qty": "7", "limit_price": "271.5", "client_order_id": "hftd-2"}]


async def test_a_refused_replacement_is_a_report():
    no = (422, {"code": 42210000, "message": "unable to replace order in current state"})
    routes = {"PATCH /v2/orders/904837e3": answering(no), BY_NAME: answering((200, ACCEPTED))}
    async with broker_with(routes) as broker:
        report = await broker.replace("hftd-1", "hftd-2", quantity=Decimal(7))
    assert (report.kind, report.client_order_id) == (ReportKind.ORDER_REPLACE_REJECTED, "hftd-1")


async def test_a_replacement_without_an_answer_is_asked_about():
    successor = {**ACCEPTED, "id": "b", "client_order_id": "hftd-2"}

    async def show(request):
        return web.json_response(successor if request.query["client_order_id"] == "hftd-2" else ACCEPTED)

    async with broker_with({"PATCH /v2/orders/904837e3": answering(HTML), BY_NAME: show}) as broker:
        report = await broker.replace("hftd-1", "hftd-2", quantity=Decimal(7))
    assert (report.kind, report.client_order_id) == (ReportKind.PENDING_NEW, "hftd-2")


async def test_a_replacement_that_the_broker_does_not_know_is_of_unknown_fate():
    async def show(request):
        known = request.query["client_order_id"] == "hftd-1"
        return web.json_response(ACCEPTED if known else NOT_FOUND[1], status=200 if known else 404)

    async with broker_with({"PATCH /v2/orders/904837e3": answering(HTML), BY_NAME: show}) as broker:
        with pytest.raises(BrokerUnavailable, match="does not know the successor"):
            await broker.replace("hftd-1", "hftd-2", quantity=Decimal(7))


async def test_an_unknown_status_is_kept_and_reported():
    sink = []

    async def nothing(request):
        raise web.HTTPServiceUnavailable

    routes = {"POST /v2/orders": answering((200, {**ACCEPTED, "status": "quantum"})), "GET /v2/iex": nothing}
    async with broker_with(routes) as broker:
        broker._sink = sink.append
        report = await broker.submit(REQUEST)
    assert (report.kind, report.reason) == (ReportKind.UNKNOWN, "quantum")
    assert isinstance(sink[0], UnknownMessage)
    assert "quantum" in sink[0].problem


async def test_an_answer_that_is_a_refusal_to_a_question_is_an_error():
    async with broker_with({BY_NAME: answering((400, {"code": 40010000, "message": "bad"}))}) as broker:
        with pytest.raises(BrokerRefused, match="bad") as raised:
            await broker.order("hftd-1")
    assert (raised.value.status, raised.value.code) == (400, 40010000)


async def test_cancelling_and_asking_are_repeated_when_there_is_no_answer():
    seen = []
    gone = web.Response(status=204)
    routes = {
        "DELETE /v2/orders/904837e3": answering(HTML, HTML, gone, seen=seen),
        BY_NAME: answering(HTML, (200, ACCEPTED)),
    }
    async with broker_with(routes) as broker:
        assert (await broker.cancel("hftd-1")).kind is ReportKind.PENDING_CANCEL
    assert len(seen) == 3


async def test_cancelling_that_is_never_answered_is_unavailable():
    seen = []
    routes = {"DELETE /v2/orders/904837e3": answering(HTML, seen=seen), BY_NAME: answering((200, ACCEPTED))}
    async with broker_with(routes) as broker:
        with pytest.raises(BrokerUnavailable, match="failed to cancel order hftd-1"):
            await broker.cancel("hftd-1")
    assert len(seen) == HASTY.request_attempts
