"""From settings to a broker and a clock: an exchange of our own, one that runs already, or a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hftd.broker.base import Broker, ClockAnnouncement, Message, Sink
from hftd.broker.credentials import Keys, find_keys
from hftd.clock import Clock, ExchangeClock, WallClock
from hftd.errors import BrokerUnavailable
from hftd.live.embedded import EmbeddedExchange, exchange_arguments
from hftd.live.lockstep import Done
from hftd.live.systemd import Notifier
from hftd.settings import Settings
from hftd.settings.shape import BrokerSettings

log = structlog.get_logger()

if TYPE_CHECKING:
    from hftd.broker.simulated import SimulatedBroker

LOCKSTEP_ABOVE_SPEED = 60.0
"""Faster than this, wall latency would pass for lateness: the exchange's time waits for us instead."""
ASK_AGAIN_S = 2.0
"""How long an exchange that is not there is waited for before it is asked again."""


@dataclass(frozen=True)
class Connection:
    """A broker and the clock it keeps.

    `hear_clock` starts the announcements of an exchange's clock; None with wall time. `done` lets its time go on after
    a hold; None unless in lockstep. `lost` returns the exit status of an exchange of our own that has ended by itself.
    `exchange_url` is the address of a simulated exchange.
    """

    broker: Broker
    clock: Clock
    lost: Callable[[], Awaitable[int]]
    hear_clock: Callable[[Sink], Awaitable[None]] | None = None
    done: Done | None = None
    exchange_url: str | None = None


def keys_of(environment: Mapping[str, str], settings: Settings) -> Keys:
    """The keys of a broker that somebody else runs, the last place a file .env beside the settings. Raises
    CredentialsError that says where they were looked for."""
    return find_keys(environment, settings.file.parent / ".env" if settings.file else None)


def _simulated_elsewhere(broker: BrokerSettings, keys: Keys) -> Broker:
    from hftd.broker.alpaca import AlpacaBroker
    from hftd.broker.endpoints import exchange_endpoints

    assert broker.url is not None
    return AlpacaBroker(exchange_endpoints(broker.url, broker.feed), keys)


def _alpaca(broker: BrokerSettings, keys: Keys) -> Broker:
    from hftd.broker.alpaca import AlpacaBroker
    from hftd.broker.endpoints import alpaca_endpoints

    endpoints = alpaca_endpoints(broker.feed, broker.url) if broker.url else alpaca_endpoints(broker.feed)
    return AlpacaBroker(endpoints, keys)


BROKERS: Mapping[str, Callable[[BrokerSettings, Keys], Broker]] = {"simulated": _simulated_elsewhere, "alpaca": _alpaca}
"""How each broker that somebody else runs is made, by its name in the settings; each imports what it needs then."""


def real_broker(settings: Settings, keys: Keys) -> Broker:
    """The adapter for a broker that somebody else runs, on wall time. Light until it is used."""
    return BROKERS[settings.broker.name](settings.broker, keys)


@asynccontextmanager
async def connect_to(
    settings: Settings,
    state: Path,
    environment: Mapping[str, str],
    notifier: Notifier | None = None,
    *,
    may_hold: bool = True,
) -> AsyncIterator[Connection]:
    """The connection that `settings` ask for; what had to be started for it is stopped at the end.

    `notifier` is told of an exchange that is away and waited for. With `may_hold` a fast exchange waits for us.
    """
    async with AsyncExitStack() as stack:
        preloading = preload()
        if settings.broker.name != "simulated":
            yield Connection(real_broker(settings, keys_of(environment, settings)), WallClock(), _never)
        elif settings.broker.url is not None:
            keys = keys_of(environment, settings)
            speed = await _patient_speed_of(settings.broker.url, keys, notifier or Notifier())
            yield _simulated(settings.broker.url, keys, speed, settings.broker.feed, _never, may_hold=may_hold)
        else:
            exchange = EmbeddedExchange(exchange_arguments(settings, state))
            stack.push_async_callback(exchange.stop)
            address = await exchange.start()
            log.info(
                "exchange.started", url=address.url, speed=f"{settings.exchange.speed:g}", state=str(state / "exchange")
            )
            await preloading
            keys = Keys.of(address.key, address.secret, "the exchange of our own")
            yield _simulated(
                address.url, keys, settings.exchange.speed, settings.broker.feed, exchange.ended, may_hold=may_hold
            )


def preload() -> asyncio.Future[None]:
    """Begin to import what the adapter needs, in a thread: there is time while models are tried and an exchange starts.
    Once is enough, again does no harm."""
    return asyncio.get_running_loop().run_in_executor(None, _import_adapter)


def _import_adapter() -> None:
    import hftd.broker.simulated  # noqa: F401
    from hftd.broker.library import preload

    preload()


def _simulated(
    url: str, keys: Keys, speed: float, feed: str, lost: Callable[[], Awaitable[int]], *, may_hold: bool
) -> Connection:
    from hftd.broker.simulated import SimulatedBroker

    clock = ExchangeClock(0, speed)
    clock.announce(0, speed, held=True)  # until it has been heard
    lockstep = may_hold and speed > LOCKSTEP_ABOVE_SPEED
    broker = SimulatedBroker(url, keys, feed=feed, lockstep=lockstep, now_ns=clock.now_ns)
    return Connection(broker, clock, lost, broker.connect_clock, _done(broker) if lockstep else None, url)


def _done(broker: "SimulatedBroker") -> Done:
    tasks: set[asyncio.Task[None]] = set()

    def done(hold: int, wake_ns: int | None) -> None:
        task = asyncio.create_task(broker.done(hold, wake_ns))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return done


async def _patient_speed_of(url: str, keys: Keys, notifier: Notifier) -> float:
    """The same, from an exchange that may be away and is then waited for: nothing of ours needs mending. The longer it
    is away, the more seldom that is told."""
    for attempt in count(1):
        try:
            return await _speed_of(url, keys)
        except BrokerUnavailable as error:
            notifier.ready()
            notifier.status(f"waiting for the broker: {error}")
            notifier.watchdog()
            if attempt.bit_count() == 1:
                log.warning("broker.unreachable", attempt=attempt, error=str(error), again_in=f"{ASK_AGAIN_S:g} s")
            await asyncio.sleep(ASK_AGAIN_S)
    raise AssertionError("it is asked again for ever")


async def _speed_of(url: str, keys: Keys) -> float:
    """How fast the time of the exchange at `url` runs."""
    from hftd.broker.simulated import SimulatedBroker

    heard: list[Message] = []
    broker = SimulatedBroker(url, keys)
    try:
        await broker.connect_clock(heard.append)
    finally:
        await broker.disconnect()
    return next(message.speed for message in heard if isinstance(message, ClockAnnouncement))


async def _never() -> int:
    await asyncio.Event().wait()
    return 0
