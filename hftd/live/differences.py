"""What a session and its day on recorded data did otherwise, and why. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hftd.domain.commands import Command, OrderRefused, SignalRaised, SubmitOrder
from hftd.domain.convert import rfc3339_of, text_of
from hftd.domain.events import BarReceived, Event, OrderReported
from hftd.engine.order_states import FILLS
from hftd.live.recovery import Step


class Cause(StrEnum):
    """Why a session and its day on recorded data differ."""

    LATE_BAR = "late bar"
    MISSED_BAR = "missed bar"
    FILL_MODEL = "fill model"
    LATENCY = "latency"
    RISK = "risk"
    CODE_CHANGED = "code changed"
    CONSEQUENCE = "consequence of an earlier one"


@dataclass(frozen=True)
class Difference:
    """Something that one of both did and the other did not, or did otherwise."""

    cause: Cause
    time: str
    what: str


Decision = tuple[int, str, str, str, Decimal, str]
"""Time, model, symbol, side, shares, and what was done: signal, order, or refused by which rule."""
Fill = tuple[int, Decimal, Decimal]
"""Time, price in dollars, shares."""


class Told:
    """What steps tell: decisions, fills by order, and the bars that came in time and late, by (symbol, minute)."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.decisions: set[Decision] = set()
        self.fills: defaultdict[Decision, list[Fill]] = defaultdict(list)
        self.bars: dict[tuple[str, int], bool] = {}
        self._orders: dict[str, Decision] = {}
        self._executions: set[str] = set()
        for event, commands in steps:
            self._see(event)
            for command in commands:
                self._note(event.time_ns, command)

    def _see(self, event: Event) -> None:
        if isinstance(event, BarReceived):
            self.bars[event.bar.symbol, event.bar.known_at_ns] = event.late
        elif isinstance(event, OrderReported) and event.report.kind in FILLS:
            report = event.report
            order = self._orders.get(report.client_order_id)
            if order is not None and report.execution_id not in self._executions:
                self._executions.add(report.execution_id)
                self.fills[order].append((report.time_ns, report.price, report.quantity))

    def _note(self, time_ns: int, command: Command) -> None:
        match command:
            case SignalRaised(model_id=model, symbol=symbol, side=side, quantity=quantity):
                self.decisions.add((time_ns, model, symbol, str(side), quantity, "signal"))
            case OrderRefused(model_id=model, symbol=symbol, side=side, quantity=quantity, rule=rule):
                self.decisions.add((time_ns, model, symbol, str(side), quantity, f"refused by {rule}"))
            case SubmitOrder(model_id=model, order=order):
                decision = (time_ns, model, order.symbol, str(order.side), order.quantity, "order")
                self.decisions.add(decision)
                self._orders[order.client_order_id] = decision


def differences(live: Told, again: Told, same_until_ns: float) -> Iterator[Difference]:
    """What the session did otherwise than the day on recorded data, each with its cause.

    The same code decided in both until `same_until_ns`; infinity when it always did.
    """
    yield from _bar_differences(live, again)
    for decision in sorted(live.decisions ^ again.decisions):
        who = "the session alone" if decision in live.decisions else "the recorded day alone"
        cause = _cause_of(decision, live, again, same_until_ns)
        yield Difference(cause, rfc3339_of(decision[0]), f"{who}: {_words(decision)}")
    for decision in sorted(live.decisions & again.decisions):
        then, now = live.fills.get(decision, []), again.fills.get(decision, [])
        if then != now:
            is_later = bool(then and now) and then[0][0] != now[0][0]
            cause = Cause.LATENCY if is_later else Cause.FILL_MODEL
            both = f"{_prices(then)} in the session, {_prices(now)} on the recorded day"
            yield Difference(cause, rfc3339_of(decision[0]), f"{_words(decision)}: {both}")


def _bar_differences(live: Told, again: Told) -> Iterator[Difference]:
    for symbol, known_ns in sorted(live.bars.keys() ^ again.bars.keys(), key=lambda place: (place[1], place[0])):
        where = "in the session" if (symbol, known_ns) in live.bars else "in the recorded data"
        yield Difference(Cause.MISSED_BAR, rfc3339_of(known_ns), f"{symbol}: the bar is only {where}")
    for place in sorted(live.bars.keys() & again.bars.keys(), key=lambda place: (place[1], place[0])):
        if live.bars[place] != again.bars[place]:
            yield Difference(Cause.LATE_BAR, rfc3339_of(place[1]), f"{place[0]}: the bar was late")


def _cause_of(decision: Decision, live: Told, again: Told, same_until_ns: float) -> Cause:
    time_ns, _, symbol, *_ = decision
    if time_ns >= same_until_ns:
        return Cause.CODE_CHANGED
    if (symbol, time_ns) in live.bars.keys() ^ again.bars.keys():
        return Cause.MISSED_BAR
    if live.bars.get((symbol, time_ns)) != again.bars.get((symbol, time_ns)):
        return Cause.LATE_BAR
    refused = (other for other in live.decisions | again.decisions if other[5].startswith("refused"))
    if any(other[:4] == decision[:4] for other in refused):
        return Cause.RISK
    return Cause.CONSEQUENCE


def _words(decision: Decision) -> str:
    _, model, symbol, side, quantity, what = decision
    return f"{model} {side} {text_of(quantity)} {symbol} ({what})"


def _prices(fills: Sequence[Fill]) -> str:
    return " and ".join(f"{text_of(quantity)} at {text_of(price)}" for _, price, quantity in fills) or "not filled"
