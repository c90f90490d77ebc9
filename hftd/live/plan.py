"""What a daemon is to do, and what it came to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import HookCaller, ModelLoader, RunningModel
from hftd.engine.tally import Tally


@dataclass(frozen=True)
class Plan:
    """What a daemon is to do, settled before it starts. `make_models` builds fresh instances for each session.

    With `adopts_positions` shares that are found at the broker beyond ours become ours. Bars of all `symbols` are
    subscribed to, quotes and trades only of those whose models ask for them. `load` makes models that are swapped in,
    by their fingerprint.
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
    adopts_positions: bool = False
    load: ModelLoader | None = None

    def engine(self, session: Session, call: HookCaller, besides: Iterable[RunningModel] = ()) -> Engine:
        """The engine of `session`, with fresh models. Those `besides` that are gone from the settings keep what they
        hold, so that it is flattened, and decide nothing."""
        models = {running.model_id: running for running in (*besides, *self.make_models())}
        return Engine(session, models.values(), self.limits, self.run_id, call, self.load)


@dataclass(frozen=True)
class Outcome:
    """What it came to when the daemon ended. Money in dollars, positions in shares by our own journals. Cash and equity
    are None when the broker was not asked, because it ended before a session was prepared."""

    tally: Tally
    positions: dict[str, Decimal]
    cash: Decimal | None
    equity: Decimal | None
    profit: Decimal
