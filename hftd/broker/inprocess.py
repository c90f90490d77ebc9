"""A broker in the same process, without sockets: the venue, a market and a clock moved by hand.

It keeps the manners of the simulated exchange behind its sockets: what happens at one instant comes to the sink as
reports and market data, a client of its clock holds time still until it has said `done`, and what a request does is
told before the request is answered. So a daemon lives through it as through the real thing, only without waiting: a
simulation plays weeks in seconds, and plays them the same each time.
"""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from sys import maxsize

from hftd.broker.base import (
    Asset,
    ClockAnnouncement,
    Feed,
    FeedState,
    FeedStatus,
    Mark,
    MarketMessage,
    OrdersAsked,
    Sink,
)
from hftd.clock import Clock, ManualClock
from hftd.domain.account import Account, BrokerClock, Position
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderRequest, ReportKind
from hftd.exchange.market.course import Course
from hftd.exchange.venue.accounts import ActivityType
from hftd.exchange.venue.assets import listed
from hftd.exchange.venue.happenings import Happening, OrderChanged
from hftd.exchange.venue.orders import Changes, Order
from hftd.exchange.venue.queries import ActivityFilter, OrderFilter, Status
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.translate import broker_order_of, first_word, new_order_of, report_of

SOCKETS = (Feed.TRADES, Feed.DATA)


class InProcessBroker:
    """A `LockstepBroker` for one account of `course.venue`. Its time is `clock`'s.

    Somebody must let the course's moments happen: `play_until` by a manual clock, or else whoever calls `play_moment`
    as soon as `next_ns` has come.
    """

    def __init__(self, clock: Clock, course: Course, cash: Decimal = Decimal(100_000), name: str = "default") -> None:
        """Open an account with `cash` dollars."""
        self.course = course
        self.venue = course.venue
        self.account_id = self.venue.open_account(name, cash, clock.now_ns()).id
        self._clock = clock
        self._sink: Sink | None = None
        self._clock_sink: Sink | None = None
        self._subscribed: dict[type, set[str]] = {Bar: set(), Quote: set(), Trade: set()}
        self._assets = {symbol: listed(symbol) for symbol in course.market.symbols}
        self._hold = 0
        self._released = asyncio.Event()
        self._released.set()

    # -- time ----------------------------------------------------------------------------------------------------

    @property
    def next_ns(self) -> int | None:
        """When the next moment of the exchange is due; None when there is none any more."""
        return self.course.next_ns

    def play_moment(self) -> None:
        """Let the next moment happen and tell of it. The clock must have come to `next_ns`."""
        assert self.next_ns is not None, "there is no moment any more"
        moment = self.course.advance_to(self.next_ns)
        reached = self._publish(moment.data)
        reached |= self._tell(moment.happenings)
        if reached or moment.turned:
            self.hold()

    async def play_until(self, time_ns: int) -> None:
        """Move a manual clock to `time_ns`, from one moment to the next, of the exchange and of whoever sleeps by it.

        Each time the client of the clock is waited for, until it has nothing left to do.
        """
        clock = self._clock
        assert isinstance(clock, ManualClock), "only a manual clock can be moved"
        await self.settled()
        while (due_ns := _earliest(self.next_ns, clock.next_wake_ns, time_ns)) is not None:
            wakes = clock.next_wake_ns == due_ns
            clock.advance_to(due_ns)
            while self.next_ns is not None and self.next_ns <= due_ns:
                self.play_moment()
            if wakes:
                self.hold()
            await self.settled()
        clock.advance_to(time_ns)

    async def settled(self) -> None:
        """Return when nobody holds time still, and whoever said so is asleep again."""
        hold = -1
        while hold != self._hold or not self._released.is_set():
            hold = self._hold
            await self._released.wait()
            await asyncio.sleep(0)  # who has said `done` goes to sleep in this round of the loop; who comes, holds

    def hold(self) -> None:
        """Hold time still until the client of the clock is done with everything up to now."""
        if self._clock_sink is None:
            return
        self._hold += 1
        self._released.clear()
        if self._sink is not None:
            for feed in SOCKETS:
                self._sink(Mark(feed, self._hold))
        self._clock_sink(ClockAnnouncement(self._clock.now_ns(), self._clock.speed, hold=self._hold))

    def release(self, hold: int, wake_ns: int | None = None) -> None:
        """As `done`, at once: what a daemon is given. Whoever moves the clock sees by it when somebody wakes."""
        if hold == self._hold:
            self._released.set()

    async def done(self, hold: int, wake_ns: int | None = None) -> None:
        self.release(hold, wake_ns)

    # -- connecting ----------------------------------------------------------------------------------------------

    async def connect_clock(self, sink: Sink) -> None:
        """Follow the exchange's clock in lockstep: time is held from now on."""
        self._clock_sink = sink
        self.hold()

    async def connect(self, sink: Sink) -> None:
        self._sink = sink
        for feed in SOCKETS:
            sink(FeedStatus(feed, FeedState.UP, self._clock.now_ns()))

    async def disconnect_feeds(self) -> None:
        self._sink = None

    async def disconnect(self) -> None:
        """Close everything; who has gone holds nothing any more."""
        self._sink = self._clock_sink = None
        self._released.set()

    async def reconnect(self, feed: Feed) -> None:
        """Nothing is lost in process; the interruption is told all the same."""
        sink = self._clock_sink if feed is Feed.CLOCK else self._sink
        if sink is not None:
            now_ns = self._clock.now_ns()
            sink(FeedStatus(feed, FeedState.DOWN, now_ns, "asked to connect again"))
            sink(FeedStatus(feed, FeedState.UP, now_ns, quiet_since_ns=now_ns))
            self.hold()

    async def subscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        """As `Broker.subscribe`; of corrected bars, daily bars and statuses there are none."""
        for kind, symbols in ((Bar, bars), (Quote, quotes), (Trade, trades)):
            self._subscribed[kind].update(symbols)

    async def unsubscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        for kind, symbols in ((Bar, bars), (Quote, quotes), (Trade, trades)):
            self._subscribed[kind].difference_update(symbols)

    # -- asking --------------------------------------------------------------------------------------------------

    async def clock(self) -> BrokerClock:
        now_ns = self._clock.now_ns()
        session = self.course.upcoming_session(now_ns)
        is_open = session.is_open(now_ns)
        following = self.course.upcoming_session(session.close_ns) if is_open else session
        return BrokerClock(now_ns, is_open, following.open_ns, session.close_ns)

    async def account(self) -> Account:
        figures, account = self.venue.figures(self.account_id), self.venue.account(self.account_id)
        return Account(
            account_id=account.id,
            cash=figures.cash,
            equity=figures.equity,
            buying_power=figures.buying_power,
            status=account.status,
            trading_blocked=figures.suspended,
        )

    async def positions(self) -> list[Position]:
        held = self.venue.positions(self.account_id)
        return [Position(position.symbol, position.quantity, position.average_entry_price) for position in held]

    async def fees(self, after_ns: int) -> Decimal:
        wanted = ActivityFilter(types=frozenset({ActivityType.FEE}), after_ns=after_ns, page_size=None)
        lines = self.venue.activities(self.account_id, wanted)
        return -sum((line.net_amount or Decimal(0) for line in lines), Decimal(0))

    async def orders(self, status: OrdersAsked = OrdersAsked.OPEN, after_ns: int | None = None) -> list[BrokerOrder]:
        wanted = OrderFilter(status=Status(status.value), limit=maxsize, after_ns=after_ns, ascending=True)
        return [broker_order_of(order) for order in self.venue.orders(self.account_id, wanted)]

    async def order(self, client_order_id: str) -> BrokerOrder | None:
        found = self._find(client_order_id)
        return None if found is None else broker_order_of(found, self.venue.legs(found))

    async def asset(self, symbol: str) -> Asset | None:
        found = self._assets.get(symbol)
        if found is None:
            return None
        return Asset(found.symbol, found.name, found.exchange, found.tradable, found.shortable, found.fractionable)

    async def bars(self, symbols: Sequence[str], start_ns: int, end_ns: int) -> list[Bar]:
        bars: list[Bar] = []
        known_ns = min(end_ns, self._clock.now_ns() - MINUTE_NS)
        session = self.course.agenda.session_after(start_ns)
        while session is not None and session.open_ns <= known_ns:
            for symbol in symbols:
                bars += self.course.market.history(symbol, session).between(start_ns, known_ns + 1).bars(symbol)
            session = self.course.agenda.session_after(session.close_ns)
        return sorted(bars, key=lambda bar: (bar.time_ns, bar.symbol))

    # -- orders --------------------------------------------------------------------------------------------------

    async def submit(self, order: OrderRequest) -> ExecutionReport:
        try:
            accepted = self.venue.submit(self.account_id, new_order_of(order), self._clock.now_ns())
        except Refusal as refusal:
            existing = self._find(order.client_order_id)
            if existing is not None and (existing.symbol, existing.side) == (order.symbol, order.side):
                return first_word(existing, self.venue.legs(existing))
            return self._refused(ReportKind.REJECTED, order.client_order_id, refusal)
        self._commit()
        return first_word(accepted, self.venue.legs(accepted))

    async def cancel(self, client_order_id: str) -> ExecutionReport:
        try:
            order = self._known(client_order_id)
            self.venue.cancel(self.account_id, order.id, self._clock.now_ns())
        except Refusal as refusal:
            return self._refused(ReportKind.ORDER_CANCEL_REJECTED, client_order_id, refusal)
        self._commit()
        return ExecutionReport(ReportKind.PENDING_CANCEL, client_order_id, self._clock.now_ns(), order.id)

    async def replace(
        self,
        client_order_id: str,
        new_client_order_id: str,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail: Decimal | None = None,
    ) -> ExecutionReport:
        changes = Changes(quantity, limit_price, stop_price, trail, client_order_id=new_client_order_id)
        try:
            order = self._known(client_order_id)
            successor = self.venue.replace(self.account_id, order.id, changes, self._clock.now_ns())
        except Refusal as refusal:
            return self._refused(ReportKind.ORDER_REPLACE_REJECTED, client_order_id, refusal)
        self._commit()
        return first_word(successor, self.venue.legs(successor))

    def _find(self, client_order_id: str) -> Order | None:
        try:
            return self._known(client_order_id)
        except Refusal:
            return None

    def _known(self, client_order_id: str) -> Order:
        """The order of that name. Raises Refusal."""
        return self.venue.order_by_client_id(self.account_id, client_order_id)

    def _refused(self, kind: ReportKind, client_order_id: str, refusal: Refusal) -> ExecutionReport:
        return ExecutionReport(kind, client_order_id, self._clock.now_ns(), reason=refusal.reason)

    # -- telling -------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Tell what a request did."""
        if self._tell(self.venue.drain()):
            self.hold()

    def _publish(self, data: Iterable[MarketData]) -> bool:
        """Send what is subscribed to. Returns whether there was any."""
        if self._sink is None:
            return False
        wanted = [item for item in data if item.symbol in self._subscribed[type(item)]]
        for item in wanted:
            self._sink(MarketMessage(item, self._clock.now_ns()))
        return bool(wanted)

    def _tell(self, happenings: Iterable[Happening]) -> bool:
        """Send the reports of this account's orders. Returns whether there were any."""
        if self._sink is None:
            return False
        changes = (happening for happening in happenings if isinstance(happening, OrderChanged))
        mine = (report_of(change) for change in changes if change.order.account_id == self.account_id)
        reports = [report for report in mine if report is not None]
        for report in reports:
            self._sink(report)
        return bool(reports)


def _earliest(exchange_ns: int | None, sleeper_ns: int | None, until_ns: int) -> int | None:
    """The first of two moments, None when neither comes by `until_ns`."""
    due = [moment_ns for moment_ns in (exchange_ns, sleeper_ns) if moment_ns is not None and moment_ns <= until_ns]
    return min(due, default=None)
