"""What one session hands on to the next: live, replay and backtest carry the same."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from math import floor

from hftd.domain.events import CarriedPosition, CarriedStanding, Halt, PortfolioCarried
from hftd.engine.engine import Engine


@dataclass(frozen=True)
class Carried:
    """What passes from one session to the next: each model's positions and standing, the last good price of each
    symbol, and the halts that only a person ends."""

    positions: tuple[CarriedPosition, ...] = ()
    prices: dict[str, float] = field(default_factory=dict)
    halts: tuple[Halt, ...] = ()
    standings: tuple[CarriedStanding, ...] = ()

    @property
    def shares(self) -> dict[str, Decimal]:
        """What all models together hold, signed, by symbol; of shadows nothing."""
        held: defaultdict[str, Decimal] = defaultdict(Decimal)
        for position in self.positions:
            if not position.shadow:
                held[position.symbol] += position.quantity
        return {symbol: quantity for symbol, quantity in held.items() if quantity}

    def into(self, time_ns: int, cash: Decimal) -> PortfolioCarried:
        """The first event of the next session."""
        return PortfolioCarried(time_ns, cash, self.positions, self.prices, self.halts, self.standings)


def carried_of(engine: Engine) -> Carried:
    """What each model holds and how it stands, to begin the next session with."""
    positions = (
        CarriedPosition(running.model_id, symbol, holding.quantity, holding.cost, running.shadow)
        for running in engine.everyone
        for symbol, holding in running.portfolio.holdings.items()
        if holding.quantity
    )
    standings = (
        CarriedStanding(standing.model_id, _nearest_cent(standing.drawdown), standing.losses)
        for standing in engine.standings
    )
    return Carried(tuple(positions), dict(engine.prices), engine.halts.lasting, tuple(standings))


def _nearest_cent(dollars: float) -> float:
    """In float arithmetic alone, which compiled code does in the same way."""
    return floor(dollars * 100 + 0.5) / 100
