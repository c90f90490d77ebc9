"""How figures are written for people: one table of rows for the text and for the page."""

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache

from hftd.analytics.report import ModelPart, OrderRow, Report, ShadowRow
from hftd.calendar import NEW_YORK
from hftd.domain.convert import SECOND_NS, datetime_of, rfc3339_of

NOTHING = "–"
"""Stands where there is no such figure."""
TOGETHER = "all"

STANDING_MAX = 6
"""Symbols held that are named in a line."""

Number = float | None


def money(amount: Number) -> str:
    """Dollars and cents with their sign: +1,234.50."""
    return _shown(amount, lambda value: f"{round(value, 2) + 0.0:+,.2f}")


def dollars(amount: Number) -> str:
    """Dollars and cents: 1,234.50."""
    return _shown(amount, lambda value: f"{value:,.2f}")


def percent(part: Number) -> str:
    """A part of one, with enough digits to tell it from nothing: -0.059 %."""
    return _shown(part, lambda value: f"{value * 100:.{_digits(value * 100)}f} %")


def ratio(value: Number) -> str:
    """A plain number with two digits."""
    return _shown(value, lambda value: f"{value:,.2f}")


def whole(value: Number) -> str:
    """A count."""
    return _shown(value, lambda value: f"{value:,.0f}")


def basis_points(value: Number) -> str:
    """Such as 0.64 bp."""
    return _shown(value, lambda value: f"{value:,.2f} bp")


def duration(seconds: Number) -> str:
    """Such as 1.2 s, 45 min, 6 h 30 min."""
    return _shown(seconds, _duration)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def _shown(value: Number, write: Callable[[float], str]) -> str:
    return NOTHING if value is None or not math.isfinite(value) else write(value)


def _digits(value: float) -> int:
    return 2 if abs(value) >= 1 or not value else 3


def quantity(shares: float) -> str:
    """Shares without needless zeros: 5, 0.25."""
    return f"{shares:,.9f}".rstrip("0").rstrip(".")


def price(value: Number) -> str:
    """Dollars a share: at least cents, at most four digits."""
    return _shown(value, lambda value: f"{value:,.4f}"[:-2] if f"{value:.4f}".endswith("00") else f"{value:,.4f}")


def new_york(time_ns: int) -> datetime:
    """The exchange's own time."""
    return datetime_of(time_ns).astimezone(NEW_YORK)


@lru_cache(1)
def second_of(time_s: int) -> str:
    """A second since 1970 UTC as the exchange's own date and time; in a log one often follows upon itself."""
    return f"{new_york(time_s * SECOND_NS):%Y-%m-%d %H:%M:%S}"


Row = tuple[str, Callable[[ModelPart], str]]

FIGURE_ROWS: tuple[Row, ...] = (
    ("profit", lambda part: money(part.figures.profit)),
    ("return", lambda part: percent(part.figures.total_return)),
    ("return a year", lambda part: percent(part.figures.annual_return)),
    ("volatility a year", lambda part: percent(part.figures.volatility)),
    ("Sharpe", lambda part: ratio(part.figures.sharpe)),
    ("Sortino", lambda part: ratio(part.figures.sortino)),
    ("Calmar", lambda part: ratio(part.figures.calmar)),
    ("Omega", lambda part: ratio(part.figures.omega)),
    ("value at risk, 5 %", lambda part: percent(part.figures.value_at_risk)),
    ("beyond it, on average", lambda part: percent(part.figures.conditional_value_at_risk)),
    ("maximum drawdown", lambda part: percent(part.figures.max_drawdown)),
    ("its length", lambda part: duration(part.figures.max_drawdown_s)),
    ("closed trades", lambda part: whole(part.figures.trades)),
    ("win rate", lambda part: percent(part.figures.win_rate)),
    ("profit factor", lambda part: ratio(part.figures.profit_factor)),
    ("average win", lambda part: money(part.figures.average_win)),
    ("average loss", lambda part: money(part.figures.average_loss)),
    ("time in the market", lambda part: percent(part.figures.exposure)),
    ("turnover", lambda part: ratio(part.figures.turnover)),
    ("held for", lambda part: duration(part.figures.holding_s)),
)

EXECUTION_ROWS: tuple[Row, ...] = (
    ("orders", lambda part: whole(part.execution.orders)),
    ("filled", lambda part: whole(part.execution.filled)),
    ("filled in part", lambda part: whole(part.execution.partly_filled)),
    ("canceled or expired", lambda part: whole(part.execution.canceled)),
    ("rejected", lambda part: whole(part.execution.rejected)),
    ("still working", lambda part: whole(part.execution.working)),
    ("fill rate, by shares", lambda part: percent(part.execution.fill_rate)),
    ("slippage", lambda part: dollars(part.execution.slippage)),
    ("slippage of the price", lambda part: basis_points(part.execution.slippage_bps)),
    ("time to fill, median", lambda part: duration(part.execution.median_fill_s)),
    ("time to fill, 95 %", lambda part: duration(part.execution.slow_fill_s)),
)


def names_of(report: Report) -> dict[tuple[str, str], str]:
    """What each model is called, by name and fingerprint: its name and, where there were several versions of it, the
    first digits of its fingerprint."""
    versions = Counter(part.model for part in report.parts[1:])
    return {
        (part.model, part.fingerprint): f"{part.model} {part.fingerprint[:8]}".strip()
        if versions[part.model] > 1
        else part.model
        for part in report.parts[1:]
    }


def columns_of(report: Report) -> list[tuple[str, ModelPart]]:
    """The parts that deserve a column: with one model alone it and all together are the same."""
    names = names_of(report)
    models = [(names[part.model, part.fingerprint], part) for part in report.parts[1:]]
    return models if len(models) == 1 else [(TOGETHER, report.together), *models]


def standing(report: Report) -> str:
    """Where it ended: flat, or what is held."""
    held = [f"{symbol} {quantity(shares)}" for symbol, shares in report.positions.items()]
    if len(held) > STANDING_MAX:
        held = [*held[: STANDING_MAX - 1], f"{len(held) - STANDING_MAX + 1} more"]
    return ", ".join(held) or "flat"


def summary(report: Report) -> str:
    """One line: P&L -58.85, 360 orders, 360 fills..., for a subject or a head."""
    figures, execution = report.together.figures, report.together.execution
    parts = [
        f"P&L {money(figures.profit)}",
        f"{execution.orders:,} orders",
        f"{execution.filled + execution.partly_filled:,} filled",
        standing(report),
        *([f"fees {dollars(report.fees)}"] if report.fees else []),
        *([f"{halts} halts"] if (halts := report.health.counts.get("halts", 0)) else []),
        *([f"{sum(report.refusals.values())} refused by risk"] if report.refusals else []),
    ]
    return ", ".join(parts)


SHADOW_HEAD = ("shadow", "fingerprint", "decided", "would have sent", "filled", "given up", "P&L on paper", "")


def shadow_cells(row: ShadowRow) -> tuple[str, ...]:
    """A line of the table of shadows."""
    counts = (row.decided, row.ordered, row.filled, row.withdrawn)
    return (row.model, row.fingerprint[:12], *map(whole, counts), money(row.profit), row.fate)


LOG_HEAD = ("timestamp", "symbol", "action", "quantity", "price", "notional", "cash", "equity")
"""The columns of the order log that everybody expects, in that order; then those that say more."""
MORE_HEAD = ("filled", "status", "model", "reason", "client_order_id", "fingerprint")


def csv_of(orders: Iterable[OrderRow]) -> str:
    """The order log as CSV (RFC 4180): times RFC 3339 in UTC, numbers plain, nothing where there is none.

    A text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    out = io.StringIO()
    write = csv.writer(out).writerow
    write((*LOG_HEAD, *MORE_HEAD))
    for row in orders:
        write(
            (
                rfc3339_of(row.time_ns),
                row.symbol,
                row.action,
                _plain(row.quantity),
                "" if row.price is None else _plain(row.price),
                f"{row.notional:.2f}",
                f"{row.cash:.2f}",
                f"{row.equity:.2f}",
                _plain(row.filled),
                row.status,
                _harmless(row.model),
                _harmless(row.reason),
                _harmless(row.client_order_id),
                row.fingerprint,
            )
        )
    return out.getvalue()


def _plain(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
