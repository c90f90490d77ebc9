"""A model whose decision is one function of numbers: called bar by bar when live, compiled over all bars in a backtest.

    class Momentum(CompiledModel):
        threshold: float = 0.002
        memory_size = 1

        @staticmethod
        def decide(bar, parameters, memory):
            before, memory[0] = memory[0], bar.close
            if before == 0.0:
                return 0
            return 5 if bar.close / before - 1 > parameters.threshold else 0

The same source runs in both; Python and numba compute the same with integers and floats.
"""

from decimal import Decimal
from math import floor
from typing import Any, ClassVar, NamedTuple

from hftd.domain.intents import buy, cancel, sell
from hftd.domain.market import Bar, Quote, Trade
from hftd.model.contract import Answer, Model


class Remembering(Model):
    """What both kinds of compiled models have: numbers of each symbol, for one session."""

    memory_size: ClassVar[int] = 0
    """How many float64 numbers `decide` is given to remember in, of each symbol: all 0 when a session begins; a
    property may compute it."""

    def _memory_of(self, symbol: str) -> Any:
        memories: dict[str, Any] = self.__dict__.setdefault("_memories", {})
        if symbol not in memories:
            import numpy as np

            memories[symbol] = np.zeros(self.memory_size)
        return memories[symbol]


class CompiledModel(Remembering):
    """Base of models that offer their decision compiled. Everything else of a model they may have, too; then a
    backtest runs them as it runs any other model."""

    @staticmethod
    def decide(bar: Any, parameters: Any, memory: Any) -> int:
        """Signed shares to trade at the market, 0 for none.

        `bar` has time_ns, open, high, low, close and volume; `parameters` the model's numbers by their names; `memory`
        is a numpy array. Only what numba compiles (its documentation, "Supported Python features") may stand here.
        """
        raise NotImplementedError("a compiled model needs its own decide(bar, parameters, memory)")

    def on_bar(self, bar: Bar) -> Answer:
        """Trade what `decide` says."""
        shares = self.decide(bar, self, self._memory_of(bar.symbol))
        if not shares:
            return None
        return buy(shares, bar.symbol) if shares > 0 else sell(-shares, bar.symbol)


class Tick(NamedTuple):
    """A quote or a print, and how the model stands. `price` and `size` are the print's, 0 for a quote; the quote is the
    last one, all 0 before the first. `position` is signed shares held, `working` those that the order in the market is
    still for, 0 when none is."""

    time_ns: int
    price: float
    size: int
    bid: float
    bid_size: int
    ask: float
    ask_size: int
    position: int
    working: int


NO_QUOTE = Quote("", 0, 0.0, 0, 0.0, 0)


def whole_cents(price: float) -> int:
    """Dollars in cents, to the nearest."""
    return floor(price * 100.0 + 0.5)


class CompiledTicks(Remembering):
    """Base of models that decide by numbers alone at each quote and print, with one order at a time.

    Live, `decide` is Python; a backtest of recorded quotes and trades of one symbol compiles it with numba and plays
    the ticks through latency and queue to it.
    """

    @staticmethod
    def decide(tick: Any, parameters: Any, memory: Any) -> tuple[int, float]:
        """(signed shares to trade, limit in dollars): a limit of 0.0 is the market, any other is put on the next whole
        cent; (0, 0.0) is nothing.

        While an order works, any shares other than 0 withdraw it. More than closes what is held only closes it. Only
        what numba compiles may stand here, and both numbers are always of the same kind: an int and a float.
        """
        raise NotImplementedError("a compiled model needs its own decide(tick, parameters, memory)")

    def on_quote(self, quote: Quote) -> Answer:
        """Ask `decide`."""
        self._quotes[quote.symbol] = quote
        return self._decided(quote.symbol, quote.time_ns, quote, 0.0, 0)

    def on_trade(self, trade: Trade) -> Answer:
        """Ask `decide`."""
        quote = self._quotes.get(trade.symbol, NO_QUOTE)
        return self._decided(trade.symbol, trade.time_ns, quote, trade.price, trade.size)

    def _decided(self, symbol: str, time_ns: int, quote: Quote, price: float, size: int) -> Answer:
        held = int(self.context.position(symbol))
        orders = self.context.working_orders(symbol)
        working = sum(order.side.sign * int(order.quantity - order.filled_quantity) for order in orders)
        shown = (quote.bid, quote.bid_size, quote.ask, quote.ask_size)
        tick = Tick(time_ns, price, size, *shown, held, working)
        shares, limit = self.decide(tick, self, self._memory_of(symbol))
        if not shares:
            return None
        if orders:
            return cancel(symbol)
        if held * shares < 0 and abs(shares) > abs(held):
            shares = -held
        trade, quantity = (buy, int(shares)) if shares > 0 else (sell, int(-shares))
        if limit <= 0:
            return trade(quantity, symbol)
        return trade(quantity, symbol, limit=Decimal(whole_cents(limit)) / 100)

    @property
    def _quotes(self) -> dict[str, Quote]:
        quotes: dict[str, Quote] = self.__dict__.setdefault("_last_quotes", {})
        return quotes
