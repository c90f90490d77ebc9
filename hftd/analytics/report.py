"""A report: all that is shown of one or more sessions, as plain values. Pure; `text`, `html` and JSON show it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from hftd.analytics import metrics
from hftd.analytics.closings import closed_by, closed_by_all
from hftd.analytics.curves import WHOLE, Curve, curve_of, joined
from hftd.analytics.execution import Execution, execution_of
from hftd.analytics.figures import Figures, figures_of
from hftd.analytics.metrics import Floats
from hftd.analytics.session import Incident, Order, SessionStory
from hftd.analytics.shadows import summed
from hftd.analytics.versions import Participant, Who
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
    fingerprint: str = ""


class ModelPart(Struct, frozen=True):
    """What one model did, or all together when `model` is empty. A model whose code or parameters were changed is
    another one. `since_ns` is when it took a slot over; None when it was there from the start."""

    model: str
    fingerprint: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any]
    figures: Figures
    execution: Execution
    since_ns: int | None = None


class ShadowRow(Struct, frozen=True):
    """What a model did on paper: decisions, orders that it would have sent, those that would have been filled or that
    it gave up, dollars that it would have gained. `fate` says how it ended; nothing while it goes on."""

    model: str
    fingerprint: str
    decided: int
    ordered: int
    filled: int
    withdrawn: int
    profit: float
    fate: str


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
    that became no order, by the cause; `problems` the broker's rejections, by its sentence. `fees` are dollars that all
    together paid: the parts of single models are without them."""

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
    shadows: list[ShadowRow] = []
    fees: float = 0.0

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
        parts=_parts(stories, curve, start),
        symbols=_symbols(stories),
        signals=_summed(story.signals for story in stories),
        refusals=_summed(story.refusals for story in stories),
        drops=_summed(story.drops for story in stories),
        problems=_summed(
            {order.problem: 1} for story in stories for order in story.orders.values() if order.status == "rejected"
        ),
        health=_health(stories),
        orders=[_row(order) for story in stories for order in story.orders.values()],
        missing=list(missing),
        shadows=_shadows(stories),
        fees=float(sum(story.engine.fees for story in stories)),
    )


def _title(days: Sequence[str]) -> str:
    return f"Session {days[0]}" if len(days) == 1 else f"{len(days)} sessions, {days[0]} to {days[-1]}"


def _models(stories: Iterable[SessionStory]) -> list[Who]:
    """All versions of all models, those that followed each other in that order."""
    found: dict[Who, tuple[int, int]] = {}
    for number, story in enumerate(stories):
        for who in sorted(story.versions.known | {order.who for order in story.orders.values()}):
            found.setdefault(who, (number, story.versions.since_ns.get(who, 0)))
    return sorted(found, key=lambda who: (who.model_id, found[who]))


def _summed(counts: Iterable[Any]) -> dict[str, int]:
    """Counts added up, the largest first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())


# -- figures -----------------------------------------------------------------------------------------------------------


def _parts(stories: Sequence[SessionStory], curve: Curve, start: float) -> list[ModelPart]:
    """All together, and each; one alone is the same as all together."""
    whole, models = _part(stories, WHOLE, curve, start), _models(stories)
    if len(models) != 1:
        return [whole, *(_part(stories, who, curve, start) for who in models)]
    known = _known(stories, models[0])
    alone = replace(
        whole, model=known.model_id, fingerprint=known.fingerprint, symbols=known.symbols, parameters=known.parameters
    )
    return [whole, alone]


def _part(stories: Sequence[SessionStory], who: Who, whole: Curve, start: float) -> ModelPart:
    curve = whole if who == WHOLE else joined([curve_of(story, who) for story in stories])
    orders = [order for story in stories for order in story.orders.values() if who in (WHOLE, order.who)]
    known = _known(stories, who)
    return ModelPart(
        model=who.model_id,
        fingerprint=who.fingerprint,
        symbols=known.symbols,
        parameters=known.parameters,
        figures=_figures(stories, who, curve, start),
        execution=execution_of(orders),
        since_ns=next((since for story in stories if (since := story.versions.since_ns.get(who)) is not None), None),
    )


def _known(stories: Iterable[SessionStory], who: Who) -> Participant:
    found = (story.participants[who] for story in stories if who in story.participants)
    return next(found, Participant(*who))


def _figures(stories: Sequence[SessionStory], who: Who, curve: Curve, start: float) -> Figures:
    """A model's returns are on the equity of the account: that is what it may lose."""
    fills = [fill for story in stories for fill in story.executions if who in (WHOLE, fill.who)]
    notionals = np.array([float(fill.quantity * fill.price) for fill in fills])
    trades = closed_by_all(stories) if who == WHOLE else closed_by(stories, who)
    return figures_of(*_returns(stories, start + curve.profit), trades, notionals, curve.gross[1:])


def _returns(stories: Sequence[SessionStory], equity: Floats) -> tuple[Floats, float]:
    """Equity by minutes or, of many sessions, by days; and how many of them a year has."""
    if len(stories) < DAYS_FROM or not len(equity):
        return equity, metrics.MINUTES_PER_YEAR
    ends = np.cumsum([max(len(curve_of(story).profit) - 1, 0) for story in stories])
    return equity[np.concatenate(([0], ends.clip(0, len(equity) - 1)))], metrics.DAYS_PER_YEAR


# -- what is listed ----------------------------------------------------------------------------------------------------


def _symbols(stories: Sequence[SessionStory]) -> list[SymbolPart]:
    bars: dict[str, list[Bar]] = {}
    fills: dict[str, list[tuple[int, float, float, str]]] = {}
    for story in stories:
        for symbol, heard in story.bars.items():
            bars.setdefault(symbol, []).extend(heard)
        for fill in story.executions:
            row = (fill.time_ns, float(fill.quantity), float(fill.price), fill.who.model_id)
            fills.setdefault(fill.symbol, []).append(row)
    return [SymbolPart(symbol, bars[symbol], fills.get(symbol, [])) for symbol in sorted(bars)]


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
        equity=round(order.equity, 2) + 0.0,
        model=order.who.model_id,
        status=order.status,
        filled=float(order.filled_quantity),
        reason=order.problem or order.why,
        client_order_id=request.client_order_id,
        fingerprint=order.who.fingerprint,
    )


def _shadows(stories: Iterable[SessionStory]) -> list[ShadowRow]:
    return [
        ShadowRow(*one.who, one.decided, one.ordered, one.filled, one.withdrawn, round(one.profit, 2), one.fate)
        for one in summed(shadow for story in stories for shadow in story.shadows.told)
    ]


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
