"""Quotes, trades and timers reach a model in the daemon, when it has hooks for them, and only then."""

from itertools import pairwise

from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.events import QuoteReceived, TimerFired, TradeReceived
from tests.running import Home, write_tape

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


HEARER = """
from hftd import Model


class Hearer(Model):
    def on_quote(self, quote):
        pass
"""
OPENS = ("2026-11-23T14:30:00Z", "2026-11-24T14:30:00Z")


def test_the_quote_at_the_open_is_heard_in_every_session(home: Home) -> None:
    """In lockstep whoever connects before the open is there when it comes, however fast time runs."""
    home.use_model("hearer", HEARER)
    tape = home.folder / "tape"
    tape.mkdir()
    lines = ["timestamp,symbol,bid,bid_size,ask,ask_size", *(f"{time},SPY,99,100,101,100" for time in OPENS)]
    (tape / "quotes.csv").write_text("\n".join(lines) + "\n")
    write_tape(tape / "bars.csv", [(time, 100.0, 100) for time in OPENS])
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", len(OPENS), "--json")
    assert ended.status == 0, ended
    assert [event.quote.time_ns for event in home.events(QuoteReceived)] == [ns_of_rfc3339(time) for time in OPENS]
    assert not any(event.late for event in home.events(QuoteReceived))


def test_nobody_asks_for_what_no_model_hears(home: Home) -> None:
    running = home.start("run", "--speed", 600)
    running.wait_for("order.filled")
    assert running.end().status == 0
    assert not home.events(QuoteReceived) and not home.events(TradeReceived)
