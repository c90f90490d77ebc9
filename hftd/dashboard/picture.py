"""A session as the page shows it, built up from its journal step by step. Pure: what comes in decides what comes out.

Times of bars and points are whole seconds since 1970 UTC, as charts want them; money in dollars.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from hftd.domain import commands, events
from hftd.domain.convert import MINUTE_NS, SECOND_NS, rfc3339_of, text_of
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport
from hftd.engine.engine import Engine
from hftd.engine.tally import FILLS, Tally
from hftd.live.view import halts_view, number, orders_view, positions_view, session_view

MARKS_MAX = 2_000
"""Decisions and fills that are shown; older ones make room."""
REASONS_MAX = 40
"""Last decisions that are listed with their reasons."""
ORDERS_MAX = 30
"""Last orders that are listed, besides those that work."""

Json = dict[str, Any]
DECIDED = {
    commands.SignalRaised: "raised",
    commands.SignalDropped: "dropped",
    commands.OrderRefused: "refused",
}


class Picture:
    """One session. `take` adds what the journal tells, `changes` returns what is new since it was last asked."""

    def __init__(self, engine: Engine, day: str, models: list[Json]) -> None:
        self.engine = engine
        self.tally = Tally()
        self.day = day
        self.models = models
        self.sequence = self.last_bar_ns = 0
        self._bars: dict[str, dict[int, list[float]]] = {}
        self._equity: dict[int, list[float]] = {}
        self._marks: deque[Json] = deque(maxlen=MARKS_MAX)
        self._reasons: deque[Json] = deque(maxlen=REASONS_MAX)
        self._executions: set[str] = set()
        self._fresh: Json = {}
        self._told: Json = {}
        self._teller: dict[type, Callable[[Any], None]] = {
            events.BarReceived: self._on_bar,
            events.BarCorrected: self._on_correction,
            events.OrderReported: self._on_report,
            events.FeesCharged: lambda _: self._value(),
            events.SessionOpened: self._on_opened,
        }

    # -- what the journal tells ------------------------------------------------------------------------------------

    def take_event(self, event: events.Event) -> None:
        """The next event; its commands follow by `take_command`."""
        self.engine.follow(event, ())
        self.tally.add(event, ())
        self.sequence = self.engine.sequence
        if teller := self._teller.get(type(event)):
            teller(event)

    def take_command(self, command: commands.Command) -> None:
        """A command that followed from the last event."""
        self.engine.adopt(command)
        self.tally.add_command(command)
        if isinstance(command, commands.SignalRaised | commands.SignalDropped | commands.OrderRefused):
            self._decided(command)

    def _on_opened(self, event: events.SessionOpened) -> None:
        self.engine.session = event.session

    def _on_bar(self, event: events.BarReceived) -> None:
        self.last_bar_ns = max(self.last_bar_ns, event.bar.known_at_ns)
        self._draw(event.bar)
        self._value()

    def _on_correction(self, event: events.BarCorrected) -> None:
        self._draw(event.bar)

    def _draw(self, bar: Bar) -> None:
        row = [bar.time_ns // SECOND_NS, bar.open, bar.high, bar.low, bar.close, bar.volume]
        self._bars.setdefault(bar.symbol, {})[int(row[0])] = row
        self._fresh.setdefault("bars", {}).setdefault(bar.symbol, {})[int(row[0])] = row

    def _value(self) -> None:
        """A point of the equity curve: dollars, and dollars below the best."""
        engine = self.engine
        if engine.equity_at_start:
            point = [engine.time_ns // SECOND_NS, round(float(engine.equity), 2), round(self.drawdown, 2)]
            self._equity[int(point[0])] = point
            self._fresh.setdefault("equity", {})[int(point[0])] = point

    @property
    def drawdown(self) -> float:
        """Dollars below the best."""
        return self.engine.standings[0].drawdown

    def _on_report(self, event: events.OrderReported) -> None:
        report = event.report
        order = self.engine.orders.get(report.client_order_id)
        if report.kind in FILLS and order is not None and report.execution_id not in self._executions:
            self._executions.add(report.execution_id)
            self._filled(order.request.symbol, str(order.request.side), order.owner.model_id, report)

    def _filled(self, symbol: str, side: str, model: str, report: ExecutionReport) -> None:
        self._mark(
            kind="fill",
            symbol=symbol,
            side=side,
            model=model,
            quantity=text_of(report.quantity),
            price=float(report.price),
        )

    def _decided(self, command: commands.SignalRaised | commands.SignalDropped | commands.OrderRefused) -> None:
        mark = self._mark(
            kind=DECIDED[type(command)],
            symbol=command.symbol,
            side=str(command.side),
            model=command.model_id,
            quantity=text_of(command.quantity),
            reason=_reason_of(command),
        )
        self._reasons.append(mark)
        self._fresh["reasons"] = None

    def _mark(self, **fields: Any) -> Json:
        """Something to show beside the bars: at the bar whose minute it followed from."""
        bars = self._bars.get(fields["symbol"])
        time_s = max(bars) if bars else (self.engine.time_ns - MINUTE_NS) // SECOND_NS
        mark = {"time": time_s, "at": rfc3339_of(self.engine.time_ns), "number": self.sequence, **fields}
        self._marks.append(mark)
        self._fresh.setdefault("marks", []).append(mark)
        return mark

    # -- what is shown ---------------------------------------------------------------------------------------------

    def changes(self) -> Json:
        """What is new since the last time, as the page takes it."""
        fresh, self._fresh = self._fresh, {}
        figures = self._figures()
        told = {name: value for name, value in figures.items() if value != self._told.get(name)}
        self._told = figures
        if "bars" in fresh:
            told["bars"] = _rows_of_each(fresh["bars"])
        if "equity" in fresh:
            told["equity"] = list(fresh["equity"].values())
        if "marks" in fresh:
            told["marks"] = fresh["marks"]
        if "reasons" in fresh:
            told["reasons"] = list(self._reasons)
        return told

    def whole(self) -> Json:
        """Everything, for who has just come."""
        return {
            "reset": True,
            "day": self.day,
            "models": self.models,
            "bars": _rows_of_each(self._bars),
            "equity": list(self._equity.values()),
            "marks": list(self._marks),
            "reasons": list(self._reasons),
            **self._figures(),
        }

    def _orders(self) -> list[Json]:
        """The last orders, and all that still work."""
        orders = orders_view(self.engine)
        return [
            order
            for index, order in enumerate(orders, start=1)
            if index > len(orders) - ORDERS_MAX or order["client_order_id"] in self.engine.working
        ]

    def _figures(self) -> Json:
        engine, tally = self.engine, self.tally
        return {
            "session": session_view(engine),
            "halts": halts_view(engine.halts),
            "positions": positions_view(engine),
            "orders": self._orders(),
            "prices": dict(engine.prices),
            "drawdown": round(self.drawdown, 2),
            "counts": {
                "bars": tally.bars,
                "late_bars": tally.late_bars,
                "quarantined": tally.quarantined,
                "signals": sum(tally.signals.values()),
                "orders": tally.orders,
                "fills": tally.fills,
                "refused": tally.refused,
                "rejected": tally.rejected,
                "slippage": number(tally.slippage),
            },
        }


def _rows_of_each(by_symbol: dict[str, dict[int, list[float]]]) -> dict[str, list[list[float]]]:
    return {symbol: list(rows.values()) for symbol, rows in by_symbol.items()}


def _reason_of(command: commands.SignalRaised | commands.SignalDropped | commands.OrderRefused) -> str:
    match command:
        case commands.SignalRaised(reason=reason):
            return reason
        case commands.SignalDropped(cause=cause):
            return f"not sent: {cause.replace('_', ' ')}"
        case commands.OrderRefused(rule=rule, limit=limit, value=value):
            return f"refused by {rule}: {text_of(value)} is beyond {text_of(limit)}"
