"""`AlpacaDataClient`: history for notebooks, in cpquant's shape, every page of it."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from hftd.broker.base import DataClient, Moment, Symbols
from hftd.broker.credentials import Keys, find_keys
from hftd.broker.endpoints import Endpoints, Patience, alpaca_endpoints
from hftd.broker.library import Library
from hftd.broker.moments import stretch_of, symbols_of
from hftd.broker.wire_account import read
from hftd.clock import wall_ns

if TYPE_CHECKING:
    from pandas import DataFrame

PAGE_MAX = 10_000
"""Rows that the server sends at most at once."""

BAR_COLUMNS = {
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "n": "trades",
    "vw": "volume weighted",
}
TRADE_COLUMNS = {
    "p": "price",
    "s": "size",
    "c": "condition",
    "i": "trade_id",
    "x": "exchange_code",
    "z": "exchange",
}
"""The wire's names -> the columns of a frame, which are cpquant's."""

DATA_VARIABLES = (
    ("ALPACA_DATA_PUBLIC_KEY", "ALPACA_DATA_SECRET_KEY"),
    ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"),
)

Row = dict[str, Any]
Rows = dict[str, list[Row]]


class _Bars(Struct):
    bars: Rows | None = None
    next_page_token: str | None = None


class _Trades(Struct):
    trades: Rows | None = None
    next_page_token: str | None = None


class _LatestBars(Struct):
    bars: dict[str, Row] | None = None


class AlpacaDataClient(DataClient):
    """History. Keys come from `keys`, else from the environment, systemd's credentials or `env_file` (mode 0600).

    Every call raises DataError for a strange argument, CredentialsError, BrokerRefused or BrokerUnavailable.
    """

    def __init__(
        self,
        env_file: str | Path = ".env",
        *,
        keys: Keys | None = None,
        endpoints: Endpoints | None = None,
        patience: Patience | None = None,
        now_ns: Callable[[], int] = wall_ns,
    ) -> None:
        keys = keys or find_keys(os.environ, Path(env_file), DATA_VARIABLES)
        self._now_ns = now_ns
        self._library = Library(endpoints or alpaca_endpoints(), keys, patience or Patience())
        self._client = self._library.history_client()

    def close(self) -> None:
        """Close its connection. The client opens it again when it is used again."""
        self._client._session.close()

    def get_bars(
        self,
        symbols: Symbols,
        timeframe: str = "1D",
        start: Moment = None,
        end: Moment = None,
        adjustment: str = "raw",
        limit: int | None = 1000,
        asof: str | None = None,
        feed: str = "iex",
        currency: str = "USD",
        page_token: str | None = None,
        only_market: bool = False,
    ) -> "dict[str, DataFrame]":
        """Bars of each symbol that has any: open, high, low, close, volume, trades, "volume weighted".

        `limit` bounds the bars of all symbols together, None for all there are. `only_market` keeps those that start
        in the regular hours of their day, by the exchange's calendar.
        """
        names = symbols_of(symbols)
        params = self._stretch(names, start, end, asof, feed, currency)
        params.update(timeframe=timeframe, adjustment=adjustment)
        what = f"send bars of {', '.join(names)}"
        rows = _merged(self._bar_pages(what, params, limit, page_token))
        frames = frames_of(rows, names, BAR_COLUMNS)
        return {name: _in_regular_hours(frame) for name, frame in frames.items()} if only_market else frames

    def get_latest_bars(self, symbols: Symbols, feed: str = "iex", currency: str = "USD") -> "dict[str, DataFrame]":
        """The latest minute bar of each symbol that has one, a frame of one row each."""
        names = symbols_of(symbols)
        params = {"symbols": ",".join(names), "feed": feed, "currency": currency}
        what = f"send the latest bars of {', '.join(names)}"
        latest = read(what, self._get(what, "/stocks/bars/latest", params), _LatestBars)
        rows = {name: [row] for name, row in (latest.bars or {}).items()}
        return frames_of(rows, names, BAR_COLUMNS)

    def get_trades(
        self,
        symbols: Symbols,
        start: Moment = None,
        end: Moment = None,
        limit: int | None = PAGE_MAX,
        asof: str | None = None,
        feed: str = "iex",
        currency: str = "USD",
        page_token: str | None = None,
    ) -> "tuple[dict[str, DataFrame], str | None, list[str]]":
        """One page of trades: (frames, the next page's token or None, the symbols that are in it)."""
        names = symbols_of(symbols)
        params = self._stretch(names, start, end, asof, feed, currency)
        params.update(limit=min(limit or PAGE_MAX, PAGE_MAX), page_token=page_token)
        what = f"send trades of {', '.join(names)}"
        page = read(what, self._get(what, "/stocks/trades", params), _Trades)
        frames = frames_of(page.trades or {}, names, TRADE_COLUMNS)
        return frames, page.next_page_token or None, list(frames)

    def get_trades_iterator(
        self,
        symbols: Symbols,
        start: Moment = None,
        end: Moment = None,
        limit: int | None = PAGE_MAX,
        asof: str | None = None,
        feed: str = "iex",
        currency: str = "USD",
        page_token: str | None = None,
    ) -> "Iterator[dict[str, DataFrame]]":
        """All trades, page by page; `limit` is a page's size. The stretch of time is fixed when it begins."""
        first, last = stretch_of(start, end, self._now_ns())
        token = page_token
        while True:
            frames, token, _ = self.get_trades(symbols, first, last, limit, asof, feed, currency, token)
            if frames:
                yield frames
            if token is None:
                return

    def get_exchange_codes(self) -> dict[str, str]:
        """The letters of exchanges -> their names."""
        what = "send the codes of exchanges"
        return read(what, self._get(what, "/stocks/meta/exchanges", {}), dict[str, str])

    def _stretch(
        self, names: list[str], start: Moment, end: Moment, asof: str | None, feed: str, currency: str
    ) -> dict[str, Any]:
        first, last = stretch_of(start, end, self._now_ns())
        return {
            "symbols": ",".join(names),
            "start": first.isoformat(),
            "end": last.isoformat(),
            "asof": asof,
            "feed": feed,
            "currency": currency,
        }

    def _bar_pages(
        self,
        what: str,
        params: Mapping[str, Any],
        limit: int | None,
        token: str | None,
    ) -> Iterator[Rows]:
        left = limit
        while left is None or left > 0:
            size = PAGE_MAX if left is None else min(left, PAGE_MAX)
            page = read(what, self._get(what, "/stocks/bars", {**params, "limit": size, "page_token": token}), _Bars)
            rows = page.bars or {}
            yield rows
            token = page.next_page_token
            if not token:
                return
            if left is not None:
                left -= sum(map(len, rows.values()))

    def _get(self, what: str, path: str, params: Mapping[str, Any]) -> bytes:
        asked = {name: value for name, value in params.items() if value is not None}
        return self._library.history_now(what, lambda client: client.get(path, asked), self._client)


def frames_of(rows: Rows, symbols: list[str], columns: dict[str, str]) -> "dict[str, DataFrame]":
    """A frame for each symbol that has rows: index `time` (UTC, naive, to the nanosecond), `columns` renamed."""
    import pandas

    frames = {}
    for symbol in (symbol for symbol in symbols if rows.get(symbol)):
        frame = pandas.DataFrame.from_records(rows[symbol]).reindex(columns=["t", *columns])
        times = pandas.to_datetime(frame.pop("t"), utc=True, format="ISO8601").dt.tz_localize(None)
        frame.index = pandas.DatetimeIndex(times, name="time").as_unit("ns")
        frames[symbol] = frame.rename(columns=columns)
    return frames


def _merged(pages: Iterator[Rows]) -> Rows:
    merged: Rows = {}
    for page in pages:
        for symbol, rows in page.items():
            merged.setdefault(symbol, []).extend(rows)
    return merged


def _in_regular_hours(frame: "DataFrame") -> "DataFrame":
    """Only the rows that start in a session of the exchange: daylight saving and half days included."""
    from hftd.calendar import Calendar

    calendar = Calendar("NYSE")

    def is_inside(time_ns: int) -> bool:
        session = calendar.session_on(calendar.day_of(time_ns))
        return session is not None and session.is_open(time_ns)

    return frame[[is_inside(int(time_ns)) for time_ns in frame.index.asi8]]
