"""`hftd.backtest(model, data)`: a backtest from Python and notebooks."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from hftd.backtest.prepare import past_of
from hftd.backtest.request import Wishes, base_of, request_of
from hftd.backtest.result import Result
from hftd.backtest.run import run_task
from hftd.calendar import Calendar
from hftd.model.contract import Model
from hftd.settings.shape import ExchangeSettings

EXCHANGE = frozenset(ExchangeSettings.model_fields)


def backtest(
    model: type[Model] | str | Path,
    data: Any,
    *,
    parameters: Mapping[str, Any] | None = None,
    symbols: str | Iterable[str] = (),
    start: date | str | None = None,
    end: date | str | None = None,
    settings: str | Path | None = None,
    slippage_bps: float | Decimal = 0,
    driver: str = "auto",
    **overrides: object,
) -> Result:
    """Trade `data` with `model`, as the daemon would, and return what came of it.

    `model` is a class, a name in the models folder, or a path; `data` a DataFrame of minute bars (timestamp, symbol,
    open, high, low, close, volume), a path, or several. `symbols` narrows the data down; `start` and `end` are days,
    both included. Limits and the exchange's terms are those of the settings file, if there is one, or the defaults;
    `overrides` change single ones by name, of the exchange (cash=1_000_000, fees="regulatory", queue="back",
    participation=0.1, latency="constant:5ms", seed=2) and of risk (max_position=500, flatten_before_close="off").

    Raises HftdError with a sentence that says where, what, and what instead.
    """
    base = base_of(settings, {_dotted(name): value for name, value in overrides.items()})
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    wishes = Wishes(
        symbols=tuple(filter(None, names)),
        parameters=parameters or {},
        first=_day(start),
        last=_day(end),
        slippage_bps=Decimal(str(slippage_bps)),
    )
    request = request_of(model if isinstance(model, type) else str(model), base, wishes)
    return run_task(request.task(past_of(data, request.symbols, request.reading), Calendar()), driver=driver)


def _dotted(name: str) -> str:
    return f"exchange.{name}" if name in EXCHANGE else f"risk.{name}"


def _day(day: date | str | None) -> date | None:
    return date.fromisoformat(day) if isinstance(day, str) else day
