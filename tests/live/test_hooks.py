"""Quotes, trades and timers reach a model in the daemon, when it has hooks for them, and only then."""

from itertools import pairwise

from hftd.domain.events import QuoteReceived, TimerFired, TradeReceived
from tests.running import Home

LISTENER = '''
from hftd import Model, buy


class Listener(Model):
    """Buys one share when it has heard a quote and a trade and a timer fires."""

    def on_start(self, context):
        self.heard = set()
        context.every("1m", "tick")

    def on_quote(self, quote):
        self.heard.add("quote")

    def on_trade(self, trade):
        self.heard.add("trade")

    def on_timer(self, name):
        if len(self.heard) == 2:
            return buy(1, self.context.symbols[0], reason=" ".join(sorted(self.heard | {name})))
'''


def test_a_model_hears_quotes_trades_and_timers(home: Home) -> None:
    home.use_model("listener", LISTENER)
    running = home.start("run", "--speed", 60)
    running.wait_for('reason="quote tick trade"')
    running.wait_for("order.filled")
    assert running.end().status == 0
    assert home.events(QuoteReceived) and home.events(TradeReceived)
    timers = [event for event in home.events(TimerFired) if event.model_id]
    assert {(timer.name, timer.model_id) for timer in timers} == {("tick", "listener")}
    steps = {later.time_ns - timer.time_ns for timer, later in pairwise(timers)}
    assert steps <= {60_000_000_000}


def test_nobody_asks_for_what_no_model_hears(home: Home) -> None:
    running = home.start("run", "--speed", 600)
    running.wait_for("order.filled")
    assert running.end().status == 0
    assert not home.events(QuoteReceived) and not home.events(TradeReceived)
