"""The names a model author imports, and nothing else; and `backtest`, for notebooks."""

from typing import TYPE_CHECKING, Any

from hftd.domain.intents import buy, cancel, protect, sell, target
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport
from hftd.model.compiled import CompiledModel, CompiledTicks
from hftd.model.contract import Model

if TYPE_CHECKING:
    from hftd.backtest.api import backtest

__all__ = [
    "Bar",
    "CompiledModel",
    "CompiledTicks",
    "ExecutionReport",
    "Model",
    "Quote",
    "Trade",
    "backtest",
    "buy",
    "cancel",
    "protect",
    "sell",
    "target",
]


def __getattr__(name: str) -> Any:
    """What is heavy is imported when it is first asked for."""
    if name == "backtest":
        from importlib import import_module

        return import_module("hftd.backtest")
    raise AttributeError(f"module 'hftd' has no attribute {name!r}")
