"""Limits whose breach halts: losses of money and of nerve, and a market that moves too fast.

What is held is valued in float dollars at every price, which is exact to far below a cent; the ledger stays Decimal.
A standing is kept for all models together and, where they differ, for each model.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import inf, nextafter

from hftd.domain.convert import decimal_of
from hftd.domain.market import Bar
from hftd.engine.risk import Limits, Refusal


@dataclass(slots=True)
class Standing:
    """How a model, or all together when `model_id` is empty, stands: worth at the session's begin, the most it has
    been, and now, in dollars; and losing trades in a row, over sessions. `is_doubtful`: the last price may have broken
    one of `limits`, which `BREACHES` tell exactly."""

    model_id: str
    start: float = 0.0
    peak: float = 0.0
    worth: float = 0.0
    losses: int = 0
    limits: Limits | None = None
    is_watched: bool = False
    is_doubtful: bool = False
    _loss: float = inf
    _drawdown: float = inf

    def bind(self, limits: Limits) -> None:
        """From now on `limits` hold. There is a price at every moment: floats tell when none of them can be broken."""
        self.limits, self.is_watched = limits, limits.needs_worth
        self._loss, self._drawdown = _just_below(limits.max_daily_loss), _just_below(limits.max_drawdown)
        if limits.max_consecutive_losses is not None:
            self._loss = -inf

    def begin(self, worth: float, drawdown: float, losses: int) -> None:
        """Start a session, `drawdown` dollars below the best so far. Payments in and out in between do not count."""
        self.start = self.worth = worth
        self.peak = worth + drawdown
        self.losses = losses

    def revalue(self, worth: float) -> None:
        self.worth = worth
        if worth > self.peak:
            self.peak = worth
        self.is_doubtful = self.start - worth >= self._loss or self.peak - worth >= self._drawdown

    def count_trade(self, profit: Decimal) -> None:
        """Count a closing order that gained or lost `profit` dollars."""
        if profit:
            self.losses = self.losses + 1 if profit < 0 else 0

    @property
    def drawdown(self) -> float:
        """Dollars below the best."""
        return self.peak - self.worth


def _just_below(limit: Decimal | None) -> float:
    """A float just below `limit`; infinite for none."""
    return inf if limit is None else nextafter(float(limit), -inf)


def _cents(amount: float) -> Decimal:
    return decimal_of(round(amount, 2))


def _max_daily_loss(standing: Standing, limits: Limits) -> Refusal | None:
    limit, loss = limits.max_daily_loss, standing.start - standing.worth
    return Refusal("max_daily_loss", limit, _cents(loss)) if limit is not None and loss >= limit else None


def _max_drawdown(standing: Standing, limits: Limits) -> Refusal | None:
    limit, drawdown = limits.max_drawdown, standing.drawdown
    return Refusal("max_drawdown", limit, _cents(drawdown)) if limit is not None and drawdown >= limit else None


def _max_consecutive_losses(standing: Standing, limits: Limits) -> Refusal | None:
    limit, losses = limits.max_consecutive_losses, standing.losses
    if limit is None or losses < limit:
        return None
    return Refusal("max_consecutive_losses", Decimal(limit), Decimal(losses))


BREACHES: tuple[Callable[[Standing, Limits], Refusal | None], ...] = (
    _max_daily_loss,
    _max_drawdown,
    _max_consecutive_losses,
)


def _forget_drawdown(standing: Standing) -> None:
    standing.peak = standing.worth


def _forget_losses(standing: Standing) -> None:
    standing.losses = 0


FORGIVEN: dict[str, Callable[[Standing], None]] = {
    "max_drawdown": _forget_drawdown,
    "max_consecutive_losses": _forget_losses,
}
"""What begins anew when a person ends the halt of a rule: else it would be broken again at once."""

VOLATILITY = "max_move_percent"


class Moves:
    """The closes of the last minutes of each symbol."""

    def __init__(self) -> None:
        self._closes: dict[str, deque[tuple[int, float]]] = {}

    def move(self, bar: Bar, within_ns: int) -> float:
        """Percent by which `bar` closed away from any close of at most `within_ns` before it."""
        closes = self._closes.get(bar.symbol)
        if closes is None:
            closes = self._closes[bar.symbol] = deque()
        lowest = highest = close = bar.close
        closes.append((bar.time_ns, close))
        since_ns = bar.time_ns - within_ns
        while closes[0][0] < since_ns:
            closes.popleft()
        for _, then in closes:
            if then < lowest:
                lowest = then
            elif then > highest:
                highest = then
        return 100.0 * max(close / lowest - 1.0, 1.0 - close / highest)

    def forget(self) -> None:
        """Begin anew."""
        self._closes.clear()
