"""One session live: events through journal and engine, commands to the journal and then to the broker.

The order is fixed: the event is in the journal before it is stepped, its commands are in the journal before one of
them is sent. What comes back from the broker is an event again. A journal that cannot be written (a full disk) stops
everything where it is: events wait, nothing is decided and nothing sent, until there is room.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from msgspec.structs import replace

from hftd.broker.base import Broker
from hftd.clock import Clock
from hftd.domain.commands import Command, SubmitOrder
from hftd.domain.convert import SECOND_NS
from hftd.domain.events import (
    BarReceived,
    Event,
    OrderReported,
    PortfolioCarried,
    PrintQuarantined,
    QuoteReceived,
    Remark,
    TimerFired,
    TradeReceived,
)
from hftd.domain.market import Bar, MarketData, Quote
from hftd.domain.orders import ExecutionReport
from hftd.engine.admission import Admission, is_misdated, malformed, misdated
from hftd.engine.engine import Engine
from hftd.engine.tally import Tally
from hftd.errors import StateError
from hftd.journal import Journal
from hftd.live.crash_points import crash_point
from hftd.live.guard import Guard
from hftd.live.measures import Histogram
from hftd.live.sender import Sender
from hftd.live.story import Story

log = structlog.get_logger()

AHEAD_S = 900.0
"""Wall seconds ahead of the clock, and of all that was stepped, beyond which a time that the broker tells cannot be."""

HISTORY = "history"
"""The source of bars from before the session."""
ROUNDS_TO_LEAVE = 2
"""Rounds of the event loop until a request is on its socket: aiohttp writes it in a task of its own."""


class Trader:
    """Drives one engine. `deliver` puts a report into the daemon's inbox, `answered` tells it that a request is over;
    `sequentially` sends one order at a time; `latency` takes how long a bar's orders took; `heard` is told of each step
    after its orders have left. `blocked` is why the journal cannot be written, None when it can."""

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
        latency: Histogram | None = None,
        heard: Callable[[Event, Sequence[Command]], None] = lambda event, out: None,
    ) -> None:
        self.engine = engine
        self.journal = journal
        self.tally = tally
        self.admission = Admission()
        self.blocked: StateError | None = None
        self.sender = Sender(
            broker,
            clock,
            deliver,
            answered,
            symbol_of=lambda id: engine.orders[id].request.symbol,
            sequentially=sequentially,
        )
        self._guard = guard
        self._clock = clock
        self._late_after_s = late_after_s
        self._sequentially = sequentially
        self._latency = latency or Histogram()
        self._heard = heard
        self._story = Story(engine)
        self._bars_seen: set[tuple[str, int]] = set()
        self._waiting: deque[tuple[Event, str, int]] = deque()
        self._unwritten: tuple[Event, Sequence[Command]] | None = None
        self._stepped_ns = self._received_ns = clock.now_ns()
        self._is_leaving = False
        self._untold: tuple[Event, Sequence[Command]] | None = None

    # -- what comes in -------------------------------------------------------------------------------------------

    def take(self, event: Event, source: str, received_ns: int | None = None) -> None:
        """Journal and step `event`, after the timers that were due before it."""
        if isinstance(event, PortfolioCarried):
            self.admission.recall(event)
        self._waiting.append((event, source, self._clock.now_ns() if received_ns is None else received_ns))
        self.work()

    def remark(self, name: str, detail: str = "") -> None:
        """Journal that something happened around the trading. Whoever says so logs it, too."""
        self.take(Remark(self._clock.now_ns(), name, detail), "daemon")

    def take_timers(self) -> None:
        """Step the timers that are due by now."""
        now_ns = self._clock.now_ns()
        while self.work() and (timer := next(self.engine.due_timers(now_ns), None)) is not None:
            self._waiting.append((timer, "timer", now_ns))

    def take_market(self, data: MarketData, source: str, received_ns: int, *, late: bool = False) -> None:
        """Step a bar, quote or trade; whether it is late is decided here, once."""
        if not self.can_be(data.time_ns):
            self.take(misdated(data, self._clock.now_ns()), source, received_ns)
        elif isinstance(data, Bar):
            self._take_bar(data, source, received_ns, late=late or self.is_late(data.known_at_ns))
        elif (aside := malformed(data)) is not None:
            self.take(aside, source, received_ns)
        elif isinstance(data, Quote):
            self.take(QuoteReceived(data, late or self.is_late(data.time_ns)), source, received_ns)
        else:
            self.take(TradeReceived(data, late or self.is_late(data.time_ns)), source, received_ns)

    def _take_bar(self, bar: Bar, source: str, received_ns: int, *, late: bool) -> None:
        if self.has_seen(bar):
            return  # a repetition, or backfilled meanwhile
        self._bars_seen.add((bar.symbol, bar.time_ns))
        admission = self.admission
        for event in admission.look_back(bar) if source == HISTORY else admission.judge(bar, late=late):
            self.take(event, source, received_ns)

    @property
    def has_bars(self) -> bool:
        """Whether any bar was taken in, before a restart included."""
        return bool(self._bars_seen)

    def has_seen(self, bar: Bar) -> bool:
        """Whether this bar, good or bad, was taken in already."""
        return (bar.symbol, bar.time_ns) in self._bars_seen

    def recall(self, event: Event) -> None:
        """An event of this session that was stepped before a restart."""
        self.admission.recall(event)
        if isinstance(event, BarReceived):
            self._bars_seen.add((event.bar.symbol, event.bar.time_ns))
        elif isinstance(event, PrintQuarantined) and not is_misdated(event):
            self._bars_seen.add((event.symbol, event.bar_time_ns))

    def dated(self, time_ns: int) -> int:
        """The time that the broker tells of something, or now when that cannot be."""
        return time_ns if self.can_be(time_ns) else self._clock.now_ns()

    def can_be(self, time_ns: int) -> bool:
        """Whether it lies not too far ahead of both clock and events: a clock that was set back does not turn live bars
        into future ones."""
        now_ns = max(self._clock.now_ns(), self.engine.time_ns)
        return time_ns >= 0 and (time_ns - now_ns) / SECOND_NS / self._clock.speed <= AHEAD_S

    def is_late(self, known_at_ns: int) -> bool:
        """Whether what was known then is too old to be acted on."""
        return (self._clock.now_ns() - known_at_ns) / SECOND_NS / self._clock.speed > self._late_after_s

    # -- one step ------------------------------------------------------------------------------------------------

    @property
    def unfinished(self) -> int:
        """Events that wait because the journal cannot be written."""
        return len(self._waiting)

    def waiting_from(self, source: str) -> list[Event]:
        """Those of them that came from `source`, in order."""
        return [event for event, came_from, _ in self._waiting if came_from == source]

    def work(self) -> bool:
        """Step everything that waits, in order; False when the journal cannot be written."""
        try:
            while self._unwritten or self._waiting:
                if self._unwritten:
                    self._carry_out(*self._unwritten)
                else:
                    self._step(*self._waiting[0])
        except StateError as error:
            if self.blocked is None:
                log.error(
                    "journal.blocked", reason=str(error), effect="nothing is decided or sent until it can be written"
                )
            self.blocked = error
            return False
        if self.blocked is not None:
            log.warning("journal.unblocked")
            self.blocked = None
        return True

    def _step(self, event: Event, source: str, received_ns: int) -> None:
        self.tell()
        timer = next(self.engine.due_timers(event.time_ns), None)
        if timer is not None and timer is not event and type(timer) is not type(event):
            self._waiting.appendleft((timer, "timer", timer.time_ns))
            return
        if self.blocked and isinstance(event, BarReceived) and self.is_late(event.time_ns):
            event = replace(event, late=True)  # it has waited for the disk
        elif isinstance(event, TimerFired) and event.model_id and self.is_late(event.time_ns):
            event = replace(event, late=True)  # nobody was there at its moment
        self.journal.append_event(event, received_ns, source)
        crash_point("event.appended")
        self.journal.commit()
        crash_point("event.committed")
        if isinstance(event, OrderReported):
            crash_point("report.committed")
        self._waiting.popleft()
        self._received_ns = received_ns
        self._stepped_ns = self._clock.now_ns()
        self._unwritten = (event, self.engine.step(event))
        crash_point("event.stepped")

    def _carry_out(self, event: Event, commands: Sequence[Command]) -> None:
        self.journal.append_commands(self.engine.sequence, commands)
        self._unwritten = None
        crash_point("commands.written")
        sent_before = self.sender.outstanding
        for command in commands:
            self.send(command)
        self.tally.add(event, commands)
        self._untold = (event, commands)
        if self.sender.outstanding == sent_before:
            self.tell()
        else:
            self._is_leaving = isinstance(event, BarReceived)
        for fault in self._guard.take_faults(event.time_ns):
            self._waiting.appendleft((fault, "guard", self._clock.now_ns()))

    def send(self, command: Command, decided_ns: int | None = None) -> None:
        """Send what was decided in the last step, or before a restart: at once, or not at all."""
        decided_ns = self._stepped_ns if decided_ns is None else decided_ns
        self.sender.send(command, lambda: self._objection(command, decided_ns))

    def _objection(self, command: Command, decided_ns: int) -> str | None:
        """Why an order that was decided then must not leave now."""
        if self._clock.now_ns() >= self.engine.session.close_ns:
            return "the market has closed"
        if self.is_late(decided_ns):
            return "it has waited too long"
        return self.engine.objection_to(command.order.client_order_id) if isinstance(command, SubmitOrder) else None

    def tell(self) -> None:
        """Log the last step, if that has been put off until its orders have left. Nothing was stepped since."""
        if self._untold is not None:
            (event, commands), self._untold = self._untold, None
            self._story.tell(event, commands)
            self._heard(event, commands)

    async def let_leave(self) -> None:
        """Let the orders of the last step leave before anything else is done; then tell of them.

        In lockstep nothing may come in between: the whole instant is stepped first.
        """
        if self._untold is not None and not self._sequentially:
            for _ in range(ROUNDS_TO_LEAVE):
                await asyncio.sleep(0)
            crash_point("order.left")
            self._measure()
        self.tell()

    def _measure(self) -> None:
        """Note how long a bar's orders took."""
        if self._is_leaving:
            self._is_leaving = False
            self._latency.add((self._clock.now_ns() - self._received_ns) / SECOND_NS / self._clock.speed)
