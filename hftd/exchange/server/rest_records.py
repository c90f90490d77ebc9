"""REST: the account's statement (activities) and the history of its equity."""

import re
from datetime import date, timedelta

from aiohttp import web
from msgspec import Struct

from hftd.domain.convert import DAY_NS, MINUTE_NS, SECOND_NS
from hftd.exchange.server.call import Call, Fields, answer, day, malformed, moment, names, text, whole
from hftd.exchange.server.render import activity_json
from hftd.exchange.server.timeframes import midnight_ns
from hftd.exchange.venue.accounts import ActivityType
from hftd.exchange.venue.queries import ActivityFilter

PAGE_MAX = 100
STEPS_NS = {
    "1Min": MINUTE_NS,
    "5Min": 5 * MINUTE_NS,
    "15Min": 15 * MINUTE_NS,
    "1H": 60 * MINUTE_NS,
    "1D": DAY_NS,
}
PERIOD_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}
PERIODS_MAX = 1000
POINTS_MAX = 200_000
CATEGORIES = {
    "trade_activity": frozenset({ActivityType.FILL}),
    "non_trade_activity": frozenset(ActivityType) - {ActivityType.FILL},
}


async def activities(call: Call) -> web.Response:
    """GET /v2/account/activities, GET /v2/account/activities/{type}"""
    wanted = activity_filter_of(call.query, call.request.match_info.get("type"))
    found = call.exchange.venue.activities(call.account_id, wanted) if wanted else []
    return answer([activity_json(activity) for activity in found])


def activity_filter_of(query: Fields, single: str | None) -> ActivityFilter | None:
    """Which activities are asked for; None when there are none of that kind here. Raises Refusal."""
    asked = [single] if single is not None else names(query, "activity_types")
    category, date = text(query, "category"), day(query, "date")
    if category is not None and category not in CATEGORIES:
        raise malformed(f"invalid category: expected one of {', '.join(CATEGORIES)}")
    if category is not None and asked:
        raise malformed("only one of category and activity_types is accepted")
    kinds = frozenset(kind for kind in ActivityType if kind in asked) if asked else CATEGORIES.get(category or "")
    if kinds is not None and not kinds:
        return None
    after_ns, until_ns = moment(query, "after"), moment(query, "until")
    if date is not None:
        after_ns, until_ns = _edges_of(date)
    direction = text(query, "direction") or "desc"
    if direction not in ("asc", "desc"):
        raise malformed("invalid direction: asc or desc is expected")
    paged = date is None or "page_size" in query
    return ActivityFilter(
        types=kinds,
        after_ns=after_ns,
        until_ns=until_ns,
        ascending=direction == "asc",
        page_size=whole(query, "page_size", 1, PAGE_MAX, PAGE_MAX) if paged else None,
        page_token=text(query, "page_token"),
    )


def _edges_of(when: date) -> tuple[int, int]:
    """The last nanosecond before a day and the first after it. Raises Refusal."""
    try:
        return midnight_ns(when) - 1, midnight_ns(when + timedelta(days=1))
    except OverflowError as error:
        raise malformed(f"invalid date: {when} is the last of all days") from error


class HistoryAsked(Struct, frozen=True):
    """A stretch of the equity curve: steps of `step_ns` in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    timeframe: str

    @property
    def step_ns(self) -> int:
        return STEPS_NS[self.timeframe]


async def portfolio_history(call: Call) -> web.Response:
    """GET /v2/account/portfolio/history"""
    asked = history_asked(call.query, call.now_ns)
    points = call.exchange.venue.portfolio_history(call.account_id, asked.start_ns, asked.end_ns, asked.step_ns)
    base = float(points[0].equity - points[0].profit) if points else 0.0
    return answer(
        {
            "timestamp": [point.time_ns // SECOND_NS for point in points],
            "equity": [float(point.equity) for point in points],
            "profit_loss": [float(point.profit) for point in points],
            "profit_loss_pct": [
                None if point.profit_fraction is None else float(point.profit_fraction) for point in points
            ],
            "base_value": base,
            "base_value_asof": call.exchange.calendar.day_of(asked.start_ns).isoformat(),
            "timeframe": asked.timeframe,
            "cashflow": {},
        }
    )


def history_asked(query: Fields, now_ns: int) -> HistoryAsked:
    """The stretch that a query asks for. Raises Refusal."""
    period = text(query, "period") or "1M"
    match = re.fullmatch(r"(\d{1,4})([DWMA])", period)
    if match is None or not 1 <= int(match[1]) <= PERIODS_MAX:
        raise malformed(f"invalid period: {period[:20]}; expected a number with D, W, M or A, such as 1M")
    days = int(match[1]) * PERIOD_DAYS[match[2]]
    timeframe = text(query, "timeframe") or ("1Min" if days < 7 else "15Min" if days < 30 else "1D")
    if timeframe not in STEPS_NS:
        raise malformed(f"invalid timeframe: {timeframe[:20]}; expected one of {', '.join(STEPS_NS)}")
    ends = (moment(query, name, end_of_day=True) for name in ("end", "date_end"))
    end_ns = min(next((at for at in ends if at is not None), now_ns), now_ns) + 1
    start_ns = moment(query, "start")
    start_ns = end_ns - days * DAY_NS if start_ns is None else start_ns
    if (end_ns - start_ns) // STEPS_NS[timeframe] > POINTS_MAX:
        raise malformed("the period is too long for its timeframe")
    return HistoryAsked(start_ns, end_ns, timeframe)
