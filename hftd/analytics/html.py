"""A report as one HTML file: no script, nothing loaded from anywhere, light and dark, fit to print.

All text that comes from models, symbols and brokers passes `escape`, here or in `svg`.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from hftd.analytics import shown
from hftd.analytics.metrics import drawdowns, returns_of
from hftd.analytics.report import ModelPart, OrderRow, Report, SymbolPart
from hftd.analytics.shown import EXECUTION_ROWS, FIGURE_ROWS, LOG_HEAD, SHADOW_HEAD, Row, columns_of, shadow_cells
from hftd.analytics.style import STYLE
from hftd.analytics.svg import TITLED_MAX, Mark, line_chart, price_chart
from hftd.domain.convert import SECOND_NS

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
LISTED_MAX = 20_000
"""Orders that are listed, the last ones: a browser suffers from more. The order log as CSV has all."""
BESIDE_MAX = 3
"""Columns with which two tables of figures still fit beside each other."""
NUMBERS = ("quantity", "price", "notional", "cash", "equity")


def html_of(report: Report) -> str:
    """The whole file."""
    parts = (
        _head(report),
        _missing(report),
        _cards(report),
        _equity(report),
        *(_prices(report, part) for part in report.symbols),
        _by_model("Return and risk", report, FIGURE_ROWS),
        _by_model("Execution", report, EXECUTION_ROWS),
        _shadows(report),
        _unsent(report),
        _health(report),
        _models(report),
        _log(report),
    )
    title = escape(f"hftd · {report.title}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{title}</title><style>{STYLE}</style></head><body><main>'
        f"{''.join(parts)}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    names = ", ".join(shown.names_of(report).values()) or "no model"
    return f"<header><h1>{escape(report.title)}</h1><p>{escape(names)} · {escape(shown.summary(report))}</p></header>"


def _missing(report: Report) -> str:
    if not report.missing:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in report.missing)
    return f'<section class="missing"><h2>What is missing</h2><ul>{items}</ul></section>'


def _cards(report: Report) -> str:
    figures, execution = report.together.figures, report.together.execution
    cards = (
        ("P&L", shown.money(figures.profit), _tone(figures.profit)),
        ("return", shown.percent(figures.total_return), _tone(figures.total_return)),
        ("maximum drawdown", shown.percent(figures.max_drawdown), ""),
        ("closed trades won", shown.percent(figures.win_rate), ""),
        ("orders filled", f"{execution.filled:,} of {execution.orders:,}", ""),
        ("slippage", shown.basis_points(execution.slippage_bps), ""),
        *([("fees", shown.dollars(report.fees), "")] if report.fees else []),
        ("equity", shown.dollars(report.equity), ""),
        ("position", shown.standing(report), ""),
    )
    boxes = (
        f"<div><dt>{escape(name)}</dt><dd{tone}>{escape(value)}</dd></div>"
        for name, value, kind in cards
        for tone in [f' class="{kind}"' if kind else ""]
    )
    return f'<dl class="cards">{"".join(boxes)}</dl>'


def _tone(value: float) -> str:
    return "good" if value > 0 else "bad" if value < 0 else ""


# -- charts ------------------------------------------------------------------------------------------------------------


def _equity(report: Report) -> str:
    values = np.array(report.curve, dtype=np.float64)
    if len(values) < 2:
        return ""
    depth = np.concatenate(([0.0], np.nan_to_num(drawdowns(returns_of(values)))))
    charts = line_chart("Equity in dollars", report.times_ns, values, lambda value: f"{value:,.7g}", 230, "equity")
    charts += line_chart("Drawdown", report.times_ns, depth, shown.percent, 120, "drawdown")
    return f"<section><h2>Equity and drawdown</h2>{charts}</section>"


def _prices(report: Report, part: SymbolPart) -> str:
    known_ns = np.array([bar.known_at_ns for bar in part.bars], dtype=np.float64)
    closes = np.array([bar.close for bar in part.bars], dtype=np.float64)
    told = len(part.fills) <= TITLED_MAX
    marks = [_mark(*fill) if told else (*fill[:3], "") for fill in part.fills]
    chart = price_chart(f"Price of {part.symbol}", report.times_ns, known_ns, closes, marks, lambda v: f"{v:,.6g}")
    sides = f'<span class="buy">▲</span> bought <span class="sell">▼</span> sold, {len(marks):,} fills'
    return f"<section><h2>{escape(part.symbol)} <small>{sides}</small></h2>{chart}</section>" if chart else ""


def _mark(time_ns: int, quantity: float, price: float, model: str) -> Mark:
    word = "bought" if quantity > 0 else "sold"
    when = f"{shown.new_york(time_ns):%Y-%m-%d %H:%M:%S}"
    return (
        time_ns,
        quantity,
        price,
        f"{when} {word} {shown.quantity(abs(quantity))} at {shown.price(price)}, {model}",
    )


# -- tables ------------------------------------------------------------------------------------------------------------


def _by_model(title: str, report: Report, rows: Sequence[Row]) -> str:
    parts = columns_of(report)
    half = ' class="half"' if len(parts) <= BESIDE_MAX else ""
    head = "".join(f"<th>{escape(name)}</th>" for name, _ in parts)
    body = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{escape(write(part))}</td>' for _, part in parts)}</tr>"
        for label, write in rows
    )
    return (
        f'<section{half}><h2>{title}</h2><table class="figures"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></section>"
    )


def _counted(title: str, counts: Mapping[str, int]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{count:,}</td></tr>" for name, count in counts.items())
    return f"<h3>{title}</h3><table class='figures'><tbody>{rows}</tbody></table>" if counts else ""


def _unsent(report: Report) -> str:
    decisions = {f"to {side}": count for side, count in report.signals.items()}
    words = {cause.replace("_", " "): count for cause, count in report.drops.items()}
    tables = (
        _counted("Decisions", decisions),
        _counted("Refused by a limit", report.refusals),
        _counted("Not sent", words),
        _counted("Rejected by the broker", report.problems),
    )
    nothing = "" if any(tables) else "<p>No model wanted anything.</p>"
    return f'<section class="half"><h2>From decision to order</h2>{"".join(tables)}{nothing}</section>'


def _health(report: Report) -> str:
    counts = {name: count for name, count in report.health.counts.items() if count}
    minutes = {
        f"minutes without a bar, {symbol}": count for symbol, count in report.health.missing_minutes.items() if count
    }
    quiet = "" if counts or minutes else "<p>Nothing out of the ordinary.</p>"
    incidents = "".join(
        f"<tr><td>{shown.new_york(incident.time_ns):%Y-%m-%d %H:%M:%S}</td><td>{escape(incident.name)}</td>"
        f"<td>{escape(incident.detail)}</td></tr>"
        for incident in report.health.incidents
    )
    listed = f'<table class="incidents"><tbody>{incidents}</tbody></table>' if incidents else ""
    return f'<section class="half"><h2>Health</h2>{_counted("Counted", counts | minutes)}{quiet}{listed}</section>'


def _shadows(report: Report) -> str:
    """Models that only decided, on paper."""
    head = "".join(f"<th{_right(index)}>{name}</th>" for index, name in enumerate(SHADOW_HEAD))
    rows = "".join(
        f"<tr>{''.join(f'<td{_right(index)}>{escape(cell)}</td>' for index, cell in enumerate(shadow_cells(row)))}</tr>"
        for row in report.shadows
    )
    table = f'<table class="models"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f"<section><h2>Shadows <small>on paper: nothing was sent</small></h2>{table}</section>" if rows else ""


def _right(index: int) -> str:
    return " class=n" if 2 <= index < len(SHADOW_HEAD) - 1 else ""


def _models(report: Report) -> str:
    rows = "".join(
        f"<tr><th>{escape(part.model)}{_since(part)}</th><td>{escape(', '.join(part.symbols))}</td>"
        f"<td>{escape(', '.join(f'{name}={value}' for name, value in part.parameters.items()))}</td>"
        f"<td><code>{escape(part.fingerprint[:12])}</code></td></tr>"
        for part in report.parts[1:]
    )
    head = "<tr><th>model</th><th>symbols</th><th>parameters</th><th>fingerprint</th></tr>"
    table = f'<table class="models"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return f"<section><h2>Models</h2>{table}</section>" if rows else ""


def _since(part: ModelPart) -> str:
    when = "" if part.since_ns is None else f"from {shown.new_york(part.since_ns):%Y-%m-%d %H:%M:%S} on"
    return f" <small>{when}</small>" if when else ""


def _log(report: Report) -> str:
    if not report.orders:
        return "<section><h2>Orders</h2><p>None was sent.</p></section>"
    head = "".join(
        f"<th{' class=n' if name in NUMBERS else ''}>{name}</th>" for name in (*LOG_HEAD, "status", "model", "reason")
    )
    listed = report.orders[-LISTED_MAX:]
    link = _download(report) if len(listed) == len(report.orders) else f"the last {LISTED_MAX:,} of them"
    names = shown.names_of(report)
    rows = "".join(_order(row, names.get((row.model, row.fingerprint), row.model)) for row in listed)
    return (
        f"<section><h2>Orders <small>{len(report.orders):,}, New York time {link}</small></h2>"
        f'<table class="log"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>'
    )


def _download(report: Report) -> str:
    data = base64.b64encode(shown.csv_of(report.orders).encode()).decode()
    name = escape(f"hftd-orders-{report.days[0]}.csv")
    return f'<a class="download" download="{name}" href="data:text/csv;base64,{data}">as CSV</a>'


def _order(row: OrderRow, model: str) -> str:
    notional = shown.dollars(row.notional) if row.notional else shown.NOTHING
    numbers = (shown.quantity(row.quantity), shown.price(row.price), notional, shown.dollars(row.cash))
    texts = (row.status, model, row.reason)
    return (
        f'<tr><td title="{escape(row.client_order_id)}">{shown.second_of(row.time_ns // SECOND_NS)}</td>'
        f'<td>{escape(row.symbol)}</td><td class="{escape(row.action)}">{escape(row.action)}</td>'
        f"<td class=n>{'</td><td class=n>'.join((*numbers, shown.dollars(row.equity)))}</td>"
        f"<td>{'</td><td>'.join(map(escape, texts))}</td></tr>"
    )
