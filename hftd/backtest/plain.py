"""The plain driver: the daemon's engine and the exchange's venue, instant by instant, without sockets or a clock.

What happens at one instant is taken in the order in which a daemon in lockstep takes it: reports, bars by symbol, then
what was decided is sent, one order after the other, and what comes of it is taken in before time goes on. So a
backtest of a tape and a daemon that trades on the same tape do the same, fill for fill.

Every other driver is held against this one.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from hftd.backtest.record import Record
from hftd.backtest.task import RUN_ID, Task
from hftd.calendar import Calendar
from hftd.data.recorded import EVENTS
from hftd.domain.commands import CancelOrder, Command, ReplaceOrder, SubmitOrder
from hftd.domain.convert import MINUTE_NS, billionths
from hftd.domain.events import Event, OrderReported, QuoteReceived, SessionClosed, SessionOpened, TradeReceived
from hftd.domain.intents import Intent
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.domain.session import Session
from hftd.engine.admission import Admission
from hftd.engine.carried import Carried, carried_of
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel, call_hook
from hftd.engine.tally import FILLS, Tally
from hftd.errors import ModelError
from hftd.exchange.market.agenda import Turn
from hftd.exchange.market.course import Moment, make_course
from hftd.exchange.market.queues import Queue
from hftd.exchange.market.recorded import RecordedMarket
from hftd.exchange.market.slippage import Slipping
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.market.tick_tape import TickTape
from hftd.exchange.venue.accounts import ActivityType
from hftd.exchange.venue.fees import SCHEDULES
from hftd.exchange.venue.happenings import AccountChanged, ActivityAdded, Happening, OrderChanged
from hftd.exchange.venue.liquidity import Liquidity, QuoteLiquidity
from hftd.exchange.venue.orders import Changes
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.settings import VenueSettings
from hftd.exchange.venue.translate import first_word, new_order_of, report_of
from hftd.model.contract import overrides
from hftd.model.load import sentence_of

LEAD_NS = MINUTE_NS
"""How long before the open a session is prepared, as in the daemon."""

Progress = Callable[[int], None]
"""Told how many sessions are done."""

TICKS = (QuoteReceived, TradeReceived)
"""Events that count for nothing by themselves."""

HOOK_OF: dict[type, str] = {Quote: "on_quote", Trade: "on_trade"}
"""The hook that a model has that hears such data: the daemon subscribes to nothing else."""


class PlainDriver:
    """Runs one task. `record` and `tally` are what came of it; `ticks` counts the quotes and trades played."""

    def __init__(self, task: Task, calendar: Calendar) -> None:
        self.task = task
        self.record = Record()
        self.tally = Tally()
        self.carried = Carried()
        self.ticks = 0
        self._calendar = calendar
        self._is_alone = len(task.symbols) == 1
        terms = task.terms
        self._market = _market(task)
        self._heard = {kind: EVENTS[kind] for kind, hook in HOOK_OF.items() if overrides(task.subject.cls, hook)}
        settings = VenueSettings(
            partial_fill_chance=terms.partial_fill_chance,
            reject_chance=terms.reject_chance,
            fees=SCHEDULES[terms.fees],
            latency=terms.latency,
        )
        draw = np.random.default_rng(terms.seed).random
        start_ns = task.sessions[0].open_ns - 2 * LEAD_NS
        self._course = make_course(calendar, self._market, start_ns, settings, draw)
        self._venue = self._course.venue
        self._account = self._venue.open_account("default", terms.cash, start_ns).id
        self._cash = terms.cash
        self._venue.drain()
        self._engine: Engine
        self._admission: Admission
        self._queue: deque[Command] = deque()
        self._reports: deque[ExecutionReport] = deque()
        self._numbers: dict[str, int] = {}
        self._decided: dict[str, tuple[int, SubmitOrder]] = {}

    def run(self, progress: Progress = lambda done: None) -> None:
        """Trade all sessions. Raises ModelError when the model raises."""
        for done, session in enumerate(self.task.sessions, 1):
            self._begin(session)
            self._trade(session)
            self._end(session)
            progress(done)

    @property
    def engine(self) -> Engine:
        """That of the last session."""
        return self._engine

    @property
    def positions(self) -> dict[str, float]:
        """Signed shares at the end."""
        return {symbol: float(quantity) for symbol, quantity in self._engine.positions.items()}

    # -- a session -----------------------------------------------------------------------------------------------

    def _begin(self, session: Session) -> None:
        running = self.task.subject.running(self.task.symbols, self.task.own_limits)
        self._engine = Engine(session, [running], self.task.limits, RUN_ID, self._call)
        self._admission = Admission()
        self._numbers.clear()
        self._decided.clear()
        carried = self.carried.into(session.open_ns - LEAD_NS, billionths(self._cash))
        self._admission.recall(carried)
        self._step(carried)
        for bar in warm_up(self.task, self._calendar, session, running.model.warmup_bars):
            for event in self._admission.look_back(bar):
                self._step(event)
        self._flush(session.open_ns - LEAD_NS)

    def _trade(self, session: Session) -> None:
        course, engine = self._course, self._engine
        while True:
            if self.task.ticks is not None:
                self._coast(session)
            due_ns, timer_ns = course.next_ns, engine.next_timer_ns
            if timer_ns is not None and (due_ns is None or timer_ns < due_ns):
                due_ns, moment = timer_ns, NOTHING
            elif due_ns is not None and due_ns <= session.close_ns:
                moment = course.advance_to(due_ns)
            if due_ns is None or due_ns > session.close_ns:
                return
            self._live_through(moment, due_ns, session)

    def _end(self, session: Session) -> None:
        """What lasts beyond the close is withdrawn, and no model is told: the next session's engine would not know of
        it."""
        for order in list(self._engine.working.values()):
            if not order.status.is_terminal:
                with suppress(Refusal):
                    self._withdraw(order.request.client_order_id, session.close_ns)
        self._hear(self._venue.drain())
        while self._reports:
            self._engine.follow(OrderReported(self._reports.popleft()), ())
        self._write_orders()
        self.carried = carried_of(self._engine)

    # -- an instant ----------------------------------------------------------------------------------------------

    def _live_through(self, moment: Moment, time_ns: int, session: Session) -> None:
        turned = [point.turn for point in moment.turned] if moment.turned else ()
        if moment.happenings:
            self._hear(moment.happenings)
            self._take_reports()
        told = self._take_data(moment.data)
        if Turn.OPEN in turned:
            self._step(SessionOpened(session.open_ns, session))
        self._step_timers(time_ns)
        if Turn.CLOSE in turned:
            self._step(SessionClosed(session.close_ns, session))
        if self._queue:
            self._flush(time_ns)
        if told:
            self._write_equity(time_ns)

    def _coast(self, session: Session) -> None:
        """Live through what the market plays until something else is due: `_live_through` for the many instants in
        which nothing but data comes."""
        engine, heard, timer_ns = self._engine, self._heard, self._engine.next_timer_ns
        timers, timer, flatten_ns = engine.timers, engine.timers.next, engine.flatten_ns
        for instant, happenings in self._course.quiet(session.close_ns if timer_ns is None else timer_ns):
            if happenings:
                self._hear(happenings)
                self._take_reports()
            data = instant.data
            if type(data[0]) is Bar or not (self._is_alone or _are_in_turn(data)):
                told = self._take_data(data)
            else:
                told = False
                self.ticks += len(data)
                for item in data:
                    if (event_of := heard.get(type(item))) and (commands := engine.step(event := event_of(item))):
                        self._follow(event, commands)
            sends = bool(self._queue)
            if sends:
                self._flush(instant.time_ns)
            if told:
                self._write_equity(instant.time_ns)
            if sends or timers.next is not timer or engine.flatten_ns != flatten_ns:
                return

    def _take_data(self, data: Sequence[MarketData]) -> bool:
        """Step what is heard of an instant's data: bars, then quotes and trades, by symbol. Whether a bar was there."""
        told = False
        for item in data if self._is_alone or _are_in_turn(data) else sorted(data, key=_turn_of):
            kind = type(item)
            if kind is Bar:
                told = True
                self._take_bar(item)  # type: ignore[arg-type]
            else:
                self.ticks += 1
                if kind in self._heard:
                    self._step(self._heard[kind](item))
        return told

    def _flush(self, time_ns: int) -> None:
        """Send what was decided, and take in what comes of it, until nothing does."""
        self._listen()
        while self._queue:
            while self._queue:
                self._carry_out(self._queue.popleft(), time_ns)
            self._listen()

    def _listen(self) -> None:
        self._hear(self._venue.drain())
        self._take_reports()

    def _take_reports(self) -> None:
        while self._reports:
            self._step(OrderReported(self._reports.popleft()))

    def _take_bar(self, bar: Bar) -> None:
        for event in self._admission.judge(bar):
            self._step(event)

    def _step_timers(self, time_ns: int) -> None:
        timer_ns = self._engine.next_timer_ns
        if timer_ns is not None and timer_ns <= time_ns:
            for timer in self._engine.due_timers(time_ns):
                self._take_step(timer)

    def _step(self, event: Event) -> None:
        """Step what is due by then, and `event`."""
        self._step_timers(event.time_ns)
        self._take_step(event)

    def _take_step(self, event: Event) -> None:
        commands = self._engine.step(event)
        if not commands and type(event) in TICKS:
            return
        self._follow(event, commands)

    def _follow(self, event: Event, commands: Sequence[Command]) -> None:
        """Count a step, and queue what is to be sent."""
        self.tally.add(event, commands)
        for command in commands:
            if isinstance(command, SubmitOrder):
                self._note(command)
            if isinstance(command, SubmitOrder | CancelOrder | ReplaceOrder):
                self._queue.append(command)

    def _call(self, running: RunningModel, sequence: int, name: str, arguments: tuple[Any, ...]) -> Iterable[Intent]:
        try:
            return call_hook(running, sequence, name, arguments)
        except ModelError as error:
            raise ModelError(f"{self.task.subject.path}: {name} {error}") from error
        except (Exception, SystemExit) as error:
            raise ModelError(sentence_of(error, self.task.subject.path, name)) from error

    # -- at the venue --------------------------------------------------------------------------------------------

    def _carry_out(self, command: Command, time_ns: int) -> None:
        match command:
            case SubmitOrder():
                self._submit(command, time_ns)
            case CancelOrder(client_order_id=client_order_id):
                self._cancel(client_order_id, time_ns)
            case ReplaceOrder():
                self._replace(command, time_ns)

    def _submit(self, command: SubmitOrder, time_ns: int) -> None:
        id = command.order.client_order_id
        if time_ns >= self._engine.session.close_ns:
            self._answer(ExecutionReport(ReportKind.REJECTED, id, time_ns, reason="not sent: the market has closed"))
            return
        try:
            accepted = self._venue.submit(self._account, new_order_of(command.order), time_ns)
        except Refusal as refusal:
            self._answer(ExecutionReport(ReportKind.REJECTED, id, time_ns, reason=refusal.reason))
        else:
            self._answer(first_word(accepted, self._venue.legs(accepted)))

    def _cancel(self, client_order_id: str, time_ns: int) -> None:
        try:
            broker_order_id = self._withdraw(client_order_id, time_ns)
        except Refusal as refusal:
            kind = ReportKind.ORDER_CANCEL_REJECTED
            self._answer(ExecutionReport(kind, client_order_id, time_ns, reason=refusal.reason))
        else:
            self._answer(ExecutionReport(ReportKind.PENDING_CANCEL, client_order_id, time_ns, broker_order_id))

    def _withdraw(self, client_order_id: str, time_ns: int) -> str:
        """Cancel at the venue; its id of the order. Raises Refusal."""
        order = self._venue.order_by_client_id(self._account, client_order_id)
        self._venue.cancel(self._account, order.id, time_ns)
        return order.id

    def _replace(self, command: ReplaceOrder, time_ns: int) -> None:
        changes = Changes(
            command.quantity, command.limit_price, command.stop_price, client_order_id=command.new_client_order_id
        )
        try:
            order = self._venue.order_by_client_id(self._account, command.client_order_id)
            following = self._venue.replace(self._account, order.id, changes, time_ns)
        except Refusal as refusal:
            kind = ReportKind.ORDER_REPLACE_REJECTED
            self._answer(ExecutionReport(kind, command.client_order_id, time_ns, reason=refusal.reason))
        else:
            self._answer(first_word(following, self._venue.legs(following)))

    def _answer(self, report: ExecutionReport) -> None:
        """The answer to a request is taken in before anything else."""
        self._step(OrderReported(report))

    def _hear(self, happenings: Iterable[Happening]) -> None:
        """Note what the venue did; its reports wait for their turn."""
        for happening in happenings:
            if isinstance(happening, AccountChanged):
                self._cash = happening.account.cash
            elif isinstance(happening, ActivityAdded) and happening.activity.type is ActivityType.FEE:
                assert happening.activity.net_amount is not None
                self.record.fills["fee"][-1] = -float(happening.activity.net_amount)
            elif isinstance(happening, OrderChanged) and (report := report_of(happening)) is not None:
                if report.kind in FILLS:
                    self._write_fill(report)
                self._reports.append(report)

    # -- writing down --------------------------------------------------------------------------------------------

    def _note(self, command: SubmitOrder) -> None:
        id = command.order.client_order_id
        self._numbers[id] = self.tally.orders
        self._decided[id] = (self._engine.time_ns, command)

    def _write_fill(self, report: ExecutionReport) -> None:
        number = self._numbers.get(report.client_order_id, 0)
        side = str(report.side)
        self.record.add_fill(
            report.time_ns, number, report.symbol, side, float(report.quantity), float(report.price), 0.0
        )

    def _write_orders(self) -> None:
        for id, (time_ns, command) in self._decided.items():
            order = self._engine.orders[id]
            request = order.request
            average = order.filled_notional / order.filled_quantity if order.filled_quantity else None
            self.record.add_order(
                self._numbers[id],
                time_ns,
                request.symbol,
                str(request.side),
                float(request.quantity),
                str(request.type),
                str(request.time_in_force),
                _float(request.limit_price),
                _float(request.stop_price),
                _float(command.reference_price),
                str(order.status),
                float(order.filled_quantity),
                _float(average),
                command.reason,
            )

    def _write_equity(self, time_ns: int) -> None:
        held = {
            symbol: (float(quantity), self._price_of(symbol)) for symbol, quantity in self._engine.positions.items()
        }
        self.record.add_equity(time_ns, float(self._cash), held)

    def _price_of(self, symbol: str) -> float:
        """The last price, or before the first one what was paid."""
        price = self._engine.prices.get(symbol)
        if price is not None:
            return price
        (running,) = self._engine.models.values()
        return float(running.portfolio.holding(symbol).average_price)


NOTHING = Moment(0, (), (), ())


def warm_up(task: Task, calendar: Calendar, session: Session, wanted: int) -> list[Bar]:
    """The last `wanted` bars of each symbol before the session, as the daemon asks for them: in order of time."""
    if wanted <= 0:
        return []
    first = calendar.look_back(session, wanted)
    sessions = calendar.sessions(first.day, session.day)[:-1]
    bars: list[Bar] = []
    for symbol, columns in task.bars.items():
        inside = np.zeros(len(columns), dtype=bool)
        for before in sessions:
            start, end = np.searchsorted(columns.time_ns, (before.open_ns, before.close_ns))
            inside[start:end] = True
        bars += columns.rows(inside).bars(symbol)[-wanted:]
    return sorted(bars, key=lambda bar: (bar.time_ns, bar.symbol))


def _are_in_turn(data: Sequence[MarketData]) -> bool:
    """Whether it is plain that an instant's data stand in their turn, as those of one symbol always do."""
    return len(data) < 2 or (len(data) == 2 and data[0].symbol == data[1].symbol)


def _turn_of(item: MarketData) -> tuple[int, str]:
    """Place within an instant, as in the daemon: what began earlier first, which are the bars."""
    return item.time_ns, item.symbol


def _market(task: Task) -> RecordedMarket:
    liquidity, spread = _liquidity(task), task.terms.spread
    if task.ticks is None:
        return RecordedMarket(task.bars, task.sessions, spread, liquidity)
    return TickTape(task.ticks, task.bars, task.sessions, spread, liquidity)


def _liquidity(task: Task) -> Liquidity:
    terms = task.terms
    liquidity: Liquidity = QuoteLiquidity()
    if terms.queue is not None or terms.participation is not None:
        liquidity = TapeLiquidity(terms.queue or Queue.BACK, terms.participation)
    return Slipping(liquidity, terms.slippage_bps) if terms.slippage_bps else liquidity


def _float(number: Any) -> float:
    return float("nan") if number is None else float(number)
