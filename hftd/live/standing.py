"""What outlives a session: positions and halts carried to the next one, and what a person asks for at any time."""

from collections.abc import Callable

from hftd.calendar import Calendar
from hftd.clock import Clock
from hftd.domain.events import Halt, SymbolResumed, TradingHalted, TradingResumed
from hftd.engine.carried import Carried, carried_of
from hftd.engine.halts import MANUAL, Halts
from hftd.errors import StateError
from hftd.live.plan import Plan
from hftd.live.recovery import carried_at_last, journal_between_sessions
from hftd.live.trader import Trader

Asked = TradingHalted | TradingResumed
BY_HAND = "by hand"
CONTROL = "control"
"""Where in the journal it comes from what a person asks for."""


class Standing:
    """How things stand between two sessions. `journaling` is the trader whose journal is open, None while there is
    none; `progress` is told of each event of a journal that is read."""

    def __init__(self, plan: Plan, clock: Clock, calendar: Calendar, progress: Callable[[], None]) -> None:
        self.carried = Carried()
        self.journaling: Trader | None = None
        self._asked: list[Asked] = []
        self._plan = plan
        self._clock = clock
        self._calendar = calendar
        self._progress = progress

    def read(self) -> None:
        """Begin with what the last session's journal ended with."""
        self.carried = carried_at_last(self._plan.state, self._progress)

    def end(self, trader: Trader) -> None:
        """The journal of the session is about to be closed. What a person asked for and it could not take is kept."""
        self.carried = carried_of(trader.engine)
        self._asked = _asked_of(trader)
        self.journaling = None

    def begin(self, trader: Trader) -> None:
        """The journal of a session is open: what was asked for meanwhile goes into it."""
        self.journaling = trader
        while self._asked:
            trader.take(self._asked.pop(0), CONTROL)

    @property
    def halts(self) -> Halts:
        """The halts in force: of the session going on, else those that the next one will begin with."""
        trader = self.journaling
        halts = Halts(trader.engine.halts if trader else self.carried.halts)
        for event in (*self._asked, *(_asked_of(trader) if trader else ())):
            if isinstance(event, TradingHalted):
                halts.add(Halt(event.rule, event.reason, flatten=event.flatten))
            else:
                halts.lift(event.rule)
        return halts

    def halt(self, reason: str, *, flatten: bool) -> None:
        """No new exposure until `resume`, also after a restart; with `flatten` all positions are closed, now or at the
        next open. Raises StateError when it cannot be journaled."""
        self._take(TradingHalted(self._clock.now_ns(), MANUAL, reason, flatten))

    def resume(self, reason: str) -> list[Halt]:
        """End the halts that a person may end, and return them; where there is none, nothing has happened. Raises
        StateError when it cannot be journaled."""
        ended = self.halts.lift("")
        if ended:
            self._take(TradingResumed(self._clock.now_ns(), reason))
        return ended

    def resume_symbol(self, symbol: str, reason: str) -> None:
        """End the halt of one symbol, whoever halted it. Raises StateError when it is not halted."""
        trader = self.journaling
        halted = trader.engine.halted_symbols if trader else {}
        if trader is None or symbol not in halted:
            others = f"; halted are: {', '.join(halted)}" if halted else ", and no other symbol is"
            raise StateError(f"{symbol or repr(symbol)} is not halted{others}")
        trader.take(SymbolResumed(self._clock.now_ns(), symbol, reason or BY_HAND), CONTROL)

    def _take(self, event: Asked) -> None:
        """Journal and step what a person asked for: in the session going on, or at the end of the last one."""
        if self.journaling is not None:
            self.journaling.take(event, CONTROL)
        else:
            while self._asked:  # since the disk was full
                self._journal(self._asked[0])
                self._asked.pop(0)
            self._journal(event)

    def _journal(self, event: Asked) -> None:
        following = self._calendar.next_session(event.time_ns)
        journal_between_sessions(self._plan.state, self._plan.run_id, following, event)
        self.read()


def _asked_of(trader: Trader) -> list[Asked]:
    """What a person has asked of a session whose journal cannot be written."""
    return [event for event in trader.waiting_from(CONTROL) if isinstance(event, TradingHalted | TradingResumed)]
