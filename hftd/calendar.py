"""Trading sessions of an exchange, by pandas_market_calendars. The only room that imports it.

The library costs half a second and a hundred megabytes to import, and a year's sessions are 252 rows: they are
computed once a year and version, and kept as JSON in the cache directory. A cache that cannot be read or written is
no error: the sessions are computed again.
"""

import json
import os
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hftd.domain.convert import DAY_NS, datetime_of
from hftd.domain.session import Session
from hftd.errors import CalendarError

NEW_YORK = ZoneInfo("America/New_York")
FIRST_YEAR, LAST_YEAR = 1990, 2100
SHORTEST_SESSION_BARS = 180
"""Bars to count on in a day when looking back: half a day's session, less what had no trade."""


def cache_directory() -> Path:
    """Where hftd keeps what can be made again: systemd's CACHE_DIRECTORY, else hftd in the XDG cache home."""
    if given := os.environ.get("CACHE_DIRECTORY"):
        return Path(given.split(":")[0])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hftd"


class Calendar:
    """Sessions of one exchange, in order. `name` is one that pandas_market_calendars knows, such as NYSE.

    Raises CalendarError for an unknown name or for days outside 1990-2100.
    """

    def __init__(self, name: str = "NYSE", cache: Path | None = None, zone: ZoneInfo = NEW_YORK) -> None:
        self.name = name
        self.zone = zone
        self._cache = cache or cache_directory()
        self._years: dict[int, list[Session]] = {}

    def day_of(self, time_ns: int) -> date:
        """The date in the exchange's own time zone."""
        return datetime_of(time_ns).astimezone(self.zone).date()

    def session_on(self, day: date) -> Session | None:
        """The session of `day`, None when the exchange is closed all day."""
        sessions = self._year(day.year)
        index = bisect_right(sessions, day, key=lambda session: session.day) - 1
        return sessions[index] if index >= 0 and sessions[index].day == day else None

    def next_session(self, time_ns: int) -> Session:
        """The session that is open at `time_ns`, or else the next one to open."""
        for session in self._from(self.day_of(time_ns) - timedelta(days=1)):
            if session.close_ns > time_ns:
                return session
        raise CalendarError(f"calendar {self.name} has no session after {datetime_of(time_ns):%Y-%m-%d}")

    def previous_session(self, time_ns: int) -> Session:
        """The last session that had closed by `time_ns`."""
        day = self.day_of(time_ns)
        for year in range(day.year, FIRST_YEAR - 1, -1):
            for session in reversed(self._year(year)):
                if session.close_ns <= time_ns:
                    return session
        raise CalendarError(f"calendar {self.name} has no session before {day}")

    def look_back(self, session: Session, bars: int) -> Session:
        """The session so far before `session` that there are surely `bars` bars of each minute in between."""
        first = session
        while (session.open_ns - first.open_ns) // DAY_NS * SHORTEST_SESSION_BARS < 2 * bars:
            first = self.previous_session(first.open_ns)
        return first

    def is_open(self, time_ns: int) -> bool:
        """Whether regular trading goes on at `time_ns`."""
        return self.next_session(time_ns).is_open(time_ns)

    def sessions(self, first: date, last: date) -> list[Session]:
        """All sessions from `first` to `last`, both included."""
        found = (session for year in range(first.year, last.year + 1) for session in self._year(year))
        return [session for session in found if first <= session.day <= last]

    def _from(self, day: date) -> Iterator[Session]:
        for year in range(day.year, LAST_YEAR + 1):
            yield from (session for session in self._year(year) if session.day >= day)

    def _year(self, year: int) -> list[Session]:
        if year not in self._years:
            if not FIRST_YEAR <= year <= LAST_YEAR:
                raise CalendarError(f"calendar {self.name}: {year} is outside {FIRST_YEAR}-{LAST_YEAR}")
            self._years[year] = self._read(year) or self._compute(year)
        return self._years[year]

    def _file(self, year: int) -> Path:
        return self._cache / f"calendar-{self.name}-{year}-{version('pandas_market_calendars')}.json"

    def _read(self, year: int) -> list[Session] | None:
        try:
            rows = json.loads(self._file(year).read_text())
            return [Session(int(opened), int(closed), date.fromisoformat(day)) for day, opened, closed in rows]
        except (OSError, ValueError, TypeError):
            return None

    def _compute(self, year: int) -> list[Session]:
        sessions = [
            Session(open_ns=row.market_open.value, close_ns=row.market_close.value, day=row.Index.date())
            for row in _schedule(self.name, year).itertuples()
        ]
        self._write(year, sessions)
        return sessions

    def _write(self, year: int, sessions: list[Session]) -> None:
        rows = [[session.day.isoformat(), session.open_ns, session.close_ns] for session in sessions]
        file = self._file(year)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(rows))
            draft.replace(file)
        except OSError:
            return  # a cache is a convenience


def _schedule(name: str, year: int) -> Any:
    """A frame of market_open and market_close (UTC timestamps), a row a session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # between the library and pandas; not ours to mend
        import pandas_market_calendars as library

        try:
            exchange = library.get_calendar(name)
        except RuntimeError as error:
            raise CalendarError(f"pandas_market_calendars knows no exchange {name!r}; NYSE is one it knows") from error
        schedule = exchange.schedule(f"{year}-01-01", f"{year}-12-31")
    return schedule.astype("datetime64[ns, UTC]")
