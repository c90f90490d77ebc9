"""The market of bots as the exchange sees it: sessions that are played while users trade along, and their past."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hftd.domain.convert import MINUTE_NS, TICKS_PER_DOLLAR
from hftd.domain.market import MarketData, Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.base import Instant
from hftd.exchange.market.book_liquidity import BookLiquidity
from hftd.exchange.market.bots.memory import Memory, forget_others
from hftd.exchange.market.bots.pit import Pit
from hftd.exchange.market.bots.settings import BotMarketSettings
from hftd.exchange.market.columns import TradedColumns

Array = NDArray[Any]

DAYS_KEPT = 64
"""Sessions of one symbol whose bars are kept once computed."""

IDS_A_DAY = 10**9


class BotMarket:
    """A market of bots, who react to users' orders in the same books. Implements `Market`.

    A session that nobody plays, and one played without users, is computed from (settings, symbol, day) alone. What
    users have changed in the session played now, or last, is kept: in the folder `memory` too, if there is one, so that
    the session goes on as it was when it is played again.
    """

    days = None

    def __init__(self, settings: BotMarketSettings, symbols: Sequence[str], memory: Path | None = None) -> None:
        self.settings = settings
        self._folder = memory
        self.symbols = tuple(symbols)
        self.liquidity = BookLiquidity()
        self._played: dict[Session, dict[str, Record]] = {}
        self._bars = lru_cache(maxsize=DAYS_KEPT * len(self.symbols))(self._compute_bars)
        self._ticks = lru_cache(maxsize=len(self.symbols))(self._compute)

    def play(self, session: Session) -> "BotPlay":
        """A session from its open. Only the one begun last may go on: its books are those of the liquidity."""
        return BotPlay(self, session)

    def history(self, symbol: str, session: Session) -> TradedColumns:
        """The minute bars of a session; of the one being played, those up to now."""
        record = self._record(symbol, session)
        return record.bars() if record else self._bars(symbol, session)

    def ticks(self, symbol: str, session: Session) -> Iterator[Quote | Trade]:
        """The quotes and trades of a session in order of time; of the one being played, those up to now."""
        record = self._record(symbol, session)
        prints, tops = record.ticks() if record else self._ticks(symbol, session)
        trades = trades_of(symbol, session, prints)
        return merge(trades, quotes_of(symbol, tops), key=lambda tick: tick.time_ns)

    def begin(self, session: Session) -> dict[str, "Record"]:
        """Open the books of `session` for everybody."""
        memories = self._remember(session)
        pits = {symbol: Pit(self.settings, symbol, session, memory=memories.get(symbol)) for symbol in self.symbols}
        self.liquidity.open(pits)
        records = {symbol: Record(pit) for symbol, pit in pits.items()}
        self._played = {session: records}
        return records

    def bots_shares(self, symbol: str) -> int:
        """Shares that all bots together have bought less sold in the session played last: what users have sold."""
        return sum(int(records[symbol].pit.inventory.sum()) for records in self._played.values())

    def _remember(self, session: Session) -> dict[str, Memory]:
        """What users did to the session, by symbol; other sessions are forgotten."""
        if self._folder is None:
            return {}
        forget_others(self._folder, session.day.isoformat())
        names = {symbol: f"{session.day.isoformat()}-{symbol.replace('/', '-')}.messages" for symbol in self.symbols}
        return {symbol: Memory(self._folder / name) for symbol, name in names.items()}

    def _record(self, symbol: str, session: Session) -> "Record | None":
        return self._played.get(session, {}).get(symbol)

    def _compute(self, symbol: str, session: Session) -> tuple[Array, Array]:
        pit = Pit(self.settings, symbol, session)
        pit.play_until(session.close_ns)
        return pit.take_prints(), pit.take_tops()

    def _compute_bars(self, symbol: str, session: Session) -> TradedColumns:
        pit = Pit(self.settings, symbol, session)
        pit.play_until(session.close_ns)
        return bars_of(pit.take_prints())


class Record:
    """What one symbol's session has brought up to now. `pit` goes on."""

    def __init__(self, pit: Pit) -> None:
        self.pit = pit
        self._prints: list[Array] = []
        self._tops: list[Array] = []

    def take(self) -> tuple[Array, Array]:
        """Prints and tops since the last call."""
        prints, tops = self.pit.take_prints(), self.pit.take_tops()
        if len(prints):
            self._prints.append(prints)
        if len(tops):
            self._tops.append(tops)
        return prints, tops

    def ticks(self) -> tuple[Array, Array]:
        """All prints and tops."""
        self._prints, self._tops = _joined(self._prints), _joined(self._tops)
        empty = self.pit.no_ticks
        return (self._prints or [empty[0]])[0], (self._tops or [empty[1]])[0]

    def bars(self) -> TradedColumns:
        """The bars of all prints; the last one may go on."""
        return bars_of(self.ticks()[0])


class BotPlay:
    """A session of bots being played, from mark to mark. Implements `Play`."""

    def __init__(self, market: BotMarket, session: Session) -> None:
        self._market = market
        self._session = session
        self._next_ns: int | None = session.open_ns
        self._records: dict[str, Record] = {}
        self._minute: dict[str, list[Array]] = {}

    @property
    def next_ns(self) -> int | None:
        return self._next_ns

    def advance(self) -> Instant:
        time_ns = self._next_ns
        assert time_ns is not None, "the session has nothing more to play"
        if not self._records:
            self._records = self._market.begin(self._session)
            self._minute = {symbol: [] for symbol in self._records}
        following_ns = time_ns + self._market.settings.step_ns
        self._next_ns = following_ns if following_ns <= self._session.close_ns else None
        return Instant(time_ns, tuple(self._happened(time_ns)))

    def _happened(self, time_ns: int) -> list[MarketData]:
        trades: list[Trade] = []
        quotes: list[Quote] = []
        for symbol, record in self._records.items():
            record.pit.play_until(time_ns)
            prints, tops = record.take()
            if len(prints):
                self._minute[symbol].append(prints)
                trades += trades_of(symbol, self._session, prints)
            quotes += quotes_of(symbol, tops)
        if len(self._records) > 1:
            trades.sort(key=lambda trade: trade.time_ns)
        bars = [] if (time_ns - self._session.open_ns) % MINUTE_NS else self._end_minute()
        return [*trades, *quotes, *bars]

    def _end_minute(self) -> list[MarketData]:
        bars: list[MarketData] = []
        for symbol, prints in self._minute.items():
            if prints:
                bars += bars_of(np.concatenate(prints)).bars(symbol)
                prints.clear()
        return bars


def trades_of(symbol: str, session: Session, prints: Array) -> list[Trade]:
    """Prints (`layout.PRINT`) as trades."""
    first_id = session.day.toordinal() * IDS_A_DAY
    columns = (
        prints["time_ns"].tolist(),
        (prints["price"] / TICKS_PER_DOLLAR).tolist(),
        prints["quantity"].tolist(),
        (prints["sequence"] + first_id).tolist(),
    )
    return [Trade(symbol, *row) for row in zip(*columns, strict=True)]


def quotes_of(symbol: str, tops: Array) -> list[Quote]:
    """Best prices (`layout.TOP`) as quotes."""
    columns = (
        tops["time_ns"].tolist(),
        (tops["bid"] / TICKS_PER_DOLLAR).tolist(),
        tops["bid_quantity"].tolist(),
        (tops["ask"] / TICKS_PER_DOLLAR).tolist(),
        tops["ask_quantity"].tolist(),
    )
    return [Quote(symbol, *row) for row in zip(*columns, strict=True)]


def bars_of(prints: Array) -> TradedColumns:
    """The minute bars that prints in order of time make up: a minute without one has none."""
    minutes = prints["time_ns"] // MINUTE_NS
    starts = np.flatnonzero(np.diff(minutes, prepend=-1))
    if not len(starts):
        empty = np.empty(0)
        none = np.empty(0, np.int64)
        return TradedColumns(none, empty, empty, empty, empty, none, none, empty)
    ends = np.append(starts[1:], len(prints)) - 1
    prices = prints["price"] / TICKS_PER_DOLLAR
    volume = np.add.reduceat(prints["quantity"], starts)
    high = np.maximum.reduceat(prices, starts)
    low = np.minimum.reduceat(prices, starts)
    vwap = np.clip(np.add.reduceat(prices * prints["quantity"], starts) / volume, low, high)
    counts = np.append(starts[1:], len(prints)) - starts
    return TradedColumns(minutes[starts] * MINUTE_NS, prices[starts], high, low, prices[ends], volume, counts, vwap)


def _joined(arrays: list[Array]) -> list[Array]:
    return [np.concatenate(arrays)] if len(arrays) > 1 else arrays
