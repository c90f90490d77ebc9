"""Made-up days for rehearsals: a plain one from a seed, and one with everything that goes wrong in a feed."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarCorrected, BarReceived, Event, SymbolHalted, SymbolResumed
from hftd.domain.market import Bar
from hftd.model.load import LoadedModel
from hftd.model.rehearsal import SESSION, ticks

if TYPE_CHECKING:
    from numpy.random import Generator

MINUTES = 390
MISSING = 0.03
"""The part of the minutes in which nobody trades."""


def plain_day(loaded: LoadedModel, symbols: Iterable[str], seed: int) -> Iterator[Event]:
    """A session of minutes in every symbol; the prices stray from each other and come back. Quotes and trades are
    there for a model that hears them."""
    for bar in _bars(tuple(symbols), _chance(seed)):
        yield from ticks(loaded, bar)
        yield BarReceived(bar)


def _chance(seed: int) -> "Generator":
    from numpy.random import default_rng

    return default_rng(seed)


def _bars(symbols: tuple[str, ...], chance: "Generator") -> Iterator[Bar]:
    common, own = 100.0, dict.fromkeys(symbols, 0.0)
    closes = {symbol: 100.0 + 10 * index for index, symbol in enumerate(symbols)}
    for minute in range(MINUTES):
        common *= 1 + chance.normal(0, 0.0005)
        for index, symbol in enumerate(symbols):
            own[symbol] = 0.97 * own[symbol] + chance.normal(0, 0.0005)
            close = round(float((common + 10 * index) * (1 + own[symbol])), 2)
            if chance.random() >= MISSING:
                yield _bar(symbol, minute, closes[symbol], close, chance)
                closes[symbol] = close


def _bar(symbol: str, minute: int, opening: float, close: float, chance: "Generator") -> Bar:
    low, high = sorted((opening, close))
    wick = round(chance.random() * 0.05, 2)
    volume = int(chance.lognormal(8, 1)) + 1
    time_ns = SESSION.open_ns + minute * MINUTE_NS
    return Bar(symbol, time_ns, opening, high + wick, low - wick, close, volume, volume // 50 + 1, (low + high) / 2)


def odd_day(loaded: LoadedModel, symbols: Iterable[str]) -> Iterator[Event]:
    """A day that begins with late bars, has a gap, a jump, a halt, minutes without any movement, and corrections."""
    names = tuple(symbols)
    for bar in _bars(names, _chance(3)):
        minute = (bar.time_ns - SESSION.open_ns) // MINUTE_NS
        if 100 <= minute < 140:
            continue
        if minute in (200, 230):
            yield from _halted(names, bar.known_at_ns, is_end=minute == 230)
        shown = _odd(bar, minute)
        yield from ticks(loaded, shown)
        yield BarReceived(shown, late=minute < 20 or minute == 150)
        if minute % 50 == 0:
            yield BarCorrected(replace(shown, volume=shown.volume + 1))


def _odd(bar: Bar, minute: int) -> Bar:
    """From minute 250 on prices stand 30 % higher; from 300 on nothing moves, and a minute is one trade of a share."""
    if minute >= 300:
        return Bar(bar.symbol, bar.time_ns, 130.0, 130.0, 130.0, 130.0, 1)
    if minute >= 250:
        raised = {name: round(getattr(bar, name) * 1.3, 2) for name in ("open", "high", "low", "close")}
        return replace(bar, vwap=None, **raised)
    return bar


def _halted(symbols: tuple[str, ...], time_ns: int, *, is_end: bool) -> Iterator[Event]:
    for symbol in symbols:
        yield SymbolResumed(time_ns, symbol) if is_end else SymbolHalted(time_ns, symbol, "volatility", "as a check")
