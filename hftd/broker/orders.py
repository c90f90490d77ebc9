"""The order path: submit, ask, cancel, replace, so that no order is lost and none is doubled.

A submission whose fate is unknown (no answer, a gateway's time-out, a page of HTML) is never simply repeated: the
broker is asked for the order by its client_order_id first, and only when it has never seen it is the same order sent
again, under the same name, which the broker itself would refuse the second time.
"""

from collections.abc import Callable
from decimal import Decimal
from urllib.parse import quote

import aiohttp
import msgspec

from hftd.broker.answers import NOT_UNIQUE, Busy, question_refused, strange
from hftd.broker.base import Feed, Sink, UnknownMessage
from hftd.broker.order_body import body_of, objection_to
from hftd.broker.rest import Rest
from hftd.broker.wire_market import UNREADABLE
from hftd.broker.wire_trading import WireOrder, broker_order_of, first_word, knows_status, read_order
from hftd.domain.convert import text_of
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderRequest, ReportKind
from hftd.errors import BrokerRefused, BrokerUnavailable

KNOWN_MAX = 20_000
"""Orders whose broker ids are remembered."""


class OrderPath:
    """Orders of one account. `report_unknown` gets what cannot be understood."""

    def __init__(self, rest: Rest, now_ns: Callable[[], int], attempts: int, report_unknown: Sink) -> None:
        self._rest = rest
        self._now_ns = now_ns
        self._attempts = attempts
        self._report_unknown = report_unknown
        self._broker_ids: dict[str, str] = {}

    def learn(self, client_order_id: str, broker_order_id: str) -> None:
        """Remember the broker's own id of an order, which cancelling and replacing need."""
        if broker_order_id:
            self._broker_ids[client_order_id] = broker_order_id
            if len(self._broker_ids) > KNOWN_MAX:
                del self._broker_ids[next(iter(self._broker_ids))]

    async def submit(self, session: aiohttp.ClientSession, order: OrderRequest) -> ExecutionReport:
        """As `Broker.submit`."""
        objection = objection_to(order)
        if objection:
            return self._rejected(order, objection)
        body = body_of(order)
        what = f"submit order {order.client_order_id}"
        for attempt in range(1, self._attempts + 1):
            try:
                return self._word(await self._rest.request(session, what, "POST", "orders", body), what)
            except BrokerRefused as refusal:
                if NOT_UNIQUE in str(refusal):
                    return await self._existing(session, order, str(refusal))
                return self._rejected(order, str(refusal))
            except Busy as busy:
                return self._rejected(order, str(busy))
            except BrokerUnavailable as unknown:
                found = await self._ask_after(session, order, unknown)
                if found is not None:
                    return found
                if attempt == self._attempts:
                    raise BrokerUnavailable(f"{unknown}; the broker does not know the order (yet)") from None
        raise AssertionError("the last attempt returns or raises")

    async def _existing(self, session: aiohttp.ClientSession, order: OrderRequest, said: str) -> ExecutionReport:
        """The order under a name that is taken: ours from before, or else a rejection."""
        found = await self.find(session, order.client_order_id)
        if found is not None and found.symbol == order.symbol and found.side == order.side.value:
            return first_word(found, self._now_ns())
        return self._rejected(order, said)

    async def _ask_after(
        self, session: aiohttp.ClientSession, order: OrderRequest, unknown: BrokerUnavailable
    ) -> ExecutionReport | None:
        """The order's state after a submission without an answer; None when the broker has never seen it."""
        try:
            found = await self.find(session, order.client_order_id)
        except BrokerUnavailable:
            raise BrokerUnavailable(f"{unknown}; it is unknown whether the order exists") from None
        return None if found is None else first_word(found, self._now_ns())

    async def find(self, session: aiohttp.ClientSession, client_order_id: str) -> WireOrder | None:
        """The order of that name; None when the broker has never seen it."""
        what = f"show order {client_order_id}"
        params = {"client_order_id": client_order_id}
        try:
            answer = await self._rest.request(session, what, "GET", "orders:by_client_order_id", params=params)
        except BrokerRefused as refusal:
            if refusal.status == 404:
                return None
            raise question_refused(what, refusal) from None
        return self._read(answer, what)

    async def order(self, session: aiohttp.ClientSession, client_order_id: str) -> BrokerOrder | None:
        """As `Broker.order`."""
        found = await self.find(session, client_order_id)
        if found is None:
            return None
        try:
            return broker_order_of(found)
        except ValueError as error:
            raise strange(f"show order {client_order_id} ({error})", str(found)) from None

    async def cancel(self, session: aiohttp.ClientSession, client_order_id: str) -> ExecutionReport:
        """As `Broker.cancel`."""
        what = f"cancel order {client_order_id}"
        try:
            broker_id = await self._broker_id(session, client_order_id)
            await self._rest.request(session, what, "DELETE", f"orders/{quote(broker_id)}")
        except BrokerRefused as refusal:
            return self._report(ReportKind.ORDER_CANCEL_REJECTED, client_order_id, reason=str(refusal))
        return self._report(ReportKind.PENDING_CANCEL, client_order_id, broker_id)

    async def replace(
        self,
        session: aiohttp.ClientSession,
        client_order_id: str,
        new_client_order_id: str,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail: Decimal | None = None,
    ) -> ExecutionReport:
        """As `Broker.replace`."""
        changes = {"qty": quantity, "limit_price": limit_price, "stop_price": stop_price, "trail": trail}
        texts = {name: text_of(value) for name, value in changes.items() if value is not None}
        body = msgspec.json.encode({**texts, "client_order_id": new_client_order_id})
        what = f"replace order {client_order_id} by {new_client_order_id}"
        try:
            broker_id = await self._broker_id(session, client_order_id)
            return self._word(
                await self._rest.request(session, what, "PATCH", f"orders/{quote(broker_id)}", body), what
            )
        except (BrokerRefused, Busy) as refusal:
            return self._report(ReportKind.ORDER_REPLACE_REJECTED, client_order_id, reason=str(refusal))
        except BrokerUnavailable as unknown:
            found = await self._successor(session, new_client_order_id, unknown)
            if found is not None:
                return first_word(found, self._now_ns())
            raise BrokerUnavailable(f"{unknown}; the broker does not know the successor (yet)") from None

    async def _successor(
        self, session: aiohttp.ClientSession, client_order_id: str, unknown: BrokerUnavailable
    ) -> WireOrder | None:
        try:
            return await self.find(session, client_order_id)
        except BrokerUnavailable:
            raise BrokerUnavailable(f"{unknown}; it is unknown whether the order was replaced") from None

    async def _broker_id(self, session: aiohttp.ClientSession, client_order_id: str) -> str:
        known = self._broker_ids.get(client_order_id)
        if known is not None:
            return known
        found = await self.find(session, client_order_id)
        if found is None:
            raise BrokerRefused(f"order not found for {client_order_id}", status=404, code=40410000)
        return found.id

    def _word(self, answer: bytes, what: str) -> ExecutionReport:
        return first_word(self._read(answer, what), self._now_ns())

    def _read(self, answer: bytes, what: str) -> WireOrder:
        try:
            order = read_order(answer)
            first_word(order, 0)  # of which something can be made
        except UNREADABLE:
            raise strange(what, answer.decode("utf-8", "replace")) from None
        self.learn(order.client_order_id, order.id)
        if not knows_status(order):
            text = answer.decode("utf-8", "replace")
            self._report_unknown(
                UnknownMessage(Feed.TRADES, self._now_ns(), text, f"no order status is named {order.status!r}")
            )
        return order

    def _rejected(self, order: OrderRequest, reason: str) -> ExecutionReport:
        return ExecutionReport(
            kind=ReportKind.REJECTED,
            client_order_id=order.client_order_id,
            time_ns=self._now_ns(),
            symbol=order.symbol,
            side=order.side,
            reason=reason,
        )

    def _report(
        self, kind: ReportKind, client_order_id: str, broker_order_id: str = "", reason: str = ""
    ) -> ExecutionReport:
        return ExecutionReport(kind, client_order_id, self._now_ns(), broker_order_id, reason=reason)
