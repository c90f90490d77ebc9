"""`hftd simulate-week`: the user's settings and models through a week of their choice, day by day."""

from collections.abc import Iterable
from datetime import date

from hftd.calendar import Calendar
from hftd.clock import wall_ns
from hftd.commands.text import columns
from hftd.domain.convert import text_of
from hftd.live.simulation import Day, eventful_week, simulate_week
from hftd.settings import Settings

HEAD = ("day", "open", "close", "bars", "decisions", "orders", "fills", "position", "P&L", "remarks")


def week_of(settings: Settings, first: date | None) -> list[Day]:
    """The week of `first`, or else the next one in which the hours of trading are unusual."""
    calendar = Calendar()
    return simulate_week(settings, first or eventful_week(calendar, calendar.day_of(wall_ns())))


def week_text(days: Iterable[Day]) -> str:
    """A table with a line a day."""
    return columns([HEAD, *map(_row, days)])


def _row(day: Day) -> tuple[str, ...]:
    name, remarks = f"{day.day:%a %Y-%m-%d}", "; ".join(day.remarks)
    if not day.opened:
        return (name, *["-"] * (len(HEAD) - 2), remarks)
    counts = (str(count) for count in (day.bars, day.decisions, day.orders, day.fills))
    held = ", ".join(f"{symbol} {text_of(quantity)}" for symbol, quantity in day.position.items())
    return (name, day.opened, day.closed, *counts, held or "flat", f"{day.pnl:+,}", remarks)
