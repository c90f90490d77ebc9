"""What the daemon says it is doing, in one line: to `hftd status` and to the service manager."""

from collections.abc import Callable, Iterable
from functools import partial

from hftd.broker.base import Feed, FeedState
from hftd.calendar import NEW_YORK
from hftd.domain.convert import datetime_of
from hftd.engine.engine import Engine
from hftd.engine.tally import Tally
from hftd.live.story import signed_money
from hftd.live.systemd import Notifier


class Telling:
    """`phase` is one word, such as closed or open."""

    def __init__(self, notifier: Notifier) -> None:
        self.phase = "starting"
        self.feeds: dict[Feed, FeedState] = {}
        self.notifier = notifier
        self._line: Callable[[], str] = lambda: "starting"
        self._note = ""

    @property
    def line(self) -> str:
        """What goes on, for a person: made when it is asked for."""
        return f"{self._line()} · {self._note}" if self._note else self._line()

    def say(self, phase: str, line: str) -> None:
        self.phase, self._line = phase, lambda: line
        self.notifier.status(self.line)

    def note(self, words: str) -> None:
        """Say this too, whatever goes on, until another note or an empty one."""
        self._note = words
        self.notifier.status(self.line)

    def say_trading(self, engine: Engine, tally: Tally) -> None:
        """How the session goes, once it is open."""
        if engine.is_open:
            self.phase, self._line = "open", partial(self._trading_line, engine, tally)
            if self.notifier.is_heard:
                self.notifier.status(self.line)

    def _trading_line(self, engine: Engine, tally: Tally) -> str:
        troubles = [f"{feed} socket {state}" for feed, state in self.feeds.items() if state is not FeedState.UP]
        return status_line(engine, tally, troubles)


def status_line(engine: Engine, tally: Tally, troubles: Iterable[str] = ()) -> str:
    """One line for a person: open until 16:00 ET · volume_17_31 · 212 bars · 17 orders · SPY -5 · P&L +3.20."""
    closes = f"{datetime_of(engine.session.close_ns).astimezone(NEW_YORK):%H:%M}"
    held = [f"{symbol} {quantity:+}" for symbol, quantity in engine.positions.items()] or ["flat"]
    halted = [f"halted: {engine.halted}"] if engine.halted else []
    parts: Iterable[str] = (
        f"open until {closes} ET",
        *troubles,
        *halted,
        ", ".join(engine.models),
        f"{tally.bars} bars",
        f"{tally.orders} orders",
        *held,
        f"P&L {signed_money(engine.profit)}",
    )
    return " · ".join(parts)


def in_new_york(time_ns: int) -> str:
    """Such as Mon 2026-11-23 09:30 New York."""
    return f"{datetime_of(time_ns).astimezone(NEW_YORK):%a %Y-%m-%d %H:%M} New York"


def length_of(seconds: int) -> str:
    """Such as 2 h 5 min, or 3 min 20 s."""
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
