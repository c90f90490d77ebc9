"""The one place where the daemon waits, and so the one place where anything happens meanwhile.

Whatever arrives is put into one inbox and dealt with one by one; between two of them timers are stepped, the feed is
looked after and the service manager is told that the loop goes round. Where there is an exchange in lockstep, it is
told here that everything is done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from hftd.broker.base import Message
from hftd.clock import RECHECK_S, Clock
from hftd.domain.convert import SECOND_NS
from hftd.domain.orders import ExecutionReport
from hftd.engine.tally import Tally
from hftd.errors import BrokerUnavailable, CredentialsError
from hftd.live.feed import FeedKeeper
from hftd.live.inbox import Inbox
from hftd.live.lockstep import Done, Lockstep
from hftd.live.telling import Telling
from hftd.live.trader import Trader

log = structlog.get_logger()
Answer = TypeVar("Answer")

BLOCKED_RETRY_S = 0.5
"""Wall seconds between two tries to write a journal that could not be written."""


BEARABLE = (BrokerUnavailable, CredentialsError)
"""What is waited for in the middle of a session."""


class Pump:
    """Deals with what arrives, by `deal_with`, until told to stop. `trader` and `keeper` are of the session going on.

    `done` is told which hold has been dealt with, when an exchange's time stands still meanwhile.
    """

    def __init__(
        self,
        clock: Clock,
        telling: Telling,
        tally: Tally,
        deal_with: Callable[[Any], Awaitable[None]],
        done: Done | None,
    ) -> None:
        self.trader: Trader | None = None
        self.keeper: FeedKeeper | None = None
        self.stopping = False
        self.each_round: Callable[[], None] = lambda: None
        self.lockstep = Lockstep(done, self._is_busy) if done else None
        self.inbox = Inbox(clock, self._on_idle)
        self._clock = clock
        self._telling = telling
        self._tally = tally
        self._deal_with = deal_with

    def stop(self) -> None:
        """Wait for nothing any more."""
        self.stopping = True
        self.inbox.wake()

    def is_stopping(self) -> bool:
        """Whether to leave off."""
        return self.stopping

    # -- waiting -------------------------------------------------------------------------------------------------

    async def until(self, until_ns: int, unless: Callable[[], bool] = lambda: False) -> None:
        """Deal with what arrives until the clock is at `until_ns`, `unless` holds, or a stop was asked for."""
        while True:
            await self.take_all()
            if self.stopping or self._clock.now_ns() >= until_ns or unless():
                return
            await self.inbox.wait_until(self._next_wake_ns(until_ns))

    async def take_all(self) -> None:
        """Deal with everything that has arrived, and step the timers that are due."""
        while not await self._is_blocked() and (item := self.inbox.take()) is not None:
            await self._deal_with(item)
            if self.trader is not None:
                await self.trader.let_leave()
        if self.trader is not None:
            self.trader.take_timers()
            self.each_round()
            if self.keeper is not None and self.trader.blocked is None:
                await self.keeper.check()
            await self.trader.let_leave()
            self._telling.say_trading(self.trader.engine, self._tally)
        self._telling.notifier.watchdog()

    async def _is_blocked(self) -> bool:
        """Whether the journal cannot be written, tried again now. What arrives meanwhile waits in the inbox."""
        if self.trader is None or self.trader.blocked is None or self.trader.work():
            return False
        self._telling.say("blocked", f"nothing is decided or sent: {self.trader.blocked}")
        self._telling.notifier.watchdog()
        await asyncio.sleep(BLOCKED_RETRY_S)
        self.inbox.wake_soon()
        return True

    def _next_wake_ns(self, until_ns: int) -> int:
        timer_ns = self.trader.engine.next_timer_ns if self.trader else None
        check_ns = self.keeper.next_check_ns if self.keeper else None
        return min(time_ns for time_ns in (until_ns, timer_ns, check_ns) if time_ns is not None)

    async def keep_going_round(self) -> None:
        """Make the loop go round: for the service manager's watchdog, and to notice a clock that was set back."""
        while True:
            await asyncio.sleep(min(self._telling.notifier.watchdog_interval_s or RECHECK_S, RECHECK_S))
            self.inbox.wake()

    # -- waiting for the broker ----------------------------------------------------------------------------------

    async def patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Ask until there is an answer: a broker that is away is waited for. None when told to stop meanwhile."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(BEARABLE if self.trader is not None else BrokerUnavailable),
            wait=wait_exponential_jitter(initial=1, max=30),
            stop=lambda _: self.stopping,
            before_sleep=self._tell_waiting,
            sleep=self._nap,
            retry_error_callback=lambda _: None,
        ):
            with attempt:
                return await ask()
        return None

    def _tell_waiting(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        log.warning("broker.unreachable", attempt=attempt.attempt_number, error=str(error))
        self._telling.say("waiting", f"waiting for the broker: {error}")

    async def _nap(self, wall_s: float) -> None:
        await self.until(self._clock.now_ns() + int(wall_s * self._clock.speed * SECOND_NS))

    # -- what comes in -------------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """The broker's sink."""
        for ready in self.lockstep.offer(message) if self.lockstep else (message,):
            self.inbox.put(ready)
        if self.inbox.is_awaited or self.trader is None:  # without a session there are no answers to come before
            self._release()

    def deliver(self, report: ExecutionReport) -> None:
        """The answer to a request of ours."""
        self.inbox.put(report)

    def _on_idle(self) -> None:
        self._release()
        if self.lockstep and not len(self.inbox):
            self.lockstep.idle(self.trader.engine.next_timer_ns if self.trader else None)

    def _release(self) -> None:
        for message in self.lockstep.release() if self.lockstep else ():
            self.inbox.put(message)

    def _is_busy(self) -> bool:
        trader = self.trader
        return trader is not None and (trader.sender.outstanding > 0 or trader.blocked is not None)
