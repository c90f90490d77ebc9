"""The venue: commands and a time in; what has happened out. No clock, no randomness, no I/O of its own.

A command either raises `Refusal` and has changed nothing, or returns copies; what it did is in `drain()`.
"""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal

from msgspec import Struct
from msgspec.structs import replace as with_changes

from hftd.domain.convert import decimal_of
from hftd.domain.market import Quote, Trade
from hftd.domain.orders import OrderClass, OrderStatus, ReportKind, Side, TimeInForce
from hftd.domain.session import Session
from hftd.exchange.venue.accounts import (
    Account,
    AccountFigures,
    Activity,
    ActivityType,
    Configuration,
    EquityMark,
    Holding,
    PositionFigures,
)
from hftd.exchange.venue.assets import Asset
from hftd.exchange.venue.case import Case
from hftd.exchange.venue.desk import Desk
from hftd.exchange.venue.drafts import changed, draft, successor
from hftd.exchange.venue.happenings import Happening
from hftd.exchange.venue.latency import Normal
from hftd.exchange.venue.ledger import closed_day
from hftd.exchange.venue.liquidity import Liquidity
from hftd.exchange.venue.margin import equity_of, figures_of, position_figures
from hftd.exchange.venue.orders import ZERO, Changes, NewOrder, Order
from hftd.exchange.venue.prices import Prices
from hftd.exchange.venue.queries import (
    ActivityFilter,
    EquityPoint,
    OrderFilter,
    Status,
    page_of_activities,
    page_of_orders,
    steps_of_equity,
)
from hftd.exchange.venue.records import Records, copy_of_account
from hftd.exchange.venue.refusals import (
    Refusal,
    already,
    insufficient_quantity,
    malformed,
    no_position,
    not_replaceable,
    order_not_found,
)
from hftd.exchange.venue.rules import HELD_REPLACEMENT_RULES, REPLACEMENT_RULES, RULES, check
from hftd.exchange.venue.settings import StopTrigger, VenueSettings

_BILLIONTH = Decimal("1e-9")
_HUNDRED = Decimal(100)
_AT_OPEN = TimeInForce.OPG
_DAILY = frozenset(TimeInForce) - {TimeInForce.GTC}


class Standing(Struct, frozen=True):
    """What the venue knows besides its records: small, to be persisted whole with each transaction.

    `session` is the one open now or the last one; `sent` counts the messages that were under way for a time.
    """

    time_ns: int = 0
    session: Session | None = None
    is_open: bool = False
    last_prices: dict[str, float] = {}
    closing_prices: dict[str, float] = {}
    settled_prices: dict[str, float] = {}
    halted: tuple[str, ...] = ()
    sent: int = 0


class VenueState(Struct, frozen=True):
    """Everything a venue is. Each list's items are the happenings' own records, the newest of each id."""

    standing: Standing
    accounts: list[Account]
    orders: list[Order]
    activities: list[Activity]
    marks: list[EquityMark]


class Venue:
    """Accounts and their orders at one exchange."""

    def __init__(
        self,
        settings: VenueSettings,
        liquidity: Liquidity,
        assets: Mapping[str, Asset],
        new_id: Callable[[], str],
        draw: Callable[[], float] | None = None,
    ) -> None:
        """`new_id` makes unique ids (UUID text); `draw` numbers in [0, 1), needed when `settings` has chances."""
        if draw is None and (settings.partial_fill_chance or settings.reject_chance):
            raise ValueError("a chance of partial fills or of rejection needs `draw`")
        if draw is None and isinstance(settings.latency, Normal):
            raise ValueError("a latency that varies needs `draw`")
        self._settings, self._liquidity, self._assets, self._new_id = settings, liquidity, assets, new_id
        self._prices = Prices(liquidity)
        self._records = Records(new_id)
        self._desk = Desk(settings, liquidity, self._prices, self._records, assets, draw)
        self._mark_ns = 0
        self._follows_quotes = settings.stop_trigger is StopTrigger.QUOTES

    # Accounts

    def transfer_in(self, account_id: str, holding: Holding, time_ns: int) -> None:
        """Enter shares that an account held elsewhere, at their cost there; its cash stays."""
        self._advance(time_ns)
        account = self._records.accounts[account_id]
        account.holdings[holding.symbol] = holding
        self._records.touch_account(account, time_ns)

    def open_account(
        self, name: str, cash: Decimal, time_ns: int, configuration: Configuration | None = None
    ) -> Account:
        """A new account with `cash` dollars paid in."""
        self._advance(time_ns)
        account_id = self._new_id()
        account = Account(
            id=account_id,
            name=name,
            number=f"PA{account_id.replace('-', '')[:10].upper()}",
            created_at_ns=time_ns,
            cash=cash,
            last_equity=cash,
            configuration=configuration or Configuration(),
        )
        self._records.add_account(account)
        self._records.touch_account(account, self._desk.time_ns)
        self._records.add_cash_activity(account, ActivityType.CASH_DEPOSIT, cash, "first deposit", self._desk.time_ns)
        return copy_of_account(account)

    def configure(self, account_id: str, configuration: Configuration, time_ns: int) -> Account:
        """Take over what the owner has set."""
        self._advance(time_ns)
        if configuration.multiplier_max not in (1, 2, 4):
            raise malformed("max_margin_multiplier must be 1, 2 or 4")
        account = self._records.accounts[account_id]
        account.configuration = configuration
        self._records.touch_account(account, self._desk.time_ns)
        return copy_of_account(account)

    def accounts(self) -> list[Account]:
        """All accounts in the order of their opening."""
        return [copy_of_account(account) for account in self._records.accounts.values()]

    def account(self, account_id: str) -> Account:
        """One account. Raises KeyError for an id that never was."""
        return copy_of_account(self._records.accounts[account_id])

    def figures(self, account_id: str) -> AccountFigures:
        """What the account is worth and may do now."""
        open_orders = self._records.open_of[account_id].values()
        return figures_of(self._records.accounts[account_id], open_orders, self._prices, self._assets)

    def positions(self, account_id: str) -> list[PositionFigures]:
        """All positions by symbol."""
        holdings = self._records.accounts[account_id].holdings
        return [self._position(account_id, holdings[symbol]) for symbol in sorted(holdings)]

    def position(self, account_id: str, symbol: str) -> PositionFigures:
        """One position. Raises Refusal (404) when flat."""
        return self._position(account_id, self._holding(account_id, symbol))

    def activities(self, account_id: str, wanted: ActivityFilter) -> list[Activity]:
        """A page of the account's statement."""
        return page_of_activities(self._records.activities[account_id], wanted)

    def portfolio_history(self, account_id: str, start_ns: int, end_ns: int, step_ns: int) -> list[EquityPoint]:
        """The equity at the end of each step of `step_ns` in [start_ns, end_ns) that has a mark."""
        return steps_of_equity(self._records.marks[account_id], start_ns, end_ns, step_ns)

    # Orders

    def submit(self, account_id: str, wanted: NewOrder, time_ns: int) -> Order:
        """Accept an order and work it. Returned as it was when accepted: pending_new, or accepted when it must wait.

        Raises Refusal.
        """
        self._advance(time_ns)
        self._desk.collect()
        case = self._case(account_id, wanted, list(self._records.open_of[account_id].values()))
        check(case, RULES)
        order, *legs = draft(wanted, account_id, case.intent, self._desk.time_ns, self._new_id)
        order.arrives_at_ns = self._desk.transit.arrival_ns(account_id, self._desk.time_ns)
        self._desk.accept(order)
        for leg in legs:
            self._desk.keep(leg)
        accepted = order.copy()
        self._desk.send(order)
        self._desk.collect()
        return accepted

    def replace(self, account_id: str, order_id: str, changes: Changes, time_ns: int) -> Order:
        """Change a working order: its successor, as it was when accepted. Raises Refusal.

        A changed quantity is that of the whole: the successor is for what has not been filled of it.
        """
        self._advance(time_ns)
        self._desk.collect()
        order = self._own(account_id, order_id)
        wanted = self._replacement(order, changes)
        others = [other for other in self._records.open_of[account_id].values() if other is not order]
        held = order.status is OrderStatus.HELD
        case = self._case(account_id, wanted, others, order)
        check(case, HELD_REPLACEMENT_RULES if held else REPLACEMENT_RULES)
        following = successor(order, wanted, self._desk.time_ns, self._new_id)
        if not held:
            following.arrives_at_ns = self._desk.transit.arrival_ns(account_id, self._desk.time_ns)
        self._desk.replace(order, following)
        accepted = following.copy()
        if following.status is not OrderStatus.HELD:
            self._desk.send(following)
        self._desk.collect()
        return accepted

    def cancel(self, account_id: str, order_id: str, time_ns: int) -> None:
        """Cancel an order, with all members of its bracket or oco. Raises Refusal."""
        self._advance(time_ns)
        self._desk.collect()
        order = self._own(account_id, order_id)
        if order.status is OrderStatus.CANCELED and self._settings.canceling_canceled_succeeds:
            return
        if not order.is_open:
            raise already(order.status)
        self._desk.send_cancel(order)

    def cancel_all(self, account_id: str, time_ns: int) -> list[tuple[str, Refusal | None]]:
        """Cancel every open order: the id of each, and why not, if so."""
        self._advance(time_ns)
        results: list[tuple[str, Refusal | None]] = []
        for order in list(self._records.open_of[account_id].values()):
            if order.is_open:
                self._desk.send_cancel(order)
            results.append((order.id, None))
        return results

    def close_position(
        self,
        account_id: str,
        symbol: str,
        time_ns: int,
        quantity: Decimal | None = None,
        percentage: Decimal | None = None,
    ) -> Order:
        """A market order that closes a position, or `quantity` shares or `percentage` (0 to 100) of it.

        Raises Refusal.
        """
        self._advance(time_ns)
        held = self._holding(account_id, symbol).quantity
        if quantity is not None and percentage is not None:
            raise malformed("only one of qty or percentage is accepted")
        shares = abs(held) if quantity is None else quantity
        if percentage is not None:
            if not ZERO < percentage <= _HUNDRED:
                raise malformed("percentage must be > 0 and <= 100")
            shares = (abs(held) * percentage / _HUNDRED).quantize(_BILLIONTH, rounding=ROUND_DOWN)
        if shares > abs(held):
            raise insufficient_quantity(symbol, shares, abs(held), abs(held))
        side = Side.SELL if held > 0 else Side.BUY
        return self.submit(account_id, NewOrder(symbol=symbol, side=side, quantity=shares), time_ns)

    def close_positions(
        self, account_id: str, time_ns: int, *, cancel_orders: bool = False
    ) -> list[tuple[str, Order | Refusal]]:
        """Close every position: the symbol of each, and its order or why there is none."""
        if cancel_orders:
            self.cancel_all(account_id, time_ns)
        results: list[tuple[str, Order | Refusal]] = []
        for symbol in sorted(self._records.accounts[account_id].holdings):
            try:
                results.append((symbol, self.close_position(account_id, symbol, time_ns)))
            except Refusal as refusal:
                results.append((symbol, refusal))
        return results

    def order(self, account_id: str, order_id: str) -> Order:
        """One order as it is now. Raises Refusal (404)."""
        return self._own(account_id, order_id).copy()

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order:
        """One order by its owner's id for it. Raises Refusal (404)."""
        order_id = self._records.client_ids[account_id].get(client_order_id)
        if order_id is None:
            raise order_not_found(client_order_id)
        return self._records.orders[order_id].copy()

    def orders(self, account_id: str, wanted: OrderFilter) -> list[Order]:
        """Orders as they are now, the latest submitted first unless told otherwise."""
        records = self._records
        is_open = wanted.status is Status.OPEN
        known = list(records.open_of[account_id].values()) if is_open else records.orders_of[account_id]
        return [order.copy() for order in page_of_orders(known, records.orders, wanted)]

    def legs(self, order: Order) -> list[Order]:
        """An order's legs as they are now."""
        return [self._records.orders[leg_id].copy() for leg_id in order.legs]

    # The market

    def on_quote(self, quote: Quote) -> None:
        """A quote was published: fill what it fills."""
        self._liquidity.update(quote)
        desk, symbol = self._desk, quote.symbol
        if symbol in desk.resting or symbol in desk.waiting or (self._follows_quotes and symbol in desk.watched):
            self._react(quote)

    def on_trade(self, trade: Trade) -> None:
        """A print was published: trigger the stops it reaches, cross the opening auction if it is the first."""
        symbol = trade.symbol
        self._prices.last[symbol] = trade.price
        desk = self._desk
        opening = symbol in desk.auctions[_AT_OPEN]
        watched = symbol in desk.watched and not self._follows_quotes
        if opening or watched or symbol in desk.waiting:
            self._advance(trade.time_ns)
            self._react_to_price(symbol, decimal_of(trade.price), opening=opening, watched=watched)

    def on_time(self, time_ns: int) -> None:
        """Time has come to `time_ns`: let arrive and expire what is due, collect fills, mark equity."""
        desk = self._desk
        marks = time_ns >= self._mark_ns and self._is_marked(time_ns)
        if time_ns > desk.time_ns:
            desk.time_ns = time_ns
        if desk.resting:
            desk.collect()
        if desk.transit.next_ns is not None:
            desk.let_arrive()
            desk.collect()
        if not desk.is_open:
            self._expire_due()
        if marks:
            self._mark()

    def _is_marked(self, time_ns: int) -> bool:
        """Whether equity is marked now: a multiple of `mark_every_ns` has passed since the time before. Until the next
        one nobody need ask."""
        desk, step = self._desk, self._settings.mark_every_ns
        self._mark_ns = (time_ns // step + 1) * step
        return desk.is_open and time_ns // step > desk.time_ns // step

    @property
    def next_arrival_ns(self) -> int | None:
        """When something that is under way arrives, and `on_time` is to be called; None when nothing is."""
        return self._desk.transit.next_ns

    def open_session(self, session: Session, time_ns: int) -> None:
        """The market is open: a new day for every account, and queued orders are released."""
        assert not self._desk.is_open, f"the session of {session.day} opens in an open market"
        self._advance(time_ns)
        self._expire_due()
        self._prices.settle(self._assets)
        self._prices.begin_day(self._assets)
        self._liquidity.clear()
        for account in self._records.accounts.values():
            self._begin_day(account)
        self._desk.session, self._desk.is_open = session, True
        for order in self._records.open_orders():
            if order.is_open:
                self._desk.wake(order)
        self._desk.collect()
        self._mark()

    def close_session(self, session: Session, time_ns: int) -> None:
        """The market is closed: the closing auction crosses at the last print, and day orders expire."""
        assert self._desk.is_open, f"the session of {session.day} closes in a closed market"
        self._advance(time_ns)
        self._desk.collect()
        self._cross_at_close()
        for order in self._records.open_orders():
            if order.is_open:
                self._close_order(order)
        self._desk.is_open = False
        self._desk.session = session
        self._prices.settle(self._assets)
        self._liquidity.clear()
        self._mark()

    def halt(self, symbol: str, time_ns: int) -> None:
        """Trading in `symbol` stops: new orders wait."""
        self._advance(time_ns)
        self._desk.collect()
        self._desk.halted.add(symbol)
        for order in list(self._desk.resting.get(symbol, {}).values()):
            self._desk.sleep(order)

    def resume(self, symbol: str, time_ns: int) -> None:
        """Trading in `symbol` goes on."""
        self._advance(time_ns)
        self._desk.halted.discard(symbol)
        for order in self._records.open_orders():
            if order.symbol == symbol and order.is_open:
                self._desk.wake(order)
        self._desk.collect()

    # Records

    def drain(self) -> list[Happening]:
        """What has happened since the last call, in order."""
        happenings, self._records.happenings = self._records.happenings, []
        return happenings

    @property
    def standing(self) -> Standing:
        """What is to be persisted besides the happenings."""
        return Standing(
            time_ns=self._desk.time_ns,
            session=self._desk.session,
            is_open=self._desk.is_open,
            last_prices=dict(self._prices.last),
            closing_prices=dict(self._prices.closing),
            settled_prices=dict(self._prices.settled),
            halted=tuple(sorted(self._desk.halted)),
            sent=self._desk.transit.sent,
        )

    def snapshot(self) -> VenueState:
        """A copy of everything."""
        records = self._records
        return VenueState(
            standing=self.standing,
            accounts=self.accounts(),
            orders=[order.copy() for order in sorted(records.orders.values(), key=lambda order: order.sequence)],
            activities=[activity for activities in records.activities.values() for activity in activities],
            marks=[mark for marks in records.marks.values() for mark in marks],
        )

    def restore(self, state: VenueState) -> None:
        """Become what `state` says, in a venue just made. Working orders rest in the liquidity again."""
        records, desk, standing = self._records, self._desk, state.standing
        desk.time_ns, desk.session, desk.is_open = standing.time_ns, standing.session, standing.is_open
        desk.halted, desk.transit.sent = set(standing.halted), standing.sent
        self._prices.last, self._prices.closing = dict(standing.last_prices), dict(standing.closing_prices)
        self._prices.settled = dict(standing.settled_prices)
        for account in state.accounts:
            records.add_account(copy_of_account(account))
        for order in sorted(state.orders, key=lambda order: order.sequence):
            records.add_order(order.copy())
        for activity in state.activities:
            records.activities[activity.account_id].append(activity)
        for mark in state.marks:
            records.marks[mark.account_id].append(mark)
        for order in records.open_orders():
            desk.restore(order)

    # Parts

    def _advance(self, time_ns: int) -> None:
        self._desk.time_ns = max(self._desk.time_ns, time_ns)

    def _own(self, account_id: str, order_id: str) -> Order:
        order = self._records.orders.get(order_id)
        if order is None or order.account_id != account_id:
            raise order_not_found(order_id)
        return order

    def _holding(self, account_id: str, symbol: str) -> Holding:
        holding = self._records.accounts[account_id].holdings.get(symbol)
        if holding is None:
            raise no_position()
        return holding

    def _case(self, account_id: str, wanted: NewOrder, open_orders: list[Order], replaced: Order | None = None) -> Case:
        known = wanted.client_order_id is not None and wanted.client_order_id in self._records.client_ids[account_id]
        return Case(
            wanted,
            self._records.accounts[account_id],
            self._assets,
            self._prices,
            self._settings,
            open_orders,
            time_ns=self._desk.time_ns,
            session=self._desk.session,
            is_open=self._desk.is_open,
            known_client_id=known,
            intent=replaced.position_intent if replaced else None,
        )

    def _replacement(self, order: Order, changes: Changes) -> NewOrder:
        """What the successor is to be, for the shares not filled yet. Raises Refusal if there can be none."""
        if not order.is_open:
            raise already(order.status)
        if order.quantity is None or order.quantity != order.quantity.to_integral_value() or order.triggered:
            raise not_replaceable()
        if order.cancel_arrives_at_ns is not None:
            raise not_replaceable()  # its successor would outlive the cancellation
        wanted = changed(order, changes)
        assert wanted.quantity is not None
        family_quantity = order.order_class is not OrderClass.SIMPLE and wanted.quantity != order.quantity
        if family_quantity or wanted.quantity <= order.filled_quantity:
            raise not_replaceable()
        return with_changes(wanted, quantity=wanted.quantity - order.filled_quantity)

    def _react(self, quote: Quote) -> None:
        desk, symbol = self._desk, quote.symbol
        self._advance(quote.time_ns)
        desk.collect()
        if symbol not in desk.waiting and not (self._follows_quotes and symbol in desk.watched):
            return
        desk.release_waiting(symbol)
        if self._follows_quotes and desk.trades(symbol):
            self._follow_quote(quote)
        desk.collect()

    def _follow_quote(self, quote: Quote) -> None:
        """Stops to sell follow the bid, stops to buy the ask."""
        for side, price in ((Side.SELL, quote.bid), (Side.BUY, quote.ask)):
            if price > 0:
                self._desk.on_price(quote.symbol, decimal_of(price), side)

    def _react_to_price(self, symbol: str, price: Decimal, *, opening: bool, watched: bool) -> None:
        trades = self._desk.trades(symbol)
        if opening and trades:
            self._desk.cross(TimeInForce.OPG, symbol, price)
        self._desk.release_waiting(symbol)
        if watched and trades:
            self._desk.on_price(symbol, price)
        self._desk.collect()

    def _cross_at_close(self) -> None:
        for symbol in list(self._desk.auctions[TimeInForce.OPG]):
            self._desk.cross(TimeInForce.OPG, symbol, None)
        for symbol in list(self._desk.auctions[TimeInForce.CLS]):
            last = self._prices.last.get(symbol) if self._desk.trades(symbol) else None
            self._desk.cross(TimeInForce.CLS, symbol, None if last is None else decimal_of(last))

    def _close_order(self, order: Order) -> None:
        desk = self._desk
        expired = order.expires_at_ns is not None and order.expires_at_ns <= desk.time_ns
        if expired or (order.time_in_force in _DAILY and not order.extended_hours):
            desk.end(order, ReportKind.EXPIRED)
        elif not order.extended_hours:
            desk.sleep(order)

    def _expire_due(self) -> None:
        """Expire what outlives the close only for extended hours."""
        for order in self._records.open_orders():
            if order.is_open and order.expires_at_ns is not None and order.expires_at_ns <= self._desk.time_ns:
                self._desk.end(order, ReportKind.EXPIRED)

    def _begin_day(self, account: Account) -> None:
        figures = self.figures(account.id)
        account.last_equity = figures.equity
        account.last_maintenance_margin = figures.maintenance_margin
        account.holdings = {symbol: closed_day(holding) for symbol, holding in account.holdings.items()}
        self._records.touch_account(account, self._desk.time_ns)

    def _mark(self) -> None:
        for account in self._records.accounts.values():
            equity = equity_of(account, self._prices)
            self._records.add_mark(EquityMark(account_id=account.id, time_ns=self._desk.time_ns, equity=equity))

    def _position(self, account_id: str, holding: Holding) -> PositionFigures:
        orders = self._records.open_of[account_id].values()
        held = sum((order.held_quantity for order in orders if order.symbol == holding.symbol), ZERO)
        return position_figures(holding, held, self._prices)
