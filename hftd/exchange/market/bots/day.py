"""What a day is to be like before anybody trades: the value that prices should have, and how busy each minute is.

Every day is computed from (seed, symbol, day) alone, so that the past can be asked for before it is played. The level
at the end of each day is an Ornstein-Uhlenbeck process (Uhlenbeck and Ornstein, 1930) about the symbol's usual price;
within a day the value is a Brownian bridge between two levels. How agitated it is changes from minute to minute: a
U over the day (Wood, McInish and Ord, 1985) times a lognormal autoregression (Taylor's stochastic volatility, 1986),
which volume follows. That gives returns their fat tails and their clusters.
"""

from datetime import date
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np

from hftd.domain.convert import MINUTE_NS, SECOND_NS, TICKS_PER_DOLLAR
from hftd.domain.session import Session
from hftd.exchange.market.bots.settings import Profile
from hftd.exchange.market.columns import Floats

FIRST_DAY = date(1990, 1, 1).toordinal()
DAYS = 111 * 366
REVERSION = 0.005
"""Share of its distance from the usual price that a level loses in a day."""

FULL_DAY_MINUTES = 390
MOOD_MEMORY = 0.97
"""What is left after a minute of how agitated the market is: half of it after 23 minutes."""
MOOD_DEVIATION = 0.45
DAY_DEVIATION = 0.15
BUSTLE_DEVIATION = 0.25


class Day(NamedTuple):
    """One symbol's session as planned.

    `values`: float64 (seconds + 1,), the value in ticks at each second. `pace`: float64 (minutes,), how busy, 1 on
    average over a day. `target`: float64 (minutes + 1,), shares that should have traded by the beginning of a minute.
    `deviation`: float64 (minutes,), the standard deviation of the value's change over a second, in ticks.
    """

    values: Floats
    pace: Floats
    target: Floats
    deviation: Floats


def planned(profile: Profile, seed: int, symbol: str, session: Session) -> Day:
    """The plan of one session, always the same for the same arguments."""
    minutes = (session.close_ns - session.open_ns) // MINUTE_NS
    day = session.day.toordinal() - FIRST_DAY
    levels = _levels(profile, seed, symbol)
    rng = np.random.default_rng((seed, crc32(symbol.encode()), day))
    shape = _shape(minutes)
    mood = MOOD_DEVIATION * _mood(rng, minutes) + DAY_DEVIATION * rng.standard_normal()
    agitation = np.sqrt(shape) * np.exp(mood - MOOD_DEVIATION**2 - DAY_DEVIATION**2)
    bustle = shape * np.exp(0.8 * mood + BUSTLE_DEVIATION * rng.standard_normal(minutes))
    deviations = agitation * profile.daily_volatility / np.sqrt(FULL_DAY_MINUTES * 60)
    path = _bridge(rng, np.repeat(deviations, 60), float(levels[day - 1]), float(levels[day]))
    pace = bustle / _mean_bustle()
    volume = pace * profile.daily_volume / FULL_DAY_MINUTES
    values = np.exp(path) * TICKS_PER_DOLLAR
    return Day(values, pace, np.concatenate(((0.0,), np.cumsum(volume))), deviations * values[:-1:60])


def seconds_of(session: Session) -> int:
    """How many seconds a session has."""
    return (session.close_ns - session.open_ns) // SECOND_NS


def _shape(minutes: int) -> Floats:
    """How busy each minute usually is, 1 on average: most after the open, least at noon, more again at the close."""
    place = np.linspace(-1.0, 1.0, minutes)
    rush = np.exp(-np.arange(minutes) / 12.0)
    shape = 0.6 + 1.1 * place**2 + 1.2 * rush + 1.2 * rush[::-1] ** 1.5
    return np.asarray(shape / shape.mean())


def _mean_bustle() -> float:
    """What exp(0.8 mood + ...) is on average."""
    variance = 0.64 * (MOOD_DEVIATION**2 + DAY_DEVIATION**2) + BUSTLE_DEVIATION**2
    return float(np.exp(variance / 2))


def _mood(rng: np.random.Generator, minutes: int) -> Floats:
    """A stationary autoregression of variance 1."""
    shocks = rng.standard_normal(minutes) * np.sqrt(1 - MOOD_MEMORY**2)
    mood, level = np.empty(minutes), float(rng.standard_normal())
    for index, shock in enumerate(shocks.tolist()):
        level = MOOD_MEMORY * level + shock
        mood[index] = level
    return mood


def _bridge(rng: np.random.Generator, deviations: Floats, start: float, end: float) -> Floats:
    """A path from `start` to `end` with the given deviations of its steps: one value more than steps."""
    walk = np.concatenate(((0.0,), np.cumsum(rng.standard_normal(len(deviations)) * deviations)))
    share = np.concatenate(((0.0,), np.cumsum(deviations**2)))
    return np.asarray(start + walk + share / share[-1] * (end - start - walk[-1]))


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
