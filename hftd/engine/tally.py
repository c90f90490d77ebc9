"""Counting what a session came to, from its events and commands alone: live, replay and backtest count the same."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from hftd.domain.commands import Command, OrderRefused, SignalRaised, SubmitOrder
from hftd.domain.convert import decimal_of
from hftd.domain.events import (
    BarReceived,
    Event,
    FeesCharged,
    OrderReported,
    PortfolioCarried,
    PrintQuarantined,
    SessionClosed,
    SessionOpened,
)
from hftd.domain.orders import ReportKind

FILLS = (ReportKind.FILL, ReportKind.PARTIAL_FILL)


@dataclass(slots=True)
class Tally:
    """Counts over any number of sessions. `slippage` is dollars lost (positive) against the price at the decision, and
    `fees` dollars that the broker took. Bars that were shown to warm up, before a session opened, are no bars of it;
    what a shadow decides on paper is no signal, nor is it an order or a refused one."""

    sessions: int = 0
    bars: int = 0
    warm_up_bars: int = 0
    late_bars: int = 0
    quarantined: int = 0
    signals: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    fills: int = 0
    refused: int = 0
    rejected: int = 0
    slippage: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    _sent: dict[str, SubmitOrder] = field(default_factory=dict)
    _executions: set[str] = field(default_factory=set)
    _exits: set[str] = field(default_factory=set)
    _shadows: set[str] = field(default_factory=set)
    _closed: date | None = None
    _is_before_open: bool = False

    def add(self, event: Event, commands: Iterable[Command]) -> None:
        """Count one step."""
        match event:
            case BarReceived() if self._is_before_open:
                self.warm_up_bars += 1
            case BarReceived(late=late):
                self.bars += 1
                self.late_bars += late
            case PrintQuarantined():
                self.quarantined += 1
            case PortfolioCarried():  # a session begins; until then reports of the last one may come
                self._sent.clear()
                self._exits.clear()
                self._executions.clear()
                self._is_before_open = True
            case SessionOpened():
                self._is_before_open = False
            case SessionClosed(session=session):
                self.sessions += session.day != self._closed
                self._closed = session.day
            case OrderReported():
                self._add_report(event)
            case FeesCharged(amount=amount):
                self.fees += amount
        for command in commands:
            self.add_command(command)

    def _add_report(self, event: OrderReported) -> None:
        report = event.report
        sent = self._sent.get(report.client_order_id)
        if sent is not None:
            self._exits.update(leg.client_order_id for leg in report.legs)
        if report.kind is ReportKind.REJECTED:
            self.rejected += 1
        is_ours = sent is not None or report.client_order_id in self._exits
        if report.kind not in FILLS or not is_ours or report.execution_id in self._executions:
            return
        self._executions.add(report.execution_id)
        self.fills += 1
        if sent is not None and sent.reference_price is not None:  # an exit's decision knew no price
            worse = sent.order.side.sign * (report.price - decimal_of(sent.reference_price))
            self.slippage += worse * report.quantity

    def add_command(self, command: Command) -> None:
        """Count one command of the step that was added last."""
        match command:
            case SignalRaised(shadow=True):
                self._shadows.add(command.model_id)
            case SignalRaised():
                self._shadows.discard(command.model_id)
                self.signals[command.side] += 1
            case OrderRefused():
                self.refused += command.model_id not in self._shadows
            case SubmitOrder():
                self.orders += 1
                self._sent[command.order.client_order_id] = command
