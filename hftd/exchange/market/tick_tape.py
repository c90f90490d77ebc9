"""A tape with trades or quotes: every print, quote and bar is played as it was recorded, at its own time.

Where the recording has no bars they are made of the trades; where it has no quotes, each print leaves one, as on a tape
of bars.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hftd.calendar import Calendar
from hftd.data.reading import USUAL, Reading
from hftd.data.recorded import Recorded
from hftd.data.rows import Kind, Quotes, Rows, Trades, joined
from hftd.domain.convert import MINUTE_NS
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.session import Session
from hftd.errors import DataError
from hftd.exchange.market.base import Instant, Play
from hftd.exchange.market.columns import EMPTY, BarColumns, TradedColumns
from hftd.exchange.market.minutes import quotes_around
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
        return self._heard(_TickPlay(chain.from_iterable(self._instants(session))))

    def ticks(self, symbol: str, session: Session) -> Iterator[Quote | Trade]:
        for instant in chain.from_iterable(self._instants(session)):
            for item in instant.data:
                if item.symbol == symbol and not isinstance(item, Bar):
                    yield item

    def _instants(self, session: Session) -> Iterator[list[Instant]]:
        made = _MadeBars(self._made, session)
        leave_quotes = None if Kind.QUOTES in self._data.kinds else LeftQuotes(self._spread)
        for part in self._data.between(session.open_ns, session.close_ns).parts():
            rows = [_begun(each, session.open_ns) for each in part]
            known = [_known(each, leave_quotes) for each in rows if len(each)]
            if known:
                yield _instants_of([made.until(max(times[-1] for times, _ in known)), *known])
        yield _instants_of([made.rest()])


Known = tuple[npt.NDArray[np.int64], list[Any]]
"""When each of some items is known, and the items."""


def _begun(rows: Rows, open_ns: int) -> Rows:
    """`rows` without bars of minutes before the session, the last of which is known at its open."""
    return rows.take(rows.time_ns >= open_ns) if rows.kind is Kind.BARS else rows


def _known(rows: Rows, leave_quotes: "LeftQuotes | None") -> Known:
    if leave_quotes is None or not isinstance(rows, Trades):
        return rows.known_ns, rows.items()
    pairs = zip(rows.items(), leave_quotes.behind(rows).items(), strict=True)
    return np.repeat(rows.known_ns, 2), list(chain.from_iterable(pairs))


def _instants_of(parts: Sequence[Known]) -> list[Instant]:
    """What is known together; at one moment in the order of `parts`, which is that of recorded data."""
    whole = [part for part in parts if len(part[0])]
    if not whole:
        return []
    times, items = np.concatenate([times for times, _ in whole]), [item for _, own in whole for item in own]
    if len(whole) > 1:
        order = np.argsort(times, kind="stable")
        times, items = times[order], [items[index] for index in order.tolist()]
    starts = np.flatnonzero(np.append(True, times[1:] != times[:-1]))
    edges = pairwise([*starts.tolist(), len(items)])
    return [
        Instant(time_ns, tuple(items[first:end]))
        for time_ns, (first, end) in zip(times[starts].tolist(), edges, strict=True)
    ]


class LeftQuotes:
    """The quote that each print leaves, where none were recorded."""

    def __init__(self, spread: float) -> None:
        self._spread = spread
        self._last: dict[int, float] = {}

    def behind(self, trades: Trades) -> Quotes:
        """One quote for each of the next trades."""
        rising = np.empty(len(trades), dtype=bool)
        for code in np.unique(trades.symbol).tolist():
            own = np.flatnonzero(trades.symbol == code)
            prices = trades.price[own]
            before = np.concatenate(([self._last.get(code, prices[0])], prices[:-1]))
            rising[own] = prices >= before
            self._last[code] = float(prices[-1])
        return quotes_around(trades, rising, self._spread)


class _MadeBars:
    """The bars of a session that were made of its trades, given out as they become known."""

    def __init__(self, bars: Mapping[str, BarColumns], session: Session) -> None:
        inside = (own.between(session.open_ns, session.close_ns).bars(symbol) for symbol, own in sorted(bars.items()))
        self._bars = sorted((bar for own in inside for bar in own), key=lambda bar: (bar.time_ns, bar.symbol))
        self._known_ns = np.array([bar.known_at_ns for bar in self._bars], np.int64)
        self._given = 0

    def until(self, time_ns: int) -> Known:
        """Those known by `time_ns` that were not given out before."""
        first, self._given = self._given, int(np.searchsorted(self._known_ns, time_ns, "right"))
        return self._known_ns[first : self._given], self._bars[first : self._given]

    def rest(self) -> Known:
        """All others."""
        return self._known_ns[self._given :], self._bars[self._given :]


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


def bars_in(data: Recorded) -> dict[str, BarColumns]:
    """The minute bars of `data` by symbol; where it has none, those of its trades.

    Raises DataError when neither bars nor trades are in there.
    """
    if data.kinds == (Kind.QUOTES,):
        raise DataError(f"{data.where}: quotes alone say nothing of what was traded; add trades or bars")
    found = _bars_of_trades(data) if Kind.BARS not in data.kinds else {}
    return found or {name: columns_of(own) for name, own in data.bars().items()}


def _bars_of_trades(data: Recorded) -> dict[str, BarColumns]:
    """Read in the memory of a few chunks: a tape may be far larger than that."""
    parts: dict[str, list[BarColumns]] = {}
    begun: Trades | None = None
    for stretch in data.stretches((Kind.TRADES,)):
        trades = stretch[Kind.TRADES] if begun is None else joined([begun, stretch[Kind.TRADES]])
        assert isinstance(trades, Trades)
        whole = int(np.searchsorted(trades.time_ns, trades.time_ns[-1] // MINUTE_NS * MINUTE_NS))
        _add_bars(parts, trades.take(slice(whole)))
        begun = trades.take(slice(whole, None))
    if begun is not None:
        _add_bars(parts, begun)
    return {
        name: TradedColumns(*map(np.concatenate, zip(*(part.columns() for part in own), strict=True)))
        for name, own in parts.items()
    }


def _add_bars(parts: dict[str, list[BarColumns]], trades: Trades) -> None:
    """The bars of whole minutes, by symbol."""
    for code in np.unique(trades.symbol).tolist():
        parts.setdefault(trades.names[code], []).append(bars_of(trades.take(trades.symbol == code)))


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
