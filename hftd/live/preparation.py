"""Everything that must stand before a session's first bar: connected, recovered, reconciled, warmed up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import structlog

from hftd.broker.base import Broker
from hftd.calendar import Calendar
from hftd.clock import Clock
from hftd.domain.account import Account
from hftd.domain.commands import Command
from hftd.domain.events import Event, PortfolioCarried
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.state import HookCaller, RunningModel, nobody
from hftd.engine.tally import Tally
from hftd.errors import BrokerRefused, ModelError, SettingsError
from hftd.journal import Journal, journal_path
from hftd.journal.begun import Begun, beginning_of
from hftd.live.beginning import begun_again, engine_again, note_beginning
from hftd.live.catching_up import CatchUp
from hftd.live.crash_points import crash_point
from hftd.live.feed import FeedKeeper
from hftd.live.measures import Histogram
from hftd.live.plan import Plan
from hftd.live.pump import Pump
from hftd.live.recovery import Decided, Recovered, check_account, recover
from hftd.live.standing import Standing
from hftd.live.telling import Telling
from hftd.live.trader import Trader

log = structlog.get_logger()


NOT_IN_THE_PLAN = frozenset({405, 409, 410})
"""Refusals that only other settings or another plan of the account can cure (`Broker.subscribe`), and no restart."""


@dataclass(frozen=True)
class Prepared:
    """A session that may begin. `by_hand` are the signed shares at the broker that are not ours, by symbol."""

    trader: Trader
    keeper: FeedKeeper
    by_hand: dict[str, Decimal]


class Preparation:
    """Prepares one session after another."""

    def __init__(
        self,
        plan: Plan,
        broker: Broker,
        clock: Clock,
        calendar: Calendar,
        pump: Pump,
        standing: Standing,
        telling: Telling,
        tally: Tally,
        catch_up: CatchUp,
        latency: Histogram,
        heard: Callable[[Event, Sequence[Command]], None],
    ) -> None:
        self.plan = plan
        self._broker = broker
        self._clock = clock
        self._calendar = calendar
        self._pump = pump
        self._standing = standing
        self._telling = telling
        self._tally = tally
        self._catch_up = catch_up
        self._latency = latency
        self._heard = heard

    async def prepare(self, session: Session, *, left_open: bool, counted: bool) -> Prepared | None:
        """None when told to stop meanwhile. `left_open` tells that the last session may have left orders open,
        `counted` that what happened in this one before a restart is in the tally."""
        self._telling.say("connecting", "connecting to the broker")
        account = await self._pump.patiently(self._connect)
        if account is None:
            return None
        check_account(self.plan.state, account.account_id)
        if left_open:
            await self._finish_last_session(session, account)
        trader, unanswered = self._make_trader(session, account, counted=counted)
        await self._catch_up.with_orders(trader, unanswered)
        await self._catch_up.with_strangers(trader)
        by_hand = await self._catch_up.with_positions(trader, adopt=self.plan.adopts_positions)
        crash_point("reconcile.done")
        in_lockstep = self._pump.lockstep is not None
        keeper = FeedKeeper(trader, self._broker, self._clock, session, self.plan.symbols, in_lockstep=in_lockstep)
        if not trader.has_bars:
            await keeper.warm_up(self._calendar)
        await keeper.backfill()
        crash_point("backfill.done")
        return Prepared(trader, keeper, by_hand)

    async def _connect(self) -> Account:
        plan, symbols = self.plan, self.plan.symbols
        try:
            await self._broker.connect(self._pump.receive)
            await self._broker.subscribe(
                bars=symbols, updated_bars=symbols, statuses=symbols, quotes=plan.quotes, trades=plan.trades
            )
        except BrokerRefused as error:
            if error.code not in NOT_IN_THE_PLAN:
                raise
            raise SettingsError(f"the broker: {error}") from error
        return await self._broker.account()

    async def _finish_last_session(self, session: Session, account: Account) -> None:
        """What became of orders that the last session left open belongs into its journal, and is carried; so do fees
        that it did not live to hear of."""
        before = journal_path(self.plan.state, session.day)
        progress = self._telling.notifier.progress
        if await self._catch_up.with_last_session(self.plan.state, self.plan.run_id, before, account.cash, progress):
            self._standing.read()

    def _make_trader(self, session: Session, account: Account, *, counted: bool) -> tuple[Trader, dict[str, Decided]]:
        """The trader of `session`, and the orders that may not have been sent before a restart."""
        journal = self._open_journal(session, account)
        carried = self._standing.carried
        begun = self._beginning_of(journal)
        recovered = recover(
            journal,
            carried.positions,
            partial(self._make_engine, session, begun),
            self._telling.notifier.progress,
            begins_alike=begun is not None,
        )
        note_beginning(journal, recovered.engine)
        crash_point("session.recovered")
        trader = self._trader_of(recovered, journal)
        for event, commands in recovered.steps:
            trader.recall(event)
            if not counted:
                self._tally.add(event, commands)
        for running in recovered.engine.models.values():
            journal.add_model(running.model_id, running.fingerprint, running.symbols, running.parameters)
        if not any(isinstance(event, PortfolioCarried) for event, _ in recovered.steps):
            trader.take(carried.into(self._clock.now_ns(), account.cash), "journal")
            crash_point("portfolio.carried")
        else:
            trader.remark("session.recovered", f"after {len(recovered.steps)} events")
        self._standing.begin(trader)
        return trader, recovered.unanswered()

    def _open_journal(self, session: Session, account: Account) -> Journal:
        journal = Journal.open(journal_path(self.plan.state, session.day), session, self.plan.run_id)
        crash_point("journal.opened")
        journal.set_meta("account_id", account.account_id)
        journal.set_meta("settings", self.plan.settings_json)
        return journal

    def _beginning_of(self, journal: Journal) -> Begun | None:
        """What the session began with before a restart, if the code of all its models is still there."""
        begun = beginning_of(journal) if self.plan.load is not None and journal.has_events() else None
        try:
            if begun is not None:
                begun_again(begun, self.plan.load or nobody)
        except ModelError as error:
            log.warning("model.gone", reason=str(error))
            return None
        return begun

    def _make_engine(
        self, session: Session, begun: Begun | None, call: HookCaller, besides: Iterable[RunningModel]
    ) -> Engine:
        """With what the session began with or, when it begins now, with what the plan asks for."""
        plan = self.plan
        if begun is not None:
            return engine_again(begun, session, plan.run_id, call, plan.load)
        return plan.engine(session, call, besides)

    def _trader_of(self, recovered: Recovered, journal: Journal) -> Trader:
        return Trader(
            engine=recovered.engine,
            journal=journal,
            guard=recovered.guard,
            broker=self._broker,
            clock=self._clock,
            tally=self._tally,
            deliver=self._pump.deliver,
            answered=self._pump.inbox.wake,
            late_after_s=self.plan.late_after_s,
            sequentially=self._pump.lockstep is not None,
            latency=self._latency,
            heard=self._heard,
        )
