"""The compiled driver of ticks: a `CompiledTicks` model over recorded quotes and trades of one symbol."""

import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError, NumbaWarning

from hftd.backtest.compiled import parameters_type
from hftd.backtest.lean import CASH_MOST, NotCovered, charges_of, least_float, or_off, shares_of
from hftd.backtest.record import Record
from hftd.backtest.task import Task
from hftd.backtest.tick_kernel import player_of
from hftd.backtest.tick_state import BACK, FRONT, NEVER, OFF, Account, Bound, Error, Feed, State, Status, Worth
from hftd.calendar import Calendar
from hftd.data.merging import Together
from hftd.data.rows import Kind, Quotes, Trades
from hftd.domain.convert import MINUTE_NS, TICKS_PER_DOLLAR, decimal_of
from hftd.domain.events import BarReceived, PortfolioCarried
from hftd.domain.session import Session
from hftd.engine.admission import Admission
from hftd.engine.breaches import Moves
from hftd.engine.closing import BEFORE_CLOSE
from hftd.engine.tally import Tally
from hftd.exchange.market.columns import EMPTY
from hftd.exchange.market.queues import Queue
from hftd.exchange.market.tick_tape import LeftQuotes
from hftd.exchange.venue.fees import SCHEDULES
from hftd.exchange.venue.latency import Constant
from hftd.model.compiled import CompiledTicks
from hftd.model.contract import HOOKS

NOT_COVERED = {
    Error.MONEY: "an order came near to the account's buying power",
    Error.EXACT: "an order came too near to a limit in dollars",
    Error.NO_QUOTE: "an order met no quote of both sides",
    Error.BREACH: "a limit was broken that halts",
    Error.LIMIT: "a limit below a dollar, or far through the market",
    Error.FRACTION: "prices were of less than hundredths of a cent",
}
MILLION = 1_000_000
ROWS_MIN = 4096


def why_not(task: Task) -> str:
    """What of the task this driver does not cover; "" when nothing."""
    cls, limits, terms = task.subject.cls, task.limits, task.terms
    fees, sessions = SCHEDULES[terms.fees], task.sessions
    shortest_ns = min(session.close_ns - session.open_ns for session in sessions)
    unmet = {
        "data without quotes and trades": task.ticks is None,
        "models without decide of ticks": not issubclass(cls, CompiledTicks),
        **{
            f"a decide beside {hook}": getattr(cls, hook) is not getattr(CompiledTicks, hook, None)
            for hook in HOOKS
            if issubclass(cls, CompiledTicks)
        },
        "several symbols": len(task.bars) != 1,
        "limits of the model alone": task.own_limits is not None,
        "max_gross_exposure": limits.max_gross_exposure is not None,
        "max_net_exposure": limits.max_net_exposure is not None,
        "max_consecutive_losses": limits.max_consecutive_losses is not None,
        "flatten_before_close of a whole session": (limits.flatten_before_close_ns or 0) >= shortest_ns,
        "a proportional queue": terms.queue is Queue.PROPORTIONAL,
        "a participation of less than millionths": (terms.participation or Decimal(0)) * MILLION % 1 != 0,
        "slippage": terms.slippage_bps != 0,
        "a latency that varies": terms.latency is not None and not isinstance(terms.latency, Constant),
        "fees of makers": fees.maker_bps != fees.taker_bps,
        "chances of partial fills and rejection": bool(terms.partial_fill_chance or terms.reject_chance),
        "cash in less than hundredths of a cent": min(terms.cash, Decimal(CASH_MOST)) * TICKS_PER_DOLLAR % 1 != 0,
        f"cash of more than ${CASH_MOST:,}": terms.cash > CASH_MOST,
        "warmup_bars": cls.warmup_bars != 0,
    }
    return ", ".join(name for name, applies in unmet.items() if applies)


class TickDriver:
    """Runs one task. `record`, `tally`, `positions` and `ticks` are what came of it. Raises NotCovered."""

    def __init__(self, task: Task, calendar: Calendar) -> None:
        if reason := why_not(task):
            raise NotCovered(reason)
        self.task = task
        self.ticks = 0
        ((self.symbol, self._bars),) = task.bars.items()
        self._state = np.zeros(len(State), np.int64)
        self._state[State.CASH] = int(task.terms.cash * TICKS_PER_DOLLAR)
        self._state[State.MINUTE] = -1
        self._worth = np.zeros(len(Worth))
        self._bounds, self._dollars, self._charges = _bounds_of(task), _dollars_of(task), charges_of(task)
        self._orders, self._references = np.zeros((ROWS_MIN, 7), np.int64), np.zeros(ROWS_MIN)
        self._fills = np.zeros((ROWS_MIN, 5), np.int64)
        self._equity = np.zeros((4, len(self._bars) + 1))
        self._play = player_of(task.subject.cls.decide)  # type: ignore[attr-defined]
        self._bars_heard = 0

    def run(self, progress: Any = lambda done: None) -> None:
        """Trade all sessions."""
        for done, session in enumerate(self.task.sessions, 1):
            self._begin(session)
            for feed in self.feeds(session):
                self.ticks += len(feed.quotes_ns) + len(feed.trades_ns)
                self._live(feed, 0)
            self._live(NOTHING, session.close_ns)
            progress(done)

    def _begin(self, session: Session) -> None:
        state, worth = self._state, self._worth
        self._check_bars(session)
        for place in (State.FLOW, State.QUOTED, State.ORDER, State.CANCEL, State.FLAT):
            state[place] = 0
        for place in (State.TAKEN_BUY, State.TAKEN_SELL, State.HEARD_BID_SIZE, State.HEARD_ASK_SIZE):
            state[place] = 0
        state[State.FIRST], state[State.TOUCH_NS] = state[State.ORDERS], 0
        state[State.ARRIVES] = state[State.CANCEL_ARRIVES] = NEVER
        self._bounds[Bound.OPEN], self._bounds[Bound.CLOSE] = session.open_ns, session.close_ns
        worth[Worth.HEARD_BID] = worth[Worth.HEARD_ASK] = 0.0
        drawdown = np.floor((worth[Worth.PEAK] - worth[Worth.WORTH]) * 100 + 0.5) / 100
        position = float(state[State.POSITION])
        worth[Worth.START] = worth[Worth.WORTH] = position * worth[Worth.LAST] if position else 0.0
        worth[Worth.PEAK] = worth[Worth.START] + drawdown
        model = self.task.subject.running(self.task.symbols).model
        assert isinstance(model, CompiledTicks)
        values = {name: value for name, value in self.task.subject.values.items() if isinstance(value, int | float)}
        self._parameters = parameters_type(tuple(values))(**values)
        self._memory = np.zeros(model.memory_size)

    def _check_bars(self, session: Session) -> None:
        """All bars of the session reach the model and none halts, or it is not covered."""
        admission, moves, limits = Admission(), Moves(), self.task.limits
        known = {self.symbol: float(self._worth[Worth.LAST])} if self._state[State.PRICED] else {}
        admission.recall(PortfolioCarried(session.open_ns, Decimal(0), prices=known))
        for bar in self._bars.between(session.open_ns, session.close_ns).bars(self.symbol):
            if [type(event) for event in admission.judge(bar)] != [BarReceived]:
                raise NotCovered("bars with bad prints, or what looks like a split")
            most = limits.max_move_percent
            if most is not None and moves.move(bar, limits.max_move_within_ns) >= most:
                raise NotCovered(f"a case in which {NOT_COVERED[Error.BREACH]}")
            self._bars_heard += 1

    def feeds(self, session: Session) -> Iterator[Feed]:
        """The rows of a session, in the memory of a few chunks."""
        assert self.task.ticks is not None
        data = self.task.ticks.between(session.open_ns, session.close_ns)
        kinds = tuple(kind for kind in data.kinds if kind is not Kind.BARS)
        left = None if Kind.QUOTES in kinds else LeftQuotes(self.task.terms.spread)
        bars = self._bars.between(session.open_ns, session.close_ns)
        known_ns, given = bars.time_ns + MINUTE_NS, 0
        for stretch in data.stretches(kinds):
            last_ns = max(int(rows.known_ns[-1]) for rows in stretch.values())
            until = int(np.searchsorted(known_ns, last_ns, "right"))
            yield _feed(bars.rows(slice(given, until)), stretch, left)
            given = until
        yield _feed(bars.rows(slice(given, len(bars))), {}, None)

    def _live(self, feed: Feed, until_ns: int) -> None:
        for place in (State.BARS_DONE, State.QUOTES_DONE, State.TRADES_DONE):
            self._state[place] = 0
        while not self._called(feed, until_ns):
            self._make_room(len(feed.bars_ns) + len(feed.quotes_ns) + len(feed.trades_ns))
        if error := self._state[State.ERROR]:
            raise NotCovered(f"a case in which {NOT_COVERED[Error(error)]}")

    def _make_room(self, count: int) -> None:
        count = max(count, ROWS_MIN)
        self._orders = np.concatenate((self._orders, np.zeros((count, 7), np.int64)))
        self._references = np.concatenate((self._references, np.zeros(count)))
        self._fills = np.concatenate((self._fills, np.zeros((2 * count, 5), np.int64)))

    def _called(self, feed: Feed, until_ns: int) -> bool:
        standing = self._state, self._worth, self._bounds, self._dollars, self._charges
        account = Account(*standing, self._orders, self._references, self._fills)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NumbaWarning)
                return bool(
                    self._play(
                        feed,
                        until_ns,
                        account,
                        self._equity,
                        self._parameters,
                        self._memory,
                    )
                )
        except NumbaError as error:
            raise NotCovered(f"this decide: numba cannot compile it: {str(error).splitlines()[-1]}") from error
        except (ArithmeticError, LookupError, ValueError) as error:
            raise NotCovered(f"a decide that raises {type(error).__name__}") from error

    # -- results -----------------------------------------------------------------------------------------------------

    @property
    def positions(self) -> dict[str, float]:
        held = int(self._state[State.POSITION])
        return {self.symbol: float(held)} if held else {}

    @property
    def record(self) -> Record:
        orders = self._orders[: self._state[State.ORDERS]]
        fills = self._fills[: self._state[State.FILLS]]
        time_ns, row, signed, ticks, cents = fills.T
        marks = self._equity[:, : self._state[State.EQUITY]]
        decided_ns, wanted, limits, status, filled, value, forced = orders.T
        with np.errstate(invalid="ignore"):
            average = np.where(filled > 0, value / (np.maximum(filled, 1) * TICKS_PER_DOLLAR), np.nan)
        names = np.array([each.name.lower() for each in Status], dtype=object)
        return Record(
            equity={
                "time_ns": marks[0].astype(np.int64),
                "equity": marks[1],
                "cash": marks[2],
                "gross": marks[3],
            },
            orders={
                "order": np.arange(1, len(orders) + 1),
                "time_ns": decided_ns,
                "symbol": np.full(len(orders), self.symbol, dtype=object),
                "side": np.where(wanted > 0, "buy", "sell").astype(object),
                "quantity": np.abs(wanted).astype(np.float64),
                "type": np.where(limits > 0, "limit", "market").astype(object),
                "time_in_force": np.full(len(orders), "day", dtype=object),
                "limit_price": np.where(limits > 0, limits / TICKS_PER_DOLLAR, np.nan),
                "stop_price": np.full(len(orders), np.nan),
                "reference_price": self._references[: len(orders)],
                "status": names[status],
                "filled_quantity": filled.astype(np.float64),
                "average_price": average,
                "reason": np.where(forced > 0, BEFORE_CLOSE, "").astype(object),
            },
            fills={
                "time_ns": time_ns,
                "order": row + 1,
                "symbol": np.full(len(fills), self.symbol, dtype=object),
                "side": np.where(signed > 0, "buy", "sell").astype(object),
                "quantity": np.abs(signed).astype(np.float64),
                "price": ticks / TICKS_PER_DOLLAR,
                "fee": cents / 100,
            },
        )

    @property
    def tally(self) -> Tally:
        state = self._state
        fills = self._fills[: state[State.FILLS]]
        worse = fills[:, 2] * (fills[:, 3] / TICKS_PER_DOLLAR - self._references[fills[:, 1]])
        tally = Tally(
            sessions=len(self.task.sessions),
            bars=self._bars_heard,
            orders=int(state[State.ORDERS]),
            fills=int(state[State.FILLS]),
            refused=int(state[State.REFUSED]),
            slippage=decimal_of(float(worse.sum())),
        )
        tally.signals.update(buy=int(state[State.BUYS]), sell=int(state[State.SELLS]))
        return tally


def _feed(bars: Any, stretch: Together, left: LeftQuotes | None) -> Feed:
    trades: Any = stretch.get(Kind.TRADES, NO_TRADES)
    quotes: Any = left.behind(trades) if left and len(trades) else stretch.get(Kind.QUOTES, NO_QUOTES)
    columns = (
        *(bars.time_ns + MINUTE_NS, bars.close),
        *(quotes.time_ns, quotes.bid, quotes.bid_size, quotes.ask, quotes.ask_size),
        *(trades.time_ns, trades.price, trades.size),
    )
    return Feed._make((*map(_fixed, columns), left is not None))


def _fixed(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The column for reading alone, as it lies in memory: one kind of array, for which one kernel is compiled."""
    fixed = np.require(column, requirements=["C", "A"]).view()
    fixed.flags.writeable = False
    return fixed


_CODES, _INTEGERS, _FLOATS = np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0)
NO_TRADES = Trades((), _CODES, _INTEGERS, _FLOATS, _INTEGERS)
NO_QUOTES = Quotes((), _CODES, _INTEGERS, _FLOATS, _INTEGERS, _FLOATS, _INTEGERS)
NOTHING = _feed(EMPTY, {}, None)


def _bounds_of(task: Task) -> npt.NDArray[np.int64]:
    limits, terms = task.limits, task.terms
    sized = terms.queue is not None or terms.participation is not None
    queue = {None: BACK, Queue.BACK: BACK, Queue.FRONT: FRONT}[terms.queue]
    values = {
        Bound.POSITION: shares_of(limits.max_position),
        Bound.QUANTITY: shares_of(limits.max_order_quantity),
        Bound.RATE: limits.max_orders_per_minute,
        Bound.FLATTEN: or_off(limits.flatten_before_close_ns),
        Bound.QUIET_AFTER: or_off(limits.quiet_after_open_ns),
        Bound.QUIET_BEFORE: or_off(limits.quiet_before_close_ns),
        Bound.LATENCY: terms.latency.delay_ns if isinstance(terms.latency, Constant) else -1,
        Bound.QUEUE: queue if sized else OFF,
        Bound.PARTICIPATION: -1 if terms.participation is None else int(terms.participation * MILLION),
        Bound.OPEN: 0,
        Bound.CLOSE: 0,
    }
    return np.array([values[bound] for bound in Bound], np.int64)


def _dollars_of(task: Task) -> npt.NDArray[np.float64]:
    limits = task.limits
    values = (
        limits.max_order_notional,
        limits.max_position_notional,
        limits.max_daily_loss,
        limits.max_drawdown,
        limits.price_collar_percent,
    )
    return np.array([least_float(value) for value in values])
