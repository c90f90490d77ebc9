"""Whether a limit whose breach halts is broken. It remembers how things stand; what follows is up to the desk."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from hftd.domain.convert import decimal_of, text_of
from hftd.domain.events import CarriedStanding, Halt
from hftd.domain.market import Bar
from hftd.engine.breaches import BREACHES, FORGIVEN, VOLATILITY, Moves, Standing
from hftd.engine.risk import Limits, Refusal
from hftd.engine.session_state import SessionState
from hftd.engine.state import RunningModel


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that is broken, by one model or by all when `model_id` is empty."""

    refusal: Refusal
    model_id: str = ""
    symbol: str = ""

    @property
    def reason(self) -> str:
        refusal, where = self.refusal, f"{self.symbol} in " if self.symbol else ""
        return f"{where}{refusal.rule}: {text_of(refusal.value)}, the limit is {text_of(refusal.limit)}"


class Judge:
    """Keeps the standings of all models together, and of each where that is something else.

    `is_settled`: nothing was near a limit when all was valued last, and at the same prices nothing will be. Whoever
    changes what is held, or limits, without having it valued sets it False.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._moves = Moves()
        self.is_settled = False
        self.standings = [Standing(""), *(Standing(running.model_id) for running in self._judged_alone())]

    def _judged_alone(self) -> list[RunningModel]:
        models = self._state.models.values()
        return [running for running in models if len(models) > 1 or running.limits is not None]

    def begin(self, carried: Iterable[CarriedStanding]) -> None:
        """Start a session from the standings of the one before."""
        self.is_settled = False
        before = {standing.model_id: standing for standing in carried}
        for standing in self.standings:
            known = before.get(standing.model_id)
            drawdown, losses = (known.drawdown, known.losses) if known else (0.0, 0)
            standing.begin(self._worth(standing.model_id), drawdown, losses)

    def watch_all(self) -> None:
        """Other limits hold: take up the standings that they need, and value all."""
        self.is_settled = False
        known = {standing.model_id for standing in self.standings}
        for running in self._judged_alone():
            if running.model_id not in known:
                self.standings.append(Standing(running.model_id))
                self.standings[-1].begin(self._worth(running.model_id), 0.0, 0)
        for standing in self.standings:
            standing.revalue(self._worth(standing.model_id))

    def rename(self, before: str, after: str) -> None:
        """A model's standing is that of its successor."""
        self.is_settled = False
        for standing in self.standings:
            if standing.model_id == before:
                standing.model_id = after

    def absorb(self, other: str, into: str) -> None:
        """What is in one slot is about to go to another, and with it what was gained or lost of it this session."""
        given_up = [standing for standing in self.standings if standing.model_id == other]
        self.standings = [standing for standing in self.standings if standing.model_id != other]
        for standing in self.standings if given_up else ():
            if standing.model_id == into:
                standing.start += given_up[0].start
                standing.peak += self._worth(other)

    def revalued(self) -> list[Breach]:
        """Something that is held has another price, or something else is held."""
        found: list[Breach] = []
        self.is_settled = True
        for standing in self.standings:
            limits = self._limits_of(standing.model_id) if standing.model_id else self._state.limits
            if limits is not standing.limits:
                standing.bind(limits)
            if standing.is_watched:
                standing.revalue(self._worth(standing.model_id))
                if standing.is_doubtful:
                    self.is_settled = False
                    found += self._breaches(standing)
        return found

    def traded(self, running: RunningModel, profit: Decimal) -> list[Breach]:
        """An order of a model is over, and what it closed gained or lost `profit` dollars."""
        counted = [standing for standing in self.standings if profit and standing.model_id in ("", running.model_id)]
        for standing in counted:
            standing.count_trade(profit)
        return [breach for standing in counted for breach in self._breaches(standing)]

    def moved(self, bar: Bar, limit: Decimal) -> list[Breach]:
        """A price is known; `limit` is in percent."""
        move = self._moves.move(bar, self._state.limits.max_move_within_ns)
        if move < limit:
            return []
        return [Breach(Refusal(VOLATILITY, limit, decimal_of(round(move, 4))), symbol=bar.symbol)]

    def forgive(self, halt: Halt) -> None:
        """A halt was ended: what led to it begins anew."""
        self.is_settled = False
        if halt.rule == VOLATILITY:
            self._moves.forget()
        for standing in self.standings:
            if standing.model_id == halt.model_id and halt.rule in FORGIVEN:
                FORGIVEN[halt.rule](standing)

    def _breaches(self, standing: Standing) -> list[Breach]:
        limits = self._limits_of(standing.model_id)
        found = [breach_of(standing, limits) for breach_of in BREACHES]
        return [Breach(refusal, standing.model_id) for refusal in found if refusal]

    def _limits_of(self, model_id: str) -> Limits:
        own = self._state.models[model_id].limits if model_id else None
        return own or self._state.limits

    def _worth(self, model_id: str) -> float:
        models, prices = self._state.models, self._state.prices
        if model_id:
            return models[model_id].portfolio.worth(prices)
        worth = 0.0
        for running in models.values():
            worth += running.portfolio.worth(prices)
        return worth
