"""What must be true of every world afterwards, whatever went wrong in it."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from hftd.domain import commands, events
from hftd.domain.commands import SubmitOrder
from hftd.domain.convert import SECOND_NS
from hftd.domain.orders import ExecutionReport, OrderStatus, ReportKind
from hftd.domain.session import Session
from tests.simulation.world import CASH, LATE_AFTER_S, SYMBOLS, World

INBOX_MAX, OUTSTANDING_MAX = 600, 200
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
    if world.outcome.cash not in (world.account.cash, None):  # None of a daemon that began after the last close
        yield f"our cash is {world.outcome.cash}, the broker's {world.account.cash}"
    shares, cash = Counter[str](), Decimal(0)
    for order in world.booked:
        signed = order.side.sign * order.filled_quantity
        shares[order.symbol] += signed  # type: ignore[assignment]  # a Counter counts Decimals as well
        cash -= signed * (order.filled_average_price or 0)
    held = {symbol: quantity for symbol, quantity in shares.items() if quantity}
    if (held, round(CASH + cash, 6)) != (theirs, round(world.account.cash, 6)):
        yield f"the venue's orders make {held} and {CASH + cash} dollars"


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
    """A ledger of our own: what each model was carried or crossed with others inside, what its orders that were sent
    have added or would add, and which halts are in force."""

    def __init__(self) -> None:
        self._halts: set[tuple[str, str]] = set()
        self._inside: dict[tuple[str, str], Decimal] = {}
        self._sent: dict[str, SubmitOrder] = {}
        self._filled: dict[str, Decimal] = {}
        self._over: set[str] = set()

    def take(self, event: events.Event) -> None:
        match event:
            case events.PortfolioCarried(positions=positions, halts=halts):
                self._inside = {(position.model_id, position.symbol): position.quantity for position in positions}
                self._halts = {(halt.rule, halt.model_id) for halt in halts}
            case events.TradingHalted(rule=rule):
                self._halts.add((rule, ""))
            case events.TradingResumed(rule=rule):
                self._halts = {halt for halt in self._halts if halt[0] != rule}
            case events.SymbolHalted(symbol=symbol):
                self._halts.add((symbol, ""))
            case events.SymbolResumed(symbol=symbol):
                self._halts.discard((symbol, ""))
            case events.OrderReported(report=report):
                self._take_report(report)

    def _take_report(self, report: ExecutionReport) -> None:
        id = report.client_order_id
        self._filled[id] = max(self._filled.get(id, Decimal(0)), report.filled_quantity)
        if report.kind in OVER:
            self._over.add(id)

    def carry_out(self, command: commands.Command) -> None:
        if isinstance(command, SubmitOrder):
            self._sent[command.order.client_order_id] = command
        elif isinstance(command, commands.TradingStopped):
            self._halts.add((command.rule, command.model_id))
        elif isinstance(command, commands.OrderCrossed):
            for model_id, signed in ((command.buyer_id, command.quantity), (command.seller_id, -command.quantity)):
                key = model_id, command.symbol
                self._inside[key] = self._inside.get(key, Decimal(0)) + signed

    def halts(self, command: SubmitOrder) -> set[str]:
        """The halts that concern an order."""
        others = set(SYMBOLS) - {command.order.symbol}
        return {rule for rule, model_id in self._halts if model_id in ("", command.model_id) and rule not in others}

    def reduces(self, command: SubmitOrder) -> bool:
        """Whether it makes its model's position smaller, everything filled that is working."""
        key, order = _place_of(command), command.order
        exposure = self._inside.get(key, Decimal(0)) + sum(
            sent.order.side.sign * (self._filled.get(id, Decimal(0)) if id in self._over else sent.order.quantity)
            for id, sent in self._sent.items()
            if _place_of(sent) == key
        )
        return exposure * order.side.sign < 0 and order.quantity <= abs(exposure)


def _place_of(command: SubmitOrder) -> tuple[str, str]:
    return command.model_id, command.order.symbol


def obedient(world: World) -> Iterator[str]:
    """While trading is halted nothing is sent that could make a position larger; to a closed broker nothing at all."""
    for _, steps in world.steps:
        books = _Books()
        for event, out in steps:
            books.take(event)
            for command in out:
                if isinstance(command, SubmitOrder) and (halts := books.halts(command)):
                    id = command.order.client_order_id
                    if "broker_closed" in halts:
                        yield f"{id} was sent to a closed broker"
                    if not books.reduces(command):
                        yield f"{id} was sent in spite of {halts}"
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
        for symbol in world.symbols:
            bars = [event.bar for event, _ in steps if isinstance(event, events.BarReceived)]
            times = [bar.time_ns for bar in bars if bar.symbol == symbol]
            if times != sorted(set(times)):
                yield f"{day}: bars of {symbol} came twice or out of order"


def undisputed(world: World) -> Iterator[str]:
    """Nothing contradicted itself: neither reports nor a replay."""
    for line in world.told:
        if line["event"] == "journal.differs" or line.get("rule") in ("contradiction", "overfilled"):
            yield f"logged: {line}"


CHECKS = (same_orders, same_ledger, on_time, obedient, bounded, each_bar_once, undisputed)
