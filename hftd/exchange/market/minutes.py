"""Playing a session from its minute bars.

Each minute's prints stand at fixed places in the minute, each followed by the quote that it left behind. The bar is
published when the minute is complete, and the quote of the close print stands until the next minute's first print,
a second later: that is what an order meets that was decided on the bar.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from hftd.data.rows import Quotes, Trades
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.base import Instant
from hftd.exchange.market.columns import PRINTS, BarColumns

PRINT_OFFSETS_NS = (1 * SECOND_NS, 20 * SECOND_NS, 40 * SECOND_NS, 59 * SECOND_NS)
"""When in its minute each of a bar's four prints happens."""

LOT = 100
TICK_TOLERANCE = 1e-6
QUOTED_SHARE = 10
"""A quote shows a tenth of the print beside it, in round lots, and at least one lot."""


class MinutePlay:
    """A session of recorded or computed bars, by symbol. Implements `Play`."""

    def __init__(self, session: Session, bars: Mapping[str, BarColumns], spread: float) -> None:
        self._instants = _instants(session, bars, spread)
        self._next = next(self._instants, None)

    @property
    def next_ns(self) -> int | None:
        return self._next.time_ns if self._next else None

    def advance(self) -> Instant:
        assert self._next is not None, "the session has nothing more to play"
        instant, self._next = self._next, next(self._instants, None)
        return instant


class Minute:
    """One symbol's bar with its prints: `prices` in dollars, `sizes` in shares (0: no print)."""

    __slots__ = ("bar", "prices", "quotes", "sizes")

    def __init__(self, bar: Bar, prices: Sequence[float], sizes: Sequence[int], before: float, spread: float) -> None:
        self.bar = bar
        self.prices = prices
        self.sizes = sizes
        self.quotes = [
            quote_around(bar.symbol, 0, price, size, price >= previous, spread)
            for (previous, price), size in zip(pairwise((before, *prices)), sizes, strict=True)
        ]

    def at(self, index: int) -> tuple[Trade | Quote, ...]:
        """The print at `index` and the quote that it leaves; nothing when there is no such print."""
        if not self.sizes[index]:
            return ()
        time_ns = self.bar.time_ns + PRINT_OFFSETS_NS[index]
        trade_id = self.bar.time_ns // MINUTE_NS * PRINTS + index
        trade = Trade(self.bar.symbol, time_ns, self.prices[index], self.sizes[index], trade_id)
        return trade, self.quote_at(index, time_ns)

    def quote_at(self, index: int, time_ns: int) -> Quote:
        """The quote of the print at `index`, stamped `time_ns`."""
        quote = self.quotes[index]
        return Quote(quote.symbol, time_ns, quote.bid, quote.bid_size, quote.ask, quote.ask_size)


def minutes_of(symbol: str, columns: BarColumns, spread: float) -> list[Minute]:
    """Every bar of `columns` with its prints and quotes. `spread` is in dollars."""
    rows = zip(columns.bars(symbol), columns.path().tolist(), columns.sizes().tolist(), strict=True)
    minutes: list[Minute] = []
    for bar, prices, sizes in rows:
        before = minutes[-1].bar.close if minutes else bar.open
        minutes.append(Minute(bar, prices, sizes, before, spread))
    return minutes


def ticks_of(symbol: str, columns: BarColumns, session: Session, spread: float) -> Iterator[Quote | Trade]:
    """The quotes and trades that playing `columns` in `session` publishes for `symbol`, in order of time."""
    for minute in minutes_of(symbol, columns, spread):
        if minute.bar.time_ns == session.open_ns:
            yield minute.quote_at(0, session.open_ns)
        for index in range(PRINTS):
            yield from minute.at(index)


def quote_around(symbol: str, time_ns: int, price: float, size: int, rising: bool, spread: float) -> Quote:
    """The quote that a print leaves: a rising one was a purchase at the ask, a falling one a sale at the bid.

    Quotes stand on whole cents, below a dollar on hundredths of a cent, as they do on US exchanges (SEC Rule 612).
    """
    ticks_per_dollar = 100 if price >= 1 else 10_000
    ticks = price * ticks_per_dollar
    width = max(1, round(spread * 100))
    below, above = floor(ticks + TICK_TOLERANCE), ceil(ticks - TICK_TOLERANCE)
    bid, ask = (above - width, above) if rising else (below, below + width)
    if bid < 1:
        bid, ask = 1, max(ask, 2)
    shown = max(LOT, size // QUOTED_SHARE // LOT * LOT)
    return Quote(symbol, time_ns, bid / ticks_per_dollar, shown, ask / ticks_per_dollar, shown)


def quotes_around(trades: Trades, rising: npt.NDArray[np.bool_], spread: float) -> Quotes:
    """`quote_around` of each print."""
    per_dollar = np.where(trades.price >= 1, 100.0, 10_000.0)
    ticks, width = trades.price * per_dollar, max(1, round(spread * 100))
    below, above = np.floor(ticks + TICK_TOLERANCE), np.ceil(ticks - TICK_TOLERANCE)
    bid, ask = np.where(rising, above - width, below), np.where(rising, above, below + width)
    bid, ask = np.where(bid < 1, 1.0, bid), np.where(bid < 1, np.maximum(ask, 2.0), ask)
    shown = np.maximum(LOT, trades.size // QUOTED_SHARE // LOT * LOT)
    return Quotes(trades.names, trades.symbol, trades.time_ns, bid / per_dollar, shown, ask / per_dollar, shown)


def _instants(session: Session, bars: Mapping[str, BarColumns], spread: float) -> Iterator[Instant]:
    by_minute: dict[int, list[Minute]] = defaultdict(list)
    for symbol in sorted(bars):
        for minute in minutes_of(symbol, bars[symbol].between(session.open_ns, session.close_ns), spread):
            by_minute[minute.bar.time_ns].append(minute)
    first = by_minute.get(session.open_ns, [])
    if first:
        yield Instant(session.open_ns, tuple(minute.quote_at(0, session.open_ns) for minute in first))
    for time_ns in sorted(by_minute):
        yield from _minute_instants(time_ns, by_minute[time_ns])


def _minute_instants(time_ns: int, minutes: list[Minute]) -> Iterator[Instant]:
    for index, offset_ns in enumerate(PRINT_OFFSETS_NS):
        if data := tuple(item for minute in minutes for item in minute.at(index)):
            yield Instant(time_ns + offset_ns, data)
    yield Instant(time_ns + MINUTE_NS, tuple(minute.bar for minute in minutes))
