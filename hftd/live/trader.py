"""One session live: events through journal and engine, commands to the journal and then to the broker.

The order is fixed: the event is in the journal before it is stepped, its commands are in the journal before one of
them is sent. What comes back from the broker is an event again.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from hftd.broker.base import Broker
from hftd.clock import Clock
from hftd.domain.commands import CancelOrder, Command, ReplaceOrder, SubmitOrder
from hftd.domain.convert import SECOND_NS
from hftd.domain.events import BarReceived, Event, PortfolioCarried, PrintQuarantined, QuoteReceived, TradeReceived
from hftd.domain.market import Bar, MarketData, Quote
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.engine.admission import Admission
from hftd.engine.engine import Engine
from hftd.engine.tally import Tally
from hftd.errors import BrokerError, HftdError
from hftd.journal import Journal
from hftd.live.guard import Guard
from hftd.live.story import Story

log = structlog.get_logger()
ASK_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits before the broker is asked again what became of an order whose submission got no answer."""
ROUNDS_TO_LEAVE = 2
"""Rounds of the event loop until a request is on its socket: aiohttp writes it in a task of its own."""


class Trader:
    """Drives one engine. `deliver` puts a report into the daemon's inbox, `answered` tells it that a
    request is over; `sequentially` sends one order at a time. `outstanding` counts the requests that are not over,
    `sending` holds the ids of the orders among them."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        guard: Guard,
        broker: Broker,
        clock: Clock,
        tally: Tally,
        deliver: Callable[[ExecutionReport], None],
        answered: Callable[[], None],
        late_after_s: float,
        sequentially: bool = False,
    ) -> None:
        self.engine = engine
        self.journal = journal
        self.tally = tally
        self._guard = guard
        self._broker = broker
        self._clock = clock
        self._deliver = deliver
        self._answered = answered
        self._late_after_s = late_after_s
        self._sequentially = sequentially
        self._story = Story(engine)
        self._untold: tuple[Event, list[Command]] | None = None
        self.admission = Admission()
        self._bars_seen: set[tuple[str, int]] = set()
        self._chains: dict[str, asyncio.Task[None]] = {}
        self.outstanding = 0
        self.sending: set[str] = set()

    # -- events in -----------------------------------------------------------------------------------------------

    def take(self, event: Event, source: str, received_ns: int | None = None) -> None:
        """Journal and step `event`, after the timers that were due before it."""
        if isinstance(event, PortfolioCarried):
            self.admission.recall(event)
        for timer in self.engine.due_timers(event.time_ns):
            self._step(timer, "timer", timer.time_ns)
        self._step(event, source, self._clock.now_ns() if received_ns is None else received_ns)

    def take_timers(self) -> None:
        """Step the timers that are due by now."""
        now_ns = self._clock.now_ns()
        for timer in self.engine.due_timers(now_ns):
            self._step(timer, "timer", now_ns)

    def take_market(self, data: MarketData, source: str, received_ns: int, *, late: bool = False) -> None:
        """Step a bar, quote or trade; whether it is late is decided here, once."""
        if isinstance(data, Bar):
            self._take_bar(data, source, received_ns, late=late or self._is_late(data.known_at_ns))
        elif isinstance(data, Quote):
            self.take(QuoteReceived(data, late or self._is_late(data.time_ns)), source, received_ns)
        else:
            self.take(TradeReceived(data, late or self._is_late(data.time_ns)), source, received_ns)

    def _take_bar(self, bar: Bar, source: str, received_ns: int, *, late: bool) -> None:
        if self.has_seen(bar):
            return  # a repetition, or backfilled meanwhile
        self._bars_seen.add((bar.symbol, bar.time_ns))
        for event in self.admission.judge(bar, late=late):
            self.take(event, source, received_ns)

    def has_seen(self, bar: Bar) -> bool:
        """Whether this bar, good or bad, was taken in already."""
        return (bar.symbol, bar.time_ns) in self._bars_seen

    def recall(self, event: Event) -> None:
        """An event of this session that was stepped before a restart."""
        self.admission.recall(event)
        if isinstance(event, BarReceived):
            self._bars_seen.add((event.bar.symbol, event.bar.time_ns))
        elif isinstance(event, PrintQuarantined):
            self._bars_seen.add((event.symbol, event.bar_time_ns))

    def _is_late(self, known_at_ns: int) -> bool:
        return (self._clock.now_ns() - known_at_ns) / SECOND_NS / self._clock.speed > self._late_after_s

    def _step(self, event: Event, source: str, received_ns: int) -> None:
        self.tell()
        self.journal.append_event(event, received_ns, source)
        self.journal.commit()
        commands = self.engine.step(event)
        self.journal.append_commands(self.engine.sequence, commands)
        sent_before = self.outstanding
        for command in commands:
            self.send(command)
        self.tally.add(event, commands)
        self._untold = (event, commands)
        if self.outstanding == sent_before:
            self.tell()
        for fault in self._guard.take_faults(event.time_ns):
            self._step(fault, "guard", received_ns)

    def tell(self) -> None:
        """Log the last step, if that has been put off until its orders have left. Nothing was stepped since."""
        if self._untold is not None:
            (event, commands), self._untold = self._untold, None
            self._story.tell(event, commands)

    async def let_leave(self) -> None:
        """Let the orders of the last step leave before anything else is done; then tell of them.

        In lockstep nothing may come in between: the whole instant is stepped first.
        """
        if self._untold is not None and not self._sequentially:
            for _ in range(ROUNDS_TO_LEAVE):
                await asyncio.sleep(0)
        self.tell()

    # -- commands out --------------------------------------------------------------------------------------------

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
        return self.engine.orders[command.client_order_id].request.symbol

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
        try:
            self._deliver(await self._broker.submit(command.order))
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
        self._deliver(await self._broker.cancel(command.client_order_id))

    async def _replace(self, command: ReplaceOrder) -> None:
        report = await self._broker.replace(
            command.client_order_id,
            command.new_client_order_id,
            quantity=command.quantity,
            limit_price=command.limit_price,
            stop_price=command.stop_price,
        )
        self._deliver(report)
