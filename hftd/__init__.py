"""The names a model author imports, and nothing else; and `backtest`, for notebooks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hftd.backtest.api import backtest
    from hftd.domain.intents import buy, cancel, protect, sell, target
    from hftd.domain.market import Bar, Quote, Trade
    from hftd.domain.orders import ExecutionReport
    from hftd.model.compiled import CompiledModel, CompiledTicks
    from hftd.model.contract import Model

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

_PLACES = {
    **dict.fromkeys(("buy", "cancel", "protect", "sell", "target"), "hftd.domain.intents"),
    **dict.fromkeys(("Bar", "Quote", "Trade"), "hftd.domain.market"),
    "ExecutionReport": "hftd.domain.orders",
    **dict.fromkeys(("CompiledModel", "CompiledTicks"), "hftd.model.compiled"),
    "Model": "hftd.model.contract",
}


def __getattr__(name: str) -> Any:
    """All is imported when it is first asked for: a command must have begun before it can be interrupted quietly."""
    if name == "backtest":
        return import_module("hftd.backtest")
    if name not in _PLACES:
        raise AttributeError(f"module 'hftd' has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
