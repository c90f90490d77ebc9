"""Recorded data through the engine and the venue, without sockets and without waiting.

`hftd.backtest(model, data)` is this package, called.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A module that is also the function of its name: `hftd.backtest` is a room of the package as well."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from hftd.backtest.api import backtest

        return backtest(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
