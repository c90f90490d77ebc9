"""The order book again, in plain Python, to be read and believed: what the compiled one must equal to the message."""

from dataclasses import dataclass, field

from sortedcontainers import SortedDict

from hftd.exchange.book.layout import (
    BUY,
    MAX_OWNER,
    MAX_PRICE,
    MAX_QUANTITY,
    Operation,
    Outcome,
    ReportKind,
    SelfTrade,
)

SIGN = (-1, 1)
"""Best first: bids are sorted by falling price, asks by rising price."""


@dataclass
class Order:
    order_id: int
    owner: int
    side: int
    price: int
    quantity: int


@dataclass
class Level:
    side: int
    price: int
    orders: dict[int, Order] = field(default_factory=dict)
    """By id, in order of arrival."""

    @property
    def quantity(self) -> int:
        return sum(order.quantity for order in self.orders.values())


@dataclass
class Report:
    sequence: int
    maker_id: int
    taker_id: int
    price: int
    quantity: int
    maker_remaining: int
    maker_owner: int
    taker_owner: int
    kind: int
    taker_side: int


@dataclass
class Change:
    sequence: int
    price: int
    quantity: int
    side: int


class OracleBook:
    def __init__(self) -> None:
        self.sides: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())
        self.orders: dict[int, Order] = {}
        self.reports: list[Report] = []
        self.changes: list[Change] = []
        self.sequence = 0

    def enter(
        self, operation: int, order_id: int, side: int, price: int, quantity: int, owner: int = 0, self_trade: int = 0
    ) -> Outcome:
        if operation not in list(Operation):
            return Outcome.BAD_WORD
        if operation < Operation.CANCEL:
            return self.place(Operation(operation), Order(order_id, owner, side, price, quantity), self_trade)
        order = self.orders.get(order_id)
        if order is None:
            return Outcome.UNKNOWN_ID
        if operation == Operation.CANCEL:
            return self.cancel(order)
        if operation == Operation.REDUCE:
            return self.reduce(order, quantity)
        return self.replace(order, price, quantity, self_trade)

    def place(self, operation: Operation, order: Order, self_trade: int) -> Outcome:
        refusal = self.flaw(operation, order, self_trade)
        if refusal is not None:
            return refusal
        if order.order_id in self.orders:
            return Outcome.DUPLICATE_ID
        if operation == Operation.MARKET:
            order.price = MAX_PRICE if order.side == BUY else -MAX_PRICE
        if operation == Operation.POST_ONLY and self.reachable(order):
            return Outcome.WOULD_TRADE
        if operation == Operation.FOK and not self.can_fill(order, self_trade):
            return Outcome.KILLED
        if operation in (Operation.LIMIT, Operation.POST_ONLY) and self.overfills(order):
            return Outcome.LEVEL_FULL
        return self.trade(operation, order, self_trade)

    def flaw(self, operation: Operation, order: Order, self_trade: int) -> Outcome | None:
        if order.side not in (0, 1) or self_trade not in list(SelfTrade):
            return Outcome.BAD_WORD
        if not 0 < order.quantity <= MAX_QUANTITY:
            return Outcome.BAD_QUANTITY
        if operation != Operation.MARKET and abs(order.price) > MAX_PRICE:
            return Outcome.BAD_PRICE
        if not 0 <= order.owner <= MAX_OWNER:
            return Outcome.BAD_OWNER
        return None

    def overfills(self, order: Order) -> bool:
        level = self.sides[order.side].get(SIGN[order.side] * order.price)
        return level is not None and level.quantity + order.quantity > MAX_QUANTITY

    def reachable(self, taker: Order) -> list[Level]:
        """Levels of the other side that `taker` may trade with, best first."""
        levels = self.sides[1 - taker.side].values()
        return [level for level in levels if SIGN[level.side] * (taker.price - level.price) >= 0]

    def can_fill(self, taker: Order, self_trade: int) -> bool:
        available = 0
        for maker in [order for level in self.reachable(taker) for order in level.orders.values()]:
            own = self_trade != SelfTrade.ALLOW and maker.owner == taker.owner
            if own and self_trade == SelfTrade.CANCEL_INCOMING:
                break
            available += 0 if own else maker.quantity
        return available >= taker.quantity

    def trade(self, operation: Operation, order: Order, self_trade: int) -> Outcome:
        stopped = self.match(order, self_trade)
        if order.quantity == 0:
            return Outcome.FILLED
        if stopped:
            return Outcome.SELF_STOPPED
        if operation in (Operation.IOC, Operation.MARKET):
            return Outcome.EXPIRED
        self.rest(order)
        return Outcome.RESTED

    def match(self, taker: Order, self_trade: int) -> bool:
        """Whether the taker had to stop at an order of its own owner."""
        for level in self.reachable(taker):
            changed = stopped = False
            for maker in list(level.orders.values()):
                own = self_trade != SelfTrade.ALLOW and maker.owner == taker.owner
                stopped = own and self_trade == SelfTrade.CANCEL_INCOMING
                if stopped or taker.quantity == 0:
                    break
                self.meet(level, maker, taker, own)
                changed = True
            if changed:
                self.changed(level)
            if stopped or taker.quantity == 0:
                return stopped
        return False

    def meet(self, level: Level, maker: Order, taker: Order, own: bool) -> None:
        """Trade, or take the maker out when it is the taker's own."""
        quantity = maker.quantity if own else min(maker.quantity, taker.quantity)
        maker.quantity -= quantity
        if not own:
            taker.quantity -= quantity
        self.sequence += 1
        kind = ReportKind.SELF_TRADE_CANCEL if own else ReportKind.FILL
        self.reports.append(
            Report(
                self.sequence,
                maker.order_id,
                taker.order_id,
                level.price,
                quantity,
                maker.quantity,
                maker.owner,
                taker.owner,
                kind,
                taker.side,
            )
        )
        if maker.quantity == 0:
            del level.orders[maker.order_id]
            del self.orders[maker.order_id]

    def rest(self, order: Order) -> None:
        level = self.sides[order.side].setdefault(SIGN[order.side] * order.price, Level(order.side, order.price))
        level.orders[order.order_id] = self.orders[order.order_id] = order
        self.changed(level)

    def changed(self, level: Level) -> None:
        self.sequence += 1
        self.changes.append(Change(self.sequence, level.price, level.quantity, level.side))
        if not level.orders:
            del self.sides[level.side][SIGN[level.side] * level.price]

    def level_of(self, order: Order) -> Level:
        level = self.sides[order.side][SIGN[order.side] * order.price]
        assert isinstance(level, Level)
        return level

    def cancel(self, order: Order) -> Outcome:
        level = self.level_of(order)
        del level.orders[order.order_id]
        del self.orders[order.order_id]
        self.changed(level)
        return Outcome.CANCELLED

    def reduce(self, order: Order, by: int) -> Outcome:
        if by <= 0:
            return Outcome.BAD_QUANTITY
        if by >= order.quantity:
            return self.cancel(order)
        order.quantity -= by
        self.changed(self.level_of(order))
        return Outcome.REDUCED

    def replace(self, order: Order, price: int, quantity: int, self_trade: int) -> Outcome:
        successor = Order(order.order_id, order.owner, order.side, price, quantity)
        refusal = self.flaw(Operation.LIMIT, successor, self_trade)
        if refusal is not None:
            return refusal
        if price == order.price and quantity <= order.quantity:
            if quantity < order.quantity:
                order.quantity = quantity
                self.changed(self.level_of(order))
            return Outcome.REPLACED
        released = order.quantity if price == order.price else 0
        level = self.sides[order.side].get(SIGN[order.side] * price)
        if level is not None and level.quantity - released + quantity > MAX_QUANTITY:
            return Outcome.LEVEL_FULL
        self.cancel(order)
        return self.trade(Operation.LIMIT, successor, self_trade)

    def depth(self, side: int) -> list[tuple[int, int]]:
        return [(level.price, level.quantity) for level in self.sides[side].values()]

    def queue_position(self, order_id: int) -> tuple[int, int]:
        ahead = []
        for other in self.level_of(self.orders[order_id]).orders.values():
            if other.order_id == order_id:
                break
            ahead.append(other.quantity)
        return len(ahead), sum(ahead)
