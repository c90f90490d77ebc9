"""A market that plays minute bars of the past, wherever they came from."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from hftd.calendar import Calendar
from hftd.domain.convert import datetime_of
from hftd.domain.market import Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.base import Instant, Play
from hftd.exchange.market.columns import EMPTY, BarColumns
from hftd.exchange.market.minutes import MinutePlay, ticks_of
from hftd.exchange.market.slippage import Slipping
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.venue.liquidity import Liquidity, QuoteLiquidity

SPREAD = 0.01
"""Dollars between bid and ask, where only bars are known."""


class RecordedMarket:
    """Plays `bars` (by symbol) on the days of `sessions`. Implements `Market`.

    `spread` is in dollars; a `liquidity` of None fills whatever the size. Nothing but sessions of the list is played;
    `history` knows all bars.
    """

    def __init__(
        self,
        bars: Mapping[str, BarColumns],
        sessions: Sequence[Session],
        spread: float = SPREAD,
        liquidity: Liquidity | None = None,
    ) -> None:
        self.liquidity: Liquidity = liquidity or QuoteLiquidity()
        self.symbols = tuple(sorted(bars))
        self.sessions = list(sessions)
        self.days: tuple[date, ...] = tuple(session.day for session in sessions)
        self._bars = bars
        self._spread = spread

    def play(self, session: Session) -> Play:
        return self._heard(MinutePlay(session, self._bars, self._spread))

    def history(self, symbol: str, session: Session) -> BarColumns:
        return self._bars.get(symbol, EMPTY).between(session.open_ns, session.close_ns)

    def ticks(self, symbol: str, session: Session) -> Iterator[Quote | Trade]:
        return ticks_of(symbol, self.history(symbol, session), session, self._spread)

    def _heard(self, play: Play) -> Play:
        """`play`, whose prints the liquidity hears, if it listens."""
        return Heard(play, self.liquidity) if isinstance(self.liquidity, TapeLiquidity | Slipping) else play


class Heard:
    """A session whose prints the liquidity hears before anybody else. Implements `Play`."""

    def __init__(self, play: Play, liquidity: TapeLiquidity | Slipping) -> None:
        self._play = play
        self._liquidity = liquidity
        self.next_ns = play.next_ns

    def advance(self) -> Instant:
        instant = self._play.advance()
        self.next_ns = self._play.next_ns
        for item in instant.data:
            if type(item) is Trade:
                self._liquidity.on_trade(item)
        return instant


def sessions_with_bars(bars: dict[str, BarColumns], calendar: Calendar) -> list[Session]:
    """The calendar's sessions in which any of `bars` starts, in order."""
    times = np.unique(np.concatenate([columns.time_ns for columns in bars.values()]))
    if not len(times):
        return []
    first, last = (datetime_of(int(time_ns)).astimezone(calendar.zone).date() for time_ns in (times[0], times[-1]))
    sessions = calendar.sessions(first, last)
    edges = [np.searchsorted(times, (session.open_ns, session.close_ns)) for session in sessions]
    return [session for session, (start, end) in zip(sessions, edges, strict=True) if end > start]
