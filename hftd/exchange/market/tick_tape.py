"""A tape with trades or quotes: every print, quote and bar is played as it was recorded, at its own time.

Where the recording has no bars they are made of the trades; where it has no quotes, each print leaves one, as on a tape
of bars.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from hftd.calendar import Calendar
from hftd.data.reading import USUAL, Reading
from hftd.data.recorded import Recorded
from hftd.data.rows import Kind, Trades, joined
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.domain.session import Session
from hftd.errors import DataError
from hftd.exchange.market.base import Instant, Play
from hftd.exchange.market.columns import EMPTY, BarColumns, TradedColumns
from hftd.exchange.market.minutes import quote_around
from hftd.exchange.market.recorded import SPREAD, RecordedMarket, sessions_with_bars
from hftd.exchange.market.tape import Tape, columns_of
from hftd.exchange.venue.liquidity import Liquidity


class TickTape(RecordedMarket):
    """A market that plays recorded trades, quotes and bars, read as they are played."""

    def __init__(
        self,
        data: Recorded,
        bars: Mapping[str, BarColumns],
        sessions: Sequence[Session],
        spread: float = SPREAD,
        liquidity: Liquidity | None = None,
    ) -> None:
        """`bars` are those of `data`, by symbol, as `bars_in` finds them."""
        super().__init__(bars, sessions, spread, liquidity)
        self._data = data
        self._made = {} if Kind.BARS in data.kinds else bars

    def play(self, session: Session) -> Play:
        return self._heard(_TickPlay(self._instants(session)))

    def ticks(self, symbol: str, session: Session) -> Iterator[Quote | Trade]:
        for item in self._items(session):
            if item.symbol == symbol and not isinstance(item, Bar):
                yield item

    def _instants(self, session: Session) -> Iterator[Instant]:
        instant_ns, together = 0, list[MarketData]()
        for item in self._items(session):
            known_ns = item.known_at_ns if type(item) is Bar else item.time_ns
            if known_ns != instant_ns and together:
                yield Instant(instant_ns, tuple(together))
                together = []
            instant_ns = known_ns
            together.append(item)
        if together:
            yield Instant(instant_ns, tuple(together))

    def _items(self, session: Session) -> Iterator[MarketData]:
        items = self._data.between(session.open_ns, session.close_ns).items()
        if Kind.BARS in self._data.kinds:
            items = (item for item in items if type(item) is not Bar or item.time_ns >= session.open_ns)
        if Kind.QUOTES not in self._data.kinds:
            items = _with_quotes(items, self._spread)
        return _with_bars(items, self._made, session) if self._made else items


class _TickPlay:
    """Implements `Play`."""

    def __init__(self, instants: Iterator[Instant]) -> None:
        self._instants = instants
        self._next = next(instants, None)
        self.next_ns = self._next.time_ns if self._next is not None else None

    def advance(self) -> Instant:
        assert self._next is not None, "the session has nothing more to play"
        instant, self._next = self._next, next(self._instants, None)
        self.next_ns = self._next.time_ns if self._next is not None else None
        return instant


def tape_of(
    path: Path,
    calendar: Calendar,
    symbols: Sequence[str] = (),
    *,
    day: date | None = None,
    liquidity: Liquidity | None = None,
    reading: Reading = USUAL,
) -> RecordedMarket:
    """The market that plays what is at `path`; of one `day` alone if it is given. Raises DataError, CalendarError."""
    folder = path / str(day)
    data = Recorded.open([folder if day and folder.is_dir() else path], reading=reading, symbols=symbols)
    if day is not None:
        session = calendar.session_on(day)
        if session is None:
            raise DataError(f"{path}: {day} is no session of calendar {calendar.name}")
        data = data.between(session.open_ns, session.close_ns)
    if data.kinds == (Kind.BARS,):
        return Tape(path, calendar, symbols, liquidity=liquidity, reading=reading, data=data)
    bars = bars_in(data)
    sessions = sessions_with_bars(bars, calendar)
    if not sessions:
        raise DataError(f"{path}: nothing lies in a session of calendar {calendar.name}")
    return TickTape(data, bars, sessions, liquidity=liquidity)


def _with_quotes(items: Iterator[MarketData], spread: float) -> Iterator[MarketData]:
    """Each print followed by the quote that it leaves."""
    before: dict[str, float] = {}
    for item in items:
        yield item
        if isinstance(item, Trade):
            rising = item.price >= before.get(item.symbol, item.price)
            before[item.symbol] = item.price
            yield quote_around(item.symbol, item.time_ns, item.price, item.size, rising, spread)


def _with_bars(items: Iterator[MarketData], bars: Mapping[str, BarColumns], session: Session) -> Iterator[MarketData]:
    """Each minute's bars before whatever comes after the minute's end."""
    inside = (own.between(session.open_ns, session.close_ns).bars(symbol) for symbol, own in sorted(bars.items()))
    waiting = sorted((bar for own in inside for bar in own), key=lambda bar: (bar.time_ns, bar.symbol), reverse=True)
    for item in items:
        while waiting and waiting[-1].known_at_ns <= item.time_ns:
            yield waiting.pop()
        yield item
    yield from reversed(waiting)


def bars_in(data: Recorded) -> dict[str, BarColumns]:
    """The minute bars of `data` by symbol; where it has none, those of its trades.

    Raises DataError when neither bars nor trades are in there.
    """
    if data.kinds == (Kind.QUOTES,):
        raise DataError(f"{data.where}: quotes alone say nothing of what was traded; add trades or bars")
    found = _bars_of_trades(data) if Kind.BARS not in data.kinds else {}
    return found or {name: columns_of(own) for name, own in data.bars().items()}


def _bars_of_trades(data: Recorded) -> dict[str, BarColumns]:
    chunks = [stretch[Kind.TRADES] for stretch in data.stretches((Kind.TRADES,))]
    if not chunks:
        return {}
    trades = joined(chunks)
    assert isinstance(trades, Trades)
    codes = np.unique(trades.symbol).tolist()
    return {trades.names[code]: bars_of(trades.take(trades.symbol == code)) for code in codes}


def bars_of(trades: Trades) -> BarColumns:
    """The minute bars of one symbol's trades, which are in order of time."""
    if not len(trades):
        return EMPTY
    minutes, starts = np.unique(trades.time_ns // MINUTE_NS, return_index=True)
    ends = np.append(starts[1:], len(trades)) - 1
    volume = np.add.reduceat(trades.size, starts)
    return TradedColumns(
        minutes * MINUTE_NS,
        trades.price[starts],
        np.maximum.reduceat(trades.price, starts),
        np.minimum.reduceat(trades.price, starts),
        trades.price[ends],
        volume,
        ends - starts + 1,
        np.add.reduceat(trades.price * trades.size, starts) / volume,
    )
