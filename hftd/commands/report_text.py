"""A report for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from hftd.analytics import shown
from hftd.analytics.report import Report
from hftd.analytics.shown import EXECUTION_ROWS, FIGURE_ROWS, SHADOW_HEAD, Row, columns_of, shadow_cells
from hftd.commands.text import columns

INCIDENTS_MAX, ORDERS_MAX = 12, 8
"""Lines of each that a terminal is given: the file has all of them."""


def report_text(report: Report) -> str:
    """All figures; of incidents and orders the last ones."""
    blocks = [f"{report.title}: {shown.summary(report)}", *_blocks(report)]
    return "\n\n".join(blocks)


def _blocks(report: Report) -> Iterator[str]:
    if report.missing:
        yield "\n".join(f"missing: {sentence}" for sentence in report.missing)
    yield _by_model(report, FIGURE_ROWS)
    yield _by_model(report, EXECUTION_ROWS)
    if report.shadows:
        yield columns([SHADOW_HEAD, *map(shadow_cells, report.shadows)])
    for title, counts in (
        ("refused by a limit", report.refusals),
        ("not sent", report.drops),
        ("rejected by the broker", report.problems),
        ("out of the ordinary", _unusual(report)),
    ):
        if counts:
            yield _counted(title, counts)
    if report.health.incidents:
        yield _incidents(report)
    if report.orders:
        yield _orders(report)


def _by_model(report: Report, rows: Sequence[Row]) -> str:
    parts = columns_of(report)
    cells = [
        ("", *(name for name, _ in parts)),
        *((label, *(write(part) for _, part in parts)) for label, write in rows),
    ]
    widths = [max(len(row[place]) for row in cells) for place in range(1, len(cells[0]))]
    aligned = [(row[0], *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))) for row in cells]
    return columns(aligned)


def _counted(title: str, counts: Mapping[str, int]) -> str:
    return columns([(title, ""), *((f"  {name}", f"{count:,}") for name, count in counts.items())])


def _unusual(report: Report) -> dict[str, int]:
    minutes = {f"minutes without a bar, {symbol}": count for symbol, count in report.health.missing_minutes.items()}
    return {name: count for name, count in (report.health.counts | minutes).items() if count}


def _incidents(report: Report) -> str:
    last = report.health.incidents[-INCIDENTS_MAX:]
    lines = [f"{shown.new_york(one.time_ns):%Y-%m-%d %H:%M:%S}  {one.name}  {one.detail}" for one in last]
    return "\n".join(lines)


def _orders(report: Report) -> str:
    last = report.orders[-ORDERS_MAX:]
    head = ("time", "symbol", "action", "quantity", "price", "notional", "cash", "equity", "status")
    rows = [
        (
            f"{shown.new_york(row.time_ns):%Y-%m-%d %H:%M:%S}",
            row.symbol,
            row.action,
            shown.quantity(row.quantity),
            shown.price(row.price),
            shown.dollars(row.notional),
            shown.dollars(row.cash),
            shown.dollars(row.equity),
            row.status,
        )
        for row in last
    ]
    more = len(report.orders) - len(last)
    return columns([head, *rows]) + (f"\nand {more:,} orders before" if more else "")
