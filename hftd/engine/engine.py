"""The engine: one event in, commands out. Pure: no I/O, no wall clock, no randomness, no async.

A step is: take over what the event says (order, position, price, session), ask the models that it concerns, pass what
they want through the risk gate, and answer with commands. Live, replay and backtest call the same `Engine.step`.
One engine lives one session.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from hftd.domain import events
from hftd.domain.commands import (
    CancelOrder,
    Command,
    OrderRefused,
    SignalDropped,
    SignalRaised,
    SubmitOrder,
    TradingStopped,
)
from hftd.domain.intents import Cancel, Intent, Target, Want
from hftd.domain.orders import ExecutionReport, OrderRequest, OrderStatus, ReportKind, Side
from hftd.domain.session import Session
from hftd.engine.order_states import NAMED_STATUS, Effect, effect_of
from hftd.engine.portfolio import ZERO
from hftd.engine.risk import Limits, Proposal, Refusal, refusal_of
from hftd.engine.state import HookCaller, ModelContext, OrderState, RunningModel, call_hook

FLATTEN = "flatten"
BROKER_CLOSED = "broker_closed"
"""The rule of a halt because the broker says closed: until it is resumed nothing can be sent, nor anything closed."""
FLATTEN_ATTEMPTS = 3
"""How often a closing order may be refused, or end unfilled, before the engine stops trying and says so."""


def _silence(_running: RunningModel, _sequence: int, _name: str, _arguments: tuple[Any, ...]) -> tuple[()]:
    return ()


class Engine:
    """The deciding core of one session. `sequence` is the number of the last event, which is also the journal's."""

    def __init__(
        self,
        session: Session,
        models: Iterable[RunningModel],
        limits: Limits,
        run_id: str,
        call: HookCaller = call_hook,
    ) -> None:
        self.session = session
        self.limits = limits
        self.run_id = run_id
        self.models = {running.model_id: running for running in models}
        self.sequence = 0
        self.time_ns = 0
        self.cash_at_start = ZERO
        self.prices: dict[str, float] = {}
        self.orders: dict[str, OrderState] = {}
        self.working: dict[str, OrderState] = {}
        self.is_open = False
        self.halted: str | None = None
        self.halted_symbols: dict[str, str] = {}
        self.flattening = False
        self._call = call
        self._sent_ns: list[int] = []
        self._flatten_refusals: dict[tuple[str, str], int] = {}
        self._out: list[Command] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            events.BarReceived: self._on_bar,
            events.QuoteReceived: self._on_quote,
            events.TradeReceived: self._on_trade,
            events.OrderReported: self._on_report,
            events.PortfolioCarried: self._on_carried,
            events.SessionOpened: self._on_opened,
            events.SessionClosed: self._on_closed,
            events.TimerFired: self._on_timer,
            events.TradingHalted: self._on_halted,
            events.TradingResumed: self._on_resumed,
            events.SymbolHalted: self._on_symbol_halted,
            events.SymbolResumed: self._on_symbol_resumed,
            events.PrintQuarantined: self._on_remark,
            events.BarCorrected: self._on_remark,
            events.ModelFaulted: self._on_faulted,
        }
        for running in self.models.values():
            running.model.context = ModelContext(self, running)

    # -- the face ------------------------------------------------------------------------------------------------

    def step(self, event: events.Event) -> list[Command]:
        """Take in one event and return what follows from it, in order."""
        self.sequence += 1
        self.time_ns = max(self.time_ns, event.time_ns)
        self._out = []
        self._handlers[type(event)](event)
        return self._out

    def follow(self, event: events.Event, commands: Iterable[Command]) -> None:
        """Take in an event whose `commands` were decided before, by another model or another program: no model is
        asked, and the orders sent are those."""
        known, sent, call = set(self.orders), len(self._sent_ns), self._call
        self._call = _silence
        self.step(event)
        self._call = call
        del self._sent_ns[sent:]
        for invented in self.orders.keys() - known:
            del self.orders[invented], self.working[invented]
        for command in commands:
            self._adopt(command)

    def _adopt(self, command: Command) -> None:
        match command:
            case SubmitOrder(model_id=model_id, order=request, reference_price=price):
                order = OrderState(self.models[model_id], request, price)
                self.orders[request.client_order_id] = self.working[request.client_order_id] = order
                self._sent_ns.append(self.time_ns)
            case CancelOrder(client_order_id=client_order_id):
                self.orders[client_order_id].cancel_requested = True
            case TradingStopped(rule=rule):
                self.halted = rule

    @property
    def next_timer_ns(self) -> int | None:
        """When the engine wants a `TimerFired`; None when it waits for nothing."""
        before_ns = self.limits.flatten_before_close_ns
        if before_ns is None or self.flattening or not self.is_open:
            return None
        return self.session.close_ns - before_ns

    def due_timers(self, time_ns: int) -> Iterator[events.TimerFired]:
        """Timers due by `time_ns`, to be stepped before an event of that time."""
        while (due_ns := self.next_timer_ns) is not None and due_ns <= time_ns:
            yield events.TimerFired(time_ns=due_ns, name=FLATTEN)

    @property
    def cash(self) -> Decimal:
        """Dollars: what the session began with, and what this session's fills brought or took."""
        return self.cash_at_start + sum((running.portfolio.cash_flow for running in self.models.values()), ZERO)

    @property
    def profit(self) -> Decimal:
        """Dollars gained or lost: realised this session, and on what is held since it was bought."""
        held = (running.portfolio.unrealised(self.prices) for running in self.models.values())
        return self.realised + sum(held, ZERO)

    @property
    def realised(self) -> Decimal:
        """Dollars gained or lost on what was closed this session."""
        return sum((running.portfolio.realised for running in self.models.values()), ZERO)

    @property
    def equity(self) -> Decimal:
        """Dollars: cash, and what is held at the last prices (at cost where there is no price yet)."""
        portfolios = [running.portfolio for running in self.models.values()]
        return self.cash + sum((portfolio.cost + portfolio.unrealised(self.prices) for portfolio in portfolios), ZERO)

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed shares over all models by symbol, without what is flat."""
        symbols = {symbol for running in self.models.values() for symbol in running.portfolio.holdings}
        return {symbol: quantity for symbol in sorted(symbols) if (quantity := self.position(symbol))}

    def position(self, symbol: str) -> Decimal:
        """Signed shares of `symbol` over all models."""
        return sum((running.portfolio.quantity(symbol) for running in self.models.values()), ZERO)

    def exposure(self, running: RunningModel, symbol: str) -> Decimal:
        """Signed shares that a model holds, and would hold more or less if its working orders were filled."""
        working = (
            order for order in self.working.values() if order.owner is running and order.request.symbol == symbol
        )
        return running.portfolio.quantity(symbol) + sum(
            (order.request.side.sign * order.remaining for order in working), ZERO
        )

    # -- market data ---------------------------------------------------------------------------------------------

    def _on_bar(self, event: events.BarReceived) -> None:
        self.prices[event.bar.symbol] = event.bar.close
        self._ask("on_bar", event.bar, event.bar.symbol, late=event.late)

    def _on_quote(self, event: events.QuoteReceived) -> None:
        if (mid := event.quote.mid) is not None:
            self.prices[event.quote.symbol] = mid

    def _on_trade(self, event: events.TradeReceived) -> None:
        self.prices[event.trade.symbol] = event.trade.price

    def _ask(self, hook: str, argument: Any, symbol: str | None = None, *, late: bool = False) -> None:
        for running in self.models.values():
            if running.hears(hook, symbol):
                for intent in self._call(running, self.sequence, hook, (argument,)):
                    self._decide(running, intent, late=late)

    # -- session -------------------------------------------------------------------------------------------------

    def _on_carried(self, event: events.PortfolioCarried) -> None:
        self.cash_at_start = event.cash
        self.prices.update(event.prices)
        for carried in event.positions:
            portfolio = self.models[carried.model_id].portfolio
            portfolio.carry(carried.symbol, carried.quantity, carried.cost)
        for running in self.models.values():
            if running.hears("on_start"):
                for intent in self._call(running, self.sequence, "on_start", (running.model.context,)):
                    self._decide(running, intent, late=False)

    def _on_opened(self, event: events.SessionOpened) -> None:
        self.is_open = True
        self._ask("on_session_open", event.session)

    def _on_closed(self, event: events.SessionClosed) -> None:
        self.is_open = False
        self._ask("on_session_close", event.session)

    def _on_timer(self, event: events.TimerFired) -> None:
        assert event.name == FLATTEN, event.name
        self.flattening = True
        for order in list(self.working.values()):
            self._cancel(order, "flatten before the close")
        self._flatten_all()

    def _flatten_all(self) -> None:
        for running in self.models.values():
            for symbol in list(running.portfolio.holdings):
                self._flatten(running, symbol)

    def _on_halted(self, event: events.TradingHalted) -> None:
        self.halted = event.rule

    def _on_resumed(self, event: events.TradingResumed) -> None:
        was, self.halted = self.halted, None
        if was == BROKER_CLOSED and self.flattening:
            self._flatten_all()

    def _on_symbol_halted(self, event: events.SymbolHalted) -> None:
        self.halted_symbols[event.symbol] = event.reason

    def _on_symbol_resumed(self, event: events.SymbolResumed) -> None:
        self.halted_symbols.pop(event.symbol, None)

    def _on_remark(self, event: events.PrintQuarantined | events.BarCorrected) -> None:
        """No model is told: it stands in the journal, and is counted."""

    def _on_faulted(self, event: events.ModelFaulted) -> None:
        running = self.models[event.model_id]
        running.paused = True
        for order in list(self.working.values()):
            if order.owner is running:
                self._cancel(order, "its model was paused")

    def _stop(self, rule: str, reason: str, model_id: str = "") -> None:
        self.halted = rule
        self._out.append(TradingStopped(model_id=model_id, rule=rule, reason=reason))

    # -- from wish to order --------------------------------------------------------------------------------------

    def _decide(self, running: RunningModel, intent: Intent, *, late: bool) -> None:
        if isinstance(intent, Cancel):
            self._withdraw(running, intent)
            return
        want = self._want_of(running, intent) if isinstance(intent, Target) else intent
        if want is None:
            return
        self._out.append(SignalRaised(running.model_id, want.symbol, want.side, want.quantity, want.reason))
        cause = self._no_trading(late)
        if cause:
            self._out.append(SignalDropped(running.model_id, want.symbol, want.side, want.quantity, cause))
        else:
            self._place(running, want)

    def _no_trading(self, late: bool) -> str | None:
        """Why nothing may be sent at this moment, in one word; None when trading is on."""
        if late:
            return "late"
        if self.time_ns >= self.session.close_ns:
            return "after_close"
        return None if self._market_is_open else "closed"

    @property
    def _market_is_open(self) -> bool:
        """Whether calendar and broker both say open."""
        return self.is_open and self.session.is_open(self.time_ns) and self.halted != BROKER_CLOSED

    def _want_of(self, running: RunningModel, intent: Target) -> Want | None:
        missing = intent.quantity - self._aim(running, intent.symbol)
        if not missing:
            return None
        side = Side.BUY if missing > 0 else Side.SELL
        return Want(side=side, symbol=intent.symbol, quantity=abs(missing), reason=intent.reason)

    def _aim(self, running: RunningModel, symbol: str) -> Decimal:
        """The exposure of a model once the other halves of its reversals are sent too."""
        waiting = (order.then_open for order in self.working.values() if order.owner is running)
        return self.exposure(running, symbol) + sum(
            (want.side.sign * want.quantity for want in waiting if want is not None and want.symbol == symbol), ZERO
        )

    def _withdraw(self, running: RunningModel, intent: Cancel) -> None:
        for order in list(self.working.values()):
            if order.owner is running and order.request.symbol == intent.symbol:
                self._cancel(order, intent.reason)

    def _place(self, running: RunningModel, want: Want) -> None:
        """Send `want`; what would cross from long to short (or back) closes first and opens after the fill."""
        exposure = self.exposure(running, want.symbol)
        if exposure * want.side.sign < 0 and want.quantity > abs(exposure):
            closing = replace(want, quantity=abs(exposure))
            self._send(running, closing, then_open=replace(want, quantity=want.quantity - abs(exposure)))
        else:
            self._send(running, want)

    def _send(self, running: RunningModel, want: Want, then_open: Want | None = None) -> None:
        refusal = refusal_of(self._proposal(running, want), self.limits)
        if refusal:
            self._refuse(running, want, refusal)
        else:
            self._submit(running, want, then_open)

    def _proposal(self, running: RunningModel, want: Want) -> Proposal:
        return Proposal(
            side=want.side,
            quantity=want.quantity,
            exposure=self.exposure(running, want.symbol),
            reference_price=self.prices.get(want.symbol),
            time_ns=self.time_ns,
            sent_ns=self._sent_ns,
            halted=self.halted is not None or want.symbol in self.halted_symbols,
            flattening=self.flattening,
        )

    def _refuse(self, running: RunningModel, want: Want, refusal: Refusal) -> None:
        self._out.append(
            OrderRefused(
                running.model_id,
                want.symbol,
                want.side,
                want.quantity,
                refusal.rule,
                refusal.limit,
                refusal.value,
            )
        )

    def _submit(self, running: RunningModel, want: Want, then_open: Want | None) -> None:
        request = OrderRequest(
            client_order_id=self._client_order_id(running, want.symbol),
            symbol=want.symbol,
            side=want.side,
            quantity=want.quantity,
            type=want.type,
            time_in_force=want.time_in_force,
            limit_price=want.limit_price,
            stop_price=want.stop_price,
        )
        reference_price = self.prices.get(want.symbol)
        order = OrderState(running, request, reference_price, then_open=then_open)
        self.orders[request.client_order_id] = self.working[request.client_order_id] = order
        self._sent_ns.append(self.time_ns)
        self._out.append(
            SubmitOrder(
                model_id=running.model_id,
                order=request,
                reference_price=reference_price,
                fingerprint=running.fingerprint,
                reason=want.reason,
            )
        )

    def _client_order_id(self, running: RunningModel, symbol: str) -> str:
        """The same for the same decision in the same run, and for no other: a repeated order is refused by its id."""
        origin = f"{self.run_id}|{running.fingerprint}|{self.session.day}|{symbol}|{self.sequence}|{len(self._out)}"
        return f"hftd-{self.session.day:%Y%m%d}-{symbol}-{sha256(origin.encode()).hexdigest()[:24]}"

    def _cancel(self, order: OrderState, reason: str) -> None:
        order.then_open = None
        if not order.cancel_requested:
            order.cancel_requested = True
            self._out.append(CancelOrder(order.owner.model_id, order.request.client_order_id, reason))

    # -- what became of orders -----------------------------------------------------------------------------------

    def _on_report(self, event: events.OrderReported) -> None:
        report = event.report
        order = self.orders.get(report.client_order_id)
        if order is None:
            return  # not an order of this session's engine: reconciliation deals with it
        effect = effect_of(order.status, report.kind)
        if effect is Effect.HALT:
            self._stop("contradiction", f"{report.client_order_id} is {order.status} and was reported {report.kind}")
        elif effect in (Effect.FILL, Effect.LATE_FILL):
            self._fill(order, report, keep_status=effect is Effect.LATE_FILL)
        elif effect is Effect.ADVANCE:
            order.status = NAMED_STATUS[report.kind]
        elif report.kind is ReportKind.ORDER_CANCEL_REJECTED:
            order.cancel_requested = False  # it may be asked for again
        if order.status.is_terminal:
            self._finish(order)

    def _fill(self, order: OrderState, report: ExecutionReport, *, keep_status: bool) -> None:
        if order.knows(report):
            return
        if order.filled_quantity + report.quantity > order.request.quantity:
            self._stop("overfilled", f"{report.client_order_id} was filled beyond its {order.request.quantity} shares")
        order.count(report)
        if not keep_status:
            complete = order.filled_quantity >= order.request.quantity
            order.status = OrderStatus.FILLED if complete else OrderStatus.PARTIALLY_FILLED
        request = order.request
        order.owner.portfolio.fill(request.symbol, request.side, report.quantity, report.price)
        self._tell(order.owner, report)
        if self.flattening and keep_status:
            self._flatten(order.owner, request.symbol)

    def _tell(self, running: RunningModel, report: ExecutionReport) -> None:
        if running.hears("on_fill"):
            for intent in self._call(running, self.sequence, "on_fill", (report,)):
                self._decide(running, intent, late=False)

    def _finish(self, order: OrderState) -> None:
        """An order is over: open the other half of a reversal, or go on flattening."""
        if self.working.pop(order.request.client_order_id, None) is None:
            return
        follow_up, order.then_open = order.then_open, None
        if follow_up is not None and not order.owner.paused:
            self._open_other_side(order, follow_up)
        if self.flattening:
            self._count_flatten_refusal(order)
            self._flatten(order.owner, order.request.symbol)

    def _open_other_side(self, order: OrderState, want: Want) -> None:
        cause = "not_closed" if order.status is not OrderStatus.FILLED else self._no_trading(late=False)
        if cause:
            self._out.append(SignalDropped(order.owner.model_id, want.symbol, want.side, want.quantity, cause))
        else:
            self._place(order.owner, want)

    # -- before the close ----------------------------------------------------------------------------------------

    def _count_flatten_refusal(self, order: OrderState) -> None:
        if order.status is not OrderStatus.FILLED and not order.cancel_requested:
            key = (order.owner.model_id, order.request.symbol)
            self._flatten_refusals[key] = self._flatten_refusals.get(key, 0) + 1

    def _flatten(self, running: RunningModel, symbol: str) -> None:
        """Close what a model holds of `symbol`, once none of its orders there is working any more."""
        held = running.portfolio.quantity(symbol)
        busy = any(order.owner is running and order.request.symbol == symbol for order in self.working.values())
        if not held or busy or not self._market_is_open:
            return
        if self._flatten_refusals.get((running.model_id, symbol), 0) >= FLATTEN_ATTEMPTS:
            self._stop("not_flattened", f"{held} {symbol} could not be closed before the close", running.model_id)
            return
        side = Side.SELL if held > 0 else Side.BUY
        want = Want(side=side, symbol=symbol, quantity=abs(held), reason="flatten before the close")
        self._submit(running, want, then_open=None)
