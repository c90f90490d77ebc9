"""What the engine knows while a session lasts: models and what they hold, orders, prices, halts. It decides nothing."""

from collections.abc import Iterable
from decimal import Decimal

from hftd.domain.commands import Command
from hftd.domain.market import Bar, Quote
from hftd.domain.orders import OrderStatus, Side
from hftd.domain.session import Session
from hftd.engine.bar_history import BarHistory
from hftd.engine.halts import BROKER_CLOSED, Halts
from hftd.engine.portfolio import ZERO
from hftd.engine.risk import Limits
from hftd.engine.state import (
    HookCaller,
    ModelLoader,
    OrderState,
    RunningModel,
    Waiting,
    call_hook,
    closing_of,
)
from hftd.engine.timers import Timers


class SessionState:
    """The picture that all parts of an engine share; `sequence` and `time_ns` are those of the event being stepped.
    `began_ns` is when the session was begun, `fees` dollars taken for trading since.

    `working` orders were sent, `waiting` ones not yet. `out` are the commands of this step so far, `made` counts the
    orders made in it, and `is_crossing` says that models are being told of what was crossed inside. While `following`
    nothing is decided: what was decided is adopted. `shadows` decide beside the `models`, and count for nothing. `load`
    makes models that are swapped in; where there is one, `past` keeps the session's bars to show them.
    """

    def __init__(
        self,
        session: Session,
        models: Iterable[RunningModel],
        limits: Limits,
        run_id: str,
        call: HookCaller = call_hook,
        load: ModelLoader | None = None,
    ) -> None:
        self.session = session
        self.limits = limits
        self.run_id = run_id
        self.call = call
        made = list(models)
        self.models = {running.model_id: running for running in made if not running.shadow}
        self.shadows = {running.model_id: running for running in made if running.shadow}
        self.load = load
        self.past: list[Bar] = []
        self.sequence = 0
        self.time_ns = 0
        self.began_ns = 0
        self.cash_at_start = ZERO
        self.fees = ZERO
        self.equity_at_start = ZERO
        self.prices: dict[str, float] = {}
        self.quotes: dict[str, Quote] = {}
        self.orders: dict[str, OrderState] = {}
        self.working: dict[str, OrderState] = {}
        self.waiting: dict[str, Waiting] = {}
        self.made = 0
        self.is_crossing = False
        self.sent_ns: list[int] = []
        self.held: set[str] = set()
        self.is_open = False
        self.is_before_close = False
        self.flatten_ns: int | None = None
        self.halts = Halts()
        self.halted_symbols: dict[str, str] = {}
        self.following = False
        self.out: list[Command] = []
        self.timers = Timers(session.close_ns)
        self.histories = {
            symbol: BarHistory(symbol, max(1, *(running.model.history_bars for running in followers)))
            for symbol, followers in self._followers().items()
        }

    def keep_history_for(self, running: RunningModel) -> None:
        """Keep as many bars as a model asks for that came in mid-session."""
        wanted = running.model.history_bars
        for symbol in running.symbols:
            if symbol not in self.histories or self.histories[symbol].capacity < wanted:
                history = self.histories[symbol] = BarHistory(symbol, wanted)
                for bar in self.past:
                    if bar.symbol == symbol:
                        history.add(bar)

    def _followers(self) -> dict[str, list[RunningModel]]:
        """The models that follow each symbol."""
        symbols = {symbol for running in self.everyone for symbol in running.symbols}
        return {
            symbol: [running for running in self.everyone if symbol in running.symbols] for symbol in sorted(symbols)
        }

    @property
    def everyone(self) -> list[RunningModel]:
        """All models, shadows last."""
        return [*self.models.values(), *self.shadows.values()]

    def slot(self, model_id: str) -> RunningModel:
        """A model or a shadow."""
        return self.models.get(model_id) or self.shadows[model_id]

    @property
    def halted(self) -> str | None:
        """The names of the halts in force; None when there is none."""
        return str(self.halts) if self.halts else None

    @property
    def flattening(self) -> bool:
        """Whether everything is being closed: before the close, or because a halt says so."""
        return self.is_before_close or self.halts.flattens

    def plan_flattening(self) -> None:
        """Note when everything is to be closed before the close, now that the session, or a limit, is another."""
        before_ns = self.limits.flatten_before_close_ns
        waits = before_ns is not None and self.is_open and not self.is_before_close
        self.flatten_ns = self.session.close_ns - before_ns if before_ns is not None and waits else None

    @property
    def market_is_open(self) -> bool:
        """Whether calendar and broker both say open."""
        return self.is_open and self.session.is_open(self.time_ns) and not self.halts.holds(BROKER_CLOSED)

    def no_trading(self, *, late: bool) -> str | None:
        """Why nothing may be sent at this moment, in one word; None when trading is on."""
        if late:
            return "late"
        if self.time_ns >= self.session.close_ns:
            return "after_close"
        return None if self.market_is_open else "closed"

    def objection_to(self, client_order_id: str) -> str | None:
        """Why an order that was decided, and has not left yet, must not leave by the halts in force now; None when it
        may. What only closes is held up by nothing but a broker that is closed."""
        order = self.orders[client_order_id]
        if self.halts.holds(BROKER_CLOSED):
            return "the broker says the market is closed"
        stopped = self.halts.stops(order.owner.model_id) or order.request.symbol in self.halted_symbols
        return "trading was halted meanwhile" if stopped and not self._only_closes(order) else None

    def _only_closes(self, order: OrderState) -> bool:
        """Whether a working order makes its model's position smaller, whichever working orders are filled before."""
        request = order.request
        held = order.owner.portfolio.quantity(request.symbol)
        alike = (
            each
            for each in self.working_of(order.owner, request.symbol)
            if each.request.side is request.side and not each.parent
        )
        return held * request.side.sign < 0 and sum((each.remaining for each in alike), ZERO) <= abs(held)

    # -- money -----------------------------------------------------------------------------------------------------

    @property
    def cash(self) -> Decimal:
        """Dollars: what the session began with, what its fills brought or took, and less the fees that were told of."""
        flows = sum((running.portfolio.cash_flow for running in self.models.values()), ZERO)
        return self.cash_at_start + flows - self.fees

    @property
    def profit(self) -> Decimal:
        """Dollars gained or lost this session: what is held counts from where it stood when the session began."""
        return self.equity - self.equity_at_start

    @property
    def equity(self) -> Decimal:
        """Dollars: cash, and what is held at the last prices (at cost where there is no price yet)."""
        values = (running.portfolio.value(self.prices) for running in self.models.values())
        return self.cash + sum(values, ZERO)

    def allot(self) -> None:
        """Give each model its share of the account: all that follow a symbol get equal parts of what the session
        begins with, those that only hold something from before get no cash."""
        for running in self.models.values():
            running.portfolio.allotment = ZERO
        sharing = [running for running in self.models.values() if running.symbols]
        resting = sum(
            (running.portfolio.value(self.prices) for running in self.models.values() if not running.symbols), ZERO
        )
        for running in sharing:
            share = (self.equity_at_start - resting) / len(sharing)
            running.portfolio.allotment = share - running.portfolio.value(self.prices)

    # -- shares ----------------------------------------------------------------------------------------------------

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed shares over all models by symbol, without what is flat."""
        symbols = {symbol for running in self.models.values() for symbol in running.portfolio.holdings}
        return {symbol: quantity for symbol in sorted(symbols) if (quantity := self.position(symbol))}

    def position(self, symbol: str) -> Decimal:
        """Signed shares of `symbol` over all models."""
        return sum((running.portfolio.quantity(symbol) for running in self.models.values()), ZERO)

    def working_of(self, running: RunningModel, symbol: str) -> list[OrderState]:
        """The orders of a model in `symbol` that are not finished: sent, oldest first, and waiting to be sent."""
        return [order for order in self.unfinished_of(running) if order.request.symbol == symbol]

    def unfinished_of(self, running: RunningModel) -> list[OrderState]:
        """The orders of a model that are not finished; those of a shadow stand on paper."""
        if running.shadow:
            return list(running.paper.values())
        return [order for order in self.unfinished if order.owner is running]

    @property
    def unfinished(self) -> list[OrderState]:
        """Working orders, oldest first, and behind them those that wait to be sent."""
        return [*self.working.values(), *(waiting.order for waiting in self.waiting.values())]

    def exposure(self, running: RunningModel, symbol: str) -> Decimal:
        """Signed shares that a model holds, and would hold more or less if its working orders were filled.

        Exits that the broker made of an order are not counted: they close what that order opened.
        """
        working = (
            order.request.side.sign * order.remaining for order in self.working_of(running, symbol) if not order.parent
        )
        return running.portfolio.quantity(symbol) + sum(working, ZERO)

    def reach(self, running: RunningModel, symbol: str, side: Side) -> Decimal:
        """Signed shares that a model would hold if its working orders of one side were filled and those of the other
        were not: orders that rest on both sides make up for each other only once they are filled."""
        return running.portfolio.quantity(symbol) + _added(self.working_of(running, symbol), side)

    def reach_sent(self, symbol: str, side: Side) -> Decimal:
        """The same over all models, by the orders that were sent."""
        working = (order for order in self.working.values() if order.request.symbol == symbol)
        return self.position(symbol) + _added(working, side)

    def aim(self, running: RunningModel, symbol: str) -> Decimal:
        """The exposure of a model once the other halves of its reversals are sent too."""
        waiting = (order.then_open for order in self.working_of(running, symbol))
        return self.exposure(running, symbol) + sum(
            (want.side.sign * want.quantity for want in waiting if want is not None), ZERO
        )

    def closable(self, running: RunningModel, symbol: str) -> Decimal:
        """Signed shares that a model holds and that none of its working orders closes."""
        held = running.portfolio.quantity(symbol)
        opposite = (
            order
            for order in self.working_of(running, symbol)
            if order.request.side.sign * held < 0 and self._is_at_work(order)
        )
        return held - min(closing_of(opposite), abs(held)) * (1 if held > 0 else -1)

    def _is_at_work(self, order: OrderState) -> bool:
        """Whether an order may be filled: an exit not before its entry is."""
        return not order.parent or order.status is not OrderStatus.HELD or self.orders[order.parent].status.is_terminal

    @property
    def unsettled(self) -> list[OrderState]:
        """Orders of which the broker has more to tell: those that work, and those whose exits are not known yet."""
        return [order for order in self.orders.values() if order.awaits_legs or not order.status.is_terminal]

    def family(self, order: OrderState) -> list[OrderState]:
        """An order, the entry or exit that it belongs to, and the other exits of that."""
        root = self.orders[order.parent] if order.parent else order
        return [root, *(self.orders[leg] for leg in root.legs)]

    def mark_cancelled(self, order: OrderState, *, put_back: bool = False) -> None:
        """The withdrawal of an order is asked for, and with it that of its family: the broker leaves none of it."""
        for member in self.family(order):
            member.mark_cancelled(put_back=put_back)

    def enter(self, order: OrderState) -> None:
        """Take an order into the books."""
        self.orders[order.request.client_order_id] = self.working[order.request.client_order_id] = order

    def keep(self, order: OrderState) -> None:
        """Take an order that is sent into the books."""
        self.enter(order)
        self.sent_ns.append(self.time_ns)
        order.owner.sent_ns.append(self.time_ns)

    def note_held(self, symbol: str) -> None:
        """Note whether `symbol` is held by any model, after a fill."""
        if any(running.portfolio.quantity(symbol) for running in self.models.values()):
            self.held.add(symbol)
        else:
            self.held.discard(symbol)


def _added(working: Iterable[OrderState], side: Side) -> Decimal:
    """Signed shares that the orders of one side would add; exits close what their entry opened, and add nothing."""
    alike = (order.remaining for order in working if order.request.side is side and not order.parent)
    return side.sign * sum(alike, ZERO)
