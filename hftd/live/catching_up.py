"""Asking the broker what became of everything, and doing about it what the table in `reconcile` says.

Nothing here is guessed and nothing waits for ever: each order is asked for by its id, each answer is journaled as a
report before the engine sees it, and a broker that is away is waited for by `ask`, which a stop ends.
"""

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from hftd.broker.base import Broker
from hftd.clock import Clock
from hftd.domain.account import Position
from hftd.domain.commands import CancelOrder
from hftd.domain.convert import decimal_of, text_of
from hftd.domain.events import Event, FeesCharged, OrderReported, PositionAdopted, TradingHalted
from hftd.domain.orders import BrokerOrder, ExecutionReport
from hftd.engine.engine import Engine
from hftd.engine.state import OrderState
from hftd.errors import UNANSWERED
from hftd.journal import Journal
from hftd.live.crash_points import crash_point
from hftd.live.reconcile import (
    ANSWERS,
    Answer,
    Difference,
    contradiction_of,
    difference_of,
    is_same_cash,
    missing_reports,
    position_differences,
    stray_orders,
)
from hftd.live.recovery import Decided, last_begun, reviewed
from hftd.live.trader import Trader

log = structlog.get_logger()
Result = TypeVar("Result")

SOURCE = "reconciliation"
AGAIN = "decided before a restart"
CONTRADICTED = "order_contradicted"


class Ask(Protocol):
    """Asks until there is an answer; None when told to stop meanwhile."""

    async def __call__(self, question: Callable[[], Awaitable[Result]], /) -> Result | None: ...


async def once(question: Callable[[], Awaitable[Result]]) -> Result | None:
    """Ask, and raise BrokerError when there is no answer."""
    return await question()


class CatchUp:
    """Brings a trader and the broker's books together. `is_stopping` tells whether to leave off."""

    def __init__(self, broker: Broker, clock: Clock, ask: Ask, is_stopping: Callable[[], bool]) -> None:
        self._broker = broker
        self._clock = clock
        self._ask = ask
        self._is_stopping = is_stopping

    async def with_orders(
        self, trader: Trader, unanswered: Mapping[str, Decided], besides: Container[str] = ()
    ) -> None:
        """Ask what became of each order that we believe to be working, `besides` some (client order ids).

        `unanswered` are those that may yet be sent, unless the broker takes so long to answer that they are too old.
        """
        for order in trader.engine.unsettled:
            id = order.request.client_order_id
            if id in besides:
                continue
            is_under_way = id in trader.sender.sending
            found = await self._ask(partial(self._broker.order, id))
            crash_point("reconcile.asked")
            if self._is_stopping() or trader.blocked:
                return  # what waits for the journal has not been counted
            if found is None and is_under_way:
                continue  # it may not have been there yet; whoever sends it will tell
            unsent = unanswered.get(id)
            fresh = unsent is not None and not trader.is_late(unsent.time_ns)
            difference = difference_of(order, found, fresh=fresh)
            if difference is not None:
                self._close(trader, order, found, difference, unsent)

    def _close(
        self,
        trader: Trader,
        order: OrderState,
        found: BrokerOrder | None,
        difference: Difference,
        unsent: Decided | None,
    ) -> None:
        id, answer = order.request.client_order_id, ANSWERS[difference]
        log.info("order.reconciled", id=id, found=str(difference), answer=str(answer))
        if answer is Answer.SEND and unsent is not None:
            log.info("order.sent_after_restart", id=id)
            crash_point("reconcile.resending")
            trader.send(unsent.command, unsent.time_ns)
        if difference is Difference.CONTRADICTED and found is not None:
            return self._contradicted(trader, order, found)
        for report in missing_reports(order, found, self._clock.now_ns()) if answer is not Answer.SEND else ():
            trader.take(OrderReported(report), SOURCE)
        if answer is Answer.RECORD_AND_HALT:
            reason = f"{id} was acknowledged, and now the broker knows no such order"
            trader.take(TradingHalted(self._clock.now_ns(), "order_vanished", reason), SOURCE)
        if order.cancel_requested and not order.status.is_terminal:
            trader.send(CancelOrder(order.owner.model_id, id, AGAIN))
        trader.remark("order.reconciled", f"{id}: {difference}, {answer}")
        return None

    def _contradicted(self, trader: Trader, order: OrderState, found: BrokerOrder) -> None:
        """Halt, once: the same answer may be given as often as it is asked for."""
        if not trader.engine.halts.holds(CONTRADICTED):
            reason = (
                f"what the broker says of {order.request.client_order_id} cannot be: {contradiction_of(order, found)}"
            )
            trader.take(TradingHalted(self._clock.now_ns(), CONTRADICTED, reason), SOURCE)

    async def with_strangers(self, trader: Trader) -> None:
        """Deal with open orders that are none of this session's."""
        for difference, order in stray_orders(await self._ask(self._broker.orders) or (), trader.engine.orders):
            answer = ANSWERS[difference]
            log.warning(
                f"order.{difference}",
                id=order.client_order_id,
                symbol=order.symbol,
                side=str(order.side),
                quantity=text_of(order.quantity),
                answer=str(answer),
            )
            trader.remark(f"order.{difference}", f"{order.client_order_id} {order.symbol}: {answer}")
            if answer is Answer.CANCEL:
                await self._cancel(order.client_order_id)

    async def with_positions(self, trader: Trader, *, adopt: bool = False) -> dict[str, Decimal]:
        """Hold positions against the broker's; with `adopt`, what is beyond ours becomes ours where a model trades it.
        Returns the signed shares that were made by hand and left, by symbol."""
        theirs = await self._ask(self._broker.positions)
        if theirs is None or trader.sender.outstanding or trader.engine.working:
            return {}  # told to stop, or in motion: the close compares again
        by_hand = {}
        for difference, symbol, beyond in position_differences(trader.engine.positions, theirs):
            adopter = _adopter_of(trader.engine, symbol) if adopt and difference is Difference.BY_HAND else None
            answer = Answer.ADOPT if adopter else ANSWERS[difference]
            log.warning(f"position.{difference}", symbol=symbol, beyond_ours=text_of(beyond), answer=str(answer))
            trader.remark(f"position.{difference}", f"{symbol} {text_of(beyond)} beyond ours: {answer}")
            if answer is Answer.HALT:
                reason = f"the broker has {text_of(beyond)} {symbol} beside what we hold by our journal"
                trader.take(TradingHalted(self._clock.now_ns(), "position_missing", reason), SOURCE)
            elif adopter:
                price = _price_of(trader.engine, symbol, theirs)
                trader.take(PositionAdopted(self._clock.now_ns(), adopter, symbol, beyond, price), SOURCE)
            else:
                by_hand[symbol] = beyond
        return by_hand

    async def with_last_session(
        self, state: Path, run_id: str, before: Path, cash: Decimal, progress: Callable[[], None] = lambda: None
    ) -> bool:
        """Bring the journal of the session before `before` to its end, when orders were left open in it, or fees were
        not booked: `cash` are the dollars at the broker now.

        Those that are still open are cancelled: nobody would hear of their fills. The journal is open only while it is
        written: what a person asks for meanwhile is noted in it, too. Returns whether there was anything to do.
        """
        last = last_begun(state)
        if last is None:
            return False
        with last:
            engine = reviewed(last, progress) if last.path != before else None
        if engine is None:
            return False
        asked: set[str] = set()
        while left := [order for order in engine.unsettled if order.request.client_order_id not in asked]:
            for order in left:  # whose answers may tell of exits that nobody knew of
                reports = await self._missing_of(order)
                self._record_late(Journal.open(last.path, engine.session, run_id), engine, reports)
                asked.add(order.request.client_order_id)
        fees = await self._late_fees(engine, cash)
        if fees is not None:
            log.info("fees.reconciled", session=str(engine.session.day), amount=text_of(fees.amount))
            self._append(Journal.open(last.path, engine.session, run_id), engine, [fees])
        return bool(asked) or fees is not None

    async def _late_fees(self, engine: Engine, cash: Decimal) -> FeesCharged | None:
        """What a session that is over was charged and nobody booked, if it explains what `cash` lacks."""
        if self._is_stopping() or is_same_cash(engine.cash, cash) or not engine.began_ns:
            return None
        try:
            charged = await self._broker.fees(engine.began_ns)  # once: for a statement no session is kept waiting
        except UNANSWERED as error:
            log.warning("fees.unasked", error=str(error))
            return None
        is_that = is_same_cash(engine.cash + engine.fees - charged, cash)
        return FeesCharged(engine.time_ns, charged - engine.fees) if is_that else None

    async def _missing_of(self, order: OrderState) -> list[ExecutionReport]:
        """What became of an order of a session that is over."""
        id = order.request.client_order_id
        found = await self._ask(partial(self._broker.order, id))
        if found is not None and not found.status.is_terminal:
            await self._cancel(id)
            found = await self._ask(partial(self._broker.order, id))
        return [] if self._is_stopping() else missing_reports(order, found, self._clock.now_ns())

    def _record_late(self, journal: Journal, engine: Engine, reports: Iterable[ExecutionReport]) -> None:
        told = list(reports)
        for report in told:
            day = str(engine.session.day)
            log.info("order.reconciled", id=report.client_order_id, session=day, report=str(report.kind))
        self._append(journal, engine, map(OrderReported, told))

    def _append(self, journal: Journal, engine: Engine, events: Iterable[Event]) -> None:
        """Write what was found out late, and take it over. Closes the journal."""
        with journal:
            for event in events:
                journal.append_event(event, self._clock.now_ns(), SOURCE)
                journal.commit()
                engine.follow(event, ())

    async def _cancel(self, client_order_id: str) -> None:
        try:
            await self._broker.cancel(client_order_id)
        except UNANSWERED as error:
            log.warning("order.uncanceled", id=client_order_id, error=str(error))


def _adopter_of(engine: Engine, symbol: str) -> str | None:
    """The model that shares found in `symbol` are given to: the first that trades it; None when none does."""
    return next((running.model_id for running in engine.models.values() if symbol in running.symbols), None)


def _price_of(engine: Engine, symbol: str, theirs: Iterable[Position]) -> Decimal:
    """What adopted shares count as bought at: the market's last price, so that what was won or lost before is not
    taken for a result of ours; while none is known, what the broker says was paid."""
    if (price := engine.prices.get(symbol)) is not None:
        return decimal_of(price)
    return next(position.average_price for position in theirs if position.symbol == symbol)
