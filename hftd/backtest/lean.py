"""The lean driver: a plain Python model, asked bar by bar, its account kept by the compiled kernel.

The model is the user's own class, called with the same bars as ever; what it wants is written down, and carried out by
the kernel in one go: at the end of a session, or as soon as the model looks at its position. Whatever is not covered
ends it with `NotCovered`, and the plain driver begins anew.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import repeat
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from hftd.backtest import kernel
from hftd.backtest.kernel import Bound, Charge, Dollars, Error, State
from hftd.backtest.record import Record
from hftd.backtest.task import Task
from hftd.calendar import Calendar
from hftd.domain.convert import MINUTE_NS, TICKS_PER_DOLLAR, decimal_of
from hftd.domain.events import BarReceived, PortfolioCarried, SymbolHalted
from hftd.domain.intents import Measure, Target, Want
from hftd.domain.market import Bar
from hftd.domain.orders import OrderType, Side, TimeInForce
from hftd.domain.session import Session
from hftd.engine.admission import BOUND, Admission
from hftd.engine.closing import BEFORE_CLOSE
from hftd.engine.tally import Tally
from hftd.errors import ModelError
from hftd.exchange.market.columns import BarColumns
from hftd.exchange.venue.fees import SCHEDULES
from hftd.model.contract import Model, overrides
from hftd.model.load import sentence_of

CHUNK_BARS = 2**16
SHARES_MAX = 10**9
"""No venue takes a larger order, and no product of it leaves 64 bits."""
CASH_MOST = 10**10
"""Dollars: with more, floats of cash are no longer those nearest to it, and products of fees leave 64 bits."""
HOOKS_NOT_COVERED = ("on_quote", "on_trade", "on_order", "on_fill", "on_timer")
NOT_COVERED = {
    Error.MONEY: "an order came near to the account's buying power",
    Error.EXACT: "an order came too near to a limit in dollars",
    Error.NO_QUOTE: "a position was to be closed before the session's first bar",
}


class NotCovered(Exception):
    """What this driver does not do the same as the plain one; its message says what."""


def why_not(task: Task) -> str:
    """What of the task only the plain driver covers; "" when nothing."""
    limits, terms, cls = task.limits, task.terms, task.subject.cls
    unmet = {
        "recorded quotes and trades": task.ticks is not None,
        "several symbols": len(task.bars) != 1,
        "limits of the model alone": task.own_limits is not None,
        "max_gross_exposure": limits.max_gross_exposure is not None,
        "max_net_exposure": limits.max_net_exposure is not None,
        "max_consecutive_losses": limits.max_consecutive_losses is not None,
        "flatten_before_close of parts of a minute": (limits.flatten_before_close_ns or 0) % MINUTE_NS != 0,
        "queues and participation": terms.queue is not None or terms.participation is not None,
        "slippage": terms.slippage_bps != 0,
        "latency": terms.latency is not None,
        "chances of partial fills and rejection": bool(terms.partial_fill_chance or terms.reject_chance),
        "cash in less than hundredths of a cent": min(terms.cash, Decimal(CASH_MOST)) * TICKS_PER_DOLLAR % 1 != 0,
        f"cash of more than ${CASH_MOST:,}": terms.cash > CASH_MOST,
        **{hook: overrides(cls, hook) for hook in HOOKS_NOT_COVERED},
        "warmup_bars": cls.warmup_bars != 0,
    }
    return ", ".join(name for name, applies in unmet.items() if applies)


class LeanDriver:
    """Runs one task of one symbol. `record`, `tally` and `positions` are what came of it. Raises NotCovered."""

    def __init__(self, task: Task, calendar: Calendar) -> None:
        if reason := why_not(task):
            raise NotCovered(reason)
        self.task = task
        self.symbol, columns = next(iter(task.bars.items()))
        self.columns, self.sessions = _played(columns, task.sessions)
        self.prices = np.ascontiguousarray([self.columns.open, self.columns.high, self.columns.low, self.columns.close])
        self.admitted = _admitted(self.symbol, self.columns, self.prices, self.sessions)
        self.reasons: list[str] = []
        self.rows: list[tuple[int, int, int]] = []
        self.account = Account(self)

    def run(self, progress: Any = lambda done: None) -> None:
        """Trade all sessions. Raises NotCovered, and ModelError when the model raises."""
        bars = self._bars()
        for done, (session, (first, end)) in enumerate(
            zip(self.task.sessions, self.sessions[:, :2].tolist(), strict=True), 1
        ):
            self._trade(session, first, end, bars)
            progress(done)
        self.account.advance(len(self.columns))

    def _trade(self, session: Session, first: int, end: int, bars: Iterator[Bar]) -> None:
        model, context = self._model(session, first)
        ask = model.on_bar
        admitted = self.admitted[first:end].all()
        row = first
        try:
            for row, bar in zip(range(first, end), bars, strict=False):
                if admitted or self.admitted[row]:
                    context.row = row
                    answer = ask(bar)
                    if answer is not None:
                        self._note(row, answer)
        except (NotCovered, ModelError):
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(sentence_of(error, self.task.subject.path, "on_bar")) from error
        context.row = end
        _nothing(model.on_session_close(session) if overrides(type(model), "on_session_close") else None)

    def _model(self, session: Session, first: int) -> tuple[Model, "LeanContext"]:
        model = self.task.subject.running(self.task.symbols).model
        context = LeanContext(self, session, first)
        model.context = context
        for hook, argument in (("on_start", context), ("on_session_open", session)):
            if overrides(type(model), hook):
                _nothing(getattr(model, hook)(argument))
        return model, context

    def _bars(self) -> Iterator[Bar]:
        """All bars, made by the chunk: a million of them at once would take a gigabyte."""
        for first in range(0, len(self.columns), CHUNK_BARS):
            chunk = self.columns.rows(slice(first, first + CHUNK_BARS))
            prices = (chunk.open, chunk.high, chunk.low, chunk.close, chunk.volume)
            columns = (chunk.time_ns, *prices, chunk.trade_counts(), chunk.vwaps())
            yield from map(Bar, repeat(self.symbol), *(column.tolist() for column in columns))

    def _note(self, row: int, answer: Any) -> None:
        """Write down what the model wants."""
        kind = kernel.WANT
        if type(answer) is Want:
            if answer.type is not OrderType.MARKET or answer.time_in_force is not TimeInForce.DAY:
                raise NotCovered(f"{answer.type} orders, {answer.time_in_force}")
            if answer.exits is not None:
                raise NotCovered(f"{answer.order_class} orders")
            amount = answer.quantity if answer.side is Side.BUY else -answer.quantity
        elif type(answer) is Target:
            kind, amount = kernel.TARGET, answer.quantity
        else:
            raise NotCovered("several intents at once, or others than buy, sell and target")
        if answer.measure is not Measure.SHARES:
            raise NotCovered(f"orders in {answer.measure}")
        if not abs(amount) <= SHARES_MAX:
            raise NotCovered(f"orders of more than {SHARES_MAX:,} shares")
        shares = int(amount)
        if shares != amount or answer.symbol != self.symbol:
            raise NotCovered("fractions of a share, or another symbol")
        self.rows.append((row, kind, shares))
        self.reasons.append(answer.reason)

    # -- results ---------------------------------------------------------------------------------------------------

    @property
    def positions(self) -> dict[str, float]:
        held = int(self.account.state[State.POSITION])
        return {self.symbol: float(held)} if held else {}

    @property
    def record(self) -> Record:
        fills = self.account.fills[: self.account.state[State.FILLS]]
        time_ns, signed, ticks, cents, _, decisions = fills.T
        sides = np.where(signed > 0, "buy", "sell").astype(object)
        quantity, price = np.abs(signed).astype(np.float64), ticks / TICKS_PER_DOLLAR
        numbers = np.arange(1, len(fills) + 1)
        nothing, symbols = np.full(len(fills), math.nan), np.full(len(fills), self.symbol, dtype=object)
        reasons = np.array([*self.reasons, BEFORE_CLOSE], dtype=object)[decisions]
        equity, cash, gross = self.account.equity
        return Record(
            equity={"time_ns": self.columns.time_ns + MINUTE_NS, "equity": equity, "cash": cash, "gross": gross},
            orders={
                "order": numbers,
                "time_ns": time_ns,
                "symbol": symbols,
                "side": sides,
                "quantity": quantity,
                "type": np.full(len(fills), "market", dtype=object),
                "time_in_force": np.full(len(fills), "day", dtype=object),
                "limit_price": nothing,
                "stop_price": nothing,
                "reference_price": self._references(fills),
                "status": np.full(len(fills), "filled", dtype=object),
                "filled_quantity": quantity,
                "average_price": price,
                "reason": reasons,
            },
            fills={
                "time_ns": time_ns,
                "order": numbers,
                "symbol": symbols,
                "side": sides,
                "quantity": quantity,
                "price": price,
                "fee": cents / 100,
            },
        )

    def _references(self, fills: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The market's price at each decision: the close of its bar, or of the last one before a timer's moment."""
        time_ns, rows, decisions = fills[:, 0], fills[:, 4], fills[:, 5]
        by_timer = (decisions < 0) & (time_ns == self.columns.time_ns[rows] + MINUTE_NS)
        latest = np.maximum.accumulate(np.where(self.admitted, np.arange(len(self.admitted)), 0))
        references: npt.NDArray[np.float64] = self.columns.close[latest[np.maximum(rows - by_timer, 0)]]
        return references

    @property
    def tally(self) -> Tally:
        state = self.account.state
        fills = self.account.fills[: state[State.FILLS]]
        slippage = float((fills[:, 1] * (fills[:, 2] / TICKS_PER_DOLLAR - self._references(fills))).sum())
        tally = Tally(
            sessions=len(self.sessions),
            bars=int(self.admitted.sum()),
            quarantined=int((~self.admitted).sum()),
            orders=int(state[State.FILLS]),
            fills=int(state[State.FILLS]),
            refused=int(state[State.REFUSED]),
            slippage=decimal_of(slippage),
        )
        tally.signals.update(buy=int(state[State.BUYS]), sell=int(state[State.SELLS]))
        return tally


class Account:
    """The kernel's arrays."""

    def __init__(self, driver: LeanDriver) -> None:
        task, count = driver.task, len(driver.columns)
        self._driver = driver
        self.begin()
        self.fills = np.zeros((0, 6), np.int64)
        self.equity = np.empty((3, count))
        self._bounds, self._dollars = _bounds_of(task), _dollars_of(task)
        self._charges = charges_of(task)
        self._noted = 0
        self._decisions = np.zeros((0, 3), np.int64)

    def begin(self) -> None:
        """Stand before the first session, with nothing but cash."""
        self.state = np.zeros(len(State), np.int64)
        self.worth = np.zeros(len(kernel.Worth), np.float64)
        self.state[State.CASH] = int(self._driver.task.terms.cash * TICKS_PER_DOLLAR)

    def advance(self, until: int, decisions: npt.NDArray[np.int64] | None = None) -> None:
        """Live on to row `until`. Raises NotCovered."""
        driver = self._driver
        if decisions is not None:
            self._decisions = decisions
        elif len(driver.rows) > self._noted:
            fresh = np.array(driver.rows[self._noted :], np.int64)
            self._decisions = np.concatenate((self._decisions, fresh))
            self._noted = len(driver.rows)
        self._make_room()
        kernel.advance(
            until,
            driver.columns.time_ns,
            driver.prices,
            driver.admitted,
            driver.sessions,
            self._decisions,
            self._bounds,
            self._dollars,
            self._charges,
            self.state,
            self.worth,
            self.fills,
            self.equity,
        )
        if error := self.state[State.ERROR]:
            raise NotCovered(f"a case in which {NOT_COVERED[Error(error)]}")

    def _make_room(self) -> None:
        """A decision makes two fills at most, a session one more."""
        state = self.state
        open_decisions = len(self._decisions) - int(state[State.DECISION])
        needed = int(state[State.FILLS]) + 2 * open_decisions + len(self._driver.sessions) + 1
        if len(self.fills) < needed:
            grown = np.zeros((max(needed, 2 * len(self.fills)), 6), np.int64)
            grown[: len(self.fills)] = self.fills
            self.fills = grown


class LeanContext:
    """What a model may look at here: its position, its symbols, the session. Anything else is not covered."""

    def __init__(self, driver: LeanDriver, session: Session, row: int) -> None:
        self.row = row
        self.session = session
        self.symbols = driver.task.symbols
        self._driver = driver

    def position(self, symbol: str) -> Decimal:
        self._driver.account.advance(self.row)
        return Decimal(int(self._driver.account.state[State.POSITION])) if symbol == self._driver.symbol else Decimal(0)

    def __getattr__(self, name: str) -> NoReturn:
        raise NotCovered(f"context.{name}")


def _nothing(answer: Any) -> None:
    if answer is not None:
        raise NotCovered("orders outside on_bar")


def _played(columns: BarColumns, sessions: Any) -> tuple[BarColumns, npt.NDArray[np.int64]]:
    """The bars inside the sessions, and for each session its rows and hours."""
    hours = np.array([(each.open_ns, each.close_ns) for each in sessions], np.int64)
    edges = np.searchsorted(columns.time_ns, hours)
    counts = edges[:, 1] - edges[:, 0]
    ends = np.cumsum(counts)
    rows = np.ascontiguousarray(np.column_stack((ends - counts, ends, hours)), np.int64)
    if ends[-1] == len(columns):
        return columns, rows
    marks = np.zeros(len(columns) + 1, np.int64)
    np.add.at(marks, edges[:, 0], 1)
    np.add.at(marks, edges[:, 1], -1)
    return columns.rows(np.cumsum(marks[:-1]) > 0), rows


def _admitted(symbol: str, columns: BarColumns, prices: Any, sessions: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which bars reach the model: all, or session by session as `Admission` judges. Raises NotCovered for a split."""
    admitted = np.zeros(len(columns), dtype=bool)
    row = kernel.first_irregular(prices, columns.volume, -1.0, BOUND, admitted)
    if row < 0:
        return admitted
    known: dict[str, float] = {}
    for first, end, open_ns, _ in sessions.tolist():
        admission = Admission()
        admission.recall(PortfolioCarried(open_ns, Decimal(0), prices=dict(known)))
        for at, bar in enumerate(columns.rows(slice(first, end)).bars(symbol), first):
            events = admission.judge(bar)
            if any(isinstance(event, SymbolHalted) for event in events):
                raise NotCovered("what looks like a split")
            admitted[at] = any(isinstance(event, BarReceived) for event in events)
            if admitted[at]:
                known[symbol] = bar.close
    return admitted


def _bounds_of(task: Task) -> npt.NDArray[np.int64]:
    limits = task.limits
    values: dict[Bound, int] = {
        Bound.POSITION: shares_of(limits.max_position),
        Bound.QUANTITY: shares_of(limits.max_order_quantity),
        Bound.ORDERS: limits.max_orders_per_minute,
        Bound.FLATTEN: or_off(limits.flatten_before_close_ns),
        Bound.QUIET_AFTER: or_off(limits.quiet_after_open_ns),
        Bound.QUIET_BEFORE: or_off(limits.quiet_before_close_ns),
        Bound.MOVE_WITHIN: limits.max_move_within_ns,
        Bound.WIDTH: max(1, round(task.terms.spread * 100)),
    }
    return np.array([values[bound] for bound in Bound], np.int64)


def shares_of(limit: Decimal | None) -> int:
    """Whole shares for a kernel, to which so many that none could be more are no limit."""
    return 2**62 if limit is None else int(min(limit, Decimal(2**62)))


def or_off(time_ns: int | None) -> int:
    """Nanoseconds for a kernel, to which -1 is none."""
    return -1 if time_ns is None else time_ns


def _dollars_of(task: Task) -> npt.NDArray[np.float64]:
    limits = task.limits
    values = {
        Dollars.ORDER: limits.max_order_notional,
        Dollars.POSITION: limits.max_position_notional,
        Dollars.LOSS: limits.max_daily_loss,
        Dollars.DRAWDOWN: limits.max_drawdown,
        Dollars.MOVE: limits.max_move_percent,
    }
    return np.array([least_float(values[dollars]) for dollars in Dollars])


def least_float(limit: Decimal | None) -> float:
    """The least float that is not below `limit`: a float reaches the one when it reaches the other."""
    if limit is None:
        return math.inf
    near = float(limit)
    return near if Decimal(near) >= limit else math.nextafter(near, math.inf)


def charges_of(task: Task) -> npt.NDArray[np.int64]:
    """The fees of a task, as `Charge` has them."""
    fees = SCHEDULES[task.terms.fees]
    values = {
        Charge.SHARE: fees.commission_per_share * 1_000_000,
        Charge.TAKER: fees.taker_bps * 100,
        Charge.SALE: fees.sell_per_million * 100,
        Charge.SALE_SHARE: fees.sell_per_share * 1_000_000,
        Charge.SALE_MOST: fees.sell_per_share_max * 100,
    }
    return np.array([int(values[charge]) for charge in Charge], np.int64)
