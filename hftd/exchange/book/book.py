"""`Book`: the owner of one book's arrays. It checks, makes room, and shows what compiled code keeps."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hftd.exchange.book import kernel, layout, upkeep
from hftd.exchange.book.compiling import direct
from hftd.exchange.book.layout import BUY, MAX_PRICE, OUTCOMES, SELL, Operation, Outcome, SelfTrade

Array = NDArray[Any]

SMALL_MAP_SLOTS: Final = 1 << 18
"""An id map of up to 2 MB is kept three quarters empty: it stays in the cache, and the first probe nearly always hits.

A larger one, whose probes miss the cache anyway, is at most five eighths full, for the sake of memory.
"""

WINDOW_TICKS_LEAST: Final = 1 << 14
WINDOW_TICKS_MOST: Final = 1 << 22
WINDOW_TICKS_A_LEVEL: Final = 64
"""A window is not widened beyond so many ticks for each level there is, however far the levels lie apart."""

_NEED_ROOM: Final = int(Outcome.NEED_ROOM)
_ENTER: Final[Callable[[int, int, int, int, int, int, int, int], int]] = direct(kernel.enter)
_LIMIT, _IOC, _FOK, _POST_ONLY, _MARKET, _CANCEL, _REDUCE, _REPLACE = (int(word) for word in Operation)


class Top(NamedTuple):
    """The best prices in ticks and the quantities at them; None and 0 on a side without orders."""

    bid: int | None
    bid_quantity: int
    ask: int | None
    ask_quantity: int


class RestingOrder(NamedTuple):
    """An order as it rests: price in ticks, open quantity in lots."""

    order_id: int
    side: int
    price: int
    quantity: int
    owner: int


class QueuePosition(NamedTuple):
    """What stands before an order at its price."""

    orders_ahead: int
    quantity_ahead: int


class Book:
    """A limit order book of one symbol: price-time priority over integer ticks and lots.

    An order has an id (int64, unique among those resting), an owner (an account's number, 0 to MAX_OWNER) and a side
    (BUY or SELL). Each message happens whole or not at all and answers with an `Outcome`; fills and level changes are
    kept in order, under one sequence of numbers, until taken with `take_reports` and `take_changes`. Nothing is ever
    dropped: what is not taken makes the arrays grow. Without `records_changes` level changes are only numbered.

    Compiled code uses the book through `handle`; when the kernel answers NEED_ROOM, the caller calls `make_room` (which
    moves arrays, never the handle) and sends the message again. Not safe for use by several threads at once.
    """

    def __init__(self, *, records_changes: bool = True, order_capacity: int = 2048) -> None:
        """Empty. `order_capacity` is where growth begins: a book that knows its size is spared the steps.

        Raises ValueError unless 1 <= order_capacity < 2^31.
        """
        if not 1 <= order_capacity < 1 << 31:
            raise ValueError(f"order_capacity {order_capacity}: expected 1 to {(1 << 31) - 1}")
        self._state = np.zeros(layout.STATE_CELLS, np.int64)
        self.handle: Final = int(self._state.ctypes.data)
        """Address of the state: what compiled code calls the kernel with, as long as this object lives."""
        self._orders = np.zeros(order_capacity, layout.ORDER)
        self._levels = np.zeros(256, layout.LEVEL)
        self._far = np.zeros(256, np.int32)
        self._map = np.zeros(_map_slots(order_capacity), np.uint64)
        self._reports = np.zeros(256, layout.REPORT)
        self._changes = np.zeros(256 if records_changes else 1, layout.CHANGE)
        self._make_window(WINDOW_TICKS_LEAST)
        self._state[layout.RECORDS_CHANGES] = records_changes
        self._publish()
        self._empty()
        self._place_window()

    # -------------------- messages

    def enter(
        self, operation: int, order_id: int, side: int, price: int, quantity: int, owner: int = 0, self_trade: int = 0
    ) -> Outcome:
        """One message of any kind; fields that `operation` does not use are ignored. All must be whole numbers."""
        try:
            code = _ENTER(self.handle, operation, order_id, owner, side, price, quantity, self_trade)
            while code == _NEED_ROOM:
                self.make_room()
                code = _ENTER(self.handle, operation, order_id, owner, side, price, quantity, self_trade)
        except OverflowError:
            return _flaw_beyond_int64(order_id, price, quantity, owner)
        return OUTCOMES[code]

    def limit(
        self, order_id: int, side: int, price: int, quantity: int, owner: int = 0, self_trade: int = SelfTrade.ALLOW
    ) -> Outcome:
        """Trade up to `price` ticks and rest what remains: RESTED, FILLED, SELF_STOPPED or a refusal."""
        return self.enter(_LIMIT, order_id, side, price, quantity, owner, self_trade)

    def immediate_or_cancel(
        self, order_id: int, side: int, price: int, quantity: int, owner: int = 0, self_trade: int = SelfTrade.ALLOW
    ) -> Outcome:
        """Trade up to `price` ticks and cancel what remains: FILLED, EXPIRED, SELF_STOPPED or a refusal."""
        return self.enter(_IOC, order_id, side, price, quantity, owner, self_trade)

    def fill_or_kill(
        self, order_id: int, side: int, price: int, quantity: int, owner: int = 0, self_trade: int = SelfTrade.ALLOW
    ) -> Outcome:
        """Trade all of it at once up to `price` ticks, or nothing: FILLED, KILLED or a refusal.

        The owner's own orders do not count as liquidity unless self-trades are allowed.
        """
        return self.enter(_FOK, order_id, side, price, quantity, owner, self_trade)

    def post_only(self, order_id: int, side: int, price: int, quantity: int, owner: int = 0) -> Outcome:
        """Rest at `price` ticks; WOULD_TRADE if it would trade instead, with its owner's own orders too."""
        return self.enter(_POST_ONLY, order_id, side, price, quantity, owner)

    def market(
        self, order_id: int, side: int, quantity: int, owner: int = 0, self_trade: int = SelfTrade.ALLOW
    ) -> Outcome:
        """Trade at any price and cancel what remains: FILLED, EXPIRED, SELF_STOPPED or a refusal."""
        return self.enter(_MARKET, order_id, side, 0, quantity, owner, self_trade)

    def cancel(self, order_id: int) -> Outcome:
        """Take a resting order out: CANCELLED or UNKNOWN_ID."""
        return self.enter(_CANCEL, order_id, 0, 0, 0)

    def reduce(self, order_id: int, by: int) -> Outcome:
        """Lower a resting order by `by` lots; it keeps its place. By all it has or more: CANCELLED."""
        return self.enter(_REDUCE, order_id, 0, 0, by)

    def replace(self, order_id: int, price: int, quantity: int, self_trade: int = SelfTrade.ALLOW) -> Outcome:
        """Give a resting order a new price and open quantity.

        REPLACED: it kept its place, since only the quantity fell. Otherwise it is entered anew as a limit order of the
        same id and owner, and the answer is that of `limit`.
        """
        return self.enter(_REPLACE, order_id, 0, price, quantity, 0, self_trade)

    def apply(self, messages: Array) -> NDArray[np.int8]:
        """Messages in order, a one-dimensional array of `layout.MESSAGE`. Returns their outcomes as numbers.

        Raises TypeError for any other array.
        """
        if messages.dtype != layout.MESSAGE or messages.ndim != 1:
            raise TypeError(
                f"messages: expected one dimension of {layout.MESSAGE}, found {messages.ndim} of {messages.dtype}"
            )
        messages = np.ascontiguousarray(messages)
        outcomes = np.empty(len(messages), np.int8)
        where = kernel.run(self.handle, messages.ctypes.data, outcomes.ctypes.data, 0, len(messages))
        while where < len(messages):
            self.make_room()
            where = kernel.run(self.handle, messages.ctypes.data, outcomes.ctypes.data, where, len(messages))
        return outcomes

    def clear(self) -> None:
        """Forget all orders and all output not taken. Memory is kept; sequence numbers go on."""
        self._empty()
        self._place_window()

    # -------------------- output

    @property
    def sequence(self) -> int:
        """The number given last; each report and each level change takes the next one."""
        return self._cell(layout.SEQUENCE)

    @property
    def remaining(self) -> int:
        """What rests, or was cancelled, of the order entered last; 0 when it was filled. Undefined after a refusal."""
        return self._cell(layout.REMAINING)

    @property
    def report_count(self) -> int:
        """Reports not yet taken."""
        return self._cell(layout.REPORT_COUNT)

    @property
    def report_limit(self) -> int:
        """Reports that there is room for, taken or not: a single message never leaves more."""
        return self._cell(layout.REPORT_LIMIT)

    def take_reports(self) -> Array:
        """Fills and self-trade cancels since the last call, oldest first, as `layout.REPORT`."""
        return self._take(self._reports, layout.REPORT_COUNT)

    def take_changes(self) -> Array:
        """Level changes since the last call, oldest first, as `layout.CHANGE`; empty if they are not recorded."""
        return self._take(self._changes, layout.CHANGE_COUNT)

    def _take(self, records: Array, count_cell: int) -> Array:
        taken = records[: self._cell(count_cell)].copy()
        self._state[count_cell] = 0
        return taken

    # -------------------- reading

    def __len__(self) -> int:
        """Resting orders."""
        return self._cell(layout.ORDER_COUNT)

    def __contains__(self, order_id: int) -> bool:
        return self._slot_of(order_id) >= 0

    @property
    def level_count(self) -> int:
        """Prices with orders, of both sides."""
        return self._cell(layout.LEVEL_COUNT)

    @property
    def best_bid(self) -> int | None:
        """In ticks; None without bids."""
        price = self._cell(layout.BEST_PRICE + BUY)
        return price if price >= -MAX_PRICE else None

    @property
    def best_ask(self) -> int | None:
        """In ticks; None without asks."""
        price = self._cell(layout.BEST_PRICE + SELL)
        return price if price <= MAX_PRICE else None

    def top(self) -> Top:
        """The best bid and ask with what stands at them."""
        return Top(self.best_bid, self._best_quantity(BUY), self.best_ask, self._best_quantity(SELL))

    def depth(self, side: int, levels: int) -> Array:
        """Up to `levels` price levels of `side`, best first, as `layout.DEPTH`."""
        rows = np.empty(max(0, min(levels, self.level_count)), layout.DEPTH)
        written = upkeep.read_depth(self.handle, side, len(rows), rows.ctypes.data)
        return rows[:written]

    @property
    def spread(self) -> int | None:
        """Best ask less best bid in ticks; None while a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else ask - bid

    @property
    def mid(self) -> float | None:
        """Halfway between the best prices, in ticks; None while a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else (bid + ask) / 2

    @property
    def microprice(self) -> float | None:
        """The best prices in ticks, each weighted by the quantity on the other side; None while a side is empty."""
        top = self.top()
        if top.bid is None or top.ask is None:
            return None
        return (top.bid * top.ask_quantity + top.ask * top.bid_quantity) / (top.bid_quantity + top.ask_quantity)

    def imbalance(self, levels: int = 1) -> float | None:
        """(bids - asks) / (bids + asks) over the quantities of the best `levels`: -1 to 1; None for an empty book."""
        bids, asks = (sum(self.depth(side, levels)["quantity"].tolist()) for side in (BUY, SELL))
        return (bids - asks) / (bids + asks) if bids + asks else None

    def order(self, order_id: int) -> RestingOrder | None:
        """A resting order, or None."""
        slot = self._slot_of(order_id)
        if slot < 0:
            return None
        order = self._orders[slot]
        price = int(self._levels[order["level"]]["price"])
        side = BUY if price <= self._cell(layout.BEST_PRICE + BUY) else SELL
        return RestingOrder(order_id, side, price, int(order["quantity"]), int(order["owner"]))

    def queue_position(self, order_id: int) -> QueuePosition | None:
        """What stands before a resting order at its price; None if there is no such order. Time: its position."""
        slot = self._slot_of(order_id)
        if slot < 0:
            return None
        upkeep.count_ahead(self.handle, slot)
        return QueuePosition(self._cell(layout.ORDERS_AHEAD), self._cell(layout.QUANTITY_AHEAD))

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays of this book."""
        return self._state.nbytes + sum(array.nbytes for array in self._published())

    # -------------------- room

    def make_room(self) -> None:
        """Enlarge what has run short, and place the window of prices anew when the market has moved out of it."""
        cell = self._cell
        if cell(layout.ORDER_COUNT) >= cell(layout.ORDER_LIMIT):
            self._grow_orders()
        if cell(layout.LEVEL_COUNT) >= cell(layout.LEVEL_LIMIT):
            _extend(self._levels, _grown(len(self._levels)))
            _extend(self._far, len(self._levels))
        self._grow_output(self._reports, layout.REPORT_COUNT, layout.REPORTS_WANTED, 1)
        self._grow_output(self._changes, layout.CHANGE_COUNT, layout.CHANGES_WANTED, 2)
        self._publish()
        if cell(layout.PRESSURE) > cell(layout.PRESSURE_LIMIT):
            self._move_window()

    def _grow_orders(self) -> None:
        count = self._cell(layout.ORDER_COUNT)
        if count >= len(self._orders):
            _extend(self._orders, _grown(len(self._orders)))
        if count >= _map_limit(len(self._map)):
            self._map = np.zeros(2 * len(self._map), np.uint64)
            self._publish()
            upkeep.rehash(self.handle)

    def _grow_output(self, records: Array, count_cell: int, wanted_cell: int, least: int) -> None:
        """Make `records` hold what is not yet taken and what the message at hand wants to write."""
        if records is self._changes and not self._cell(layout.RECORDS_CHANGES):
            return
        needed = self._cell(count_cell) + max(least, self._cell(wanted_cell))
        if needed > len(records):
            _extend(records, max(needed, _grown(len(records))))
        self._state[wanted_cell] = 0

    def _move_window(self) -> None:
        """Place the window around the market; widen it while many levels lie outside all the same."""
        self._place_window()
        ticks, levels = self._cell(layout.WINDOW_TICKS), self.level_count
        if 8 * self._cell(layout.FAR_COUNT) > levels and ticks < min(WINDOW_TICKS_MOST, levels * WINDOW_TICKS_A_LEVEL):
            self._make_window(4 * ticks)
            self._publish()
            self._place_window()

    def _make_window(self, ticks: int) -> None:
        self._window = np.zeros(ticks, np.int32)
        self._words = np.zeros(ticks >> 6, np.uint64)
        self._summary = np.zeros(ticks >> 12, np.uint64)

    def _place_window(self) -> None:
        for array in (self._window, self._words, self._summary):
            array.fill(0)
        ticks = self._cell(layout.WINDOW_TICKS)
        upkeep.place_window(self.handle, self._centre(ticks) - ticks // 2)
        self._state[layout.PRESSURE_LIMIT] = 64 + (ticks >> 8) + self.level_count // 4

    def _centre(self, ticks: int) -> int:
        bid, ask = self.best_bid, self.best_ask
        if bid is not None and ask is not None:
            return (bid + ask) // 2 if ask - bid < ticks else bid
        if bid is None and ask is None:
            return self._cell(layout.WINDOW_BASE) + ticks // 2
        return bid if bid is not None else ask or 0

    # -------------------- state and arrays

    def _cell(self, cell: int) -> int:
        return self._state.item(cell)

    def _slot_of(self, order_id: int) -> int:
        return int(upkeep.find_order(self.handle, order_id)) if -(1 << 63) <= order_id < 1 << 63 else -1

    def _best_quantity(self, side: int) -> int:
        slot = self._cell(layout.BEST_LEVEL + side)
        return int(self._levels["quantity"][slot]) if slot >= 0 else 0

    def _published(self) -> tuple[Array, ...]:
        """The arrays in the order of their address cells."""
        return (
            self._orders,
            self._levels,
            self._window,
            self._words,
            self._summary,
            self._map,
            self._far,
            self._reports,
            self._changes,
        )

    def _publish(self) -> None:
        """Write addresses and sizes of the arrays into the state, where compiled code finds them."""
        state = self._state
        for cell, array in enumerate(self._published(), layout.ORDERS_AT):
            state[cell] = array.ctypes.data
        state[layout.ORDER_LIMIT] = min(len(self._orders), _map_limit(len(self._map)))
        state[layout.LEVEL_LIMIT] = len(self._levels)
        state[layout.WINDOW_TICKS] = len(self._window)
        state[layout.MAP_MASK] = len(self._map) - 1
        state[layout.REPORT_LIMIT] = len(self._reports)
        state[layout.CHANGE_LIMIT] = len(self._changes) if state[layout.RECORDS_CHANGES] else layout.MAX_QUANTITY

    def _empty(self) -> None:
        state = self._state
        self._map.fill(0)
        for cell in (layout.ORDER_HIGH, layout.ORDER_COUNT, layout.LEVEL_HIGH, layout.LEVEL_COUNT):
            state[cell] = 0
        for cell in (layout.REPORT_COUNT, layout.CHANGE_COUNT, layout.REPORTS_WANTED, layout.CHANGES_WANTED):
            state[cell] = 0
        for cell in (layout.ORDER_FREE, layout.LEVEL_FREE, layout.BEST_LEVEL + BUY, layout.BEST_LEVEL + SELL):
            state[cell] = -1
        state[layout.BEST_PRICE + BUY] = layout.NO_BID_PRICE
        state[layout.BEST_PRICE + SELL] = layout.NO_ASK_PRICE


def _flaw_beyond_int64(order_id: int, price: int, quantity: int, owner: int) -> Outcome:
    """Which refusal a message earns that has a number beyond int64."""
    flaws = {Outcome.UNKNOWN_ID: order_id, Outcome.BAD_QUANTITY: quantity, Outcome.BAD_PRICE: price}
    for outcome, number in flaws.items():
        if not -(1 << 63) <= number < 1 << 63:
            return outcome
    return Outcome.BAD_OWNER if not -(1 << 63) <= owner < 1 << 63 else Outcome.BAD_WORD


def _grown(length: int) -> int:
    """The next size of an array: double while small, a quarter more when large, so that little lies idle."""
    return 2 * length if length < 1 << 20 else length + length // 4


def _extend(array: Array, length: int) -> None:
    """Lengthen in place: for large arrays the system moves pages instead of copying them."""
    array.resize(length, refcheck=False)


def _map_limit(slots: int) -> int:
    """How many orders a map of `slots` takes."""
    return slots // 4 if slots <= SMALL_MAP_SLOTS else slots * 5 // 8


def _map_slots(orders: int) -> int:
    """The smallest power of two that takes `orders`."""
    slots = 8
    while _map_limit(slots) < orders:
        slots *= 2
    return slots
