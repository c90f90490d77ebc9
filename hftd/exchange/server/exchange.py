"""The exchange at work: time goes on, the market happens, the venue trades, everything is kept and told.

All of it happens on one event loop, in moments: at exchange time t everything that is due at t is done at once, in one
transaction, before anything is told. What a client asks for over REST happens between two moments.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import inf

import structlog

from hftd.calendar import Calendar
from hftd.clock import RECHECK_S
from hftd.domain.convert import MINUTE_NS, rfc3339_of
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.agenda import MARGIN_NS, Agenda, Turn, TurningPoint
from hftd.exchange.market.course import Course
from hftd.exchange.server.clock_socket import ClockFeed
from hftd.exchange.server.config import ExchangeConfig
from hftd.exchange.server.connection import Connection
from hftd.exchange.server.faults import ONCE, Fault, FaultKind, Faults, Target, check_fault, load_schedule
from hftd.exchange.server.feed import (
    DataMessage,
    Feed,
    bar_message,
    daily_message,
    quote_message,
    status_message,
    trade_message,
)
from hftd.exchange.server.history import History
from hftd.exchange.server.keys import TurnedAway, load_keys
from hftd.exchange.server.limits import RateLimit
from hftd.exchange.server.lockstep import Holds
from hftd.exchange.server.opening import (
    KEYS_FILE,
    STORE_FILE,
    check,
    held,
    make_assets,
    make_market,
    make_venue,
    starting_time,
)
from hftd.exchange.server.render import update_json
from hftd.exchange.server.rest_events import EventLog
from hftd.exchange.server.store import Store
from hftd.exchange.server.timeframes import Timeframe, Unit
from hftd.exchange.server.timeline import NOT_YET, Timeline
from hftd.exchange.server.trade_socket import TradeFeed
from hftd.exchange.venue.happenings import Happening, OrderChanged

UNPACED_SPEED = 1000.0
"""From this speed on, time in lockstep is paced by the clients alone."""

ANNOUNCED_EVERY_S = 1.0
TOO_MANY_SOCKETS = 406
DAY = Timeframe(1, Unit.DAY)

log = structlog.get_logger()


class Exchange:
    """One exchange. `run` lets its time pass; REST and sockets use its parts."""

    def __init__(self, config: ExchangeConfig, calendar: Calendar | None = None) -> None:
        """Open the exchange on its state directory.

        Raises SettingsError, StateError or DataError for what cannot be carried out.
        """
        self.config = config
        self.calendar = calendar or Calendar()
        self._changed = asyncio.Event()
        self._arrived: list[asyncio.Future[None]] = []
        with ExitStack() as opened:
            self._open_state(opened)
            self._opened = opened.pop_all()

    def _open_state(self, opened: ExitStack) -> None:
        """Take hold of the state directory, and go on from what it says."""
        config, keys_file = self.config, self.config.state / KEYS_FILE
        check(config, keys_file)
        self.market = make_market(config, self.calendar)
        self.history = History(self.market, self.calendar)
        opened.enter_context(held(config.state))
        self.store = Store(config.state / STORE_FILE)
        opened.callback(self.store.close)
        self.keys = load_keys(keys_file, config.accounts)
        self._agenda = Agenda(self.calendar, self.market.days, leaps=not config.keeps_wall_time)
        state = self.store.load()
        start_ns = starting_time(config, self._agenda, self.store, state)
        self.assets = make_assets(self.market, state)
        self.venue = make_venue(config, self.market, self.assets, state, start_ns)
        self.account_ids = {account.name: account.id for account in self.venue.accounts()}
        self._names = {account_id: name for name, account_id in self.account_ids.items()}
        self._start(start_ns)

    def _start(self, start_ns: int) -> None:
        config = self.config
        self.timeline = Timeline(start_ns, config.speed, keeps_wall_time=config.keeps_wall_time)
        self.limit = RateLimit(config.requests_a_minute)
        self.feed = Feed()
        self.trade_feed = TradeFeed()
        self.event_log = EventLog()
        self._untold: list[OrderChanged] = []
        self.holds = Holds(self._stop_for_lockstep, self._go_after_lockstep)
        self.sockets: dict[Target, set[Connection]] = {target: set() for target in Target}
        self.faults = Faults(config.seed, self.sockets, self.feed)
        schedule = load_schedule(config.faults, self.market.symbols) if config.faults else ()
        self._schedule = deque(scheduled for scheduled in schedule if scheduled[0] >= start_ns)
        self.clock_feed = ClockFeed(self.timeline, self.holds, self._clock_presence)
        self._target_ns = self._moment_ns = start_ns
        self._resume(self.store.get("played_ns", int) or start_ns, start_ns)

    # Time

    async def run(self) -> None:
        """Let time pass until cancelled. Raises StateError when the state can no longer be written."""
        announcer = asyncio.create_task(self._announce_regularly())
        self.timeline.go(NOT_YET)
        try:
            while True:
                self._changed.clear()
                due_ns = self._due_ns()
                self.timeline.limit_ns = due_ns
                wait_s = self._wait_s(due_ns)
                if due_ns is None or wait_s > 0:
                    await self._something_changed(wait_s)
                else:
                    self._moment(due_ns)
                    await asyncio.sleep(0)
        finally:
            announcer.cancel()
            with suppress(asyncio.CancelledError):
                await announcer

    async def advance_to(self, time_ns: int) -> None:
        """With a speed of 0: let time pass until `time_ns`, leaps included, and return when all until then is done."""
        waiter = asyncio.get_running_loop().create_future()
        self._arrived.append(waiter)
        self._target_ns = max(self._target_ns, time_ns)
        self._notify()
        await waiter

    def close(self) -> None:
        """Write the exact time and close the state."""
        with self._opened:
            self.store.write(self.venue.drain(), standing=self.venue.standing, time_ns=self.timeline.now_ns())

    def upcoming_session(self, time_ns: int) -> Session:
        """The session that is open at `time_ns`, or else the next: one that will be played, while there is any."""
        return self.course.upcoming_session(time_ns)

    # What clients do

    def commit(self) -> None:
        """Keep what a client's command did, and tell it once the command is answered.

        As with the real broker: clients look up an order's update by the id that they know from the answer. Those in
        lockstep are told before, and learn from the answer which hold they have to wait for.
        """
        happenings = self.venue.drain()
        if happenings:
            self.store.write(happenings, standing=self.venue.standing)
            at_once: list[OrderChanged] = []
            for happening in happenings:
                if isinstance(happening, OrderChanged):
                    in_lockstep = self._owner_of(happening) in self.holds.accounts
                    (at_once if in_lockstep else self._untold).append(happening)
            self._hold(self._publish(at_once))
            asyncio.get_running_loop().call_soon(self._tell_untold)
            self._notify()  # what is under way may be due before anything else

    def mark_late(self, connection: Connection) -> None:
        """A lockstep socket has authenticated: during a hold it gets the hold's mark at once."""
        hold = self.holds.hold_of(connection.account)
        if connection.lockstep and hold:
            self._mark_socket(connection, hold)

    def mark(self, account: str, hold: int) -> None:
        """Put mark `hold` on all lockstep sockets of `account`."""
        for connection in [*self.feed.connections(), *self.trade_feed.connections()]:
            if connection.lockstep and connection.account == account:
                self._mark_socket(connection, hold)

    # Faults

    def arm(self, fault: Fault) -> int:
        """Let `fault` befall: its number if it lasts, else 0. Raises HftdError for one that makes no sense."""
        check_fault(fault, self.market.symbols)
        now_ns = self.timeline.now_ns()
        if fault.kind not in ONCE:
            return self.faults.add(fault)
        if fault.kind is FaultKind.DROP:
            self.faults.drop(fault)
        elif fault.kind is FaultKind.PRINT:
            self._hold(self.faults.publish_print(fault, now_ns))
        else:
            self._halt_or_resume(fault, now_ns)
        return 0

    def authenticate(self, target: Target, key: str, secret: str) -> str | None:
        """The account that a socket's keys open. Raises TurnedAway for a fault, or for one data socket too many."""
        if code := self.faults.refuses(target):
            raise TurnedAway(code)
        account = self.keys.account_of(key, secret)
        if target is Target.DATA and account is not None and self._has_all_sockets(account):
            raise TurnedAway(TOO_MANY_SOCKETS)
        return account

    def _has_all_sockets(self, account: str) -> bool:
        most = self.config.data_sockets
        return 0 < most <= sum(connection.account == account for connection in self.feed.connections())

    def _halt_or_resume(self, fault: Fault, now_ns: int) -> None:
        act = self.venue.halt if fault.kind is FaultKind.HALT else self.venue.resume
        act(fault.symbol, now_ns)
        self.commit()
        self._hold(self.feed.publish([status_message(fault.symbol, now_ns, halted=fault.kind is FaultKind.HALT)]))

    @contextmanager
    def present(self, target: Target, connection: Connection) -> Iterator[None]:
        """`connection` is open. Faults may befall it."""
        self.sockets[target].add(connection)
        self.faults.attach(target, [connection])
        try:
            yield
        finally:
            self.sockets[target].discard(connection)

    # Moments

    def _resume(self, played_ns: int, start_ns: int) -> None:
        """Go on after the moment `played_ns`, the last that was played; time is `start_ns`."""
        if self.config.keeps_wall_time:
            played_ns = start_ns
        self.course = Course(self.venue, self.market, self._agenda, played_ns, start_ns)
        if self.course.next_point is None:
            self._end()
        if self.config.wait:
            self.timeline.stop("wait")
        self._write(self.venue.drain(), played_ns)

    def _due_ns(self) -> int | None:
        return _earliest(self._next_ns(), self._wake_ns())

    def _next_ns(self) -> int | None:
        """When something is due next, whoever wants to be awake before."""
        fault_ns = max(self._schedule[0][0], self.timeline.now_ns()) if self._schedule else None
        return _earliest(self.course.next_ns, fault_ns, self._minute_ns())

    def _minute_ns(self) -> int | None:
        """The next whole minute of an open session or just before one, when somebody is in lockstep: whose own timers
        do not wait for the next trade, and who wants to be there when the session opens."""
        if not self.holds.accounts or not self._is_lively():
            return None
        return max((self._moment_ns // MINUTE_NS + 1) * MINUTE_NS, self.timeline.now_ns())

    def _wake_ns(self) -> int | None:
        """When somebody in lockstep wants to be awake: a timer of its own, whatever the market does then."""
        wake_ns = self.holds.wake_ns
        return None if wake_ns is None else max(wake_ns, self.timeline.now_ns())

    def _is_lively(self) -> bool:
        point = self.course.next_point
        is_near = point is not None and point.turn is Turn.OPEN and point.time_ns - self.timeline.now_ns() <= MARGIN_NS
        return self.venue.standing.is_open or is_near

    def _wait_s(self, due_ns: int | None) -> float:
        """Wall seconds until `due_ns` comes; infinite when something must change first."""
        if due_ns is None or not self.timeline.speed:
            return self._wait_by_hand_s(due_ns)
        if self.timeline.stands:
            return inf
        return 0.0 if self._is_unpaced() else self.timeline.wall_s_until(due_ns)

    def _wait_by_hand_s(self, due_ns: int | None) -> float:
        """Time moves only to what `advance_to` has asked for; whoever waits for less has waited long enough."""
        if due_ns is not None and (self.timeline.stands or due_ns <= self._target_ns):
            return inf if self.timeline.stands else 0.0
        if not self.timeline.stands:
            self.timeline.reach(self._target_ns)
        waiters, self._arrived = self._arrived, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        return inf

    def _is_unpaced(self) -> bool:
        return self.timeline.speed >= UNPACED_SPEED and bool(self.holds.accounts)

    def _moment(self, time_ns: int) -> None:
        """Do everything that is due at `time_ns`."""
        self._moment_ns = time_ns
        self.timeline.reach(time_ns)
        moment = self.course.advance_to(time_ns)
        for point in moment.turned:
            _TURNED[point.turn](self, point)
        self._write(moment.happenings, time_ns)
        reached = self.feed.publish(self._messages(moment.data)) if moment.data else set()
        reached |= self._tell(moment.happenings)
        leapt = any(point.turn is Turn.LEAP for point in moment.turned)
        if moment.turned:
            self.clock_feed.announce_turn(jump=leapt)
        on_the_minute = self._is_lively() and time_ns % MINUTE_NS == 0
        reached |= self.holds.woken_by(time_ns)
        self._hold(self.holds.accounts if moment.turned or on_the_minute else reached, jump=leapt)
        while self._schedule and self._schedule[0][0] <= time_ns:
            self.arm(self._schedule.popleft()[1])

    def _tell_open(self, point: TurningPoint) -> None:
        log.info("session.opened", **_session_fields(point.session))

    def _tell_close(self, point: TurningPoint) -> None:
        log.info("session.closed", **_session_fields(point.session))

    def _leap(self, point: TurningPoint) -> None:
        if self.course.next_point is None:
            self._end()
        else:
            self.timeline.leap(point.target_ns)
            log.info("time.leapt", to=rfc3339_of(point.target_ns))

    def _end(self) -> None:
        self.timeline.stop("end")
        log.info("tape.ended", at=rfc3339_of(self.timeline.now_ns()), file=str(self.config.tape))

    def _write(self, happenings: Sequence[Happening], played_ns: int) -> None:
        """Keep what has happened. Time may be read until the next moment, but not beyond: so that is written too. Who
        wants to be awake before may change his mind, and nothing is written then."""
        now_ns = self.timeline.now_ns()
        reserved_ns = now_ns if self.config.keeps_wall_time else max(now_ns, self._next_ns() or 0)
        values = {"standing": self.venue.standing, "time_ns": reserved_ns, "played_ns": played_ns}
        self.store.write(happenings, **values)

    # Telling

    def _messages(self, data: Iterable[MarketData]) -> list[DataMessage]:
        wanted = {kind: make for kind, (channel, make) in _MESSAGES.items() if self.feed.is_wanted(channel)}
        messages = [wanted[type(item)](item) for item in data if type(item) in wanted]
        if self.feed.is_wanted("dailyBars"):
            bars = [item for item in data if isinstance(item, Bar)]
            messages += [daily_message(day) for bar in bars if (day := self._day_of(bar))]
        return messages

    def _day_of(self, bar: Bar) -> Bar | None:
        return self.history.latest_bar(bar.symbol, DAY, bar.known_at_ns)

    def _tell_untold(self) -> None:
        self._hold(self._tell([]))

    def _tell(self, happenings: Iterable[Happening]) -> set[str]:
        """Send trade updates, those that are still untold first. Returns the accounts that got any."""
        untold, self._untold = self._untold, []
        changes = (happening for happening in happenings if isinstance(happening, OrderChanged))
        return self._publish((*untold, *changes))

    def _publish(self, changes: Iterable[OrderChanged]) -> set[str]:
        reached = set()
        for change in changes:
            if change.kind is not None:
                name = self._owner_of(change)
                update = partial(update_json, change, self.assets)
                self.event_log.add(name, change.time_ns, update)
                if self.trade_feed.publish(name, update):
                    reached.add(name)
        return reached

    def _owner_of(self, change: OrderChanged) -> str:
        return self._names[change.order.account_id]

    def _hold(self, accounts: Iterable[str], *, jump: bool = False) -> None:
        for account in list(accounts):
            self.holds.hold(account, jump=jump)

    def _mark_socket(self, connection: Connection, hold: int) -> None:
        """A mark is no part of the protocol: it passes beside the faults, or a mute socket would hold time for ever."""
        if connection in self.feed.connections():
            connection.send_now([{"T": "hftd", "hold": hold}])
        else:
            connection.send_now({"stream": "hftd", "data": {"hold": hold}})

    # Standing still

    def _stop_for_lockstep(self) -> None:
        self.timeline.stop("lockstep")

    def _go_after_lockstep(self) -> None:
        self.timeline.limit_ns = self._due_ns()  # who let it go may have said when to stand still again
        self.timeline.go("lockstep")
        self._notify()

    def _clock_presence(self, accounts: int) -> None:
        if not self.config.wait:
            return
        if accounts >= self.config.wait_for:
            self.timeline.go("wait")
            self._notify()
        elif not accounts:
            self.timeline.stop("wait")

    def _notify(self) -> None:
        self._changed.set()

    async def _something_changed(self, wall_s: float) -> None:
        """Wait until something changes, at most `wall_s` seconds."""
        try:
            async with asyncio.timeout(min(wall_s, RECHECK_S)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _announce_regularly(self) -> None:
        while True:
            await asyncio.sleep(ANNOUNCED_EVERY_S)
            self.clock_feed.announce()
            self.holds.release_overdue()


def _earliest(*times_ns: int | None) -> int | None:
    return min((time_ns for time_ns in times_ns if time_ns is not None), default=None)


def _session_fields(session: Session) -> dict[str, str]:
    return {"day": session.day.isoformat(), "open": rfc3339_of(session.open_ns), "close": rfc3339_of(session.close_ns)}


_TURNED: dict[Turn, Callable[[Exchange, TurningPoint], None]] = {
    Turn.OPEN: Exchange._tell_open,
    Turn.CLOSE: Exchange._tell_close,
    Turn.LEAP: Exchange._leap,
}
_MESSAGES: dict[type, tuple[str, Callable[..., DataMessage]]] = {
    Trade: ("trades", trade_message),
    Quote: ("quotes", quote_message),
    Bar: ("bars", bar_message),
}
"""The channel of each kind of data, and its message."""
