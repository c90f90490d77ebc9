"""What the log tells of each step: one line for each thing that happened, named as in the journal."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import structlog

from hftd.calendar import NEW_YORK
from hftd.domain import commands, events
from hftd.domain.convert import cents, datetime_of, decimal_of, text_of
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.engine.engine import Engine
from hftd.engine.order_states import FILLS, NAMED_STATUS
from hftd.engine.state import OrderState

log = structlog.get_logger()

REPORT_NAMES = {
    ReportKind.FILL: "order.filled",
    ReportKind.PARTIAL_FILL: "order.partially_filled",
    ReportKind.NEW: "order.accepted",
}
ON_THE_WAY = (ReportKind.PENDING_NEW, ReportKind.ACCEPTED, ReportKind.PENDING_CANCEL, ReportKind.PENDING_REPLACE)
"""Reports that say no more than that a request has arrived."""


class Story:
    """Tells the steps of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executions: set[str] = set()
        self._told: dict[str, ReportKind] = {}

    def tell(self, event: events.Event, out: Iterable[commands.Command]) -> None:
        """Log an event that has been stepped, and its commands.

        Not those of bars before the session: what a model makes of them to warm up is no decision.
        """
        if isinstance(event, events.BarReceived) and event.bar.time_ns < self._engine.session.open_ns:
            return
        if teller := _EVENTS.get(type(event)):
            teller(self, event)
        for command in out:
            _COMMANDS[type(command)](command)

    def _bar(self, event: events.BarReceived) -> None:
        bar = event.bar
        late = {"late": True} if event.late else {}
        minute = f"{datetime_of(bar.time_ns).astimezone(NEW_YORK):%H:%M}"
        log.info("bar.received", symbol=bar.symbol, minute=minute, close=bar.close, volume=bar.volume, **late)

    def _report(self, event: events.OrderReported) -> None:
        report = event.report
        order = self._engine.orders.get(report.client_order_id)
        if order is None:
            log.info("order.foreign", id=report.client_order_id, report=str(report.kind), symbol=report.symbol)
            return
        about: dict[str, Any] = {"symbol": order.request.symbol, "side": str(order.request.side)}
        if report.kind not in FILLS:
            self._news(order, report, about)
        elif report.execution_id not in self._executions:
            self._executions.add(report.execution_id)
            log.info(REPORT_NAMES[report.kind], **about, **self._fill(order.request.symbol, report))

    def _news(self, order: OrderState, report: ExecutionReport, about: dict[str, Any]) -> None:
        """What a report other than a fill tells, unless it is old."""
        id, kind = report.client_order_id, report.kind
        if self._told.get(id) is kind or NAMED_STATUS.get(kind, order.status) is not order.status:
            return
        self._told[id] = kind
        reason = _because(report.reason)
        level = log.debug if kind in ON_THE_WAY else log.warning if kind is ReportKind.REJECTED else log.info
        level(REPORT_NAMES.get(kind, f"order.{kind}"), **about, **reason, id=id)

    def _fill(self, symbol: str, report: ExecutionReport) -> dict[str, Any]:
        return {
            "quantity": text_of(report.quantity),
            "price": text_of(report.price),
            "position": text_of(self._engine.position(symbol)),
            "cash": money(self._engine.cash),
            "pnl": signed_money(self._engine.profit),
            "id": report.client_order_id,
        }

    def _opened(self, event: events.SessionOpened) -> None:
        log.info("session.opened", day=event.session.day, closes=_clock_time(event.session.close_ns))

    def _closed(self, event: events.SessionClosed) -> None:
        held = ", ".join(f"{symbol} {text_of(quantity)}" for symbol, quantity in self._engine.positions.items())
        log.info(
            "session.closed",
            day=event.session.day,
            position=held or "flat",
            cash=money(self._engine.cash),
            pnl=signed_money(self._engine.profit),
        )

    def _carried(self, event: events.PortfolioCarried) -> None:
        for halt in event.halts:
            log.warning("halt.carried", rule=halt.rule, **_because(halt.reason), until="hftd resume")
        for carried in event.positions:
            log.info(
                "position.carried", model=carried.model_id, symbol=carried.symbol, quantity=text_of(carried.quantity)
            )

    def _adopted(self, event: events.PositionAdopted) -> None:
        quantity, price = text_of(event.quantity), text_of(event.price)
        log.warning("position.adopted", model=event.model_id, symbol=event.symbol, quantity=quantity, price=price)

    def _fees(self, event: events.FeesCharged) -> None:
        engine = self._engine
        log.info("fees.charged", amount=text_of(event.amount), cash=money(engine.cash), pnl=signed_money(engine.profit))

    def _timer(self, event: events.TimerFired) -> None:
        if event.model_id:
            log.debug("timer.fired", name=event.name, model=event.model_id)
        else:
            log.info("timer.fired", name=event.name)

    def _halted(self, event: events.TradingHalted) -> None:
        flatten = {"flatten": "yes"} if event.flatten else {}
        log.error("trading.halted", rule=event.rule, **_because(event.reason), **flatten)

    def _resumed(self, event: events.TradingResumed) -> None:
        still = {"still_halted": self._engine.halted} if self._engine.halted else {}
        log.info("trading.resumed", **_because(event.reason), **still)

    def _symbol_halted(self, event: events.SymbolHalted) -> None:
        log.error("symbol.halted", symbol=event.symbol, rule=event.rule, reason=event.reason)

    def _symbol_resumed(self, event: events.SymbolResumed) -> None:
        log.info("symbol.resumed", symbol=event.symbol, **_because(event.reason))

    def _corrected(self, event: events.BarCorrected) -> None:
        bar = event.bar
        log.debug(
            "bar.corrected", symbol=bar.symbol, minute=_clock_time(bar.time_ns), close=bar.close, volume=bar.volume
        )

    def _quarantined(self, event: events.PrintQuarantined) -> None:
        log.warning("print.quarantined", symbol=event.symbol, reason=event.reason, bar=event.prices)

    def _faulted(self, event: events.ModelFaulted) -> None:
        log.error("model.paused", model=event.model_id, error=event.error, until="the next open")

    def _swapped(self, event: events.ModelSwapped) -> None:
        log.warning(
            "model.swapped",
            model=event.model_id,
            successor=event.name,
            fingerprint=event.fingerprint[:12],
            cause=event.cause,
            **_because(event.reason),
        )

    def _candidate(self, event: events.CandidateEntered) -> None:
        until = f"{event.promote_after} bars" if event.promote_after else "hftd promote"
        log.info("candidate.entered", model=event.model_id, fingerprint=event.fingerprint[:12], until=until)

    def _candidate_dropped(self, event: events.CandidateDropped) -> None:
        log.warning("candidate.dropped", model=event.model_id, reason=event.reason)

    def _limits(self, event: events.LimitsChanged) -> None:
        given = {name: text_of(value) for name, value in event.limits.items() if isinstance(value, Decimal)}
        log.info("limits.changed", **given)


def _clock_time(time_ns: int) -> str:
    return f"{datetime_of(time_ns).astimezone(NEW_YORK):%H:%M}"


def money(amount: Decimal) -> str:
    """Dollars and cents: 100,000.00."""
    return f"{cents(amount):,}"


def signed_money(amount: Decimal) -> str:
    """Dollars and cents with their sign: +3.20."""
    return f"{cents(amount):+,}"


def _signal(command: commands.SignalRaised) -> None:
    log.info(
        "signal.raised",
        model=command.model_id,
        side=str(command.side),
        quantity=text_of(command.quantity),
        symbol=command.symbol,
        **_because(command.reason),
        **({"shadow": "yes"} if command.shadow else {}),
    )


def _because(reason: str) -> dict[str, str]:
    """The reason, if one was given."""
    return {"reason": reason} if reason else {}


def _dropped(command: commands.SignalDropped) -> None:
    log.info(
        f"signal.{command.cause}", model=command.model_id, side=str(command.side), symbol=command.symbol, sent="no"
    )


def _refused(command: commands.OrderRefused) -> None:
    log.warning(
        "order.refused",
        symbol=command.symbol,
        side=str(command.side),
        quantity=text_of(command.quantity),
        rule=command.rule,
        limit=text_of(command.limit),
        value=text_of(command.value),
        **({"scope": "all models"} if command.scope == "all" else {}),
    )


def _submitted(command: commands.SubmitOrder) -> None:
    order = command.order
    price = {} if order.limit_price is None else {"limit": text_of(order.limit_price)}
    about = {} if command.reference_price is None else {"market": text_of(decimal_of(command.reference_price))}
    log.info(
        "order.submitted",
        symbol=order.symbol,
        side=str(order.side),
        quantity=text_of(order.quantity),
        type=str(order.type),
        **price,
        **about,
        **_because(command.reason),
        id=order.client_order_id,
    )


def _queued(command: commands.OrderQueued) -> None:
    order = command.order
    log.info(
        "order.queued",
        model=command.model_id,
        symbol=order.symbol,
        side=str(order.side),
        quantity=text_of(order.quantity),
        cause=command.cause,
        id=order.client_order_id,
    )


def _unqueued(command: commands.OrderDropped) -> None:
    log.info("order.dropped", model=command.model_id, id=command.client_order_id, cause=command.cause)


def _shadow_ordered(command: commands.ShadowOrdered) -> None:
    order = command.order
    about = {"symbol": order.symbol, "side": str(order.side), "quantity": text_of(order.quantity)}
    log.info("shadow.ordered", model=command.model_id, **about, **_because(command.reason))


def _shadow_filled(command: commands.ShadowFilled) -> None:
    about = {"symbol": command.symbol, "side": str(command.side), "quantity": text_of(command.quantity)}
    log.info("shadow.filled", model=command.model_id, **about, price=text_of(command.price))


def _shadow_withdrawn(command: commands.ShadowWithdrawn) -> None:
    log.debug("shadow.withdrawn", model=command.model_id, id=command.client_order_id, **_because(command.reason))


def _crossed(command: commands.OrderCrossed) -> None:
    log.info(
        "order.crossed",
        symbol=command.symbol,
        quantity=text_of(command.quantity),
        price=text_of(command.price),
        buyer=command.buyer_id,
        seller=command.seller_id,
    )


def _cancelled(command: commands.CancelOrder) -> None:
    log.info("order.cancel_requested", id=command.client_order_id, reason=command.reason)


def _replaced(command: commands.ReplaceOrder) -> None:
    log.info("order.replace_requested", id=command.client_order_id, successor=command.new_client_order_id)


def _stopped(command: commands.TradingStopped) -> None:
    model = {"model": command.model_id} if command.model_id else {}
    log.error("trading.halted", rule=command.rule, **model, reason=command.reason)


_EVENTS: dict[type, Callable[[Story, Any], None]] = {
    events.BarReceived: Story._bar,
    events.OrderReported: Story._report,
    events.PortfolioCarried: Story._carried,
    events.PositionAdopted: Story._adopted,
    events.FeesCharged: Story._fees,
    events.SessionOpened: Story._opened,
    events.SessionClosed: Story._closed,
    events.TimerFired: Story._timer,
    events.TradingHalted: Story._halted,
    events.TradingResumed: Story._resumed,
    events.SymbolHalted: Story._symbol_halted,
    events.SymbolResumed: Story._symbol_resumed,
    events.PrintQuarantined: Story._quarantined,
    events.BarCorrected: Story._corrected,
    events.ModelFaulted: Story._faulted,
    events.ModelSwapped: Story._swapped,
    events.CandidateEntered: Story._candidate,
    events.CandidateDropped: Story._candidate_dropped,
    events.LimitsChanged: Story._limits,
}

_COMMANDS: dict[type, Callable[[Any], None]] = {
    commands.SignalRaised: _signal,
    commands.SignalDropped: _dropped,
    commands.OrderRefused: _refused,
    commands.SubmitOrder: _submitted,
    commands.OrderQueued: _queued,
    commands.OrderDropped: _unqueued,
    commands.OrderCrossed: _crossed,
    commands.ShadowOrdered: _shadow_ordered,
    commands.ShadowFilled: _shadow_filled,
    commands.ShadowWithdrawn: _shadow_withdrawn,
    commands.CancelOrder: _cancelled,
    commands.ReplaceOrder: _replaced,
    commands.TradingStopped: _stopped,
}
