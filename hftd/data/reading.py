"""What files look like: which column is which, and what their times mean.

A file says as much as it can itself; the rest is told. Times with a zone mean what they say; times without one are
refused unless the zone is told, since an hour's error trades on the wrong minute and nobody sees it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt

from hftd.data.rows import Kind, needed
from hftd.domain.convert import MINUTE_NS
from hftd.errors import DataError
from hftd.wording import nearest, suggestion

ALIASES: dict[str, tuple[str, ...]] = {
    "timestamp": ("time_ns", "datetime", "date_time", "time", "date", "ts", "t"),
    "symbol": ("ticker", "instrument"),
    "open": ("o",),
    "high": ("h",),
    "low": ("l",),
    "close": ("c", "last"),
    "volume": ("v", "vol"),
    "trade_count": ("trades", "n"),
    "vwap": ("volume weighted", "vw"),
    "price": ("p",),
    "size": ("quantity", "qty", "s"),
    "trade_id": ("id", "i"),
    "bid": ("bid_price", "bp"),
    "bid_size": ("bid_qty", "bs"),
    "ask": ("ask_price", "ap"),
    "ask_size": ("ask_qty", "as"),
    "received_ns": ("local_time_ns",),
}
"""Other names under which a column is found, whatever their case, when it is not there under its own."""

SIGNS = {Kind.QUOTES: ("bid", "ask"), Kind.BARS: ("open", "high", "low", "close"), Kind.TRADES: ("price", "size")}
"""The columns by which the kind of a table is told."""

_EPOCHS = ((10**17, 1), (10**14, 1000), (10**11, 1_000_000), (10**8, 1_000_000_000))
"""The least size of a whole number that counts nanoseconds, micro-, milliseconds, seconds since 1970 -> its unit."""


@dataclass(frozen=True)
class Reading:
    """How to read files that do not say it themselves.

    `columns`: our name -> the file's. `time_zone`: of times without one, like America/New_York. `time_format`: of CSV
    times that are not ISO 8601, as in strptime. `stamped`: whether a bar's time is its minute's start or its end.
    `symbol`: of files without such a column; else it is the beginning of the file's name. `volume`: shares to assume in
    each minute of bars that have no such column; 0 refuses them.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    time_zone: str = ""
    time_format: str = ""
    stamped: str = "start"
    symbol: str = ""
    volume: int = 0


USUAL = Reading()


def columns_of(file: Path, found: Iterable[str], reading: Reading) -> dict[str, str]:
    """Our name -> the file's, of all columns that are ours. Raises DataError for a mapping to none."""
    names = [str(name) for name in found]
    folded = {name.strip().casefold(): name for name in reversed(names)}
    chosen = {}
    for own, others in ALIASES.items():
        given = reading.columns.get(own)
        if given is not None and given not in names:
            raise DataError(
                f"{file}: no column {given!r}, which data.columns names for {own}; {suggestion(given, names)}"
            )
        matches = [given] if given else [folded[name] for name in (own, *others) if name in folded]
        if matches:
            chosen[own] = matches[0]
    return chosen


def kind_of(file: Path, columns: Mapping[str, str], found: Iterable[str]) -> Kind:
    """What a table with these columns holds. Raises DataError when it is neither bars nor quotes nor trades."""
    for kind, signs in SIGNS.items():
        if all(sign in columns for sign in signs):
            return kind
    if not any(sign in columns for signs in SIGNS.values() for sign in signs):
        raise DataError(
            f"{file}: its columns {', '.join(found)} tell neither bars (open, high, low, close) nor quotes (bid, ask) "
            "nor trades (price, size); say which is which in settings, data: {columns: {open: NAME}}, or to hftd data "
            "with --column open=NAME"
        )
    likeliest = max(SIGNS, key=lambda kind: sum(sign in columns for sign in SIGNS[kind]))
    missing = next(name for name in SIGNS[likeliest] if name not in columns)
    raise DataError(_missing(file, missing, found, likeliest))


def check_columns(file: Path, kind: Kind, columns: Mapping[str, str], found: Iterable[str], reading: Reading) -> None:
    """Raise DataError for a column that is missing and cannot be done without."""
    for name in needed(kind):
        if name not in columns and name != "symbol" and not (name == "volume" and reading.volume):
            hint = "; where there are no volumes, say how much to assume: --volume 100" if name == "volume" else ""
            raise DataError(_missing(file, name, found, kind) + hint)


def _missing(file: Path, name: str, found: Iterable[str], kind: Kind) -> str:
    return (
        f"{file}: no column {name!r}; {suggestion(name, map(str, found))} ({kind} have {', '.join(needed(kind))}); "
        f"say which it is in settings, data: {{columns: {{{name}: NAME}}}}, or to hftd data with --column {name}=NAME"
    )


def symbol_of(file: Path, reading: Reading) -> str:
    """The symbol of a file without such a column. Raises DataError when its name does not begin with one."""
    begun = re.match(r"[A-Za-z]{1,6}(\.[A-Z])?(?![A-Za-z])", file.name)
    if not reading.symbol and not begun:
        raise DataError(
            f"{file}: no column 'symbol', and the file's name does not begin with one, as in SPY_1min.csv; "
            "give it with --symbol"
        )
    return reading.symbol or begun[0].upper()  # type: ignore[index]


def times_of(file: Path, name: str, column: Any, reading: Reading) -> npt.NDArray[np.int64]:
    """Nanoseconds since 1970 UTC of an Arrow column; the least int64 where it is empty.

    Raises DataError for times that have no zone, or are none.
    """
    import pyarrow as arrow
    import pyarrow.compute as compute

    kind = column.type
    if len(column) == 0:
        return np.empty(0, np.int64)
    try:
        if arrow.types.is_floating(kind):
            column = column.cast(arrow.int64())
        if arrow.types.is_integer(column.type):
            return _counted(file, name, _filled(column.cast(arrow.int64())))
        if arrow.types.is_string(kind) or arrow.types.is_large_string(kind):
            column = _parsed(column, reading)
        if arrow.types.is_date(column.type):
            column = column.cast(arrow.timestamp("s"))
        if not arrow.types.is_timestamp(column.type):
            raise DataError(
                f"{file}: column {name!r} holds {kind}, and times are expected: {EXAMPLE}, or seconds since 1970"
            )
        if column.type.tz is None:
            column = compute.assume_timezone(column, _zone(file, name, column, reading))
        return _filled(column.cast(arrow.timestamp("ns", tz=column.type.tz)).cast(arrow.int64()))
    except arrow.ArrowException as error:
        form = f"of the form {reading.time_format!r}" if reading.time_format else f"such as {EXAMPLE}"
        raise DataError(
            f"{file}: column {name!r} does not hold times {form} ({_short(error)}); "
            "other forms are told by data.time_format, like '%m/%d/%Y %H:%M'"
        ) from error


EMPTY_TIME = -(2**63)
EXAMPLE = "2019-02-11T14:30:00Z"


def _filled(column: Any) -> npt.NDArray[np.int64]:
    return np.asarray((column.fill_null(EMPTY_TIME) if column.null_count else column).to_numpy())


def _parsed(column: Any, reading: Reading) -> Any:
    import pyarrow as arrow
    import pyarrow.compute as compute

    if reading.time_format:
        return compute.strptime(column, format=reading.time_format, unit="ns")
    try:
        return column.cast(arrow.timestamp("ns", tz="UTC"))
    except arrow.ArrowException:
        return column.cast(arrow.timestamp("ns"))


def _zone(file: Path, name: str, column: Any, reading: Reading) -> str:
    if not reading.time_zone:
        example = next((value for value in column.slice(0, 1).to_pylist()), None)
        raise DataError(
            f"{file}: column {name!r} holds times without a time zone, like {_text(example)}; name theirs "
            "in settings, like data: {time_zone: America/New_York}, or to hftd data with --time-zone America/New_York"
        )
    try:
        return ZoneInfo(reading.time_zone).key
    except (KeyError, ValueError, OSError) as error:
        near = nearest(reading.time_zone, available_timezones()) or "UTC"
        raise DataError(f"data.time_zone: there is no time zone {reading.time_zone!r}; did you mean {near}?") from error


def _counted(file: Path, name: str, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whole numbers since 1970, in the unit that their size tells: no two units fit times of the same century."""
    least = int(numbers[numbers != EMPTY_TIME].min(initial=2**62))
    for size, unit_ns in _EPOCHS:
        if least >= size:
            return np.where(numbers == EMPTY_TIME, numbers, numbers * unit_ns)
    raise DataError(f"{file}: column {name!r} holds {least}, which is no time since 1970 in seconds or parts of them")


def bar_start(time_ns: npt.NDArray[np.int64], reading: Reading) -> npt.NDArray[np.int64]:
    """The starts of bars whose times are read as they stand."""
    return time_ns - MINUTE_NS if reading.stamped == "end" else time_ns


def _text(value: object) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120]
