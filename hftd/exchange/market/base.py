"""What the exchange asks of a market: the place where its prices come from.

A market tells its past (`history`) and plays a session (`play`), instant by instant. A played session is pulled, not
pushed: `next_ns` says when something happens next, and `advance` makes it happen. So a market whose agents trade with
the users' orders may decide only then what happens; one that plays a recording knows beforehand.

`liquidity` is what users' orders trade against: `hftd.exchange.venue.liquidity`.
"""

from collections.abc import Iterator
from datetime import date
from typing import Protocol

from msgspec import Struct

from hftd.domain.market import MarketData, Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.columns import BarColumns
from hftd.exchange.venue.liquidity import Liquidity


class Instant(Struct, frozen=True):
    """Everything that happens in the market at `time_ns`, in order. A bar comes when its minute is complete."""

    time_ns: int
    data: tuple[MarketData, ...]


class Play(Protocol):
    """A session being played."""

    @property
    def next_ns(self) -> int | None:
        """When the next instant is due; None when the session has nothing more."""
        ...

    def advance(self) -> Instant:
        """Make the next instant happen. Only while `next_ns` is not None."""
        ...


class Market(Protocol):
    """Where prices come from."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is traded here."""
        ...

    @property
    def liquidity(self) -> Liquidity:
        """What users' orders are filled from."""
        ...

    @property
    def days(self) -> tuple[date, ...] | None:
        """The days that can be played, in order; None when any day can."""
        ...

    def play(self, session: Session) -> Play:
        """Play `session` from its open."""
        ...

    def history(self, symbol: str, session: Session) -> BarColumns:
        """The minute bars of a session, whole, whether it was played or not."""
        ...

    def ticks(self, symbol: str, session: Session) -> Iterator[Quote | Trade]:
        """The quotes and trades of a session in order of time, whole, whether it was played or not."""
        ...
