"""The engine: one event in, commands out. Pure: no I/O, no wall clock, no randomness, no async.

A step is: take over what the event says (order, position, price, session), ask the models that it concerns, pass what
they want through the risk gate, and answer with commands. Live, replay and backtest call the same `Engine.step`.
One engine lives one session. Its parts share one `SessionState`:

    engine ─► crossing ─► reporting ─► closing ─► desk ─► dispatch ─► gate ─► risk, netting
         └──────► judge (limits whose breach halts)
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hftd.domain import events
from hftd.domain.commands import (
    CancelOrder,
    Command,
    OrderCrossed,
    OrderDropped,
    OrderQueued,
    ShadowFilled,
    ShadowOrdered,
    ShadowWithdrawn,
    SubmitOrder,
    TradingStopped,
)
from hftd.domain.events import Halt
from hftd.domain.orders import Side
from hftd.domain.session import Session
from hftd.engine.breaches import Standing
from hftd.engine.closing import BEFORE_CLOSE, Closing
from hftd.engine.context import ModelContext
from hftd.engine.crossing import Crossing
from hftd.engine.desk import Desk
from hftd.engine.halts import BROKER_CLOSED, MANUAL, End, ends_of
from hftd.engine.judge import Judge
from hftd.engine.reporting import Reporting
from hftd.engine.risk import Limits
from hftd.engine.session_state import SessionState
from hftd.engine.state import HookCaller, ModelLoader, OrderState, RunningModel, call_hook
from hftd.engine.swapping import Swapping
from hftd.engine.wants import other_half

FLATTEN = "flatten"


def _silence(_running: RunningModel, _sequence: int, _name: str, _arguments: tuple[Any, ...]) -> tuple[()]:
    return ()


class Engine(SessionState):
    """The deciding core of one session. `sequence` is the number of the last event, which is also the journal's."""

    def __init__(
        self,
        session: Session,
        models: Iterable[RunningModel],
        limits: Limits,
        run_id: str,
        call: HookCaller = call_hook,
        load: ModelLoader | None = None,
    ) -> None:
        super().__init__(session, models, limits, run_id, call, load)
        self._judge = Judge(self)
        self._desk = Desk(self)
        self._closing = Closing(self, self._desk)
        self._reporting = Reporting(self, self._desk, self._judge, self._closing)
        self._crossing = Crossing(self, self._desk, self._reporting)
        self._swapping = Swapping(self, self._desk, self._judge)
        self._handlers: dict[type, Callable[[Any], None]] = {
            events.BarReceived: self._on_bar,
            events.QuoteReceived: self._on_quote,
            events.TradeReceived: self._on_trade,
            events.OrderReported: self._on_report,
            events.PortfolioCarried: self._on_carried,
            events.PositionAdopted: self._on_adopted,
            events.FeesCharged: self._on_fees,
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
            events.Remark: self._on_remark,
            events.ModelSwapped: self._swapping.swap,
            events.CandidateEntered: self._swapping.enter,
            events.CandidateDropped: self._swapping.drop,
            events.LimitsChanged: self._swapping.change_limits,
        }
        for running in self.everyone:
            running.model.context = ModelContext(self, running)

    # -- the face ------------------------------------------------------------------------------------------------

    def step(self, event: events.Event) -> list[Command]:
        """Take in one event and return what follows from it, in order."""
        self.sequence += 1
        time_ns = event.time_ns
        if time_ns > self.time_ns:
            self.time_ns = time_ns
        self.out, self.made = [], 0
        self._handlers[type(event)](event)
        if self.waiting and not self.following:
            self._crossing.settle()
        return self.out

    def follow(self, event: events.Event, commands: Iterable[Command]) -> None:
        """Take in an event whose `commands` were decided before, by another model or another program: no model is
        asked, and the orders sent, those withdrawn and the halts are those."""

        def take_over() -> None:
            self.step(event)
            for command in commands:
                self._adopt(command)

        self._silently(take_over)

    def adopt(self, command: Command) -> None:
        """Take over a command that was decided before and followed from the last event."""
        self._silently(lambda: self._adopt(command))

    def _silently(self, act: Callable[[], object]) -> None:
        """Do something of which nothing is to be decided anew."""
        call, self.call, self.following = self.call, _silence, True
        act()
        self.call, self.following = call, False

    def finish(self, event: events.Event) -> list[Command]:
        """Take in an event of which it is not known what followed: no model is asked, but what the engine itself has
        to do about it (close, open the other half of a reversal, halt) is decided now."""
        call, self.call = self.call, _silence
        commands = self.step(event)
        self.call = call
        return commands

    def _adopt(self, command: Command) -> None:
        match command:
            case SubmitOrder(model_id=model_id, order=request, reference_price=price):
                self._crossing.adopt_sent(command)
                self.keep(OrderState(self.models[model_id], request, price, then_open=other_half(command)))
            case CancelOrder(client_order_id=client_order_id, put_back=put_back):
                self.mark_cancelled(self.orders[client_order_id], put_back=put_back)
            case OrderQueued():
                self._crossing.adopt_queued(command)
            case OrderDropped(client_order_id=client_order_id):
                self.waiting.pop(client_order_id)
            case OrderCrossed():
                self._crossing.adopt_crossed(command)
            case ShadowOrdered():
                self._desk.paper.adopt(command, other_half(command))
            case ShadowFilled():
                self._reporting.take_on_paper([command])
            case ShadowWithdrawn(model_id=model_id, client_order_id=client_order_id):
                self.shadows[model_id].paper.pop(client_order_id)
            case TradingStopped(rule=rule, reason=reason, model_id=model_id):
                self.halts.add(Halt(rule, reason, model_id))

    @property
    def next_timer_ns(self) -> int | None:
        """When the engine wants a `TimerFired`; None when it waits for nothing."""
        flatten_ns, timer = self.flatten_ns, self.timers.next
        if timer is None or (flatten_ns is not None and flatten_ns <= timer.due_ns):
            return flatten_ns
        return timer.due_ns

    def due_timers(self, time_ns: int) -> Iterator[events.TimerFired]:
        """Timers due by `time_ns`, to be stepped one by one before an event of that time."""
        while (due_ns := self.next_timer_ns) is not None and due_ns <= time_ns:
            timer = self._next_timer
            assert timer is not None
            yield timer

    @property
    def _next_timer(self) -> events.TimerFired | None:
        """The engine's own timer goes before a model's of the same moment."""
        flatten_ns, timer = self.flatten_ns, self.timers.next
        if timer is None or (flatten_ns is not None and flatten_ns <= timer.due_ns):
            return None if flatten_ns is None else events.TimerFired(flatten_ns, FLATTEN)
        return events.TimerFired(timer.due_ns, timer.name, timer.model_id)

    @property
    def standings(self) -> list[Standing]:
        """How all models together stand, and each where that is something else."""
        return self._judge.standings

    # -- market data ---------------------------------------------------------------------------------------------

    def _on_bar(self, event: events.BarReceived) -> None:
        bar = event.bar
        if self.limits.max_move_percent is not None:
            self._desk.answer(self._judge.moved(bar, self.limits.max_move_percent))
        self._reprice(bar.symbol, bar.close)
        if bar.symbol in self.histories:
            self.histories[bar.symbol].add(bar)
        if self.load is not None:
            self.past.append(bar)
        if self.shadows:
            self._show_shadows(event)
        self._ask("on_bar", bar, bar.symbol, late=event.late)

    def _show_shadows(self, event: events.BarReceived) -> None:
        self._reporting.take_on_paper(self._desk.paper.filled_by(event.bar))
        for running in self.shadows.values():
            running.bars_heard += event.bar.symbol in running.symbols and not event.late

    def _on_quote(self, event: events.QuoteReceived) -> None:
        quote = event.quote
        if (mid := quote.mid) is not None:
            self.quotes[quote.symbol] = quote
            self._reprice(quote.symbol, mid)
        if self.shadows:
            self._reporting.take_on_paper(self._desk.paper.filled_by(quote))
        self._ask("on_quote", quote, quote.symbol, late=event.late)

    def _on_trade(self, event: events.TradeReceived) -> None:
        trade = event.trade
        self._reprice(trade.symbol, trade.price)
        self._ask("on_trade", trade, trade.symbol, late=event.late)

    def _reprice(self, symbol: str, price: float) -> None:
        known = self.prices.get(symbol)
        if price == known and self._judge.is_settled:
            return
        self.prices[symbol] = price
        if symbol in self.held and (breaches := self._judge.revalued()):
            self._desk.answer(breaches)

    def _ask(self, hook: str, argument: Any, symbol: str | None = None, *, late: bool = False) -> None:
        for running in self.models.values():
            if hook in running.hooks and not running.paused and (symbol is None or symbol in running.symbols):
                for intent in self.call(running, self.sequence, hook, (argument,)):
                    self._desk.decide(running, intent, late=late)
        for running in list(self.shadows.values()) if self.shadows else ():
            if running.hears(hook, symbol):
                self._desk.ask(running, hook, argument, late=late)

    def _on_report(self, event: events.OrderReported) -> None:
        self._reporting.take(event.report)

    # -- session -------------------------------------------------------------------------------------------------

    def _on_carried(self, event: events.PortfolioCarried) -> None:
        self.began_ns, self.cash_at_start = event.time_ns, event.cash
        self.prices.update(event.prices)
        for carried in event.positions:
            self._carry(carried)
        for halt in event.halts:
            self.halts.add(halt)
        self._judge.begin(event.standings)
        self.equity_at_start = self.equity
        self.allot()
        for running in self.everyone:
            if running.hears("on_start"):
                self._desk.ask(running, "on_start", running.model.context)

    def _carry(self, carried: events.CarriedPosition) -> None:
        """A shadow's position is nobody else's, and a shadow has none but its own."""
        running = (self.shadows if carried.shadow else self.models).get(carried.model_id)
        if running is not None:
            running.portfolio.carry(carried.symbol, carried.quantity, carried.cost)
            if not carried.shadow:
                self.held.add(carried.symbol)

    def _on_adopted(self, event: events.PositionAdopted) -> None:
        """They were paid for before: neither cash nor profit changes, and from here on they are like any others."""
        portfolio, paid = self.models[event.model_id].portfolio, event.quantity * event.price
        portfolio.fill(event.symbol, Side.BUY if event.quantity > 0 else Side.SELL, abs(event.quantity), event.price)
        portfolio.allotment += paid
        self.cash_at_start += paid
        self.equity_at_start += paid
        self.prices.setdefault(event.symbol, float(event.price))
        self.note_held(event.symbol)
        self._judge.is_settled = False

    def _on_fees(self, event: events.FeesCharged) -> None:
        """They are the account's: limits and models reckon without them, as they do all day."""
        self.fees += event.amount

    def _on_opened(self, event: events.SessionOpened) -> None:
        self.is_open = True
        self.plan_flattening()
        if self.flattening:
            self._closing.go_on()
        self._ask("on_session_open", event.session)

    def _on_closed(self, event: events.SessionClosed) -> None:
        self.is_open = False
        self.plan_flattening()
        self._ask("on_session_close", event.session)

    def _on_timer(self, event: events.TimerFired) -> None:
        if event.model_id:
            self._wake(self.slot(event.model_id), event.name, late=event.late)
            return
        assert event.name == FLATTEN, event.name
        self.is_before_close = True
        self.plan_flattening()
        self._closing.begin(BEFORE_CLOSE)

    def _wake(self, running: RunningModel, name: str, *, late: bool) -> None:
        self.timers.fired(running.model_id, name)
        if running.hears("on_timer"):
            self._desk.ask(running, "on_timer", name, late=late)

    # -- halts ---------------------------------------------------------------------------------------------------

    def _on_halted(self, event: events.TradingHalted) -> None:
        flatten = event.flatten or (self.halts.flattens and event.rule == MANUAL)
        self.halts.add(Halt(event.rule, event.reason, flatten=flatten))
        if event.flatten:
            self._closing.begin_anew()
            self._closing.begin(event.reason or event.rule)
        elif End.CAUSE not in ends_of(event.rule):
            self._desk.withdraw_opening("", event.rule)

    def _on_resumed(self, event: events.TradingResumed) -> None:
        for halt in self.halts.lift(event.rule):
            self._judge.forgive(halt)
            if halt.rule == BROKER_CLOSED and self.flattening:
                self._closing.go_on()

    def _on_symbol_halted(self, event: events.SymbolHalted) -> None:
        self.halted_symbols[event.symbol] = event.reason

    def _on_symbol_resumed(self, event: events.SymbolResumed) -> None:
        self.halted_symbols.pop(event.symbol, None)

    def _on_remark(self, event: events.PrintQuarantined | events.BarCorrected | events.Remark) -> None:
        """No model is told: it stands in the journal, and is counted."""

    def _on_faulted(self, event: events.ModelFaulted) -> None:
        running = self.slot(event.model_id)
        running.paused = True
        self.timers.stop_all(running.model_id)
        self._desk.cancel_all("its model was paused", running)
