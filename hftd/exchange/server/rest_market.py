"""REST: clock, calendar and assets."""

import asyncio
from datetime import date, timedelta

from aiohttp import web

from hftd.calendar import NEW_YORK, Calendar
from hftd.domain.convert import SECOND_NS, datetime_of
from hftd.domain.session import Session
from hftd.errors import CalendarError
from hftd.exchange.server.call import Call, answer, day, malformed, text
from hftd.exchange.server.render import Json, asset_json
from hftd.exchange.venue.refusals import Refusal

SETTLEMENT_SESSIONS = 1
"""US shares settle on the next session (SEC Rule 15c6-1 since 2024)."""


def new_york_text(time_ns: int) -> str:
    """A time as `/v2/clock` writes it: New York's, with nanoseconds and offset."""
    text = datetime_of(time_ns).astimezone(NEW_YORK).isoformat(timespec="seconds")
    fraction = f".{time_ns % SECOND_NS:09d}" if time_ns % SECOND_NS else ""
    return text[:19] + fraction + text[19:]


async def clock(call: Call) -> web.Response:
    """GET /v2/clock"""
    session = call.exchange.upcoming_session(call.now_ns)
    is_open = session.is_open(call.now_ns)
    following = call.exchange.upcoming_session(session.close_ns) if is_open else session
    return answer(
        {
            "timestamp": new_york_text(call.now_ns),
            "is_open": is_open,
            "next_open": new_york_text(following.open_ns),
            "next_close": new_york_text(session.close_ns),
        }
    )


async def calendar(call: Call) -> web.Response:
    """GET /v2/calendar"""
    first, last = day(call.query, "start") or date(1990, 1, 1), day(call.query, "end") or date(2029, 12, 31)
    try:
        sessions = await _sessions(call.exchange.calendar, first, last + timedelta(days=7)) if first <= last else []
    except (CalendarError, OverflowError) as error:
        raise malformed(f"invalid start or end: {error}") from error
    settlements = [session.day for session in sessions[SETTLEMENT_SESSIONS:]]
    pairs = zip(sessions, settlements, strict=False)
    return answer([_calendar_day(session, settled) for session, settled in pairs if session.day <= last])


async def assets(call: Call) -> web.Response:
    """GET /v2/assets"""
    asset_class, status = text(call.query, "asset_class"), text(call.query, "status")
    exchange = text(call.query, "exchange")
    listed = [asset for asset in call.exchange.assets.values() if exchange in (None, asset.exchange)]
    matches = asset_class in (None, "us_equity") and status in (None, "active")
    return answer([asset_json(asset) for asset in listed] if matches else [])


async def asset(call: Call) -> web.Response:
    """GET /v2/assets/{symbol_or_id}"""
    wanted = call.path("symbol")
    for found in call.exchange.assets.values():
        if wanted == found.id or wanted.upper() == found.symbol:
            return answer(asset_json(found))
    raise Refusal(404, 40410000, f"asset not found for {wanted[:50]}")


async def _sessions(calendar: Calendar, first: date, last: date) -> list[Session]:
    """All sessions from `first` to `last`. Years may have to be computed: other clients are served between two. Raises
    CalendarError before that for days that the calendar does not know."""
    sessions: list[Session] = []
    calendar.session_on(first), calendar.session_on(last)
    for year in range(first.year, last.year + 1):
        sessions += calendar.sessions(max(first, date(year, 1, 1)), min(last, date(year, 12, 31)))
        await asyncio.sleep(0)
    return sessions


def _calendar_day(session: Session, settled: date) -> Json:
    opened, closed = (datetime_of(time_ns).astimezone(NEW_YORK) for time_ns in (session.open_ns, session.close_ns))
    return {
        "date": session.day.isoformat(),
        "open": f"{opened:%H:%M}",
        "close": f"{closed:%H:%M}",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": settled.isoformat(),
    }
