"""Whatever is done to a venue, in whatever order: nothing is lost, nothing is made up, and all records agree."""

import itertools
from collections import defaultdict
from decimal import Decimal as D

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hftd.domain.convert import DAY_NS, MINUTE_NS, SECOND_NS
from hftd.domain.market import Quote, Trade
from hftd.domain.orders import OrderClass, OrderStatus, OrderType, Side, TimeInForce
from hftd.domain.session import Session
from hftd.exchange.venue.accounts import Account, Activity, ActivityType
from hftd.exchange.venue.happenings import AccountChanged, ActivityAdded, OrderChanged
from hftd.exchange.venue.liquidity import QuoteLiquidity
from hftd.exchange.venue.orders import Changes, NewOrder, Order, PositionIntent
from hftd.exchange.venue.refusals import Refusal
from hftd.exchange.venue.settings import FeeSchedule, StopTrigger, VenueSettings
from hftd.exchange.venue.states import NEXT
from hftd.exchange.venue.venue import Venue
from tests.exchange.venue.venue_world import SESSION, asset_table

SYMBOLS = ("AAPL", "MSFT")
CASH = D(20_000)
CENTS = st.integers(9_500, 10_500)
PRICES = CENTS.map(lambda cents: D(cents) / 100)
MAYBE = st.none() | PRICES
ACCOUNTS = st.integers(0, 1)
WIDTHS = st.integers(1, 300).map(lambda cents: D(cents) / 100)
WHOLE = st.integers(1, 120).map(D)
QUANTITIES = WHOLE | st.sampled_from([D("0.5"), D("3.141592653")])
CLOSERS = {PositionIntent.BUY_TO_CLOSE, PositionIntent.SELL_TO_CLOSE}

FEES = FeeSchedule(sell_per_million=D("27.80"), sell_per_share=D("0.000166"), commission_per_share=D("0.005"))


class VenueMachine(RuleBasedStateMachine):
    """Two accounts, two symbols, days that open and close. The story is kept from the happenings alone."""

    @initialize(
        opens=st.booleans(),
        fees=st.booleans(),
        partial=st.booleans(),
        rejects=st.booleans(),
        quotes=st.booleans(),
        wash=st.booleans(),
    )
    def begin(self, opens: bool, fees: bool, partial: bool, rejects: bool, quotes: bool, wash: bool) -> None:
        self.settings = VenueSettings(
            fees=FEES if fees else FeeSchedule(),
            partial_fill_chance=0.5 if partial else 0.0,
            reject_chance=0.1 if rejects else 0.0,
            stop_trigger=StopTrigger.QUOTES if quotes else StopTrigger.TRADES,
            wash_trades_refused=wash,
        )
        ids, draws = itertools.count(1), itertools.count(1)
        self.new_id = lambda: f"id-{next(ids):06}"
        self.draw = lambda: next(draws) * 0.6180339887 % 1
        self.venue = self.made()
        self.now_ns = SESSION.open_ns - 3600 * SECOND_NS
        self.day = 0
        self.is_open = False
        self.story: dict[str, list[OrderChanged]] = defaultdict(list)
        self.accounts: dict[str, Account] = {}
        self.activities: dict[str, list[Activity]] = defaultdict(list)
        self.ids = [self.venue.open_account(name, CASH, self.now_ns).id for name in ("one", "two")]
        self.listen()
        if opens:
            self.open_or_close()
            for symbol in SYMBOLS:
                self.move(symbol, [10_000], 1)

    def made(self) -> Venue:
        return Venue(self.settings, QuoteLiquidity(), asset_table(), self.new_id, self.draw)

    def step(self) -> int:
        self.now_ns += SECOND_NS
        return self.now_ns

    def session(self) -> Session:
        return Session(SESSION.open_ns + self.day * DAY_NS, SESSION.close_ns + self.day * DAY_NS, SESSION.day)

    def listen(self) -> None:
        for item in self.venue.drain():
            if isinstance(item, OrderChanged):
                self.check_step(item)
                self.story[item.order.id].append(item)
            elif isinstance(item, AccountChanged):
                self.accounts[item.account.id] = item.account
            elif isinstance(item, ActivityAdded):
                self.activities[item.activity.account_id].append(item.activity)

    def check_step(self, item: OrderChanged) -> None:
        before = self.story[item.order.id][-1].order.status if self.story[item.order.id] else OrderStatus.UNSENT
        if item.kind is None:
            assert item.order.status is before
            assert item.order.is_open or item.order.legs, "only a link to a leg may change after the end"
        else:
            assert NEXT[before, item.kind] is item.order.status
        if (item.order.reject_reason or "").startswith("insufficient qty"):
            assert item.order.notional is not None or item.order.parent is not None, "an order lost its cover"
        if item.execution is not None and item.order.position_intent in CLOSERS:
            assert item.position_quantity is not None
            sign = 1 if item.order.position_intent is PositionIntent.SELL_TO_CLOSE else -1
            assert sign * item.position_quantity >= 0, "a closing order crossed zero"

    # What may be done

    def send(self, account: int, wanted: NewOrder) -> None:
        self.attempt(lambda: self.venue.submit(self.ids[account], wanted, self.step()))

    @rule(
        account=ACCOUNTS,
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        kind=st.sampled_from(OrderType),
        tif=st.sampled_from(TimeInForce),
        lasts=st.booleans(),
        quantity=QUANTITIES,
        price=PRICES,
        stop=PRICES,
        width=WIDTHS,
        extended=st.booleans(),
    )
    def submit(
        self,
        account: int,
        symbol: str,
        side: Side,
        kind: OrderType,
        tif: TimeInForce,
        lasts: bool,
        quantity: D,
        price: D,
        stop: D,
        width: D,
        extended: bool,
    ) -> None:
        wanted = NewOrder(
            symbol=symbol,
            side=side,
            quantity=quantity,
            type=kind,
            time_in_force=TimeInForce.DAY if lasts else tif,
            limit_price=price if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None,
            stop_price=stop if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else None,
            trail_price=width if kind is OrderType.TRAILING_STOP else None,
            extended_hours=extended and kind is OrderType.LIMIT,
        )
        self.send(account, wanted)

    @rule(
        account=ACCOUNTS,
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        quantity=st.sampled_from([D("0.5"), D("3.141592653"), None]),
        dollars=st.integers(100, 50_000).map(lambda cents: D(cents) / 100),
        limit=MAYBE,
    )
    def submit_a_fraction(
        self, account: int, symbol: str, side: Side, quantity: D | None, dollars: D, limit: D | None
    ) -> None:
        wanted = NewOrder(
            symbol=symbol,
            side=side,
            quantity=quantity,
            notional=dollars if quantity is None else None,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=limit,
        )
        self.send(account, wanted)

    @rule(
        account=ACCOUNTS,
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        shape=st.sampled_from([OrderClass.BRACKET, OrderClass.OTO]),
        limit=MAYBE,
        tif=st.sampled_from([TimeInForce.DAY, TimeInForce.GTC]),
        quantity=WHOLE,
        gain=WIDTHS,
        loss=WIDTHS,
        slip=st.none() | WIDTHS,
        profits=st.booleans(),
    )
    def submit_an_entry(
        self,
        account: int,
        symbol: str,
        side: Side,
        shape: OrderClass,
        limit: D | None,
        tif: TimeInForce,
        quantity: D,
        gain: D,
        loss: D,
        slip: D | None,
        profits: bool,
    ) -> None:
        base = limit or D(100)
        has_profit, has_loss = (True, True) if shape is OrderClass.BRACKET else (profits, not profits)
        stop = base - side.sign * loss if has_loss else None
        wanted = NewOrder(
            symbol=symbol,
            side=side,
            quantity=quantity,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            time_in_force=tif,
            limit_price=limit,
            order_class=shape,
            take_profit_price=base + side.sign * gain if has_profit else None,
            stop_loss_price=stop,
            stop_loss_limit_price=None if slip is None or stop is None else stop - side.sign * slip,
        )
        self.send(account, wanted)

    @rule(account=ACCOUNTS, symbol=st.sampled_from(SYMBOLS), gain=WIDTHS, loss=WIDTHS, part=st.booleans())
    def submit_an_exit(self, account: int, symbol: str, gain: D, loss: D, part: bool) -> None:
        holding = self.venue.account(self.ids[account]).holdings.get(symbol)
        if holding is None or holding.quantity != holding.quantity.to_integral_value():
            return
        sign = 1 if holding.quantity > 0 else -1
        wanted = NewOrder(
            symbol=symbol,
            side=Side.SELL if sign > 0 else Side.BUY,
            quantity=max(abs(holding.quantity) // 2, D(1)) if part else abs(holding.quantity),
            type=OrderType.LIMIT,
            order_class=OrderClass.OCO,
            take_profit_price=D(100) + sign * gain,
            stop_loss_price=D(100) - sign * loss,
        )
        self.send(account, wanted)

    def attempt(self, action: object) -> None:
        before = self.venue.snapshot()
        try:
            action()  # type: ignore[operator]
        except Refusal as refusal:
            assert refusal.status in (403, 404, 422)
            after = self.venue.snapshot()
            assert (after.orders, after.accounts, after.activities) == (
                before.orders,
                before.accounts,
                before.activities,
            ), "a refused command changed something"
        self.listen()

    def known(self) -> list[Order]:
        return [changes[-1].order for changes in self.story.values()]

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.known():
            order = data.draw(st.sampled_from(self.known()))
            self.attempt(lambda: self.venue.cancel(order.account_id, order.id, self.step()))

    @rule(data=st.data(), quantity=st.none() | st.integers(1, 50).map(D), limit=MAYBE, stop=MAYBE)
    def replace(self, data: st.DataObject, quantity: D | None, limit: D | None, stop: D | None) -> None:
        working = [order for order in self.known() if order.is_open]
        if working:
            order = data.draw(st.sampled_from(working))
            changes = Changes(
                quantity=quantity,
                limit_price=limit if order.limit_price is not None else None,
                stop_price=stop if order.stop_price is not None and order.trail_price is None else None,
            )
            self.attempt(lambda: self.venue.replace(order.account_id, order.id, changes, self.step()))

    @rule(account=ACCOUNTS)
    def cancel_all(self, account: int) -> None:
        self.venue.cancel_all(self.ids[account], self.step())
        self.listen()

    @rule(account=ACCOUNTS, cancel_orders=st.booleans())
    def close_positions(self, account: int, cancel_orders: bool) -> None:
        self.venue.close_positions(self.ids[account], self.step(), cancel_orders=cancel_orders)
        self.listen()

    @rule(symbol=st.sampled_from(SYMBOLS), path=st.lists(CENTS, min_size=1, max_size=6), spread=st.integers(1, 30))
    def move(self, symbol: str, path: list[int], spread: int) -> None:
        for cents in path:
            self.venue.on_quote(Quote(symbol, self.step(), cents / 100, 100, (cents + spread) / 100, 100))
            self.listen()
            self.venue.on_trade(Trade(symbol, self.step(), cents / 100, 100))
            self.listen()

    @rule(minutes=st.integers(0, 30))
    def wait(self, minutes: int) -> None:
        self.now_ns += minutes * MINUTE_NS
        self.venue.on_time(self.now_ns)
        self.listen()

    @rule()
    def open_or_close(self) -> None:
        if self.is_open:
            self.now_ns = max(self.now_ns, self.session().close_ns)
            self.venue.close_session(self.session(), self.now_ns)
            self.day += 1
        else:
            self.now_ns = max(self.now_ns, self.session().open_ns)
            self.venue.open_session(self.session(), self.now_ns)
        self.is_open = not self.is_open
        self.listen()

    @rule(symbol=st.sampled_from(SYMBOLS), stops=st.booleans())
    def halt_or_resume(self, symbol: str, stops: bool) -> None:
        (self.venue.halt if stops else self.venue.resume)(symbol, self.step())
        self.listen()

    @rule()
    def die_and_come_back(self) -> None:
        state = self.venue.snapshot()
        self.venue = self.made()
        self.venue.restore(state)
        assert self.venue.snapshot() == state
        assert self.venue.drain() == []

    def teardown(self) -> None:
        """No order is forgotten: an open market that reaches every price ends them all, but for the closing auction."""
        if not hasattr(self, "venue"):
            return
        for symbol in SYMBOLS:
            self.venue.resume(symbol, self.step())
        if not self.is_open:
            self.open_or_close()
        for price in (900.0, 1.0) * 3:
            for symbol in SYMBOLS:
                for bid, ask in ((1.0, 1.0), (900.0, 900.0), (900.0, 1.0)):
                    self.venue.on_quote(Quote(symbol, self.step(), bid, 100, ask, 100))
                self.venue.on_trade(Trade(symbol, self.step(), price, 100))
        self.listen()
        assert [order for order in self.known() if order.is_open and order.time_in_force is not TimeInForce.CLS] == []
        self.open_or_close()
        assert [order for order in self.known() if order.is_open] == []

    # What must hold

    @invariant()
    def money_and_shares_are_what_the_fills_say(self) -> None:
        for account_id in self.ids:
            lines = self.activities[account_id]
            fills = [line for line in lines if line.type is ActivityType.FILL]
            other = sum(line.net_amount for line in lines if line.net_amount is not None)
            account = self.venue.account(account_id)
            assert account.cash == other - sum(sign_of(line) * line.price * line.quantity for line in fills)
            for symbol in SYMBOLS:
                shares = sum(sign_of(line) * line.quantity for line in fills if line.symbol == symbol)
                holding = account.holdings.get(symbol)
                assert (holding.quantity if holding else 0) == shares
            if self.accounts:
                assert self.accounts[account_id] == account

    @invariant()
    def orders_and_activities_and_happenings_tell_one_story(self) -> None:
        filled: dict[str, list[Activity]] = defaultdict(list)
        for line in itertools.chain.from_iterable(self.activities.values()):
            if line.order_id is not None:
                filled[line.order_id].append(line)
        for order_id, changes in self.story.items():
            order = changes[-1].order
            assert self.venue.order(order.account_id, order_id) == order
            executions = [change.execution for change in changes if change.execution is not None]
            lines = filled[order_id]
            assert [(line.price, line.quantity) for line in lines] == [(e.price, e.quantity) for e in executions]
            assert order.filled_quantity == sum(line.quantity for line in lines)
            assert (order.status is OrderStatus.FILLED) == (order.shares is not None and not order.remaining)

    @invariant()
    def nothing_is_held_by_what_does_not_work(self) -> None:
        for account_id in self.ids:
            figures = self.venue.figures(account_id)
            orders = [order for order in self.known() if order.account_id == account_id]
            for order in orders:
                assert order.is_open or order.held_buying_power == order.held_quantity == 0
            held = sum(order.held_buying_power for order in orders)
            gross = figures.long_market_value - figures.short_market_value
            assert figures.buying_power == max(figures.multiplier * figures.equity - gross - held, D(0))
            for position in self.venue.positions(account_id):
                locked = sum(order.held_quantity for order in orders if order.symbol == position.symbol)
                assert abs(position.available) == abs(position.quantity) - locked >= 0

    @invariant()
    def no_member_of_a_family_outlives_the_others(self) -> None:
        for order in self.known():
            if order.parent is not None and order.is_open:
                parent = self.venue.order(order.account_id, order.parent)
                assert parent.is_open or parent.status is OrderStatus.FILLED or order.triggered
                assert order.id in parent.legs

    @invariant()
    def day_orders_end_with_their_day(self) -> None:
        if not self.is_open:
            for order in self.known():
                late = order.expires_at_ns is not None and not order.extended_hours
                assert not (order.is_open and late and order.time_in_force is TimeInForce.DAY)


def sign_of(line: Activity) -> int:
    return 1 if line.side == "buy" else -1


VenueMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)
TestVenue = VenueMachine.TestCase
