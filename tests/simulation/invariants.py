"""What must be true of every world afterwards, whatever went wrong in it."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from hftd.domain import commands, events
from hftd.domain.commands import SubmitOrder
from hftd.domain.convert import SECOND_NS
from hftd.domain.orders import ExecutionReport, OrderRequest, OrderStatus, ReportKind
from hftd.domain.session import Session
from tests.simulation.world import CASH, LATE_AFTER_S, SYMBOL, World

INBOX_MAX, OUTSTANDING_MAX = 300, 100
WAITED_NS = int(2 * LATE_AFTER_S * SECOND_NS)
"""A decision is at most this old when it leaves: what is late when it is heard, and as long again in the queue."""

OVER = {ReportKind.FILL, ReportKind.CANCELED, ReportKind.EXPIRED, ReportKind.REJECTED}


def problems_of(world: World) -> list[str]:
    """What is wrong, in sentences; nothing when all is well."""
    found: list[str] = []
    for check in CHECKS:
        found += check(world)
    return found


def _submitted(world: World) -> list[tuple[events.Event, SubmitOrder]]:
    return [
        (event, command)
        for _, steps in world.steps
        for event, out in steps
        for command in out
        if isinstance(command, SubmitOrder)
    ]


def same_orders(world: World) -> Iterator[str]:
    """The venue has the journals' orders, each once; one that it does not have was reported as rejected."""
    wanted = Counter(command.order.client_order_id for _, command in _submitted(world))
    booked = Counter(order.client_order_id for order in world.booked)
    yield from (f"{id} stands {count} times in the journals" for id, count in wanted.items() if count > 1)
    yield from (f"{id} stands {count} times in the venue's books" for id, count in booked.items() if count > 1)
    yield from (f"the venue has {id}, the journals do not" for id in booked.keys() - wanted.keys())
    dead = {
        event.report.client_order_id
        for _, steps in world.steps
        for event, _ in steps
        if isinstance(event, events.OrderReported) and event.report.kind is ReportKind.REJECTED
    }
    yield from (f"{id} never reached the venue and nobody noticed" for id in wanted.keys() - booked.keys() - dead)
    status = {order.client_order_id: order.status for order in world.booked}
    yield from (
        f"{id} was reported as rejected and is {status[id]}"
        for id in dead & booked.keys()
        if status[id] is not OrderStatus.REJECTED
    )


def same_ledger(world: World) -> Iterator[str]:
    """Our positions and cash, the fills in the journals, and the broker's books are one."""
    assert world.outcome is not None
    theirs = {position.symbol: position.quantity for position in world.positions}
    if world.outcome.positions != theirs:
        yield f"we hold {world.outcome.positions}, the broker has {theirs}"
    if world.outcome.cash != world.account.cash:
        yield f"our cash is {world.outcome.cash}, the broker's {world.account.cash}"
    shares = cash = Decimal(0)
    for order in world.booked:
        signed = order.side.sign * order.filled_quantity
        shares, cash = shares + signed, cash - signed * (order.filled_average_price or 0)
    if (shares, round(CASH + cash, 6)) != (theirs.get(SYMBOL, 0), round(world.account.cash, 6)):
        yield f"the venue's orders make {shares} shares and {CASH + cash} dollars"


def on_time(world: World) -> Iterator[str]:
    """Nothing left after its session by the daemon's clock, nor, while that is right, outside a session or late."""
    decided = {
        command.order.client_order_id: event.time_ns
        for event, command in _submitted(world)
        if isinstance(event, events.BarReceived)
    }
    for id, departures in world.sent.items():
        for sent in departures:
            if not any(sent.clock_ns < session.close_ns for session in world.sessions if f"{session.day:%Y%m%d}" in id):
                yield f"{id} was sent after the close by our clock"
            if world.is_clock_right and _session_at(world, sent.true_ns) is None:
                yield f"{id} was sent while closed"
            if world.is_clock_right and id in decided and sent.true_ns - decided[id] > WAITED_NS:
                yield f"{id} was sent {(sent.true_ns - decided[id]) / SECOND_NS:.0f} s after it was decided"
    for event, command in _submitted(world):
        if isinstance(event, events.BarReceived) and event.late:
            yield f"{command.order.client_order_id} was decided on a late bar"


def _session_at(world: World, time_ns: int) -> Session | None:
    return next((session for session in world.sessions if session.is_open(time_ns)), None)


class _Books:
    """A ledger of our own: what is held, what working orders would add, and which halts are in force."""

    def __init__(self) -> None:
        self.halts: set[str] = set()
        self._carried = Decimal(0)
        self._sent: dict[str, OrderRequest] = {}
        self._filled: dict[str, Decimal] = {}
        self._over: set[str] = set()

    def take(self, event: events.Event) -> None:
        match event:
            case events.PortfolioCarried(positions=positions, halts=halts):
                self._carried = sum((position.quantity for position in positions), Decimal(0))
                self.halts = {halt.rule for halt in halts}
            case events.TradingHalted(rule=rule):
                self.halts.add(rule)
            case events.TradingResumed(rule=rule):
                self.halts.discard(rule)
            case events.SymbolHalted():
                self.halts.add(SYMBOL)
            case events.SymbolResumed():
                self.halts.discard(SYMBOL)
            case events.OrderReported(report=report):
                self._take_report(report)

    def _take_report(self, report: ExecutionReport) -> None:
        id = report.client_order_id
        self._filled[id] = max(self._filled.get(id, Decimal(0)), report.filled_quantity)
        if report.kind in OVER:
            self._over.add(id)

    def carry_out(self, command: commands.Command) -> None:
        if isinstance(command, SubmitOrder):
            self._sent[command.order.client_order_id] = command.order
        elif isinstance(command, commands.TradingStopped):
            self.halts.add(command.rule)

    def reduces(self, order: OrderRequest) -> bool:
        """Whether `order` makes the position smaller, everything filled that is working."""
        exposure = self._carried + sum(
            request.side.sign * (self._filled.get(id, Decimal(0)) if id in self._over else request.quantity)
            for id, request in self._sent.items()
        )
        return exposure * order.side.sign < 0 and order.quantity <= abs(exposure)


def obedient(world: World) -> Iterator[str]:
    """While trading is halted nothing is sent that could make a position larger; to a closed broker nothing at all."""
    for _, steps in world.steps:
        books = _Books()
        for event, out in steps:
            books.take(event)
            for command in out:
                if isinstance(command, SubmitOrder) and books.halts:
                    id = command.order.client_order_id
                    if "broker_closed" in books.halts:
                        yield f"{id} was sent to a closed broker"
                    if not books.reduces(command.order):
                        yield f"{id} was sent in spite of {books.halts}"
                books.carry_out(command)


def bounded(world: World) -> Iterator[str]:
    """Queues are short, and no task is left."""
    if world.inbox_max > INBOX_MAX:
        yield f"{world.inbox_max} messages were waiting"
    if world.outstanding_max > OUTSTANDING_MAX:
        yield f"{world.outstanding_max} requests were under way"
    yield from (f"a task is left: {task}" for task in world.left_over)


def each_bar_once(world: World) -> Iterator[str]:
    for day, steps in world.steps:
        bars = [event.bar.time_ns for event, _ in steps if isinstance(event, events.BarReceived)]
        if bars != sorted(set(bars)):
            yield f"{day}: bars came twice or out of order"


def undisputed(world: World) -> Iterator[str]:
    """Nothing contradicted itself: neither reports nor a replay."""
    for line in world.told:
        if line["event"] == "journal.differs" or line.get("rule") in ("contradiction", "overfilled"):
            yield f"logged: {line}"


CHECKS = (same_orders, same_ledger, on_time, obedient, bounded, each_bar_once, undisputed)
