"""The daemon: asleep while the market is closed, one session after another, everything through one inbox.

    closed ─► wait for the open ─► connect, recover, reconcile ─► open: step events ─► close: report ─► closed

One coroutine does all of it. It waits in one place only (`_pump`), so there is never more than one thing going on, and
an exchange in lockstep knows when we are done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from hftd.broker.base import (
    Broker,
    ClockAnnouncement,
    Feed,
    FeedState,
    FeedStatus,
    MarketMessage,
    Message,
    Sink,
    TradingStatus,
    UnknownMessage,
)
from hftd.calendar import NEW_YORK, Calendar
from hftd.clock import RECHECK_S, Clock, ExchangeClock
from hftd.domain.account import Account, BrokerClock
from hftd.domain.commands import SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS, datetime_of, text_of
from hftd.domain.events import (
    Halt,
    OrderReported,
    PortfolioCarried,
    SessionClosed,
    SessionOpened,
    SymbolHalted,
    SymbolResumed,
    TradingHalted,
    TradingResumed,
)
from hftd.domain.orders import ExecutionReport, OrderStatus
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.halts import BROKER_CLOSED, MANUAL, Halts
from hftd.engine.risk import Limits
from hftd.engine.state import HookCaller, RunningModel
from hftd.engine.tally import Tally
from hftd.errors import BrokerError, BrokerUnavailable
from hftd.journal import Journal, journal_path
from hftd.live.catching_up import CatchUp
from hftd.live.crash_points import crash_point
from hftd.live.feed import FeedKeeper
from hftd.live.inbox import Inbox, Overflowed
from hftd.live.lockstep import Lockstep
from hftd.live.recovery import Carried, carried_at_last, carried_of, journal_between_sessions, recover
from hftd.live.story import signed_money
from hftd.live.systemd import Notifier
from hftd.live.trader import Trader

log = structlog.get_logger()
Answer = TypeVar("Answer")

LEAD_NS = MINUTE_NS
"""How long before the open the sockets are connected."""
LINGER_NS = MINUTE_NS
"""How long after the close the last bar and the last reports are waited for."""
CLOCK_CHECK_NS = 5 * MINUTE_NS
"""How often during a session the broker is asked whether the market is open."""
ORDER_CHECK_NS = MINUTE_NS
"""How often during a session the broker is asked about working orders: a socket may be mute, and nothing tells."""
HALT_CODES = frozenset({"2", "H", "P"})
RESUME_CODES = frozenset({"3", "T"})
"""Trading-status codes of the tapes: CTA's 2 (halt), 3 (resume); UTP's H (halt), P (volatility pause), T (resume)."""
BLOCKED_RETRY_S = 0.5
"""Wall seconds between two tries to write a journal that could not be written."""
DISAGREEMENT_RETRY_NS = 30 * SECOND_NS


@dataclass(frozen=True)
class Plan:
    """What a daemon is to do, settled before it starts. `make_models` builds fresh instances for each session."""

    state: Path
    run_id: str
    symbols: tuple[str, ...]
    limits: Limits
    late_after_s: float
    make_models: Callable[[], list[RunningModel]]
    settings_json: str = "{}"


@dataclass(frozen=True)
class Outcome:
    """What it came to when the daemon ended. Money in dollars, positions in shares."""

    tally: Tally
    positions: dict[str, Decimal]
    cash: Decimal
    equity: Decimal
    profit: Decimal


class Daemon:
    """Lives until `stop` is called or `sessions` sessions have closed.

    `hear_clock` starts the announcements of an exchange's clock. `done` is told which hold has been dealt with, when
    that exchange's time stands still meanwhile.
    """

    def __init__(
        self,
        plan: Plan,
        broker: Broker,
        clock: Clock,
        calendar: Calendar,
        notifier: Notifier,
        hear_clock: Callable[[Sink], Awaitable[None]] | None = None,
        done: Callable[[int], None] | None = None,
    ) -> None:
        self.plan = plan
        self.tally = Tally()
        self.phase = self.line = "starting"
        self._broker = broker
        self._clock = clock
        self._calendar = calendar
        self._notifier = notifier
        self._hear_clock = hear_clock
        self._lockstep = Lockstep(done, self._is_busy) if done else None
        self.inbox = Inbox(clock, self._on_idle)
        self._trader: Trader | None = None
        self._journaling: Trader | None = None
        self._is_preparing = False
        self._asked: list[TradingHalted | TradingResumed] = []
        self._keeper: FeedKeeper | None = None
        self._carried = Carried()
        self._profits: dict[date, Decimal] = {}
        self._catch_up = CatchUp(broker, clock, self._patiently, lambda: self._stopping)
        self._glance = CatchUp(broker, clock, self._once, lambda: self._stopping)
        self._left_open = True
        self._by_hand: dict[str, Decimal] = {}
        self._working_before: dict[str, tuple[OrderStatus, Decimal]] = {}
        self._closing: tuple[dict[str, Decimal], Decimal, Decimal] | None = None
        self._stopping = False
        self._next_clock_check_ns = self._next_order_check_ns = 0
        self._feeds: dict[Feed, FeedState] = {}

    # -- the whole life ------------------------------------------------------------------------------------------

    async def run(self, sessions: int | None = None) -> Outcome:
        """Live session after session. Raises what cannot be cured by waiting: refused keys, an unusable journal."""
        self._carried = carried_at_last(self.plan.state)
        ticker = asyncio.create_task(self._tick())
        try:
            await self._set_clock()
            self._notifier.ready()
            while not self._stopping and (sessions is None or self.tally.sessions < sessions):
                await self._one_session(self._calendar.next_session(self._clock.now_ns()))
        finally:
            self._notifier.stopping()
            ticker.cancel()
            self.inbox.close()
            await self._broker.disconnect()
        return self._outcome()

    async def _set_clock(self) -> None:
        if self._hear_clock is not None:
            await self._hear_clock(self._receive)
            await self._pump(until_ns=1)

    def stop(self) -> None:
        """End in order, soon: no more signals, what was sent is answered or given up, the journal is closed."""
        self._stopping = True
        self.inbox.wake()

    async def _one_session(self, session: Session) -> None:
        await self._sleep_until_open(session)
        if self._stopping or not self._is_next(session):
            return
        trader = await self._prepare(session)
        if trader is None:
            return
        self._trader = trader
        try:
            await self._pump(session.open_ns)
            if await self._is_really_open(session):
                await self._trade(session, trader)
            elif not self._stopping:
                await self._pump(session.close_ns)
            await self._settle(trader)
        finally:
            self._leave(trader)
        await self._broker.disconnect_feeds()
        if self._lockstep:
            self._lockstep.disconnected()

    async def _sleep_until_open(self, session: Session) -> None:
        wake_ns = session.open_ns - LEAD_NS
        if self._clock.now_ns() >= wake_ns:
            return
        opens = _in_new_york(session.open_ns)
        asleep_s = (wake_ns - self._clock.now_ns()) // SECOND_NS
        log.info("market.closed", opens=opens, sleeping=_length_of(asleep_s))
        self._say("closed", f"closed; asleep until {opens}")
        await self._compare_next_open(session)
        await self._pump(wake_ns, unless=lambda: not self._is_next(session))

    def _is_next(self, session: Session) -> bool:
        """Whether `session` is still the one to wait for: a clock that was set, or a long suspension, may change it."""
        return self._calendar.next_session(self._clock.now_ns()) == session

    async def _trade(self, session: Session, trader: Trader) -> None:
        if not trader.engine.is_open:
            trader.take(SessionOpened(max(session.open_ns, self._clock.now_ns()), session), "calendar")
            crash_point("session.opened")
        self._next_clock_check_ns = self._clock.now_ns() + CLOCK_CHECK_NS
        self._next_order_check_ns = self._clock.now_ns() + ORDER_CHECK_NS
        while not self._stopping and self._clock.now_ns() < session.close_ns:
            await self._pump(min(session.close_ns, self._next_clock_check_ns, self._next_order_check_ns))
            await self._check_broker_clock(session, trader)
            if not self._stopping and self._clock.now_ns() >= self._next_order_check_ns:
                self._next_order_check_ns = self._clock.now_ns() + ORDER_CHECK_NS
                await self._check_quiet_orders(trader)
        if self._stopping:
            return
        trader.take(SessionClosed(session.close_ns, session), "calendar")
        crash_point("session.closed")
        self._say("closing", "the market has closed; waiting for the last reports")
        await self._pump(session.close_ns + LINGER_NS)
        if self._keeper is not None and not self._stopping:
            await self._keeper.backfill()

    # -- connecting ----------------------------------------------------------------------------------------------

    async def _prepare(self, session: Session) -> Trader | None:
        """Everything that must stand before the first bar; None when told to stop meanwhile."""
        self._say("connecting", "connecting to the broker")
        account = await self._patiently(self._connect)
        if account is None:
            return None
        self._is_preparing = True
        await self._finish_last_session(session)
        trader, unanswered = self._make_trader(session, account)
        await self._catch_up.with_orders(trader, unanswered)
        await self._catch_up.with_strangers(trader)
        self._by_hand = await self._catch_up.with_positions(trader)
        crash_point("reconcile.done")
        self._keeper = FeedKeeper(
            trader, self._broker, self._clock, session, self.plan.symbols, in_lockstep=self._lockstep is not None
        )
        if not trader.has_bars:
            await self._keeper.warm_up(self._calendar)
        await self._keeper.backfill()
        crash_point("backfill.done")
        return trader

    async def _finish_last_session(self, session: Session) -> None:
        """What became of orders that the last session left open belongs into its journal, and is carried."""
        if not self._left_open:
            return
        before = journal_path(self.plan.state, session.day)
        engine = await self._catch_up.with_last_session(self.plan.state, self.plan.run_id, before)
        if engine is not None:
            self._carried = carried_of(engine)

    async def _connect(self) -> Account:
        await self._broker.connect(self._receive)
        symbols = self.plan.symbols
        await self._broker.subscribe(bars=symbols, updated_bars=symbols, statuses=symbols)
        return await self._broker.account()

    def _make_trader(self, session: Session, account: Account) -> tuple[Trader, dict[str, SubmitOrder]]:
        """The trader of `session`, and the orders that may not have been sent before a restart and are still fresh."""
        journal = Journal.open(journal_path(self.plan.state, session.day), session, self.plan.run_id)
        crash_point("journal.opened")
        journal.set_meta("account_id", account.account_id)
        journal.set_meta("settings", self.plan.settings_json)
        recovered = recover(journal, self._carried.positions, partial(self._make_engine, session))
        crash_point("session.recovered")
        trader = Trader(
            engine=recovered.engine,
            journal=journal,
            guard=recovered.guard,
            broker=self._broker,
            clock=self._clock,
            tally=self.tally,
            deliver=self._deliver,
            answered=self.inbox.wake,
            late_after_s=self.plan.late_after_s,
            sequentially=self._lockstep is not None,
        )
        for event, commands in recovered.steps:
            trader.recall(event)
            if session.day not in self._profits:  # else counted already, before the clock was set back
                self.tally.add(event, commands)
        for running in recovered.engine.models.values():
            journal.add_model(running.model_id, running.fingerprint, running.symbols, running.parameters)
        if not any(isinstance(event, PortfolioCarried) for event, _ in recovered.steps):
            trader.take(self._carried.into(self._clock.now_ns(), account.cash), "journal")
            crash_point("portfolio.carried")
        self._journaling, self._is_preparing = trader, False
        while self._asked:
            trader.take(self._asked.pop(0), "control")
        fresh_ns = int(self.plan.late_after_s * self._clock.speed * SECOND_NS)
        return trader, recovered.unanswered(self._clock.now_ns() - fresh_ns)

    def _make_engine(self, session: Session, call: HookCaller, besides: Iterable[RunningModel]) -> Engine:
        """Models that are gone keep what they hold, so that it is flattened, and decide nothing."""
        models = {running.model_id: running for running in (*besides, *self.plan.make_models())}
        return Engine(session, models.values(), self.plan.limits, self.plan.run_id, call)

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Ask until there is an answer: a broker that is away is waited for. None when told to stop meanwhile."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(BrokerUnavailable),
            wait=wait_exponential_jitter(initial=1, max=30),
            stop=lambda _: self._stopping,
            before_sleep=self._tell_waiting,
            sleep=self._nap,
            retry_error_callback=lambda _: None,
        ):
            with attempt:
                return await ask()
        return None

    async def _once(self, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Ask, and raise BrokerError when there is no answer."""
        return await ask()

    async def _check_quiet_orders(self, trader: Trader) -> None:
        """Ask about the orders of which nothing was heard since the last check."""
        before, working = self._working_before, trader.engine.working
        self._working_before = {id: (order.status, order.filled_quantity) for id, order in working.items()}
        await self._check_orders(
            trader, {id for id, stands in self._working_before.items() if before.get(id) != stands}
        )

    async def _check_orders(self, trader: Trader, besides: Container[str] = ()) -> None:
        """Ask what became of working orders; a broker that is away is asked the next time."""
        try:
            await self._glance.with_orders(trader, {}, besides)
        except BrokerError as error:
            log.warning("broker.unreachable", asked="orders", error=str(error))

    def _tell_waiting(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        log.warning("broker.unreachable", attempt=attempt.attempt_number, error=str(error))
        self._say("waiting", f"waiting for the broker: {error}")

    async def _nap(self, wall_s: float) -> None:
        await self._pump(self._clock.now_ns() + int(wall_s * self._clock.speed * SECOND_NS))

    # -- is the market open? -------------------------------------------------------------------------------------

    async def _broker_clock(self) -> BrokerClock | None:
        try:
            return await self._broker.clock()
        except BrokerError as error:
            log.warning("broker.unreachable", asked="clock", error=str(error))
            return None

    def _warn_disagreement(self, calendar: str, broker: str) -> None:
        log.warning("session.disagreement", calendar=f"{self._calendar.name} says {calendar}", broker=f"says {broker}")

    async def _compare_next_open(self, session: Session) -> None:
        """Warn of a session that only one of calendar and broker expects, before sleeping through it."""
        told = await self._broker_clock()
        if told is None:
            return
        if told.is_open:
            self._warn_disagreement("closed", "open")
        elif told.next_open_ns != session.open_ns:
            ours, theirs = _in_new_york(session.open_ns), _in_new_york(told.next_open_ns)
            self._warn_disagreement(f"next open {ours}", f"next open {theirs}")

    async def _is_really_open(self, session: Session) -> bool:
        """Wait until the broker too says open; False when it never does, or when told to stop."""
        warned = False
        while not self._stopping and self._clock.now_ns() < session.close_ns:
            told = await self._broker_clock()
            if told is not None and told.is_open:
                return True
            if told is not None and not warned:
                warned = True
                self._warn_disagreement("open", "closed")
                self._say("waiting", "the calendar says open, the broker says closed: no order is sent")
            await self._pump(self._clock.now_ns() + DISAGREEMENT_RETRY_NS)
        return False

    async def _check_broker_clock(self, session: Session, trader: Trader) -> None:
        """A closing that no calendar knew of stops new exposure, until the broker says open again."""
        now_ns = self._clock.now_ns()
        if self._stopping or now_ns < self._next_clock_check_ns or now_ns >= session.close_ns:
            return
        self._next_clock_check_ns = now_ns + CLOCK_CHECK_NS
        told = await self._broker_clock()
        if told is None:
            return
        halted = trader.engine.halts.holds(BROKER_CLOSED)
        if not told.is_open and not halted and self._clock.now_ns() < session.close_ns:
            self._warn_disagreement("open", "closed")
            trader.take(TradingHalted(now_ns, BROKER_CLOSED, "the broker says the market is closed"), "broker")
        elif told.is_open and halted:
            trader.take(TradingResumed(now_ns, "the broker says the market is open again", BROKER_CLOSED), "broker")

    # -- the one place where it waits ----------------------------------------------------------------------------

    async def _pump(self, until_ns: int, unless: Callable[[], bool] = lambda: False) -> None:
        """Deal with what arrives until the clock is at `until_ns`, `unless` holds, or a stop was asked for."""
        while True:
            await self._take_all()
            if self._stopping or self._clock.now_ns() >= until_ns or unless():
                return
            await self.inbox.wait_until(self._next_wake_ns(until_ns))

    async def _take_all(self) -> None:
        while not await self._is_blocked() and (item := self.inbox.take()) is not None:
            await self._deal_with(item)
            if self._trader is not None:
                await self._trader.let_leave()
        if self._trader is not None:
            self._trader.take_timers()
            if self._keeper is not None and self._trader.blocked is None:
                await self._keeper.check()
            await self._trader.let_leave()
            self._say_trading()
        self._notifier.watchdog()

    async def _is_blocked(self) -> bool:
        """Whether the journal cannot be written, tried again now. What arrives meanwhile waits in the inbox."""
        if self._trader is None or self._trader.blocked is None or self._trader.work():
            return False
        self._say("blocked", f"nothing is decided or sent: {self._trader.blocked}")
        self._notifier.watchdog()
        await asyncio.sleep(BLOCKED_RETRY_S)
        self.inbox.wake_soon()
        return True

    def _next_wake_ns(self, until_ns: int) -> int:
        timer_ns = self._trader.engine.next_timer_ns if self._trader else None
        check_ns = self._keeper.next_check_ns if self._keeper else None
        return min(time_ns for time_ns in (until_ns, timer_ns, check_ns) if time_ns is not None)

    async def _tick(self) -> None:
        """Make the loop go round: for the service manager's watchdog, and to notice a clock that was set back."""
        while True:
            await asyncio.sleep(min(self._notifier.watchdog_interval_s or RECHECK_S, RECHECK_S))
            self.inbox.wake()

    def _on_idle(self) -> None:
        if self._lockstep:
            for message in self._lockstep.release():
                self.inbox.put(message)
            if not len(self.inbox):
                self._lockstep.idle()

    def _is_busy(self) -> bool:
        trader = self._trader
        return trader is not None and (trader.sender.outstanding > 0 or trader.blocked is not None)

    # -- what arrives --------------------------------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        """The broker's sink."""
        for ready in self._lockstep.offer(message) if self._lockstep else (message,):
            self.inbox.put(ready)

    def _deliver(self, report: ExecutionReport) -> None:
        """The answer to a request of ours."""
        self.inbox.put(report)

    async def _deal_with(self, item: Any) -> None:
        match item:
            case ClockAnnouncement():
                self._follow_clock(item)
            case FeedStatus():
                await self._follow_feed(item)
            case UnknownMessage():
                log.warning("message.unknown", feed=str(item.feed), text=item.text[:500], problem=item.problem)
            case Overflowed():
                log.error("inbox.overflowed", lost=item.lost)
                self._halt("overflow", f"{item.lost} messages arrived faster than they could be dealt with")
            case MarketMessage() if self._keeper is not None:
                await self._keeper.take(item)
            case ExecutionReport() if self._trader is not None:
                self._trader.take(OrderReported(item), "broker")
            case TradingStatus() if self._trader is not None:
                self._follow_status(self._trader, item)

    def _follow_status(self, trader: Trader, status: TradingStatus) -> None:
        words = status.message or status.code
        if status.code in HALT_CODES:
            trader.take(SymbolHalted(status.time_ns, status.symbol, "exchange", status.reason or words), "broker")
        elif status.code in RESUME_CODES:
            trader.take(SymbolResumed(status.time_ns, status.symbol), "broker")
        else:
            log.info("symbol.status", symbol=status.symbol, code=status.code, message=words)

    def _follow_clock(self, announcement: ClockAnnouncement) -> None:
        if isinstance(self._clock, ExchangeClock):
            self._clock.announce(announcement.time_ns, announcement.speed, held=self._lockstep is not None)

    async def _follow_feed(self, status: FeedStatus) -> None:
        still_down = self._feeds.get(status.feed) is status.state is FeedState.DOWN
        self._feeds[status.feed] = status.state
        level = log.debug if still_down else log.info if status.state is FeedState.UP else log.warning
        level(f"feed.{status.state}", feed=str(status.feed), **({"detail": status.detail} if status.detail else {}))
        if status.feed is Feed.CLOCK:
            if status.state is not FeedState.UP and isinstance(self._clock, ExchangeClock):
                self._clock.announce(self._clock.now_ns(), self._clock.speed, held=True)
        elif status.state is FeedState.UP and status.quiet_since_ns and self._trader and self._keeper:
            if status.feed is Feed.TRADES:
                await self._catch_up.with_orders(self._trader, {})
            else:
                await self._keeper.backfill()

    def _halt(self, rule: str, reason: str) -> None:
        if self._trader is not None:
            self._trader.take(TradingHalted(self._clock.now_ns(), rule, reason), "daemon")

    # -- halted by hand ------------------------------------------------------------------------------------------

    @property
    def halts(self) -> Halts:
        """The halts in force: of the session going on, else those that the next one will begin with."""
        halts = self._journaling.engine.halts if self._journaling else Halts(self._carried.halts)
        for event in self._asked:
            if isinstance(event, TradingHalted):
                halts.add(Halt(event.rule, event.reason, flatten=event.flatten))
            else:
                halts.lift(event.rule)
        return halts

    def halt(self, reason: str, *, flatten: bool) -> None:
        """No new exposure until `resume`, also after a restart; with `flatten` all positions are closed, now or at the
        next open. Raises StateError when it cannot be journaled."""
        self._take_by_hand(TradingHalted(self._clock.now_ns(), MANUAL, reason, flatten))

    def resume(self, reason: str) -> list[Halt]:
        """End the halts that a person may end, and return them. Raises StateError when it cannot be journaled."""
        before = list(self.halts)
        self._take_by_hand(TradingResumed(self._clock.now_ns(), reason))
        after = list(self.halts)
        return [halt for halt in before if halt not in after]

    def _take_by_hand(self, event: TradingHalted | TradingResumed) -> None:
        """Journal and step what a person asked for: in the session going on, or at the end of the last one."""
        if self._journaling is not None:
            self._journaling.take(event, "control")
        elif self._is_preparing:
            self._asked.append(event)
        else:
            following = self._calendar.next_session(event.time_ns)
            journal_between_sessions(self.plan.state, self.plan.run_id, following, event)
            self._carried = carried_at_last(self.plan.state)
        self.inbox.wake()

    # -- the end of a session ------------------------------------------------------------------------------------

    async def _settle(self, trader: Trader) -> None:
        """Wait for the answers to what was sent, and take them in: of a broker that is away, until the next session."""
        following = self._calendar.next_session(trader.engine.session.close_ns)
        await self._pump(following.open_ns - LEAD_NS, unless=lambda: not trader.sender.outstanding)
        await trader.sender.settle()
        await self._take_all()
        await self._check_orders(trader)
        await self._take_all()
        crash_point("session.settled")
        if not self._stopping:
            await self._compare(trader.engine)

    async def _compare(self, engine: Engine) -> None:
        """Hold our ledger against the broker's."""
        try:
            account, positions = await self._broker.account(), await self._broker.positions()
        except BrokerError as error:
            log.warning("account.unchecked", error=str(error))
            return
        held = {position.symbol: position.quantity - self._by_hand.get(position.symbol, 0) for position in positions}
        theirs = {symbol: quantity for symbol, quantity in held.items() if symbol in self.plan.symbols and quantity}
        if theirs == engine.positions and account.cash == engine.cash:
            log.info("account.agrees", cash=text_of(account.cash), positions=len(theirs))
        else:
            log.warning(
                "account.differs",
                ours={symbol: text_of(quantity) for symbol, quantity in engine.positions.items()},
                brokers={symbol: text_of(quantity) for symbol, quantity in theirs.items()},
                our_cash=text_of(engine.cash),
                brokers_cash=text_of(account.cash),
            )

    def _leave(self, trader: Trader) -> None:
        engine = trader.engine
        self._closing = (engine.positions, engine.cash, engine.equity)
        self._profits[engine.session.day] = engine.profit
        self._carried = carried_of(engine)
        self._left_open = bool(engine.working)
        self._trader = self._keeper = self._journaling = None
        if trader.unfinished:
            log.error("journal.incomplete", events=trader.unfinished, reason=str(trader.blocked))
        trader.tell()
        trader.journal.close()
        crash_point("journal.closed")

    # -- telling -------------------------------------------------------------------------------------------------

    @property
    def trader(self) -> Trader | None:
        """The session going on, None while closed."""
        return self._trader

    def _say(self, phase: str, line: str) -> None:
        self.phase, self.line = phase, line
        self._notifier.status(line)

    def _say_trading(self) -> None:
        if self._trader is not None and self._trader.engine.is_open:
            self._say("open", status_line(self._trader.engine, self.tally))

    def _outcome(self) -> Outcome:
        positions, cash, equity = self._closing or ({}, Decimal(0), Decimal(0))
        return Outcome(self.tally, positions, cash, equity, sum(self._profits.values(), Decimal(0)))


def status_line(engine: Engine, tally: Tally) -> str:
    """One line for a person: open until 16:00 ET · volume_17_31 · 212 bars · 17 orders · SPY -5 · P&L +3.20."""
    closes = f"{datetime_of(engine.session.close_ns).astimezone(NEW_YORK):%H:%M}"
    held = [f"{symbol} {quantity:+}" for symbol, quantity in engine.positions.items()] or ["flat"]
    halted = [f"halted: {engine.halted}"] if engine.halted else []
    parts: Iterable[str] = (
        f"open until {closes} ET",
        *halted,
        ", ".join(engine.models),
        f"{tally.bars} bars",
        f"{tally.orders} orders",
        *held,
        f"P&L {signed_money(engine.profit)}",
    )
    return " · ".join(parts)


def _in_new_york(time_ns: int) -> str:
    return f"{datetime_of(time_ns).astimezone(NEW_YORK):%a %Y-%m-%d %H:%M} New York"


def _length_of(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
