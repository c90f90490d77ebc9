"""Whether the market is open: the calendar says when it should be, the broker's clock says whether it is."""

import structlog

from hftd.broker.base import Broker
from hftd.calendar import Calendar
from hftd.clock import Clock
from hftd.domain.account import BrokerClock
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.events import TradingHalted, TradingResumed
from hftd.domain.session import Session
from hftd.engine.halts import BROKER_CLOSED
from hftd.errors import UNANSWERED, BrokerError, HftdError
from hftd.live.pump import Pump
from hftd.live.telling import Telling, in_new_york, length_of
from hftd.live.trader import Trader

log = structlog.get_logger()

LEAD_NS = MINUTE_NS
"""How long before the open the sockets are connected."""
CHECK_NS = 5 * MINUTE_NS
"""How often during a session the broker is asked whether the market is open."""
DISAGREEMENT_RETRY_NS = 30 * SECOND_NS
CLOCK_WRONG_S = 60.0
"""Wall seconds between the broker's clock and ours beyond which no session is begun: it might be one of another day."""


class Hours:
    """Waits for sessions, and watches that the broker agrees with the calendar. `next_check_ns` is when to ask again
    during a session."""

    def __init__(self, calendar: Calendar, clock: Clock, broker: Broker, pump: Pump, telling: Telling) -> None:
        self.next_check_ns = 0
        self._calendar = calendar
        self._clock = clock
        self._broker = broker
        self._pump = pump
        self._telling = telling

    async def sleep_until_open(self, session: Session) -> None:
        """Return shortly before the open, when told to stop, or when `session` is not the next one any more."""
        wake_ns = session.open_ns - LEAD_NS
        if self._clock.now_ns() >= wake_ns:
            return
        opens = in_new_york(session.open_ns)
        asleep_s = (wake_ns - self._clock.now_ns()) // SECOND_NS
        log.info("market.closed", opens=opens, sleeping=length_of(asleep_s))
        self._telling.say("closed", f"closed; asleep until {opens}")
        await self._compare_next_open(session)
        await self._pump.until(wake_ns, unless=lambda: not self.is_next(session))

    def is_next(self, session: Session) -> bool:
        """Whether `session` is still the one to wait for: a clock that was set, or a long suspension, may change it."""
        return self._calendar.next_session(self._clock.now_ns()) == session

    async def is_clock_right(self, session: Session) -> bool:
        """Wait until the broker's clock says the same as ours; False when `session` is then not the next one, or when
        told to stop."""
        warned = False
        while not self._pump.stopping and self.is_next(session):
            told = await self._pump.patiently(self._broker.clock)
            if told is None:
                return False
            ahead_s = (self._clock.now_ns() - told.time_ns) / SECOND_NS / self._clock.speed
            if abs(ahead_s) <= CLOCK_WRONG_S:
                return True
            words = (
                f"the machine's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the broker's"
            )
            self._telling.say("waiting", f"{words}: no session is begun")
            if not warned:
                warned = True
                log.error("clock.differed", ahead_s=round(ahead_s), effect="no session is begun until it is set right")
            retry_ns = self._clock.now_ns() + DISAGREEMENT_RETRY_NS
            await self._pump.until(retry_ns, unless=lambda: not self.is_next(session))
        return False

    async def is_really_open(self, session: Session) -> bool:
        """Wait until the broker too says open; False when it never does, when the clock is set to another session's
        time meanwhile, or when told to stop."""
        warned = False
        while not self._pump.stopping and self.is_next(session):
            told = await self._broker_clock()
            if told is not None and told.is_open:
                return True
            if told is not None and not warned:
                warned = True
                self._warn_disagreement("open", "closed")
                self._telling.say("waiting", "the calendar says open, the broker says closed: no order is sent")
            await self._pump.until(self._clock.now_ns() + DISAGREEMENT_RETRY_NS)
        return False

    def begin(self) -> None:
        """The session is open; the broker was asked just now."""
        self.next_check_ns = self._clock.now_ns() + CHECK_NS

    async def check(self, session: Session, trader: Trader) -> None:
        """A closing that no calendar knew of stops new exposure, until the broker says open again."""
        now_ns = self._clock.now_ns()
        if self._pump.stopping or now_ns < self.next_check_ns or now_ns >= session.close_ns:
            return
        self.next_check_ns = now_ns + CHECK_NS
        told = await self._broker_clock()
        if told is None:
            return
        halted = trader.engine.halts.holds(BROKER_CLOSED)
        if not told.is_open and not halted and self._clock.now_ns() < session.close_ns:
            self._warn_disagreement("open", "closed")
            trader.take(TradingHalted(now_ns, BROKER_CLOSED, "the broker says the market is closed"), "broker")
        elif told.is_open and halted:
            trader.take(TradingResumed(now_ns, "the broker says the market is open again", BROKER_CLOSED), "broker")

    async def _compare_next_open(self, session: Session) -> None:
        """Warn of a session that only one of calendar and broker expects, before sleeping through it. Raises
        CredentialsError: until the open there is time to mend keys."""
        told = await self._broker_clock((BrokerError,))
        if told is None:
            return
        if told.is_open:
            self._warn_disagreement("closed", "open")
        elif told.next_open_ns != session.open_ns:
            ours, theirs = in_new_york(session.open_ns), in_new_york(told.next_open_ns)
            self._warn_disagreement(f"next open {ours}", f"next open {theirs}")

    async def _broker_clock(self, bearable: tuple[type[HftdError], ...] = UNANSWERED) -> BrokerClock | None:
        try:
            return await self._broker.clock()
        except bearable as error:
            log.warning("broker.unreachable", asked="clock", error=str(error))
            return None

    def _warn_disagreement(self, calendar: str, broker: str) -> None:
        log.warning("session.disagreement", calendar=f"{self._calendar.name} says {calendar}", broker=f"says {broker}")
