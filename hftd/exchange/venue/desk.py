"""Where accepted orders are worked: released, filled, triggered, ended, with their families and what they hold.

An open order is in exactly one of these places: under way to the market, waiting (for the open, the end of a halt, a
price), held (a leg whose parent is not filled), watched (a stop not reached yet), in an auction, resting in the
liquidity, or asleep (a lasting order while the market is closed).
"""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal

from hftd.domain.convert import SECOND_NS, decimal_of, text_of
from hftd.domain.orders import OrderClass, OrderStatus, OrderType, ReportKind, Side, TimeInForce
from hftd.domain.session import Session
from hftd.exchange.venue.accounts import Activity, ActivityType
from hftd.exchange.venue.assets import Asset
from hftd.exchange.venue.case import STOPS
from hftd.exchange.venue.happenings import OrderChanged
from hftd.exchange.venue.ledger import book_fill, fee_of
from hftd.exchange.venue.liquidity import Liquidity
from hftd.exchange.venue.margin import figures_of
from hftd.exchange.venue.orders import ZERO, Execution, Order, PositionIntent
from hftd.exchange.venue.prices import Prices
from hftd.exchange.venue.records import Records
from hftd.exchange.venue.settings import VenueSettings
from hftd.exchange.venue.shelves import Shelf, has, in_sequence, put, remove
from hftd.exchange.venue.states import next_status
from hftd.exchange.venue.terms import has_terms, hold, limit_of, reaches, set_terms, trailing_stop
from hftd.exchange.venue.transit import Transit

EXTENDED_AFTER_NS = 4 * 3600 * SECOND_NS
"""How long after the close orders for extended hours work on: from 16:00 to 20:00 New York time."""

_BILLIONTH = Decimal("1e-9")
_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_ENTRIES = frozenset({OrderClass.BRACKET, OrderClass.OTO})

_STAMPS = {
    ReportKind.FILL: "filled_at_ns",
    ReportKind.CANCELED: "canceled_at_ns",
    ReportKind.EXPIRED: "expired_at_ns",
    ReportKind.REJECTED: "failed_at_ns",
    ReportKind.REPLACED: "replaced_at_ns",
}
"""The order's own time of each end."""

_UNCOVERED = {True: "insufficient buying power", False: "insufficient qty available for order"}
"""Why an order is rejected that was accepted before its price was known: by whether it opens a position."""


class Desk:
    """Works orders against a liquidity. `session` is the one open now or the last one; `time_ns` never goes back."""

    def __init__(
        self,
        settings: VenueSettings,
        liquidity: Liquidity,
        prices: Prices,
        records: Records,
        assets: Mapping[str, Asset],
        draw: Callable[[], float] | None,
    ) -> None:
        self._settings, self._liquidity, self._prices = settings, liquidity, prices
        self._records, self._assets = records, assets
        self._draw = draw
        self.time_ns = 0
        self.session: Session | None = None
        self.is_open = False
        self.halted: set[str] = set()
        self.waiting: Shelf = {}
        self.watched: Shelf = {}
        self.auctions: dict[TimeInForce, Shelf] = {TimeInForce.OPG: {}, TimeInForce.CLS: {}}
        self.resting: Shelf = {}
        self.transit = Transit(settings.latency, draw)

    def trades(self, symbol: str) -> bool:
        """Whether `symbol` is traded now."""
        return self.is_open and symbol not in self.halted

    # Entering

    def accept(self, order: Order) -> None:
        """Enter a checked order: pending_new if it may be worked at once, accepted if it must wait."""
        order.sequence = self._records.next_sequence()
        set_terms(order, self._prices)
        self._records.add_order(order)
        self._tell(order, ReportKind.PENDING_NEW if self._may_work(order) else ReportKind.ACCEPTED)

    def send(self, order: Order) -> None:
        """An accepted order sets out: it is worked when it arrives, which is now if there is no latency."""
        if order.arrives_at_ns is None:
            self._enter(order)
        else:
            self.transit.expect(order.arrives_at_ns, order)

    def send_cancel(self, order: Order) -> None:
        """A cancellation sets out, once: a second one is no message of its own."""
        if order.cancel_arrives_at_ns is not None:
            return
        if (due_ns := self.transit.arrival_ns(order.account_id, self.time_ns)) is None:
            self.end(order, ReportKind.CANCELED)
        else:
            order.cancel_arrives_at_ns = due_ns
            self._tell(order, None)
            self.transit.expect(due_ns, order)

    def let_arrive(self) -> None:
        """Deal with what has arrived by now, in the order of arrival."""
        for due_ns, order_id in self.transit.arrived(self.time_ns):
            order = self._records.orders[order_id]
            if order.is_open and order.arrives_at_ns == due_ns:
                order.arrives_at_ns = None
                self._enter(order)
            elif order.cancel_arrives_at_ns == due_ns:
                self._withdraw(order)

    def _enter(self, order: Order) -> None:
        self.release(order)
        if order.order_class is OrderClass.OCO and order.parent is None and order.is_open:
            self.watch_if_shared(self._records.orders[order.legs[0]])

    def keep(self, leg: Order) -> None:
        """Enter a leg that is not to be worked yet."""
        leg.sequence = self._records.next_sequence()
        self._records.add_order(leg)
        self._tell(leg, ReportKind.HELD)

    def release(self, order: Order) -> None:
        """Work an order from now on, or let it wait for its time."""
        if self._is_admitted(order):
            set_terms(order, self._prices)
        if not self._may_work(order):
            put(self.waiting, order)
            return
        remove(self.waiting, order)
        if not self._is_covered(order):
            self.end(order, ReportKind.REJECTED, _UNCOVERED[order.position_intent.opens])
        elif self._chance(self._settings.reject_chance):
            self.end(order, ReportKind.REJECTED, "rejected by the exchange")
        else:
            self._begin(order)

    def _begin(self, order: Order) -> None:
        order.expires_at_ns = self._expiry(order)
        self._start_trail(order)
        self._tell(order, ReportKind.NEW)
        self.place(order)

    def place(self, order: Order) -> None:
        """Put a live order where it belongs."""
        if order.time_in_force in _AUCTIONS:
            put(self.auctions[order.time_in_force], order)
        elif order.type in STOPS and not order.triggered:
            put(self.watched, order)
        else:
            self._work(order)

    def _is_admitted(self, order: Order) -> bool:
        return order.symbol not in self.halted and (self.is_open or order.extended_hours)

    def _may_work(self, order: Order) -> bool:
        return self._is_admitted(order) and (order.time_in_force in _AUCTIONS or has_terms(order))

    def _is_covered(self, order: Order) -> bool:
        """Whether money or shares suffice for an order whose terms had to wait for a price. The others were checked."""
        if order.held_buying_power or order.held_quantity:
            return True
        account = self._records.accounts[order.account_id]
        others = [other for other in self._records.open_of[account.id].values() if other is not order]
        hold(order, works=True)
        if order.position_intent.opens:
            return order.held_buying_power <= figures_of(account, others, self._prices, self._assets).buying_power
        holding = account.holdings.get(order.symbol)
        held = sum((other.held_quantity for other in others if other.symbol == order.symbol), order.held_quantity)
        return holding is not None and held <= abs(holding.quantity)

    def _expiry(self, order: Order) -> int | None:
        if order.time_in_force is TimeInForce.GTC:
            return order.created_at_ns + self._settings.gtc_life_ns
        if self.session is None:
            return None
        end_ns = self.session.close_ns + (EXTENDED_AFTER_NS if order.extended_hours else 0)
        return end_ns if self.time_ns < end_ns else None

    # Trading

    def _work(self, order: Order) -> None:
        """Take what the market gives now; rest with the remainder, unless the order does not last."""
        limit = limit_of(order, self._prices, self._settings)
        whole = order.time_in_force is TimeInForce.FOK
        asked = order.remaining if whole else self._portion(order.remaining)
        executions = self._liquidity.take(order.symbol, order.side, asked, limit, order.account_id, whole=whole)
        for execution in executions:
            self.fill(order, execution)
        if not order.is_open:
            return
        if order.time_in_force in _IMMEDIATE:
            self.end(order, ReportKind.CANCELED)
            return
        put(self.resting, order)
        self._liquidity.rest(order.id, order.symbol, order.side, order.remaining, limit, order.account_id)

    def _chance(self, chance: float) -> bool:
        return chance > 0 and self._draw is not None and self._draw() < chance

    def _portion(self, remaining: Decimal) -> Decimal:
        """All of it, or by chance a part: whole shares if the order is in whole shares, at least one."""
        if not self._chance(self._settings.partial_fill_chance):
            return remaining
        assert self._draw is not None
        part = remaining * decimal_of(self._draw())
        if remaining == remaining.to_integral_value():
            return max(part.to_integral_value(rounding=ROUND_DOWN), Decimal(1))
        return max(part.quantize(_BILLIONTH, rounding=ROUND_DOWN), _BILLIONTH)

    def collect(self) -> None:
        """Take over the fills of resting orders."""
        while fills := self._liquidity.poll():
            for order_id, execution in fills:
                order = self._records.orders[order_id]
                self.fill(order, execution, rested=True)

    def fill(self, order: Order, execution: Execution, *, rested: bool = False) -> None:
        """Shares changed hands: in the order, the account, its statement, and the order's family.

        `rested`: the order waited in the market for them.
        """
        account = self._records.accounts[order.account_id]
        order.filled_quantity += execution.quantity
        order.filled_value += execution.price * execution.quantity
        assert order.remaining >= 0, f"order {order.id} was filled beyond its quantity"
        kind = ReportKind.PARTIAL_FILL if order.remaining else ReportKind.FILL
        book_fill(account, order.symbol, order.side, execution)
        if kind is ReportKind.FILL:
            self._leave(order, kind)
        execution_id = self._records.new_id()
        holding = account.holdings.get(order.symbol)
        position = holding.quantity if holding else ZERO
        self._tell(order, kind, execution_id=execution_id, execution=execution, position_quantity=position)
        self._state(order, execution, execution_id, kind)
        self._charge(order, execution, rested)
        self._records.touch_account(account, self.time_ns)
        if kind is ReportKind.FILL:
            self._records.end_order(order)
            self._after_fill(order)
        else:
            self._shrink_twin(order, execution.quantity)

    def _state(self, order: Order, execution: Execution, execution_id: str, kind: ReportKind) -> None:
        """Enter a fill into the account's statement."""
        is_short = order.position_intent is PositionIntent.SELL_TO_OPEN
        self._records.add_activity(
            Activity(
                id=self._records.activity_id(self.time_ns),
                account_id=order.account_id,
                type=ActivityType.FILL,
                time_ns=self.time_ns,
                symbol=order.symbol,
                side="sell_short" if is_short else order.side.value,
                price=execution.price,
                quantity=execution.quantity,
                cumulative_quantity=order.filled_quantity,
                leaves_quantity=order.remaining,
                order_id=order.id,
                order_status=order.status.value,
                fill_type=kind.value,
                execution_id=execution_id,
            )
        )

    def _charge(self, order: Order, execution: Execution, rested: bool) -> None:
        fee = fee_of(self._settings.fees, order.side, execution, rested=rested)
        if not fee:
            return
        account = self._records.accounts[order.account_id]
        account.cash -= fee
        account.fees += fee
        text = f"fees for {order.side} of {text_of(execution.quantity)} {order.symbol}"
        self._records.add_cash_activity(account, ActivityType.FEE, -fee, text, self.time_ns)

    # Stops

    def on_price(self, symbol: str, price: Decimal, side: Side | None = None) -> None:
        """The market is at `price`: move the trails and trigger the stops that it reaches, of one `side` or both."""
        for order in in_sequence(self.watched, symbol):
            if not order.is_open or (side is not None and order.side is not side):
                continue
            self._trail(order, price)
            assert order.stop_price is not None
            if order.side.sign * (price - order.stop_price) >= 0:
                self._trigger(order)

    def _start_trail(self, order: Order) -> None:
        current = self._prices.current(order.symbol)
        if order.type is OrderType.TRAILING_STOP and current is not None:
            order.hwm = order.hwm or current
            order.stop_price = trailing_stop(order, order.hwm)

    def _trail(self, order: Order, price: Decimal) -> None:
        if order.type is not OrderType.TRAILING_STOP:
            return
        if order.hwm is None or order.side.sign * (order.hwm - price) > 0:
            order.hwm = price
            order.stop_price = trailing_stop(order, price)
            self._tell(order, None)

    def _trigger(self, order: Order) -> None:
        """The stop is reached. A stop loss that shared its shares with a take profit gets them now."""
        remove(self.watched, order)
        order.triggered = True
        for twin in self._twins(order):
            self._end_one(twin, ReportKind.CANCELED)
        if order.status is OrderStatus.HELD:
            self._tell(order, ReportKind.NEW)
        else:
            self._tell(order, None)
        self._work(order)

    # Auctions

    def cross(self, kind: TimeInForce, symbol: str, price: Decimal | None) -> None:
        """Fill the auction's orders at its one `price`; those it does not reach are canceled."""
        for order in in_sequence(self.auctions[kind], symbol):
            set_terms(order, self._prices)
            if not self._is_covered(order):
                self.end(order, ReportKind.REJECTED, _UNCOVERED[order.position_intent.opens])
            elif price is None or not reaches(order, price):
                self.end(order, ReportKind.CANCELED)
            else:
                self.fill(order, Execution(price=price, quantity=order.remaining))

    # Ending

    def end(self, order: Order, kind: ReportKind, reason: str | None = None) -> None:
        """End an order before it is filled, and with it all open members of its family."""
        self._end_one(order, kind, reason)
        others = ReportKind.CANCELED if kind is ReportKind.REJECTED else kind
        for member in self._family(order):
            if member.is_open:
                self._end_one(member, others)

    def replace(self, order: Order, following: Order) -> None:
        """Put `following` in the place of `order`, in its family too."""
        was_held = order.status is OrderStatus.HELD
        order.replaced_by = following.id
        self._end_one(order, ReportKind.REPLACED)
        for leg_id in following.legs:
            self._records.orders[leg_id].parent = following.id
            self._tell(self._records.orders[leg_id], None)
        if following.parent is not None:
            parent = self._records.orders[following.parent]
            parent.legs = tuple(following.id if leg == order.id else leg for leg in parent.legs)
            self._tell(parent, None)
        if was_held:
            self.keep(following)
            self.watch_if_shared(following)
        else:
            self.accept(following)

    def _withdraw(self, order: Order) -> None:
        """A cancellation has arrived: too late for an order that was filled meanwhile, not for its family."""
        for member in (order, *self._family(order)):
            if member.is_open:
                self._end_one(member, ReportKind.CANCELED)

    def _end_one(self, order: Order, kind: ReportKind, reason: str | None = None) -> None:
        order.reject_reason = reason
        self._leave(order, kind)
        self._tell(order, kind)
        self._records.end_order(order)

    def _leave(self, order: Order, kind: ReportKind) -> None:
        """Stamp the order's end and take it from wherever it is."""
        setattr(order, _STAMPS[kind], self.time_ns)
        self.sleep(order)
        for shelf in (self.waiting, self.watched, *self.auctions.values()):
            remove(shelf, order)

    # Families: the members of a bracket, oco or oto

    def _family(self, order: Order) -> list[Order]:
        root = order if order.parent is None else self._records.orders[order.parent]
        members = [root, *(self._records.orders[leg] for leg in root.legs)]
        return [member for member in members if member is not order]

    def _twins(self, order: Order) -> list[Order]:
        """The open orders that exit the same shares."""
        return [
            member
            for member in self._family(order)
            if member.is_open and (member.parent is not None or member.order_class is OrderClass.OCO)
        ]

    def _after_fill(self, order: Order) -> None:
        if order.parent is None and order.order_class in _ENTRIES:
            for leg in self._family(order):
                self._activate(leg)
        elif order.parent is not None or order.order_class is OrderClass.OCO:
            for twin in self._twins(order):
                self._end_one(twin, ReportKind.CANCELED)

    def _activate(self, leg: Order) -> None:
        """The parent is filled. A stop loss beside a take profit stays held and is watched; the rest goes to work."""
        if leg.is_open and not self.watch_if_shared(leg):
            self.release(leg)

    def watch_if_shared(self, leg: Order) -> bool:
        """Watch a held stop loss whose shares a live take profit holds. Returns whether it is such a one."""
        is_stop = leg.parent is not None and leg.type in STOPS and leg.status is OrderStatus.HELD
        root_filled = leg.parent is not None and self._records.orders[leg.parent].status is OrderStatus.FILLED
        shared = is_stop and bool(self._twins(leg)) and (root_filled or leg.order_class is OrderClass.OCO)
        if shared:
            put(self.watched, leg)
        return shared

    def _shrink_twin(self, order: Order, quantity: Decimal) -> None:
        """Shares that one exit has sold are no longer the other's to sell."""
        if order.parent is None and order.order_class is not OrderClass.OCO:
            return
        for twin in self._twins(order):
            assert twin.quantity is not None and twin.shares is not None
            twin.quantity -= quantity
            twin.shares -= quantity
            self._tell(twin, None)

    # Sessions and halts

    def wake(self, order: Order) -> None:
        """Take up an open order again after the market was closed or halted."""
        if order.arrives_at_ns is not None:
            return
        if order.status in (OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW):
            self.release(order)
        elif order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED) and self._is_asleep(order):
            self.place(order)
        if order.is_open and order.expires_at_ns is None and order.extended_hours:
            order.expires_at_ns = self._expiry(order)
            self._tell(order, None)

    def sleep(self, order: Order) -> None:
        """Take an order out of the liquidity, if it rests there."""
        if has(self.resting, order):
            self._liquidity.withdraw(order.id)
            remove(self.resting, order)

    def restore(self, order: Order) -> None:
        """Put an open order of an earlier life where it was, without trading."""
        for due_ns in (order.arrives_at_ns, order.cancel_arrives_at_ns):
            if due_ns is not None:
                self.transit.expect(due_ns, order)
        if order.arrives_at_ns is not None:
            return
        if order.status in (OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW):
            put(self.waiting, order)
        elif order.status is OrderStatus.HELD:
            self.watch_if_shared(order)
        elif order.time_in_force in _AUCTIONS or (order.type in STOPS and not order.triggered):
            self.place(order)
        elif self._may_work(order):
            put(self.resting, order)
            limit = limit_of(order, self._prices, self._settings)
            self._liquidity.rest(order.id, order.symbol, order.side, order.remaining, limit, order.account_id)

    def _is_asleep(self, order: Order) -> bool:
        shelves = (self.watched, self.resting, *self.auctions.values())
        return self._may_work(order) and not any(has(shelf, order) for shelf in shelves)

    def release_waiting(self, symbol: str) -> None:
        """Look again at the orders that wait in `symbol`."""
        for order in in_sequence(self.waiting, symbol):
            if order.is_open:
                self.release(order)

    # Records

    def _tell(
        self,
        order: Order,
        kind: ReportKind | None,
        *,
        execution_id: str | None = None,
        execution: Execution | None = None,
        position_quantity: Decimal | None = None,
    ) -> None:
        """The one place where an order's status changes and where that is noted."""
        if kind is not None:
            order.status = next_status(order.status, kind)
        order.updated_at_ns = self.time_ns
        hold(order, works=order.is_open and order.status is not OrderStatus.HELD)
        self._records.happenings.append(
            OrderChanged(self.time_ns, kind, order.copy(), execution_id, execution, position_quantity)
        )
