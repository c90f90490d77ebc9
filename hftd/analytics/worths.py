"""What the slots of an engine are worth, in floats and dollars: asked for at every fill and minute, so only what has
changed is counted anew. Pure."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from hftd.domain import events
from hftd.domain.commands import Command, OrderCrossed
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel

_HEARD: dict[type[events.Event], Callable[[Any], Any]] = {
    events.BarReceived: attrgetter("bar"),
    events.QuoteReceived: attrgetter("quote"),
    events.TradeReceived: attrgetter("trade"),
}


class Worths:
    """Follows an engine: `heard` after each step."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._values: dict[str, dict[str, float]] = {}
        self._stale: set[str] = set()

    def heard(self, event: events.Event, out: Iterable[Command]) -> None:
        """Note what may have another value now."""
        if isinstance(event, events.OrderReported):
            order = self._engine.orders.get(event.report.client_order_id)
            if order is not None:
                self._stale.add(order.request.symbol)
        elif heard := _HEARD.get(type(event)):
            self._stale.add(heard(event).symbol)
        else:
            self._values.clear()
        for command in out:
            if isinstance(command, OrderCrossed):
                self._stale.add(command.symbol)

    def of(self, running: RunningModel) -> float:
        """What a slot has received and paid since the session began, and what it holds, by the last prices."""
        return float(running.portfolio.cash_flow) + sum(self._values_of(running).values())

    @property
    def equity(self) -> float:
        """Of all slots, and what the account began with, less fees."""
        account = float(self._engine.cash_at_start - self._engine.fees)
        return account + sum(map(self.of, self._engine.models.values()))

    def gross(self, *slots: RunningModel) -> float:
        """Dollars in what these hold together, long and short added."""
        if len(slots) == 1:
            return sum(map(abs, self._values_of(slots[0]).values()))
        net: dict[str, float] = {}
        for running in slots:
            for symbol, value in self._values_of(running).items():
                net[symbol] = net.get(symbol, 0.0) + value
        return sum(map(abs, net.values()))

    def _values_of(self, running: RunningModel) -> dict[str, float]:
        """Signed dollars in each symbol."""
        if self._stale:
            self._refresh()
        values = self._values.get(running.model_id)
        if values is None:
            values = {symbol: self._value(running, symbol) for symbol in running.portfolio.holdings}
            self._values[running.model_id] = values
        return values

    def _refresh(self) -> None:
        models = self._engine.models
        for model_id, values in self._values.items():
            for symbol in self._stale:
                if symbol in models[model_id].portfolio.holdings:
                    values[symbol] = self._value(models[model_id], symbol)
        self._stale.clear()

    def _value(self, running: RunningModel, symbol: str) -> float:
        """At cost where there is no price."""
        holding, price = running.portfolio.holdings[symbol], self._engine.prices.get(symbol)
        if not holding.quantity:
            return 0.0
        return float(holding.cost) if price is None else float(holding.quantity) * price
