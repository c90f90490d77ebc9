"""Holding our books against the broker's: orders that have gone quiet during a session, the account at its end."""

from collections.abc import Container, Hashable, Mapping
from decimal import Decimal

import structlog

from hftd.broker.base import Broker, Feed, FeedState
from hftd.clock import Clock
from hftd.domain.convert import MINUTE_NS, cents, text_of
from hftd.domain.events import FeesCharged, TradingHalted
from hftd.engine.state import OrderState
from hftd.errors import UNANSWERED
from hftd.live.catching_up import SOURCE, CatchUp
from hftd.live.reconcile import is_same_cash
from hftd.live.trader import Trader

log = structlog.get_logger()

CHECK_NS = MINUTE_NS
"""How often during a session the broker is asked about working orders: a socket may be mute, and nothing tells."""


JOURNAL_LOST = "journal_lost"


class Audit:
    """Asks without waiting: a broker that is away is asked the next time. `next_check_ns` is when that is."""

    def __init__(
        self, broker: Broker, clock: Clock, glance: CatchUp, symbols: Container[str], feeds: Mapping[Feed, FeedState]
    ) -> None:
        self.next_check_ns = 0
        self._broker = broker
        self._clock = clock
        self._glance = glance
        self._symbols = symbols
        self._feeds = feeds
        self._working_before: dict[str, Hashable] = {}

    def begin(self) -> None:
        """The session is open, and all orders were asked about just now."""
        self.next_check_ns = self._clock.now_ns() + CHECK_NS

    async def check_quiet_orders(self, trader: Trader) -> None:
        """If it is time, ask about the orders of which nothing was heard since the last check, and for their socket if
        it was given up."""
        if self._clock.now_ns() < self.next_check_ns:
            return
        self.begin()
        if self._feeds.get(Feed.TRADES) is FeedState.FAILED:  # that of data is asked for when bars do not come
            await self._broker.reconnect(Feed.TRADES)
        before, working = self._working_before, trader.engine.working
        self._working_before = {id: _standing(order) for id, order in working.items()}
        await self.check_orders(trader, {id for id, stands in self._working_before.items() if before.get(id) != stands})

    def check_journal(self, trader: Trader) -> None:
        """Open nothing more when the session's journal was removed."""
        if not trader.journal.is_in_place and not trader.engine.halts.holds(JOURNAL_LOST):
            reason = f"{trader.journal.path} was removed: after a restart nothing of this session would be known"
            trader.take(TradingHalted(self._clock.now_ns(), JOURNAL_LOST, reason), "daemon")

    async def check_orders(self, trader: Trader, besides: Container[str] = ()) -> None:
        """Ask what became of working orders, `besides` some (client order ids)."""
        try:
            await self._glance.with_orders(trader, {}, besides)
        except UNANSWERED as error:
            log.warning("broker.unreachable", asked="orders", error=str(error))

    async def _book_fees(self, trader: Trader, cash: Decimal) -> None:
        """Take in what the broker took for trading since the session began, as far as it was not told of before, if it
        explains what `cash` lacks. A broker that takes it the day after has none to tell, or tells that of the day
        before; the next session begins with less cash."""
        engine = trader.engine
        try:
            untold = await self._broker.fees(engine.began_ns) - engine.fees
        except UNANSWERED as error:
            log.warning("fees.unasked", error=str(error))
            return
        if is_same_cash(engine.cash - untold, cash):
            trader.take(FeesCharged(engine.time_ns, untold), SOURCE)

    async def compare_account(self, trader: Trader, by_hand: Mapping[str, Decimal]) -> None:
        """Hold our ledger against the broker's, but for the shares that were made by hand."""
        engine = trader.engine
        try:
            account, positions = await self._broker.account(), await self._broker.positions()
        except UNANSWERED as error:
            log.warning("account.unchecked", error=str(error))
            return
        if not is_same_cash(engine.cash, account.cash):
            await self._book_fees(trader, account.cash)
        held = {position.symbol: position.quantity - by_hand.get(position.symbol, 0) for position in positions}
        theirs = {symbol: quantity for symbol, quantity in held.items() if symbol in self._symbols and quantity}
        if theirs == engine.positions and is_same_cash(engine.cash, account.cash):
            log.info("account.agrees", cash=f"{cents(account.cash):,}", positions=len(theirs))
        else:
            log.warning(
                "account.differs",
                ours={symbol: text_of(quantity) for symbol, quantity in engine.positions.items()},
                brokers={symbol: text_of(quantity) for symbol, quantity in theirs.items()},
                our_cash=text_of(engine.cash),
                brokers_cash=text_of(account.cash),
            )
            trader.remark("account.differs", f"cash {text_of(engine.cash)}, the broker's {text_of(account.cash)}")


def _standing(order: OrderState) -> Hashable:
    """What changes whenever something of an order is heard or asked for: it is not quiet then."""
    return order.status, order.filled_quantity, order.cancel_requested
