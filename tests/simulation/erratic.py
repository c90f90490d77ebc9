"""A model with an opinion about everything: orders of all kinds, targets, reversals, withdrawals; all by arithmetic."""

from collections.abc import Iterator

from hftd import Bar, Model, buy, cancel, sell, target
from hftd.domain.intents import Intent
from hftd.domain.orders import ExecutionReport


class Erratic(Model):
    """What it does on a bar depends on the bar's volume alone, on a fill on the price alone."""

    step_cents: int = 3

    def on_bar(self, bar: Bar) -> Iterator[Intent]:
        whim, size = bar.volume % 8, 1 + bar.volume % 5
        near = self.step_cents * (bar.volume % 3) / 100
        if whim == 0:
            yield target(bar.symbol, size)
        elif whim == 1:
            yield target(bar.symbol, -size)
        elif whim in (2, 3):
            yield buy(size, bar.symbol)
        elif whim == 4:
            yield sell(size, bar.symbol)
        elif whim == 5:
            yield buy(size, bar.symbol, limit=round(bar.close - near, 2))
        elif whim == 6:
            yield sell(size, bar.symbol, limit=round(bar.close + near, 2))
        else:
            yield cancel(bar.symbol)

    def on_fill(self, report: ExecutionReport) -> Intent | None:
        return sell(1, report.symbol) if int(report.price * 100) % 23 == 0 else None
