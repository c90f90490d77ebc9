"""A seeded random market: prices that wander, volume that is high at the open and the close.

Every session is computed from (seed, symbol, day) alone, so that the past can be asked for before it is played, a
replay is the same tape, and nothing needs to be kept. The level of prices is an Ornstein-Uhlenbeck process over days
(Uhlenbeck and Ornstein, 1930) about the symbol's usual price; within a day the path is a Brownian bridge between two
levels, more agitated at both ends.
"""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from zlib import crc32

import numpy as np
from msgspec import Struct

from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.columns import BarColumns, Floats
from hftd.exchange.market.minutes import MinutePlay, ticks_of
from hftd.exchange.venue.liquidity import QuoteLiquidity

SPREAD = 0.01
STEPS_A_MINUTE = 6
FIRST_DAY = date(1990, 1, 1).toordinal()
DAYS = 111 * 366
REVERSION = 0.005
"""Share of its distance from the usual price that a level loses in a day."""


class Profile(Struct, frozen=True):
    """How a symbol trades: its usual price in dollars, standard deviation of a day's return, shares a day."""

    price: float
    daily_volatility: float = 0.012
    daily_volume: float = 12_000_000.0


PROFILES = {
    "SPY": Profile(price=500.0, daily_volatility=0.009, daily_volume=30_000_000.0),
    "AAPL": Profile(price=200.0, daily_volatility=0.015, daily_volume=25_000_000.0),
    "MSFT": Profile(price=400.0, daily_volatility=0.014, daily_volume=12_000_000.0),
    "NVDA": Profile(price=130.0, daily_volatility=0.027, daily_volume=60_000_000.0),
    "TSLA": Profile(price=250.0, daily_volatility=0.03, daily_volume=40_000_000.0),
}


class RandomMarket:
    """A market computed from a seed. Implements `Market`."""

    days = None

    def __init__(self, symbols: tuple[str, ...], seed: int, spread: float = SPREAD) -> None:
        self.symbols = symbols
        self.liquidity = QuoteLiquidity()
        self._seed = seed
        self._spread = spread
        self._kept = lru_cache(maxsize=8 * len(symbols))(self._compute)

    def play(self, session: Session) -> MinutePlay:
        bars = {symbol: self.history(symbol, session) for symbol in self.symbols}
        return MinutePlay(session, bars, self._spread)

    def history(self, symbol: str, session: Session) -> BarColumns:
        return self._kept(symbol, session)

    def ticks(self, symbol: str, session: Session) -> Iterator[Quote | Trade]:
        return ticks_of(symbol, self.history(symbol, session), session, self._spread)

    def _compute(self, symbol: str, session: Session) -> BarColumns:
        return session_bars(profile_of(symbol), self._seed, symbol, session)


def profile_of(symbol: str) -> Profile:
    """The symbol's profile; an unknown symbol has a usual price between 20 and 300 dollars, made from its name."""
    return PROFILES.get(symbol) or Profile(price=20.0 + crc32(symbol.encode()) % 28_000 / 100)


def session_bars(profile: Profile, seed: int, symbol: str, session: Session) -> BarColumns:
    """The minute bars of one session, always the same for the same arguments."""
    count = (session.close_ns - session.open_ns) // MINUTE_NS
    day = session.day.toordinal() - FIRST_DAY
    levels = _levels(profile, seed, symbol)
    rng = np.random.default_rng((seed, crc32(symbol.encode()), day))
    activity = _activity(count)
    prices = _prices(rng, activity, profile.daily_volatility, float(levels[day - 1]), float(levels[day]))
    volume = rng.lognormal(-0.08, 0.4, count) * activity * profile.daily_volume / count
    return BarColumns(
        session.open_ns + np.arange(count, dtype=np.int64) * MINUTE_NS,
        prices[:, 0],
        prices.max(axis=1),
        prices.min(axis=1),
        prices[:, -1],
        np.maximum(volume, 1).astype(np.int64),
    )


def _activity(count: int) -> Floats:
    """How busy each minute is, about 1 on average: three times as busy at both ends as at noon."""
    place = np.linspace(-1.0, 1.0, count)
    shape = 0.6 + 1.2 * place**2
    return np.asarray(shape / shape.mean())


def _prices(rng: np.random.Generator, activity: Floats, volatility: float, start: float, end: float) -> Floats:
    """A path of logarithms from `start` to `end`, as cents in dollars: float64 (minutes, steps)."""
    scale = np.repeat(np.sqrt(activity), STEPS_A_MINUTE) * volatility / np.sqrt(len(activity) * STEPS_A_MINUTE)
    walk = np.cumsum(rng.standard_normal(len(scale)) * scale)
    bridge = walk + np.linspace(start, end - walk[-1], len(walk))
    prices = np.maximum(np.round(np.exp(bridge), 2), 0.01)
    return np.asarray(prices.reshape(len(activity), STEPS_A_MINUTE))


@lru_cache(maxsize=256)
def _levels(profile: Profile, seed: int, symbol: str) -> Floats:
    """The logarithm of the price at the end of each calendar day from 1990 to 2100."""
    usual = float(np.log(profile.price))
    shocks = np.random.default_rng((seed, crc32(symbol.encode()))).standard_normal(DAYS) * profile.daily_volatility
    levels, level = np.empty(DAYS), usual
    for index, shock in enumerate(shocks.tolist()):
        level += shock - REVERSION * (level - usual)
        levels[index] = level
    return levels
