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

from typing import Any, ClassVar

from hftd.domain.intents import buy, sell
from hftd.domain.market import Bar
from hftd.model.contract import Answer, Model


class CompiledModel(Model):
    """Base of models that offer their decision compiled. Everything else of a model they may have, too; then a
    backtest runs them as it runs any other model."""

    memory_size: ClassVar[int] = 0
    """How many float64 numbers `decide` is given to remember in, of each symbol: all 0 when a session begins; a
    property may compute it."""

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

    def _memory_of(self, symbol: str) -> Any:
        memories: dict[str, Any] = self.__dict__.setdefault("_memories", {})
        if symbol not in memories:
            import numpy as np

            memories[symbol] = np.zeros(self.memory_size)
        return memories[symbol]
