"""Commands on their way to the broker. What it answers is delivered as a report; no order is ever sent twice."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import structlog

from hftd.broker.base import Broker
from hftd.clock import Clock
from hftd.domain.commands import CancelOrder, Command, ReplaceOrder, SubmitOrder
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.errors import UNANSWERED, BrokerUnavailable, CredentialsError, HftdError
from hftd.live.crash_points import crash_point

log = structlog.get_logger()

ASK_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits before the broker is asked again what became of a request that got no answer; the last one is repeated."""
ON_ITS_WAY_S = sum(ASK_AGAIN_S)
"""How long an order that the broker does not know may still be on its way to it."""
GIVE_UP_S = 4.0
"""How long answers are waited for by somebody who has to leave."""

Objection = Callable[[], str | None]
"""Why an order must not leave any more, asked at the moment when it would; None when it may."""


class Sender:
    """Sends each symbol's commands in their order; with `sequentially`, all commands one by one.

    `deliver` gets each answer, `answered` is called when a request is over, `symbol_of` knows an order's symbol by its
    client_order_id. `outstanding` counts the requests that are not over, `sending` holds the ids of the orders among
    them.
    """

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        deliver: Callable[[ExecutionReport], None],
        answered: Callable[[], None],
        symbol_of: Callable[[str], str],
        *,
        sequentially: bool,
    ) -> None:
        self.outstanding = 0
        self.sending: set[str] = set()
        self._broker = broker
        self._clock = clock
        self._deliver = deliver
        self._answered = answered
        self._symbol_of_order = symbol_of
        self._sequentially = sequentially
        self._chains: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, command: Command, objection: Objection) -> None:
        """Send what is meant for the broker, after earlier commands in the same symbol.

        An order to which there is an `objection` once it is its turn is not sent, and is reported as rejected.
        """
        if not isinstance(command, SubmitOrder | CancelOrder | ReplaceOrder):
            return
        if isinstance(command, SubmitOrder):
            self.sending.add(command.order.client_order_id)
        symbol = "" if self._sequentially else self._symbol_of(command)
        self.outstanding += 1
        task = asyncio.create_task(self._send_after(self._chains.get(symbol), command, objection))
        self._chains[symbol] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait a little until everything sent has been answered, then give up: a restart will ask again."""
        if self._tasks:
            _, unanswered = await asyncio.wait(self._tasks, timeout=GIVE_UP_S)
            for task in unanswered:
                task.cancel()
            await asyncio.gather(*unanswered, return_exceptions=True)

    def _symbol_of(self, command: SubmitOrder | CancelOrder | ReplaceOrder) -> str:
        if isinstance(command, SubmitOrder):
            return command.order.symbol
        return self._symbol_of_order(command.client_order_id)

    async def _send_after(
        self,
        earlier: asyncio.Task[None] | None,
        command: SubmitOrder | CancelOrder | ReplaceOrder,
        objection: Objection,
    ) -> None:
        try:
            if earlier is not None and not earlier.done():
                await asyncio.wait([earlier])
            await self._transmit(command, objection)
        except HftdError as error:
            log.error("order.unsent", command=type(command).__name__, error=str(error))
        finally:
            self.outstanding -= 1
            self._answered()

    async def _transmit(self, command: SubmitOrder | CancelOrder | ReplaceOrder, objection: Objection) -> None:
        match command:
            case SubmitOrder():
                await self._submit(command, objection())
            case CancelOrder():
                await self._cancel(command)
            case ReplaceOrder():
                await self._replace(command)

    async def _submit(self, command: SubmitOrder, objection: str | None) -> None:
        id = command.order.client_order_id
        try:
            if objection is not None:
                log.warning("order.withheld", id=id, reason=objection)
                self._deliver(self._rejected(id, f"not sent: {objection}"))
                return
            crash_point("order.sending")
            answer = await self._broker.submit(command.order)
            crash_point("order.answered")
            self._deliver(answer)
        except UNANSWERED as error:
            log.warning("order.unanswered", id=id, error=str(error))
            self._deliver(await self._ask(id))
        finally:
            self.sending.discard(id)

    async def _ask(self, id: str) -> ExecutionReport:
        """What became of an order whose submission failed or got no answer: it is never sent a second time.

        Only the broker can say that it does not exist, and only when it can no longer be on its way.
        """
        waited_s = 0.0
        for wait_s in _waits():
            await asyncio.sleep(wait_s)
            waited_s += wait_s
            try:
                found = await self._broker.order(id)
            except UNANSWERED as error:
                log.warning("order.unanswered", id=id, error=str(error))
                continue
            if found is not None:
                now_ns, broker_id = self._clock.now_ns(), found.broker_order_id
                return ExecutionReport(ReportKind.ACCEPTED, id, now_ns, broker_id, legs=found.legs)
            if waited_s >= ON_ITS_WAY_S:
                break
        return self._rejected(id, "the order did not reach the broker")

    def _rejected(self, id: str, reason: str) -> ExecutionReport:
        return ExecutionReport(ReportKind.REJECTED, id, self._clock.now_ns(), reason=reason)

    async def _cancel(self, command: CancelOrder) -> None:
        """Ask for a cancellation until it has been answered: twice does no harm."""
        id = command.client_order_id
        for wait_s in _waits():
            try:
                crash_point("cancel.sending")
                answer = await self._broker.cancel(id)
                crash_point("cancel.answered")
                return self._deliver(answer)
            except (BrokerUnavailable, CredentialsError) as error:
                log.warning("cancel.unanswered", id=id, error=str(error))
                await asyncio.sleep(wait_s)

    async def _replace(self, command: ReplaceOrder) -> None:
        report = await self._broker.replace(
            command.client_order_id,
            command.new_client_order_id,
            quantity=command.quantity,
            limit_price=command.limit_price,
            stop_price=command.stop_price,
        )
        self._deliver(report)


def _waits() -> Iterator[float]:
    """Seconds before each further attempt, without end."""
    return chain(ASK_AGAIN_S, repeat(ASK_AGAIN_S[-1]))
