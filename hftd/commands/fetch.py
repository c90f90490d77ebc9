"""`hftd data fetch`: bars from a broker's history, a file for each session, which makes it resumable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hftd.broker.base import DataClient
from hftd.calendar import Calendar
from hftd.clock import wall_ns
from hftd.data.rows import Bars, Kind
from hftd.data.writing import ParquetSink, writable
from hftd.domain.convert import datetime_of
from hftd.domain.session import Session
from hftd.errors import SettingsError
from hftd.settings import Settings
from hftd.wording import suggestion

if TYPE_CHECKING:
    from pandas import DataFrame

TIMEFRAMES = ("1Min", "5Min", "15Min", "30Min", "1Hour")
SYMBOLS_KEY = b"hftd.symbols"


@dataclass(frozen=True)
class Wish:
    """What to fetch: bars of `symbols` in the sessions from `first` to `last`, into the folder `into`."""

    symbols: tuple[str, ...]
    first: date
    last: date
    timeframe: str
    into: Path
    feed: str


def checked(wish: Wish) -> Wish:
    """`wish`, if it makes sense. Raises SettingsError."""
    if wish.timeframe not in TIMEFRAMES:
        raise SettingsError(f"--timeframe {wish.timeframe}: {suggestion(wish.timeframe, TIMEFRAMES)}")
    if not wish.symbols:
        raise SettingsError("SYMBOLS: at least one symbol is expected, like SPY,AAPL")
    if wish.last < wish.first:
        raise SettingsError(f"--to {wish.last}: expected a day not before {wish.first}")
    return wish


def client_of(settings: Settings, environment: Mapping[str, str]) -> DataClient:
    """The history of the broker in `settings`; of Alpaca when that is an exchange of our own, which has none."""
    from hftd.broker.data_client import AlpacaDataClient
    from hftd.broker.endpoints import alpaca_endpoints, exchange_endpoints
    from hftd.live.connection import keys_of

    broker = settings.broker
    is_exchange = broker.name == "simulated" and broker.url is not None
    endpoints = exchange_endpoints(str(broker.url), broker.feed) if is_exchange else alpaca_endpoints(broker.feed)
    return AlpacaDataClient(keys=keys_of(environment, settings), endpoints=endpoints)


def sessions_of(wish: Wish, now_ns: int) -> list[Session]:
    """The sessions that are over."""
    return [session for session in Calendar().sessions(wish.first, wish.last) if session.close_ns <= now_ns]


def fetch(
    wish: Wish, client: DataClient, sessions: Sequence[Session], done: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Fetch each session that is not there yet. Returns what was fetched, for JSON; may be ended and begun again.

    Raises BrokerError, CredentialsError, DataError.
    """
    folder, rows, fetched = writable(wish.into), 0, 0
    for session in sessions:
        file = folder / f"bars_{wish.timeframe.lower()}_{session.day}.parquet"
        if not _is_there(file, wish.symbols):
            frames = client.get_bars(
                list(wish.symbols),
                wish.timeframe,
                datetime_of(session.open_ns),
                datetime_of(session.close_ns - 1_000),
                limit=None,
                feed=wish.feed,
            )
            rows += _write(file, frames, wish.symbols, session)
            fetched += 1
        done()
    return {"sessions": len(sessions), "fetched": fetched, "rows": rows, "folder": str(folder)}


def _is_there(file: Path, symbols: Sequence[str]) -> bool:
    """Whether the file holds all of `symbols`, as far as they had bars."""
    import pyarrow.parquet

    if not file.exists():
        return False
    asked = (pyarrow.parquet.read_schema(file).metadata or {}).get(SYMBOLS_KEY, b"").decode().split(",")
    return set(symbols) <= set(asked)


def _write(file: Path, frames: "Mapping[str, DataFrame]", symbols: Sequence[str], session: Session) -> int:
    names = sorted(symbols)
    parts = [_bars_of(names, name, frames[name], session) for name in names if name in frames]
    sink = ParquetSink(file, Kind.BARS, {SYMBOLS_KEY: ",".join(names).encode()})
    if parts:
        from hftd.data.decoding import sorted_rows
        from hftd.data.rows import joined

        sink.write(sorted_rows(joined(parts)))
    sink.close()
    return sink.row_count


def _bars_of(names: Sequence[str], name: str, frame: "DataFrame", session: Session) -> Bars:
    """A frame of the client: index `time`, UTC without saying so."""
    time_ns = frame.index.asi8
    frame = frame[(time_ns >= session.open_ns) & (time_ns < session.close_ns)]
    opens, highs, lows, closes = (frame[column].to_numpy(np.float64) for column in ("open", "high", "low", "close"))
    return Bars(
        names,
        np.full(len(frame), names.index(name), np.int32),
        frame.index.asi8.copy(),
        opens,
        highs,
        lows,
        closes,
        frame["volume"].to_numpy(np.int64),
        frame["trades"].fillna(0).to_numpy(np.int64),
        frame["volume weighted"].to_numpy(np.float64),
    )


def now_ns() -> int:
    """Now, by this machine's clock."""
    return wall_ns()
