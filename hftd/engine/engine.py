"""The engine: one event in, commands out. Pure: no I/O, no wall clock, no randomness, no async.

A step is: take over what the event says (order, position, price, session), ask the models that it concerns, pass what
they want through the risk gate, and answer with commands. Live, replay and backtest call the same `Engine.step`.
One engine lives one session.
"""

import dataclasses
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
from hftd.domain.convert import MINUTE_NS, decimal_of, text_of
from hftd.domain.events import Halt
from hftd.domain.intents import Cancel, Intent, Target, Want
from hftd.domain.market import Bar, Quote
from hftd.domain.orders import ExecutionReport, OrderRequest, OrderStatus, ReportKind, Side
from hftd.domain.session import Session
from hftd.engine.breaches import BREACHES, FORGIVEN, VOLATILITY, Moves, Standing
from hftd.engine.halts import BROKER_CLOSED, MANUAL, End, Halts, ends_of
from hftd.engine.order_states import NAMED_STATUS, Effect, effect_of
from hftd.engine.portfolio import ZERO
from hftd.engine.risk import Limits, Proposal, Refusal, refusal_of
from hftd.engine.state import HookCaller, ModelContext, OrderState, RunningModel, call_hook

FLATTEN = "flatten"
BEFORE_CLOSE = "flatten before the close"
QUOTE_LIFE_NS = MINUTE_NS
"""How long a quote tells what a market order would be filled at."""
FLATTEN_ATTEMPTS = 3
"""How often a closing order may be refused, or end unfilled, before the engine stops trying and says so."""


def _silence(_running: RunningModel, _sequence: int, _name: str, _arguments: tuple[Any, ...]) -> tuple[()]:
    return ()


def _other_half(command: SubmitOrder) -> Want | None:
    """What is to be opened when this order has closed a position."""
    order, quantity = command.order, command.then_open
    if quantity is None:
        return None
    return Want(
        side=order.side,
        symbol=order.symbol,
        quantity=quantity,
        type=order.type,
        time_in_force=order.time_in_force,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        reason=command.reason,
    )


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
        self.equity_at_start = ZERO
        self.prices: dict[str, float] = {}
        self.orders: dict[str, OrderState] = {}
        self.working: dict[str, OrderState] = {}
        self.is_open = False
        self.halts = Halts()
        self.halted_symbols: dict[str, str] = {}
        self.standings = self._make_standings()
        self._is_before_close = False
        self._call = call
        self._following = False
        self._sent_ns: list[int] = []
        self._held: set[str] = set()
        self._quotes: dict[str, Quote] = {}
        self._moves = Moves()
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
        asked, and the orders sent, those withdrawn and the halts are those."""
        call, self._call, self._following = self._call, _silence, True
        self.step(event)
        self._call, self._following = call, False
        for command in commands:
            self._adopt(command)

    def finish(self, event: events.Event) -> list[Command]:
        """Take in an event of which it is not known what followed: no model is asked, but what the engine itself has
        to do about it (close, open the other half of a reversal, halt) is decided now."""
        call, self._call = self._call, _silence
        commands = self.step(event)
        self._call = call
        return commands

    def _adopt(self, command: Command) -> None:
        match command:
            case SubmitOrder(model_id=model_id, order=request, reference_price=price):
                self._keep(OrderState(self.models[model_id], request, price, then_open=_other_half(command)))
            case CancelOrder(client_order_id=client_order_id):
                self._mark_cancelled(self.orders[client_order_id])
            case TradingStopped(rule=rule, reason=reason, model_id=model_id):
                self.halts.add(Halt(rule, reason, model_id))

    @property
    def halted(self) -> str | None:
        """The names of the halts in force; None when there is none."""
        return str(self.halts) if self.halts else None

    @property
    def flattening(self) -> bool:
        """Whether everything is being closed: before the close, or because a halt says so."""
        return self._is_before_close or self.halts.flattens

    @property
    def next_timer_ns(self) -> int | None:
        """When the engine wants a `TimerFired`; None when it waits for nothing."""
        before_ns = self.limits.flatten_before_close_ns
        if before_ns is None or self._is_before_close or not self.is_open:
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
        """Dollars gained or lost this session: what is held counts from where it stood when the session began."""
        return self.equity - self.equity_at_start

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
        bar = event.bar
        if self.limits.max_move_percent is not None:
            self._watch_move(bar, self.limits.max_move_percent)
        self._reprice(bar.symbol, bar.close)
        self._ask("on_bar", bar, bar.symbol, late=event.late)

    def _on_quote(self, event: events.QuoteReceived) -> None:
        if (mid := event.quote.mid) is not None:
            self._quotes[event.quote.symbol] = event.quote
            self._reprice(event.quote.symbol, mid)

    def _on_trade(self, event: events.TradeReceived) -> None:
        self._reprice(event.trade.symbol, event.trade.price)

    def _reprice(self, symbol: str, price: float) -> None:
        self.prices[symbol] = price
        if symbol in self._held:
            self._revalue()

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
            self._held.add(carried.symbol)
        for halt in event.halts:
            self.halts.add(halt)
        self._begin_standings(event.standings)
        self.equity_at_start = self.equity
        for running in self.models.values():
            if running.hears("on_start"):
                for intent in self._call(running, self.sequence, "on_start", (running.model.context,)):
                    self._decide(running, intent, late=False)

    def _on_opened(self, event: events.SessionOpened) -> None:
        self.is_open = True
        if self.flattening:
            self._flatten_all()
        self._ask("on_session_open", event.session)

    def _on_closed(self, event: events.SessionClosed) -> None:
        self.is_open = False
        self._ask("on_session_close", event.session)

    def _on_timer(self, event: events.TimerFired) -> None:
        assert event.name == FLATTEN, event.name
        self._is_before_close = True
        self._close_everything(BEFORE_CLOSE)

    def _close_everything(self, reason: str) -> None:
        for order in list(self.working.values()):
            self._cancel(order, reason)
        self._flatten_all()

    def _flatten_all(self) -> None:
        for running in self.models.values():
            for symbol in list(running.portfolio.holdings):
                self._flatten(running, symbol)

    def _on_halted(self, event: events.TradingHalted) -> None:
        flatten = event.flatten or (self.halts.flattens and event.rule == MANUAL)
        self.halts.add(Halt(event.rule, event.reason, flatten=flatten))
        if event.flatten:
            self._flatten_refusals.clear()
            self._close_everything(event.reason or event.rule)
        elif End.CAUSE not in ends_of(event.rule):
            self._withdraw_opening("", event.rule)

    def _on_resumed(self, event: events.TradingResumed) -> None:
        for halt in self.halts.lift(event.rule):
            self._forgive(halt)
            if halt.rule == BROKER_CLOSED and self.flattening:
                self._flatten_all()

    def _forgive(self, halt: Halt) -> None:
        if halt.rule == VOLATILITY:
            self._moves.forget()
        for standing in self.standings:
            if standing.model_id == halt.model_id and halt.rule in FORGIVEN:
                FORGIVEN[halt.rule](standing)

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

    def _stop(self, rule: str, reason: str, model_id: str = "", breach: Refusal | None = None) -> None:
        if self._following:
            return
        self.halts.add(Halt(rule, reason, model_id))
        limit, value = (breach.limit, breach.value) if breach else (None, None)
        self._out.append(TradingStopped(model_id=model_id, rule=rule, reason=reason, limit=limit, value=value))

    # -- limits whose breach halts ---------------------------------------------------------------------------------

    def _make_standings(self) -> list[Standing]:
        """Of all models together, and of each where that is something else."""
        own = [running for running in self.models.values() if len(self.models) > 1 or running.limits is not None]
        return [Standing(""), *(Standing(running.model_id) for running in own)]

    def _limits_of(self, model_id: str) -> Limits:
        own = self.models[model_id].limits if model_id else None
        return own or self.limits

    def _worth(self, model_id: str) -> float:
        if model_id:
            return self.models[model_id].portfolio.worth(self.prices)
        return sum(running.portfolio.worth(self.prices) for running in self.models.values())

    def _begin_standings(self, carried: Iterable[events.CarriedStanding]) -> None:
        before = {standing.model_id: standing for standing in carried}
        for standing in self.standings:
            known = before.get(standing.model_id)
            drawdown, losses = (known.drawdown, known.losses) if known else (0.0, 0)
            standing.begin(self._worth(standing.model_id), drawdown, losses)

    def _revalue(self) -> None:
        """Something that is held has another price, or something else is held."""
        for standing in self.standings:
            if self._limits_of(standing.model_id).needs_worth:
                standing.revalue(self._worth(standing.model_id))
                self._judge(standing)

    def _judge(self, standing: Standing) -> None:
        limits = self._limits_of(standing.model_id)
        for breach_of in BREACHES:
            if breach := breach_of(standing, limits):
                self._breach(breach, standing.model_id)

    def _breach(self, breach: Refusal, model_id: str = "", symbol: str = "") -> None:
        if self._following or self.halts.holds(breach.rule, model_id):
            return
        where = f"{symbol} in " if symbol else ""
        reason = f"{where}{breach.rule}: {text_of(breach.value)}, the limit is {text_of(breach.limit)}"
        self._stop(breach.rule, reason, model_id, breach)
        self._withdraw_opening(model_id, breach.rule)

    def _watch_move(self, bar: Bar, limit: Decimal) -> None:
        move = self._moves.move(bar, self.limits.max_move_within_ns)
        if move >= limit:
            self._breach(Refusal(VOLATILITY, limit, decimal_of(round(move, 4))), symbol=bar.symbol)

    def _withdraw_opening(self, model_id: str, reason: str) -> None:
        """Withdraw the working orders, of one model or of all, that could make a position larger."""
        for order in list(self.working.values()):
            running, request = order.owner, order.request
            held = running.portfolio.quantity(request.symbol) * request.side.sign
            if model_id in ("", running.model_id) and not order.status.is_terminal and held > -order.remaining:
                self._cancel(order, reason)

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
            self._drop(running, want, cause)
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
        return self.is_open and self.session.is_open(self.time_ns) and not self.halts.holds(BROKER_CLOSED)

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
            opening = replace(want, quantity=want.quantity - abs(exposure))
            if not self._send(running, closing, then_open=opening):
                self._drop(running, opening, "close_refused")
        else:
            self._send(running, want)

    def _send(self, running: RunningModel, want: Want, then_open: Want | None = None) -> bool:
        """Pass `want` through the gate and send it; False if it was refused."""
        own = self._proposal(running, want)
        if refusal := refusal_of(own, running.limits or self.limits):
            self._refuse(running, want, refusal, "model")
            return False
        if len(self.models) > 1 or running.limits is not None:
            together = self._proposal_of_all(own, want.symbol)
            if refusal := refusal_of(together, self.limits):
                self._refuse(running, want, refusal, "all")
                return False
        self._submit(running, want, then_open)
        return True

    def _proposal(self, running: RunningModel, want: Want) -> Proposal:
        gross, net = self._others(want.symbol, (running,), (running.limits or self.limits).needs_exposures)
        return Proposal(
            side=want.side,
            quantity=want.quantity,
            exposure=self.exposure(running, want.symbol),
            reference_price=self.prices.get(want.symbol),
            time_ns=self.time_ns,
            open_ns=self.session.open_ns,
            close_ns=self.session.close_ns,
            closable=self._closable(running, want.symbol),
            sent_ns=running.sent_ns,
            others_gross=gross,
            others_net=net,
            limit_price=want.limit_price,
            stop_price=want.stop_price,
            touch=self._touch(want),
            halted=self.halts.stops(running.model_id) or want.symbol in self.halted_symbols,
            flattening=self._is_before_close,
        )

    def _proposal_of_all(self, own: Proposal, symbol: str) -> Proposal:
        """The same order as part of what all models hold together."""
        gross, net = self._others(symbol, tuple(self.models.values()), self.limits.needs_exposures)
        return dataclasses.replace(
            own,
            exposure=sum((self.exposure(running, symbol) for running in self.models.values()), ZERO),
            closable=sum((self._closable(running, symbol) for running in self.models.values()), ZERO),
            sent_ns=self._sent_ns,
            others_gross=gross,
            others_net=net,
            closes=own.reduces,
        )

    def _closable(self, running: RunningModel, symbol: str) -> Decimal:
        """Signed shares that a model holds and that none of its working orders closes."""
        held = running.portfolio.quantity(symbol)
        closing = sum(
            (
                order.remaining
                for order in self.working.values()
                if order.owner is running and order.request.symbol == symbol and order.request.side.sign * held < 0
            ),
            ZERO,
        )
        return held - min(closing, abs(held)) * (1 if held > 0 else -1)

    def _others(self, symbol: str, models: Iterable[RunningModel], needed: bool) -> tuple[Decimal, Decimal]:
        """Dollars, unsigned and signed, that all symbols but one come to with the working orders of `models`."""
        gross = net = ZERO
        for other, price in self.prices.items() if needed else ():
            if other != symbol:
                notional = sum((self.exposure(running, other) for running in models), ZERO) * decimal_of(price)
                gross, net = gross + abs(notional), net + notional
        return gross, net

    def _touch(self, want: Want) -> float | None:
        """The price at which the other side of the last quote would fill a market order; None without a fresh one."""
        quote = self._quotes.get(want.symbol)
        if quote is None or self.time_ns - quote.time_ns >= QUOTE_LIFE_NS:
            return None
        return quote.ask if want.side is Side.BUY else quote.bid

    def _refuse(self, running: RunningModel, want: Want, refusal: Refusal, scope: str) -> None:
        self._out.append(
            OrderRefused(
                running.model_id,
                want.symbol,
                want.side,
                want.quantity,
                refusal.rule,
                refusal.limit,
                refusal.value,
                scope,
            )
        )

    def _drop(self, running: RunningModel, want: Want, cause: str) -> None:
        self._out.append(SignalDropped(running.model_id, want.symbol, want.side, want.quantity, cause))

    def _submit(self, running: RunningModel, want: Want, then_open: Want | None) -> None:
        if self._following:
            return  # the orders that were sent then are adopted
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
        self._keep(OrderState(running, request, reference_price, then_open=then_open))
        self._out.append(
            SubmitOrder(
                model_id=running.model_id,
                order=request,
                reference_price=reference_price,
                fingerprint=running.fingerprint,
                reason=want.reason,
                then_open=then_open.quantity if then_open else None,
            )
        )

    def _keep(self, order: OrderState) -> None:
        self.orders[order.request.client_order_id] = self.working[order.request.client_order_id] = order
        self._sent_ns.append(self.time_ns)
        order.owner.sent_ns.append(self.time_ns)

    def _client_order_id(self, running: RunningModel, symbol: str) -> str:
        """The same for the same decision in the same run, and for no other: a repeated order is refused by its id."""
        origin = f"{self.run_id}|{running.fingerprint}|{self.session.day}|{symbol}|{self.sequence}|{len(self._out)}"
        return f"hftd-{self.session.day:%Y%m%d}-{symbol}-{sha256(origin.encode()).hexdigest()[:24]}"

    def _cancel(self, order: OrderState, reason: str) -> None:
        if not self._following and not order.cancel_requested:
            self._out.append(CancelOrder(order.owner.model_id, order.request.client_order_id, reason))
            self._mark_cancelled(order)

    def _mark_cancelled(self, order: OrderState) -> None:
        order.then_open = None
        order.cancel_requested = True

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
        self._book(order, report)
        self._tell(order.owner, report)
        if self.flattening and keep_status:
            self._flatten(order.owner, request.symbol)

    def _book(self, order: OrderState, report: ExecutionReport) -> None:
        symbol, holding = order.request.symbol, order.owner.portfolio.holding(order.request.symbol)
        realised = holding.realised
        order.owner.portfolio.fill(symbol, order.request.side, report.quantity, report.price)
        order.realised += holding.realised - realised
        if any(running.portfolio.quantity(symbol) for running in self.models.values()):
            self._held.add(symbol)
        else:
            self._held.discard(symbol)
        self._revalue()

    def _tell(self, running: RunningModel, report: ExecutionReport) -> None:
        if running.hears("on_fill"):
            for intent in self._call(running, self.sequence, "on_fill", (report,)):
                self._decide(running, intent, late=False)

    def _finish(self, order: OrderState) -> None:
        """An order is over: open the other half of a reversal, or go on flattening."""
        if self.working.pop(order.request.client_order_id, None) is None:
            return
        self._count_trade(order)
        follow_up, order.then_open = order.then_open, None
        if follow_up is not None and not order.owner.paused:
            self._open_other_side(order, follow_up)
        if self.flattening:
            self._count_flatten_refusal(order)
            self._flatten(order.owner, order.request.symbol)

    def _count_trade(self, order: OrderState) -> None:
        for standing in self.standings:
            if order.realised and standing.model_id in ("", order.owner.model_id):
                standing.count_trade(order.realised)
                self._judge(standing)

    def _open_other_side(self, order: OrderState, want: Want) -> None:
        cause = "not_closed" if order.status is not OrderStatus.FILLED else self._no_trading(late=False)
        if cause:
            self._drop(order.owner, want, cause)
        else:
            self._place(order.owner, want)

    # -- before the close ----------------------------------------------------------------------------------------

    def _count_flatten_refusal(self, order: OrderState) -> None:
        if order.status is not OrderStatus.FILLED and not order.cancel_requested:
            key = (order.owner.model_id, order.request.symbol)
            self._flatten_refusals[key] = self._flatten_refusals.get(key, 0) + 1

    @property
    def _flatten_reason(self) -> str:
        return BEFORE_CLOSE if self._is_before_close else f"halted: {self.halted}"

    def _flatten(self, running: RunningModel, symbol: str) -> None:
        """Close what a model holds of `symbol`, once none of its orders there is working any more."""
        held = running.portfolio.quantity(symbol)
        busy = any(order.owner is running and order.request.symbol == symbol for order in self.working.values())
        if not held or busy or not self._market_is_open:
            return
        if self._flatten_refusals.get((running.model_id, symbol), 0) >= FLATTEN_ATTEMPTS:
            self._stop("not_flattened", f"{held} {symbol} of {running.model_id} could not be closed")
            return
        side = Side.SELL if held > 0 else Side.BUY
        want = Want(side=side, symbol=symbol, quantity=abs(held), reason=self._flatten_reason)
        self._submit(running, want, then_open=None)
