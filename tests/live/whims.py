"""A model without sense that orders in all the ways there are, and writes down all that it is told and sees."""

import os
import random

from hftd import Model, buy, cancel, protect, sell, target

WAYS = 15


class Whims(Model):
    """Its answers follow from `seed` and from what it is told: a single difference changes all that comes after it."""

    seed: int = 1
    quantity: int = 3

    def on_start(self, context):
        self.random = random.Random(self.seed * 7 + context.session.open_ns)
        self.writes = context.session.open_ns < 1_600_000_000 * 10**9  # the tape's sessions, and not those of a try
        self.note("start", context.session.day)

    def note(self, *words):
        if self.writes:
            with open(os.environ["WHIMS_LOG"], "a") as log:
                print(*map(repr, words), file=log)

    def wish(self, symbol, price):
        intent = self.draw(symbol, price)
        standing = self.context.cash, self.context.equity, self.context.position(symbol)
        self.note("wishes", intent, *standing, *self.context.working_orders(symbol))
        return intent

    def draw(self, symbol, price):
        draw = self.random
        quantity, side = draw.randint(1, self.quantity), draw.choice([buy, sell])
        up, down = round(price * 1.002 + 0.05, 2), round(price * 0.998 - 0.05, 2)
        beyond, behind = (up, down) if side is buy else (down, up)
        near = round(price + draw.uniform(-0.3, 0.3), 2)
        day = {"time_in_force": draw.choice(["day", "gtc"])}
        match draw.randrange(WAYS):
            case 0:
                return side(quantity, symbol)
            case 1:
                return side(quantity, symbol, limit=near, time_in_force=draw.choice(["day", "gtc", "ioc", "fok"]))
            case 2:
                return side(quantity, symbol, stop=beyond, **day)
            case 3:
                limit = round(beyond + (0.1 if side is buy else -0.1), 2)
                return side(quantity, symbol, stop=beyond, limit=limit, **day)
            case 4:
                return side(quantity, symbol, trail=round(draw.uniform(0.05, 0.25), 2), **day)
            case 5:
                return side(quantity, symbol, trail_percent=round(draw.uniform(0.05, 0.25), 2), **day)
            case 6:
                return side(quantity, symbol, take_profit=beyond, stop_loss=behind, **day)
            case 7:
                return side(quantity, symbol, limit=near, take_profit=beyond, **day)
            case 8:
                return protect(symbol, take_profit=up, stop_loss=down, **day)
            case 9:
                return target(symbol, draw.randint(-quantity, quantity))
            case 10:
                return cancel(symbol)
            case 11:
                return side(quantity, symbol, time_in_force=draw.choice(["cls", "opg", "ioc", "fok"]))
            case 12:
                return buy(symbol=symbol, dollars=round(draw.uniform(50, 550), 2), fractional=draw.random() < 0.5)
            case 13:
                return target(symbol, equity=round(draw.uniform(-0.005, 0.005), 4), fractional=draw.random() < 0.3)
            case _:
                working = self.context.working_orders(symbol)
                return cancel(order=draw.choice(working)) if working else side(quantity, symbol)

    def on_bar(self, bar):
        self.note(bar)
        return self.wish(bar.symbol, bar.close) if self.random.random() < 0.7 else None

    def on_fill(self, report):
        self.note("fill", report)
        return self.wish(report.symbol, float(report.price)) if self.random.random() < 0.2 else None

    def on_timer(self, name):
        self.note("timer", name)
        return self.wish(self.context.symbols[0], 100.0)

    def on_order(self, report):
        self.note("order", report)
        if self.random.random() < 0.05:
            self.context.after(self.random.randint(1, 200), "later")
        return cancel(report.symbol) if report.symbol and self.random.random() < 0.05 else None

    # -- where there are ticks: cut off for a tape of bars, whose quotes are the exchange's own

    def on_trade(self, trade):
        self.note(trade)
        return self.wish(trade.symbol, trade.price) if self.random.random() < 0.1 else None

    def on_quote(self, quote):
        self.note(quote)
        return self.wish(quote.symbol, quote.bid) if quote.bid > 0 and self.random.random() < 0.1 else None
