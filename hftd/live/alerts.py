"""Alerts: what a person who is not looking wants to be told of, and no more often than is of use.

It hears each step after its orders have left, and asks every second whether the feed or the broker are in trouble; what
it finds goes into a queue that a thread empties. Nothing here can hold up trading or end it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from hftd.clock import Clock
from hftd.domain import commands, events
from hftd.domain.convert import SECOND_NS, text_of
from hftd.engine.engine import Engine
from hftd.errors import ConfigurationError
from hftd.live.alert_sender import Alert, AlertSender
from hftd.live.services import EndedSession, Service, in_thread
from hftd.live.standing_in import FELL_BACK
from hftd.live.story import money, signed_money

if TYPE_CHECKING:
    from hftd.live.daemon import Daemon
    from hftd.live.trader import Trader

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
SAME_AGAIN_S = 600.0
"""Seconds within which an alert of the same title is not sent again."""
AN_HOUR_MAX = 20
HOUR_S = 3600.0

DIFFERENCES = frozenset(
    {"account.differs", "order.stray", "order.foreign", "order.vanished", "position.by_hand", "position.missing"}
)
"""Remarks that our books and the broker's are not the same."""
SILENCES = frozenset({"feed.probed", "feed.degraded"})
TROUBLED = ("waiting", "blocked")
"""Phases of a daemon that would go on but cannot."""


# -- what is told ------------------------------------------------------------------------------------------------------


def _halted(event: events.TradingHalted) -> Alert:
    return Alert("halt", f"trading halted: {event.rule}", event.reason or "no reason was given")


def _symbol_halted(event: events.SymbolHalted) -> Alert:
    return Alert("halt", f"{event.symbol} halted: {event.rule}", event.reason)


def _stopped(command: commands.TradingStopped) -> Alert:
    whose = f" of {command.model_id}" if command.model_id else ""
    return Alert("halt", f"trading{whose} halted: {command.rule}", command.reason)


def _faulted(event: events.ModelFaulted) -> Alert:
    return Alert("model", f"model {event.model_id} is paused", f"{event.error}; it is tried again at the next open")


def _remarked(event: events.Remark) -> Alert | None:
    if event.name == FELL_BACK:
        return Alert("model", "a model was refused, and its copy trades on", event.detail)
    return Alert("reconciliation", event.name, event.detail) if event.name in DIFFERENCES else None


TOLD: dict[type, Callable[[Any], Alert | None]] = {
    events.TradingHalted: _halted,
    events.SymbolHalted: _symbol_halted,
    events.ModelFaulted: _faulted,
    events.Remark: _remarked,
    commands.TradingStopped: _stopped,
}
"""Which events and commands are worth an alert; what they say."""


def summary_of(engine: Engine) -> Alert:
    """How a session ended, in a few lines."""
    filled = sum(1 for order in engine.orders.values() if order.filled_quantity)
    held = ", ".join(f"{symbol} {text_of(quantity)}" for symbol, quantity in engine.positions.items()) or "flat"
    paused = [running.model_id for running in engine.models.values() if running.paused]
    lines = (
        f"P&L {signed_money(engine.profit)}, equity {money(engine.equity)}",
        f"{len(engine.orders)} orders, {filled} filled, {held}",
        *([f"halted: {engine.halted}"] if engine.halted else []),
        *([f"paused: {', '.join(paused)}"] if paused else []),
    )
    return Alert("summary", f"session {engine.session.day}: P&L {signed_money(engine.profit)}", "\n".join(lines))


# -- how often ---------------------------------------------------------------------------------------------------------


@dataclass
class Limiter:
    """Lets the same title pass once in ten minutes, and twenty alerts an hour; tells how many were held back since."""

    held_back: int = 0
    _last_s: dict[str, float] = field(default_factory=dict)
    _sent_s: deque[float] = field(default_factory=deque)

    def pass_on(self, alert: Alert, now_s: float) -> Alert | None:
        """The alert as it is to be sent, None when it is held back. `now_s` are seconds that never go back."""
        while self._sent_s and now_s - self._sent_s[0] >= HOUR_S:
            self._sent_s.popleft()
        is_repeated = now_s - self._last_s.get(alert.title, -SAME_AGAIN_S) < SAME_AGAIN_S
        if is_repeated or len(self._sent_s) >= AN_HOUR_MAX:
            self.held_back += 1
            return None
        self._last_s = {title: at_s for title, at_s in self._last_s.items() if now_s - at_s < SAME_AGAIN_S}
        self._last_s[alert.title] = now_s
        self._sent_s.append(now_s)
        if not self.held_back:
            return alert
        more, self.held_back = self.held_back, 0
        return alert._replace(text=f"{alert.text}\n({more} more alerts were held back before this one)")


# -- a trouble that lasts ----------------------------------------------------------------------------------------------


@dataclass
class Trouble:
    """Tells of a trouble once it has lasted `bearable_ns`, and when it is over if it was told."""

    bearable_ns: int
    _since_ns: int | None = None
    _is_told: bool = False

    def look(self, words: str, now_ns: int) -> Alert | None:
        """`words` say what the trouble is, nothing when there is none."""
        if not words:
            was_told, self._since_ns, self._is_told = self._is_told, None, False
            return Alert("feed", "feed is well again", "bars come in and the broker answers") if was_told else None
        if self._since_ns is None:
            self._since_ns = now_ns
        lasted_ns = now_ns - self._since_ns
        if self._is_told or lasted_ns < self.bearable_ns:
            return None
        self._is_told = True
        return Alert("feed", "feed is degraded", f"for {lasted_ns // SECOND_NS} s: {words}")


class Alerts(Service):
    """Decides what is told, about the topics `on`. A feed's trouble is told after `bearable_ns` of market time."""

    def __init__(
        self, sender: AlertSender, clock: Clock, on: Iterable[str], bearable_ns: int, limiter: Limiter | None = None
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._on = frozenset(on)
        self._limiter = limiter or Limiter()
        self._trouble = Trouble(bearable_ns)
        self._silence = self._down = ""
        self._is_over = False
        self._engine: Engine | None = None
        self._looking: asyncio.Task[None] | None = None
        sender.start()

    # -- what it hears ---------------------------------------------------------------------------------------------

    def stepped(self, event: events.Event, out: Iterable[commands.Command]) -> None:
        for message in (event, *out):
            if tell := TOLD.get(type(message)):
                self._tell(tell(message))
        self._follow_feed(event)

    def _follow_feed(self, event: events.Event) -> None:
        match event:
            case events.BarReceived(late=False):
                self._silence = self._down = ""
            case events.SessionOpened():
                self._is_over = False
            case events.SessionClosed():
                self._forget_feed()
            case events.Remark() if not self._is_over:
                self._follow_remark(event)

    def _follow_remark(self, event: events.Remark) -> None:
        if event.name in SILENCES:
            self._silence = f"no bars come through the socket ({event.name}, {event.detail})"
        elif event.name == "feed.down" and event.detail.startswith("data"):
            self._down = f"the socket of market data is down ({event.detail})"
        elif event.name == "feed.up" and event.detail.startswith("data"):
            self._down = ""

    def _forget_feed(self) -> None:
        """No bars are expected until the next open, and nothing is missed when a socket is lost."""
        self._silence = self._down = ""
        self._is_over = True

    async def started(self, daemon: "Daemon") -> None:
        self._looking = asyncio.create_task(self._look(daemon))

    async def session_prepared(self, trader: "Trader") -> None:
        self._engine = trader.engine
        self._is_over = False

    async def session_ended(self, ended: EndedSession) -> None:
        if ended.whole and self._engine is not None:
            self._tell(summary_of(self._engine))
        self._engine = None
        self._forget_feed()

    def failed(self, error: Exception) -> None:
        if isinstance(error, ConfigurationError):  # of what may pass, the next start tells if it does not
            self._tell(Alert("halt", "the daemon has ended", f"{error}; it is not started again before this is mended"))

    async def stopped(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        await in_thread(self._sender.finish)

    async def _look(self, daemon: "Daemon") -> None:
        while True:
            words = daemon.line if daemon.phase in TROUBLED else self._down or self._silence
            self._tell(self._trouble.look(words, self._running_ns()))
            await asyncio.sleep(LOOK_EVERY_S)

    def _running_ns(self) -> int:
        """Time that goes on whatever happens, as fast as the market's: an exchange that is away stops its clock."""
        return int(asyncio.get_running_loop().time() * self._clock.speed * SECOND_NS)

    # -- what it tells ---------------------------------------------------------------------------------------------

    def _tell(self, alert: Alert | None) -> None:
        if alert is None or alert.topic not in self._on:
            return
        passed = self._limiter.pass_on(alert._replace(title=f"hftd: {alert.title}"), asyncio.get_running_loop().time())
        if passed is not None:
            self._sender.offer(passed)
