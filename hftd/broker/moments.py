"""What users write for symbols and moments, as what the wire wants."""

from datetime import UTC, datetime, timedelta

from hftd.broker.base import Moment, Symbols
from hftd.domain.convert import datetime_of
from hftd.errors import DataError

DEFAULT_DAYS = 365
"""History begins this many days before now, unless told otherwise; cpquant's default."""


def symbols_of(symbols: Symbols) -> list[str]:
    """A list of symbols from a list, or from one text with commas. Raises DataError when there is none."""
    names = symbols.split(",") if isinstance(symbols, str) else symbols
    found = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not found:
        raise DataError(f"no symbol in {symbols!r}; expected for example ['SPY', 'QQQ'] or 'SPY,QQQ'")
    return found


def moment_of(moment: Moment, default: datetime) -> datetime:
    """An aware datetime: text in ISO form, a date (its midnight), a datetime; without a zone it is UTC.

    Raises DataError for text that is no moment.
    """
    if moment is None:
        return default
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise DataError(
                f"{moment!r} is no moment; expected for example '2026-11-20' or '2026-11-20T15:00'"
            ) from None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - the zone comes next
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def stretch_of(start: Moment, end: Moment, now_ns: int) -> tuple[datetime, datetime]:
    """From `start` to `end`, by default the 365 days until now. Raises DataError when it ends before it starts."""
    last = moment_of(end, datetime_of(now_ns))
    first = moment_of(start, last - timedelta(days=DEFAULT_DAYS))
    if first > last:
        raise DataError(f"start {first:%Y-%m-%d %H:%M} lies after end {last:%Y-%m-%d %H:%M}")
    return first, last
