"""A report: all that is shown of one or more sessions, as plain values. Pure; `text`, `html` and JSON show it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from hftd.analytics import metrics
from hftd.analytics.curves import WHOLE, Curve, curve_of, joined
from hftd.analytics.execution import Execution, execution_of
from hftd.analytics.figures import Figures, figures_of
from hftd.analytics.session import Incident, Order, SessionStory
from hftd.analytics.trades import ClosedTrade, Fill, Held, closed_trades
from hftd.domain.convert import cents
from hftd.domain.market import Bar

DAYS_FROM = 20
"""Sessions from which on figures are of days instead of minutes: over months that is what they are compared with."""


class OrderRow(Struct, frozen=True):
    """A line of the order log. `price` (dollars a share) and `notional` are of what was filled, None and 0 before;
    cash and equity stand after the last fill, or at the decision."""

    time_ns: int
    symbol: str
    action: str
    quantity: float
    price: float | None
    notional: float
    cash: float
    equity: float
    model: str
    status: str
    filled: float
    reason: str
    client_order_id: str


class ModelPart(Struct, frozen=True):
    """What one model did, or all together when `model` is empty."""

    model: str
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any]
    figures: Figures
    execution: Execution


class SymbolPart(Struct, frozen=True):
    """Bars of one symbol, and the fills among them: (time_ns, signed quantity, price, model)."""

    symbol: str
    bars: list[Bar]
    fills: list[tuple[int, float, float, str]]


class Health(Struct, frozen=True):
    """What was out of the ordinary, counted; `missing_minutes` by symbol are minutes of the session without a bar."""

    counts: dict[str, int]
    missing_minutes: dict[str, int]
    incidents: list[Incident]


class Report(Struct, frozen=True):
    """`missing` are sentences on what could not be told. `refusals` are orders refused, by the limit; `drops` signals
    that became no order, by the cause; `problems` the broker's rejections, by its sentence."""

    title: str
    days: list[str]
    whole: bool
    equity_at_start: float
    cash: float
    equity: float
    positions: dict[str, float]
    times_ns: list[int]
    curve: list[float]
    parts: list[ModelPart]
    symbols: list[SymbolPart]
    signals: dict[str, int]
    refusals: dict[str, int]
    drops: dict[str, int]
    problems: dict[str, int]
    health: Health
    orders: list[OrderRow]
    missing: list[str]

    @property
    def together(self) -> ModelPart:
        """The part of all models."""
        return self.parts[0]


def report_of(stories: Sequence[SessionStory], missing: Iterable[str] = (), title: str = "") -> Report:
    """The report of one or more sessions, oldest first."""
    last = stories[-1]
    curve = joined([curve_of(story) for story in stories])
    start = next((float(story.engine.equity_at_start) for story in stories if story.points), 0.0)
    days = [story.day.isoformat() for story in stories]
    return Report(
        title=title or _title(days),
        days=days,
        whole=all(story.has_closed for story in stories),
        equity_at_start=start,
        cash=float(cents(last.engine.cash)),
        equity=float(cents(last.engine.equity)),
        positions={symbol: float(quantity) for symbol, quantity in last.engine.positions.items()},
        times_ns=curve.times_ns.tolist(),
        curve=(start + curve.profit).round(2).tolist(),
        parts=[_part(stories, model_id, curve, start) for model_id in (WHOLE, *_models(stories))],
        symbols=_symbols(stories),
        signals=_summed({str(side): count for side, count in story.tally.signals.items()} for story in stories),
        refusals=_summed(story.refusals for story in stories),
        drops=_summed(story.drops for story in stories),
        problems=_summed(
            {order.problem: 1} for story in stories for order in story.orders.values() if order.status == "rejected"
        ),
        health=_health(stories),
        orders=[_row(order) for story in stories for order in story.orders.values()],
        missing=list(missing),
    )


def _title(days: Sequence[str]) -> str:
    return f"Session {days[0]}" if len(days) == 1 else f"{len(days)} sessions, {days[0]} to {days[-1]}"


def _models(stories: Iterable[SessionStory]) -> list[str]:
    return sorted({model_id for story in stories for model_id in story.engine.models})


def _summed(counts: Iterable[Any]) -> dict[str, int]:
    """Counts added up, the largest first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())


# -- figures -----------------------------------------------------------------------------------------------------------


def _part(stories: Sequence[SessionStory], model_id: str, whole: Curve, start: float) -> ModelPart:
    curve = whole if model_id == WHOLE else joined([curve_of(story, model_id) for story in stories])
    known = [story.participants[model_id] for story in stories if model_id in story.participants]
    orders = [order for story in stories for order in story.orders.values() if model_id in (WHOLE, order.model_id)]
    return ModelPart(
        model=model_id,
        fingerprint=known[-1].fingerprint if known else "",
        symbols=known[-1].symbols if known else (),
        parameters=known[-1].parameters if known else {},
        figures=_figures(stories, model_id, curve, start),
        execution=execution_of(orders),
    )


def _figures(stories: Sequence[SessionStory], model_id: str, curve: Curve, start: float) -> Figures:
    """A model's returns are on the equity of the account: that is what it may lose."""
    fills = [
        execution for story in stories for execution in story.executions if model_id in (WHOLE, execution.model_id)
    ]
    notionals = np.array([float(fill.quantity * fill.price) for fill in fills])
    trades = [trade for id in ([model_id] if model_id else _models(stories)) for trade in _trades(stories, id)]
    equity = start + curve.profit
    if len(stories) >= DAYS_FROM:
        ends = np.cumsum([max(len(curve_of(story).profit) - 1, 0) for story in stories])
        equity = equity[np.concatenate(([0], ends.clip(0, len(equity) - 1)))] if len(equity) else equity
        return figures_of(equity, metrics.DAYS_PER_YEAR, trades, notionals, curve.gross[1:])
    return figures_of(equity, metrics.MINUTES_PER_YEAR, trades, notionals, curve.gross[1:])


def _trades(stories: Sequence[SessionStory], model_id: str) -> list[ClosedTrade]:
    held = [
        Held(
            position.symbol,
            float(position.quantity),
            float(position.cost / position.quantity),
            stories[0].engine.session.open_ns,
        )
        for position in stories[0].carried
        if position.model_id == model_id and position.quantity
    ]
    fills = [
        Fill(fill.symbol, fill.time_ns, float(fill.quantity), float(fill.price))
        for story in stories
        for fill in story.executions
        if fill.model_id == model_id
    ]
    return closed_trades(fills, held)


# -- what is listed ----------------------------------------------------------------------------------------------------


def _symbols(stories: Sequence[SessionStory]) -> list[SymbolPart]:
    names = sorted({symbol for story in stories for symbol in story.bars})
    return [
        SymbolPart(
            symbol,
            [bar for story in stories for bar in story.bars.get(symbol, ())],
            [
                (fill.time_ns, float(fill.quantity), float(fill.price), fill.model_id)
                for story in stories
                for fill in story.executions
                if fill.symbol == symbol
            ],
        )
        for symbol in names
    ]


def _row(order: Order) -> OrderRow:
    price, request = order.average_price, order.request
    return OrderRow(
        time_ns=order.decided_ns,
        symbol=request.symbol,
        action=str(request.side),
        quantity=float(request.quantity),
        price=None if price is None else round(float(price), 6),
        notional=float(cents(order.filled_notional)),
        cash=float(cents(order.cash)),
        equity=float(cents(order.equity)),
        model=order.model_id,
        status=order.status,
        filled=float(order.filled_quantity),
        reason=order.problem or order.why,
        client_order_id=request.client_order_id,
    )


_COUNTED = {
    "restarts": "session.recovered",
    "sockets lost": "feed.down",
    "silences of the feed": "feed.probed",
    "reconnections after silence": "feed.reconnected",
    "late bars": "late_bars",
    "backfilled bars": "backfilled_bars",
    "corrected bars": "bar.corrected",
    "prints set aside": "print.quarantined",
    "halts": "trading.halted",
    "symbols halted": "symbol.halted",
    "models paused": "model.faulted",
    "reports of orders not ours": "foreign_reports",
    "orders settled by the broker's books": "order.reconciled",
    "books that differed at the close": "account.differs",
}


def _health(stories: Sequence[SessionStory]) -> Health:
    total = _summed(story.counts for story in stories)
    return Health(
        counts={name: total.get(key, 0) for name, key in _COUNTED.items()},
        missing_minutes=_summed(_missing_minutes(story) for story in stories),
        incidents=[incident for story in stories for incident in story.incidents],
    )


def _missing_minutes(story: SessionStory) -> dict[str, int]:
    """Minutes of the session so far without a bar, by symbol: nothing was traded, or nothing was heard."""
    session = story.engine.session
    so_far_ns = min(story.engine.time_ns, session.close_ns) - session.open_ns
    minutes = max(so_far_ns, 0) // 60_000_000_000
    return {symbol: max(minutes - len({bar.time_ns for bar in bars}), 0) for symbol, bars in story.bars.items()}
