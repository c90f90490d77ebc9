"""The names a model author imports, and nothing else."""

from hftd.domain.intents import buy, cancel, sell, target
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport
from hftd.model.contract import Model

__all__ = ["Bar", "ExecutionReport", "Model", "Quote", "Trade", "buy", "cancel", "sell", "target"]
