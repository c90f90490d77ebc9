"""Commands on their way to the broker. What it answers is delivered as a report; no order is ever sent twice."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from hftd.broker.base import Broker
from hftd.clock import Clock
from hftd.domain.commands import CancelOrder, Command, ReplaceOrder, SubmitOrder
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.errors import BrokerError, HftdError
from hftd.live.crash_points import crash_point

log = structlog.get_logger()

ASK_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits before the broker is asked again what became of an order whose submission got no answer."""


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

    def send(self, command: Command) -> None:
        """Send what is meant for the broker, after earlier commands in the same symbol."""
        if not isinstance(command, SubmitOrder | CancelOrder | ReplaceOrder):
            return
        if isinstance(command, SubmitOrder):
            self.sending.add(command.order.client_order_id)
        chain = "" if self._sequentially else self._symbol_of(command)
        self.outstanding += 1
        task = asyncio.create_task(self._send_after(self._chains.get(chain), command))
        self._chains[chain] = task

    async def settle(self) -> None:
        """Wait until everything sent has been answered."""
        while self.outstanding:
            await asyncio.gather(*self._chains.values())

    def _symbol_of(self, command: SubmitOrder | CancelOrder | ReplaceOrder) -> str:
        if isinstance(command, SubmitOrder):
            return command.order.symbol
        return self._symbol_of_order(command.client_order_id)

    async def _send_after(
        self, earlier: asyncio.Task[None] | None, command: SubmitOrder | CancelOrder | ReplaceOrder
    ) -> None:
        if earlier is not None and not earlier.done():
            await asyncio.wait([earlier])
        try:
            await self._transmit(command)
        except HftdError as error:
            log.error("order.unsent", command=type(command).__name__, error=str(error))
        finally:
            self.outstanding -= 1
            self._answered()

    async def _transmit(self, command: SubmitOrder | CancelOrder | ReplaceOrder) -> None:
        match command:
            case SubmitOrder():
                await self._submit(command)
            case CancelOrder():
                await self._cancel(command)
            case ReplaceOrder():
                await self._replace(command)

    async def _submit(self, command: SubmitOrder) -> None:
        id = command.order.client_order_id
        crash_point("order.sending")
        try:
            answer = await self._broker.submit(command.order)
            crash_point("order.answered")
            self._deliver(answer)
        except BrokerError as error:
            log.warning("order.unanswered", id=id, error=str(error))
            self._deliver(await self._ask(command))
        finally:
            self.sending.discard(id)

    async def _ask(self, command: SubmitOrder) -> ExecutionReport:
        """What became of an order whose submission failed or got no answer: it is never sent a second time."""
        id = command.order.client_order_id
        for wait_s in ASK_AGAIN_S:
            await asyncio.sleep(wait_s)  # it may still be on its way
            with suppress(BrokerError):
                if (found := await self._broker.order(id)) is not None:
                    return ExecutionReport(ReportKind.ACCEPTED, id, self._clock.now_ns(), found.broker_order_id)
        return ExecutionReport(
            ReportKind.REJECTED, id, self._clock.now_ns(), reason="the order did not reach the broker"
        )

    async def _cancel(self, command: CancelOrder) -> None:
        crash_point("cancel.sending")
        answer = await self._broker.cancel(command.client_order_id)
        crash_point("cancel.answered")
        self._deliver(answer)

    async def _replace(self, command: ReplaceOrder) -> None:
        report = await self._broker.replace(
            command.client_order_id,
            command.new_client_order_id,
            quantity=command.quantity,
            limit_price=command.limit_price,
            stop_price=command.stop_price,
        )
        self._deliver(report)
