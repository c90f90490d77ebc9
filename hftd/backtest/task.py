"""What a backtest is asked to do: a model, bars, limits, and the terms of trading. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hftd.data.recorded import Recorded
from hftd.domain.session import Session
from hftd.engine.risk import Limits
from hftd.engine.state import RunningModel
from hftd.exchange.market.columns import BarColumns
from hftd.exchange.market.queues import Queue
from hftd.exchange.market.recorded import SPREAD
from hftd.exchange.venue.fees import Fees
from hftd.exchange.venue.latency import Latency
from hftd.model.contract import Model
from hftd.model.parameters import built

RUN_ID = "backtest"


@dataclass(frozen=True, slots=True)
class Subject:
    """The model that is tried. `values` are all its parameters, `path` is where its errors are looked for."""

    model_id: str
    cls: type[Model]
    values: Mapping[str, Any]
    fingerprint: str
    path: Path

    def running(self, symbols: tuple[str, ...], limits: Limits | None = None) -> RunningModel:
        """A fresh instance for one session. Raises what its `__init__` raises."""
        model = built(self.cls, self.values)
        return RunningModel(self.model_id, model, self.fingerprint, symbols, dict(self.values), limits=limits)


@dataclass(frozen=True, slots=True)
class Terms:
    """How orders are filled and what that costs.

    `cash` is dollars to begin with. `slippage_bps` makes each fill that takes a quote worse, `latency` is the way of an
    order to the exchange. `queue` None: sizes are not looked at, as at Alpaca's paper
    accounts. `participation` is the part of a minute's volume that may be ours. `spread` is dollars between bid and
    ask, which bars do not tell. Chances are drawn from `seed`.
    """

    cash: Decimal = Decimal(100_000)
    fees: Fees = Fees.NONE
    queue: Queue | None = None
    participation: Decimal | None = None
    slippage_bps: Decimal = Decimal(0)
    latency: Latency | None = None
    spread: float = SPREAD
    partial_fill_chance: float = 0.0
    reject_chance: float = 0.0
    seed: int = 1


@dataclass(frozen=True)
class Past:
    """Recorded data: minute bars by symbol, and where quotes or trades were recorded too, all of it, not read yet."""

    bars: Mapping[str, BarColumns]
    ticks: Recorded | None = None


@dataclass(frozen=True)
class Task:
    """A backtest, ready to run. `sessions` are traded; `bars` may begin earlier, which is what warm-up takes. With
    `ticks` these are played, every quote and trade at its own time."""

    subject: Subject
    bars: Mapping[str, BarColumns]
    sessions: Sequence[Session]
    limits: Limits
    terms: Terms = field(default_factory=Terms)
    own_limits: Limits | None = None
    ticks: Recorded | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.bars)
