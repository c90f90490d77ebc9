"""A world made from a seed: a few short sessions, an exchange, a daemon, and what goes wrong."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from hftd.broker.base import Feed, OrdersAsked
from hftd.broker.inprocess import InProcessBroker
from hftd.clock import ManualClock, WallClock
from hftd.domain.account import Account, Position
from hftd.domain.convert import MINUTE_NS, SECOND_NS, ns_of_rfc3339
from hftd.domain.orders import BrokerOrder
from hftd.domain.session import Session
from hftd.engine.risk import Limits
from hftd.engine.state import RunningModel
from hftd.exchange.market.course import make_course
from hftd.exchange.market.random_walk import RandomMarket
from hftd.exchange.venue.settings import VenueSettings
from hftd.journal import Journal, journal_path
from hftd.live.daemon import Daemon, Outcome, Plan
from hftd.live.recovery import Step, steps_of
from hftd.live.services import Service
from hftd.live.systemd import Notifier
from hftd.model.parameters import build
from tests.live.walking import Timetable
from tests.simulation.erratic import Erratic
from tests.simulation.faulty_broker import FEEDS, FaultyBroker, Sent, Weather
from tests.simulation.virtual_loop import VirtualLoop

CASH = Decimal(1_000_000)
SYMBOLS = ("SPY", "QQQ", "IWM")
MODELS = ("erratic", "fickle", "moody")
FIRST_OPEN_NS = ns_of_rfc3339("2026-03-02T15:00:00Z")
BARS_MIN, BARS_MAX = 60, 75
MARKETS = 4
LATE_AFTER_S = 10.0
LAST_WORD_NS = 2 * MINUTE_NS
"""Nothing new goes wrong in the last minutes before the last close: what was missed can still be heard."""
NO_PAGE_MORE, MANY_PAGES = 1, 1_000_000_000

Act = Callable[[], Awaitable[None]]
Agenda = list[tuple[int, Act]]


@dataclass
class World:
    """Everything that happens in it follows from `seed`. `state` is where its daemons keep their journals."""

    seed: int
    state: Path
    weather: Weather = field(default_factory=Weather)
    sent: dict[str, list[Sent]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    agenda: Agenda = field(default_factory=list)
    offset_ns: int = 0
    lives: int = 0
    inbox_max: int = 0
    outstanding_max: int = 0
    booked: list[BrokerOrder] = field(default_factory=list)
    outcome: Outcome | None = None
    steps: list[tuple[str, list[Step]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.sessions = list(_sessions(self.dice))
        self.start_ns = self.sessions[0].open_ns - 3 * MINUTE_NS
        self.keep_sessions(len(self.sessions))
        self.flatten_ns = self.dice.choice((None, 5 * MINUTE_NS, 10 * MINUTE_NS))
        self.symbols = SYMBOLS[: self.dice.choice((1, 1, 1, 2, 3))]
        self.models = MODELS[: self.dice.choice((1, 1, 1, 2, 3))]
        self.in_lockstep = self.dice.random() < 0.25
        self.journals = self.state / "0"

    @classmethod
    def drawn(cls, seed: int, state: Path) -> "World":
        """A world whose faults follow from its seed too."""
        world = cls(seed, state)
        draw_faults(world)
        return world

    def keep_sessions(self, count: int) -> None:
        """Live through the first of them only, less the last one, which is never reached."""
        self.sessions = self.sessions[:count]
        self.end_ns = self.sessions[-2].close_ns + 3 * MINUTE_NS
        self.calendar = Timetable(self.sessions)

    def expect(self, name: str, start_ns: int, end_ns: int) -> None:
        """Let the fault `name` happen from `start_ns` to `end_ns`."""
        self.faults.append(name)
        FAULTS[name](self, start_ns, end_ns)

    # -- time ----------------------------------------------------------------------------------------------------

    def true_ns(self) -> int:
        return self.start_ns + int(self.loop.time() * SECOND_NS)

    @property
    def is_clock_right(self) -> bool:
        return "clock" not in self.faults

    # -- living --------------------------------------------------------------------------------------------------

    def live(self) -> None:
        """Let everything happen, on a loop of its own."""
        random.seed(self.seed)  # the daemon's waits between two attempts are drawn by a library
        with capture_logs() as told, asyncio.Runner(loop_factory=VirtualLoop) as runner:
            self.told, self.loop = told, runner.get_loop()
            runner.run(self._live())
        self.steps = self._read()

    async def _live(self) -> None:
        self._set_clocks()
        partial_, reject = self.dice.choice((0.0, 0.5)), self.dice.choice((0.0, 0.0, 0.2))
        settings = VenueSettings(partial_fill_chance=partial_, reject_chance=reject)
        market = RandomMarket(self.symbols, seed=self.seed % MARKETS)
        course = make_course(self.calendar, market, self.start_ns, settings, random.Random(self.seed).random)
        self.broker = InProcessBroker(self.truth, course, CASH)
        playing = asyncio.create_task(self._play())
        self._others = {playing, asyncio.current_task()}  # and who else outlives a daemon
        self.begin()
        for due_ns, act in sorted(self.agenda, key=lambda item: item[0]):
            await self.truth.sleep_until(due_ns)
            await act()
        await self.truth.sleep_until(self.end_ns)
        await self.stop()
        self.booked = await self.broker.orders(OrdersAsked.ALL)
        self.account: Account = await self.broker.account()
        self.positions: list[Position] = await self.broker.positions()
        playing.cancel()
        self.left_over = asyncio.all_tasks() - self._others

    def _set_clocks(self) -> None:
        """In lockstep one clock for all, which stands still while the daemon is busy; else the daemon's own."""
        if self.in_lockstep:
            self.truth = self.clock = ManualClock(self.start_ns)
        else:
            self.truth, self.clock = WallClock(self.true_ns), WallClock(lambda: self.true_ns() + self.offset_ns)

    async def _play(self) -> None:
        if self.in_lockstep:
            return await self.broker.play_until(self.end_ns + MINUTE_NS)
        while self.broker.next_ns is not None:
            await self.truth.sleep_until(self.broker.next_ns)
            self.broker.play_moment()
            self._look()
        return None

    def _look(self) -> None:
        self.inbox_max = max(self.inbox_max, len(self.daemon.inbox))
        if self.daemon.trader is not None:
            self.outstanding_max = max(self.outstanding_max, self.daemon.trader.sender.outstanding)

    def begin(self) -> None:
        """Start a daemon on what the last one left."""
        self.lives += 1
        self.line = FaultyBroker(self.broker, self.weather, self.dice, self.truth, self.clock, self.sent)
        lockstep = (self.broker.connect_clock, self.broker.release) if self.in_lockstep else ()
        services = self.services()
        self.daemon = Daemon(
            self._plan(), self.line, self.clock, self.calendar, Notifier(""), *lockstep, services=services
        )
        self.living = asyncio.create_task(self.daemon.run())

    def services(self) -> Iterable[Service]:
        """What lives beside the daemon's trading."""
        return ()

    def limits(self) -> Limits:
        """What the next daemon is to keep to."""
        return Limits(Decimal(20), Decimal(100_000), 30, self.flatten_ns)

    def _plan(self) -> Plan:
        return Plan(
            state=self.journals,
            run_id="0011223344556677",
            symbols=self.symbols,
            limits=self.limits(),
            late_after_s=LATE_AFTER_S,
            make_models=lambda: [
                RunningModel(name, build(Erratic, parameters), "fingerprint", self.symbols, parameters)
                for number, name in enumerate(self.models)
                for parameters in [{"step_cents": 3 + number}]
            ],
            load=lambda event: build(Erratic, event.parameters),
        )

    async def stop(self) -> None:
        """End the daemon in order."""
        assert not self.living.done(), f"the daemon ended by itself: {self.living}"
        self.daemon.stop()
        self.outcome = await self.living

    async def kill(self) -> None:
        """End the daemon as kill -9 does: what is in the file is what remains."""
        for _ in range(self.dice.randrange(12)):
            await asyncio.sleep(0)
        self.cut_off()
        await self.bury()

    def let(self, act: Act) -> None:
        """Have something done now, whatever becomes of the daemon meanwhile."""
        self._others.add(asyncio.ensure_future(act()))

    def cut_off(self) -> None:
        """From now on nothing that the daemon does has any effect."""
        assert not self.living.done(), f"the daemon ended by itself: {self.living}"
        remains = self.state / str(self.lives)
        if self.journals.exists():
            shutil.copytree(self.journals, remains)
        self.journals = remains
        self.line.die()

    async def bury(self) -> None:
        """End what is left of a daemon that was cut off."""
        await self.broker.disconnect()
        tasks = asyncio.all_tasks() - self._others
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- what remains --------------------------------------------------------------------------------------------

    def _read(self) -> list[tuple[str, list[Step]]]:
        """Each journal's steps, by its day."""
        found = []
        for file in sorted((self.journals / "journal").glob("*.sqlite")):
            with Journal.read(journal_path(self.journals, date.fromisoformat(file.stem))) as journal:
                found.append((file.stem, steps_of(journal)))
        return found


def _sessions(dice: random.Random) -> Iterator[Session]:
    """One or two sessions of an hour and more, and one that is never reached."""
    day = date(2020, 1, 1) + timedelta(days=dice.randrange(2_000))
    count = dice.choice((1, 1, 2))
    open_ns = FIRST_OPEN_NS
    for index in range(count + 1):
        close_ns = open_ns + dice.randint(BARS_MIN, BARS_MAX) * MINUTE_NS
        yield Session(open_ns, close_ns, day + timedelta(days=index))
        open_ns = close_ns + 60 * MINUTE_NS


# What goes wrong -----------------------------------------------------------------------------------------------------


def draw_faults(world: World) -> None:
    """One to four faults, each with its time."""
    first_ns, last_ns = world.sessions[0].open_ns - MINUTE_NS, world.sessions[-2].close_ns - LAST_WORD_NS
    for _ in range(world.dice.randint(1, 4)):
        name = world.dice.choice(sorted(IN_LOCKSTEP if world.in_lockstep else FAULTS))
        start_ns = first_ns + world.dice.randrange((last_ns - first_ns) // SECOND_NS) * SECOND_NS
        if world.dice.random() < 0.5:  # just when a bar comes and is decided on
            start_ns += -start_ns % MINUTE_NS + world.dice.randrange(60) * SECOND_NS // 1_000
        length_ns = int(2 ** world.dice.uniform(1, 9.5)) * SECOND_NS
        end_ns = min(start_ns + length_ns, last_ns)
        world.expect(name, min(start_ns, end_ns), end_ns)


def _between(world: World, start_ns: int, end_ns: int, begin: Act, end: Act) -> None:
    """In lockstep the end comes by the wall too: time may stand still for what cannot go on before it."""

    async def begin_then_end() -> None:
        await begin()
        if world.in_lockstep:
            world.loop.call_later((end_ns - start_ns) / SECOND_NS, world.let, end)

    world.agenda += [(start_ns, begin_then_end), (end_ns, end)]


def _set(world: World, start_ns: int, end_ns: int, name: str, value: Any, otherwise: Any) -> None:
    async def put(given: Any) -> None:
        setattr(world.weather, name, given)

    _between(world, start_ns, end_ns, partial(put, value), partial(put, otherwise))


def _away(world: World, start_ns: int, end_ns: int) -> None:
    async def begin() -> None:
        world.weather.away = True
        for feed in FEEDS:
            world.line.lose(feed)

    async def end() -> None:
        world.weather.away = False
        for feed in FEEDS:
            world.line.regain(feed)

    _between(world, start_ns, end_ns, begin, end)


def _cut(world: World, start_ns: int, end_ns: int) -> None:
    feed = world.dice.choice(FEEDS)

    async def begin() -> None:
        world.weather.cut.add(feed)
        world.line.lose(feed)

    async def end() -> None:
        world.weather.cut.discard(feed)
        world.line.regain(feed)

    _between(world, start_ns, end_ns, begin, end)


def _mute(world: World, start_ns: int, end_ns: int) -> None:
    async def begin() -> None:
        world.weather.mute.add(Feed.DATA)

    async def end() -> None:
        world.weather.mute.discard(Feed.DATA)

    _between(world, start_ns, end_ns, begin, end)


def _slow(world: World, start_ns: int, end_ns: int) -> None:
    _set(world, start_ns, end_ns, "slow_s", 8 * world.dice.random(), 0.0)


def _failing(world: World, start_ns: int, end_ns: int) -> None:
    _set(world, start_ns, end_ns, "failing", world.dice.random(), 0.0)


def _refusing(world: World, start_ns: int, end_ns: int) -> None:
    _set(world, start_ns, end_ns, "refusing", world.dice.random(), 0.0)


def _repeating(world: World, start_ns: int, end_ns: int) -> None:
    _set(world, start_ns, end_ns, "repeating", world.dice.random(), 0.0)


def _jitter(world: World, start_ns: int, end_ns: int) -> None:
    """Reports and bars are delayed, each for itself, and so change places."""
    longest_s = {Feed.TRADES: 10 * world.dice.random(), Feed.DATA: 40 * world.dice.random() ** 2}
    _set(world, start_ns, end_ns, "jitter_s", longest_s, dict.fromkeys(FEEDS, 0.0))


def _shut(world: World, start_ns: int, end_ns: int) -> None:
    """The broker says closed while the calendar says open."""
    _set(world, start_ns, end_ns, "shut", True, False)


def _halt(world: World, start_ns: int, end_ns: int) -> None:
    symbol = world.dice.choice(world.symbols)

    async def say(code: str) -> None:
        world.line.say(code, symbol)

    _between(world, start_ns, end_ns, partial(say, "H"), partial(say, "T"))


def _clock(world: World, start_ns: int, end_ns: int) -> None:
    """The machine's clock is set, and set right again."""
    wrong_ns = int(world.dice.choice((-1, 1)) * 2 ** world.dice.uniform(0, 12) * SECOND_NS)

    async def turn(offset_ns: int) -> None:
        world.offset_ns = offset_ns

    _between(world, start_ns, end_ns, partial(turn, wrong_ns), partial(turn, 0))


def _disk(world: World, start_ns: int, end_ns: int) -> None:
    """The journal may not grow any more, for a while by the wall: an exchange in lockstep waits for us meanwhile."""

    def limit(pages: int) -> None:
        if world.daemon.trader is not None and not world.living.done():
            world.daemon.trader.journal._connection.execute(f"PRAGMA max_page_count = {pages}")

    async def fill_up() -> None:
        limit(NO_PAGE_MORE)
        world.loop.call_later((end_ns - start_ns) / SECOND_NS, limit, MANY_PAGES)

    world.agenda.append((start_ns, fill_up))


def _restart(world: World, start_ns: int, end_ns: int, end_daemon: Callable[[World], Awaitable[None]]) -> None:
    """The daemon ends, stays away for a while, or comes back at once."""
    away_ns = world.dice.choice((0, 0, min(end_ns - start_ns, 90 * SECOND_NS)))

    async def again() -> None:
        await end_daemon(world)
        await world.truth.sleep_until(world.true_ns() + away_ns)
        world.begin()

    world.agenda.append((start_ns, again))


FAULTS: dict[str, Callable[[World, int, int], None]] = {
    "away": _away,
    "cut": _cut,
    "mute": _mute,
    "slow": _slow,
    "failing": _failing,
    "refusing": _refusing,
    "repeating": _repeating,
    "jitter": _jitter,
    "shut": _shut,
    "halt": _halt,
    "clock": _clock,
    "disk": _disk,
    "kill": partial(_restart, end_daemon=World.kill),
    "stop": partial(_restart, end_daemon=World.stop),
}

IN_LOCKSTEP = FAULTS.keys() - {"clock", "jitter", "mute"}
"""An exchange that holds time for us sets our clock, and delivers an instant whole or not at all."""
