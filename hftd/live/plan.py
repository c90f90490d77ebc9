"""What a daemon is to do, and what it came to."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from hftd.engine.risk import Limits
from hftd.engine.state import RunningModel
from hftd.engine.tally import Tally


@dataclass(frozen=True)
class Plan:
    """What a daemon is to do, settled before it starts. `make_models` builds fresh instances for each session.

    Bars of all `symbols` are subscribed to, quotes and trades only of those whose models ask for them.
    """

    state: Path
    run_id: str
    symbols: tuple[str, ...]
    limits: Limits
    late_after_s: float
    make_models: Callable[[], list[RunningModel]]
    settings_json: str = "{}"
    quotes: tuple[str, ...] = ()
    trades: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What it came to when the daemon ended. Money in dollars, positions in shares."""

    tally: Tally
    positions: dict[str, Decimal]
    cash: Decimal
    equity: Decimal
    profit: Decimal
