"""A broker in process, behind a network and a server that misbehave as they are told to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from msgspec.structs import replace

from hftd.broker.base import (
    Asset,
    Feed,
    FeedState,
    FeedStatus,
    Mark,
    MarketMessage,
    Message,
    OrdersAsked,
    Sink,
    TradingStatus,
)
from hftd.broker.inprocess import InProcessBroker
from hftd.clock import Clock, ManualClock
from hftd.domain.account import Account, BrokerClock, Position
from hftd.domain.market import Bar
from hftd.domain.orders import BrokerOrder, ExecutionReport, OrderRequest, ReportKind
from hftd.errors import BrokerUnavailable

Answer = TypeVar("Answer")
FEEDS = (Feed.DATA, Feed.TRADES)
LATENCY_S = 0.02
STRAY_S = 6.0
"""How long a request that got no answer may still be on its way to the broker."""


@dataclass
class Weather:
    """What is wrong at the moment. Chances are probabilities; the world changes them as time goes on."""

    away: bool = False
    cut: set[Feed] = field(default_factory=set)
    mute: set[Feed] = field(default_factory=set)
    slow_s: float = 0.0
    failing: float = 0.0
    refusing: float = 0.0
    jitter_s: dict[Feed, float] = field(default_factory=lambda: dict.fromkeys(FEEDS, 0.0))
    repeating: float = 0.0
    shut: bool = False
    instead_of: dict[ReportKind, ReportKind] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A submission as it left the daemon: when, by the truth and by the daemon's clock (nanoseconds UTC)."""

    true_ns: int
    clock_ns: int


class FaultyBroker:
    """One daemon's connection to `inner`. `sent` is shared by all the daemons of a world, as `weather` is."""

    def __init__(
        self,
        inner: InProcessBroker,
        weather: Weather,
        dice: Random,
        truth: Clock,
        clock: Clock,
        sent: dict[str, list[Sent]],
    ) -> None:
        self._inner = inner
        self._weather = weather
        self._dice = dice
        self._truth = truth
        self._clock = clock
        self._in_lockstep = isinstance(clock, ManualClock)
        self._sent = sent
        self._sink: Sink | None = None
        self._lives = dict.fromkeys(FEEDS, 0)
        self._down: set[Feed] = set()
        self._heard_ns = dict.fromkeys(FEEDS, 0)
        self.dead = False

    # -- what comes by itself ------------------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        """The broker in process says something: it arrives late, twice, or not at all."""
        if isinstance(message, FeedStatus):
            return self._tell(message)
        if self._in_lockstep:
            return self._hear_in_lockstep(message)
        if isinstance(message, ExecutionReport):
            message = self._put(message)
        feed = _feed_of(message)
        if feed in self._down or feed in self._weather.mute:
            return None
        copies = 2 if self._dice.random() < self._weather.repeating else 1
        for _ in range(copies):
            delay_s = LATENCY_S + self._weather.jitter_s[feed] * self._dice.random()
            asyncio.get_running_loop().call_later(delay_s, self._arrive, feed, self._lives[feed], message)
        return None

    def _hear_in_lockstep(self, message: Message) -> None:
        """Time stands still until all of an instant has arrived, in the order in which it was sent."""
        feed = _feed_of(message)
        if feed in self._down:
            return
        repeated = not isinstance(message, Mark) and self._dice.random() < self._weather.repeating
        for _ in range(2 if repeated else 1):
            self._heard_ns[feed] = self._clock.now_ns()
            self._tell(message)

    def _put(self, report: ExecutionReport) -> ExecutionReport:
        """A report as the weather lets the broker put it: half of them in another word for the same state."""
        other = self._weather.instead_of.get(report.kind)
        return replace(report, kind=other) if other and self._dice.random() < 0.5 else report

    def _arrive(self, feed: Feed, life: int, message: Message) -> None:
        if life != self._lives[feed]:
            return  # the socket that carried it is gone
        self._heard_ns[feed] = self._clock.now_ns()
        if isinstance(message, MarketMessage):
            message = replace(message, received_ns=self._clock.now_ns())
        self._tell(message)

    def _tell(self, message: Message) -> None:
        if self._sink is not None and not self.dead:
            self._sink(message)

    def say(self, code: str, symbol: str) -> None:
        """A trading status of `symbol` from the exchange."""
        now_ns = self._clock.now_ns()
        if Feed.DATA not in self._down and Feed.DATA not in self._weather.mute:
            self._tell(TradingStatus(symbol, now_ns, now_ns, code))

    def lose(self, feed: Feed) -> None:
        """The socket breaks, and stays broken."""
        if feed not in self._down:
            self._lives[feed] += 1
            self._down.add(feed)
            self._tell(FeedStatus(feed, FeedState.DOWN, self._clock.now_ns(), "lost"))

    def regain(self, feed: Feed) -> None:
        """The socket is there again, if the weather allows."""
        if feed in self._down and not self._weather.away and feed not in self._weather.cut:
            self._down.discard(feed)
            quiet_ns = self._heard_ns[feed] or self._clock.now_ns()
            self._tell(FeedStatus(feed, FeedState.UP, self._clock.now_ns(), quiet_since_ns=quiet_ns))

    def die(self) -> None:
        """The daemon was killed: nothing reaches it any more, and nothing it asks for is asked."""
        self.dead = True

    # -- connecting ----------------------------------------------------------------------------------------------

    async def connect(self, sink: Sink) -> None:
        await self._requested(self._knock)
        self._sink = sink
        self._down.clear()
        self._heard_ns = dict.fromkeys(FEEDS, 0)
        await self._inner.connect(self._hear)

    async def disconnect(self) -> None:
        await self.disconnect_feeds()
        if not self.dead:
            await self._inner.disconnect()  # who is gone holds no time

    async def disconnect_feeds(self) -> None:
        if self.dead:
            return
        self._sink = None
        for feed in FEEDS:
            self._lives[feed] += 1
        await self._inner.disconnect_feeds()

    async def reconnect(self, feed: Feed) -> None:
        self.lose(feed)
        if self._dice.random() < 0.7:
            self._weather.mute.discard(feed)
        asyncio.get_running_loop().call_later(0.1 + 3 * self._dice.random(), self.regain, feed)

    async def subscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        await self._inner.subscribe(bars, quotes, trades, updated_bars, daily_bars, statuses)

    async def unsubscribe(
        self,
        bars: Iterable[str] = (),
        quotes: Iterable[str] = (),
        trades: Iterable[str] = (),
        updated_bars: Iterable[str] = (),
        daily_bars: Iterable[str] = (),
        statuses: Iterable[str] = (),
    ) -> None:
        await self._inner.unsubscribe(bars, quotes, trades, updated_bars, daily_bars, statuses)

    # -- requests ------------------------------------------------------------------------------------------------

    async def _requested(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """There and back again: a request may be lost on either way, refused, or arrive after it was given up."""
        if self.dead:
            await asyncio.get_running_loop().create_future()  # whoever asks is no more
        await self._travel()
        fate = self._dice.random()
        failing = self._weather.failing
        if self._weather.away or fate < failing / 3:
            raise BrokerUnavailable("no connection")
        if fate < failing * 2 / 3:
            self._stray(ask)
            raise BrokerUnavailable("no answer in time")
        if self._dice.random() < self._weather.refusing:
            raise BrokerUnavailable("too many requests")
        answer = await ask()
        await self._travel()
        if self._weather.away or fate < failing:
            raise BrokerUnavailable("the answer was lost")
        return answer

    async def _travel(self) -> None:
        await asyncio.sleep(LATENCY_S / 2 + self._weather.slow_s * self._dice.random())

    def _stray(self, ask: Callable[[], Awaitable[Any]]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(STRAY_S * self._dice.random(), lambda: loop.create_task(_ignore(ask)))

    async def _knock(self) -> None:
        if self._weather.cut:
            raise BrokerUnavailable("no connection")

    async def clock(self) -> BrokerClock:
        told = await self._requested(self._inner.clock)
        return replace(told, is_open=told.is_open and not self._weather.shut)

    async def account(self) -> Account:
        return await self._requested(self._inner.account)

    async def positions(self) -> list[Position]:
        return await self._requested(self._inner.positions)

    async def fees(self, after_ns: int) -> Decimal:
        return await self._requested(lambda: self._inner.fees(after_ns))

    async def orders(self, status: OrdersAsked = OrdersAsked.OPEN, after_ns: int | None = None) -> list[BrokerOrder]:
        return await self._requested(lambda: self._inner.orders(status, after_ns))

    async def order(self, client_order_id: str) -> BrokerOrder | None:
        return await self._requested(lambda: self._inner.order(client_order_id))

    async def asset(self, symbol: str) -> Asset | None:
        return await self._requested(lambda: self._inner.asset(symbol))

    async def bars(self, symbols: Sequence[str], start_ns: int, end_ns: int) -> list[Bar]:
        return await self._requested(lambda: self._inner.bars(symbols, start_ns, end_ns))

    async def submit(self, order: OrderRequest) -> ExecutionReport:
        if not self.dead:
            leaving = Sent(self._truth.now_ns(), self._clock.now_ns())
            self._sent.setdefault(order.client_order_id, []).append(leaving)
        return self._put(await self._requested(lambda: self._inner.submit(order)))

    async def cancel(self, client_order_id: str) -> ExecutionReport:
        return await self._requested(lambda: self._inner.cancel(client_order_id))

    async def replace(
        self,
        client_order_id: str,
        new_client_order_id: str,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail: Decimal | None = None,
    ) -> ExecutionReport:
        change = (client_order_id, new_client_order_id, quantity, limit_price, stop_price, trail)
        return await self._requested(lambda: self._inner.replace(*change))


def _feed_of(message: Message) -> Feed:
    """The socket that it comes on."""
    if isinstance(message, Mark):
        return message.feed
    return Feed.TRADES if isinstance(message, ExecutionReport) else Feed.DATA


async def _ignore(ask: Callable[[], Awaitable[Any]]) -> None:
    await ask()
