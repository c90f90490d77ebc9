"""One symbol's session among bots: the owner of its memory, its order book, and what comes out of it."""

from collections import deque
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from hftd.domain.convert import MINUTE_NS, SECOND_NS, TICKS_PER_DOLLAR
from hftd.domain.session import Session
from hftd.exchange.book.book import Book, Top
from hftd.exchange.book.layout import MESSAGE, Operation, Outcome, SelfTrade
from hftd.exchange.market.book_liquidity import UserFill
from hftd.exchange.market.bots import layout, loop
from hftd.exchange.market.bots.day import FIRST_DAY, FULL_DAY_MINUTES, planned
from hftd.exchange.market.bots.memory import Memory, UserMessage
from hftd.exchange.market.bots.settings import BotMarketSettings

Array = NDArray[Any]

WEIGHTS: Final = {"makers": 6.0, "noise": 0.25, "momentum": 0.75, "reverting": 0.75, "informed": 4.0}
"""How often an agent of each kind wakes beside the others."""

STREAM = 13
"""The agents' chance is drawn from a stream of its own, beside that of the day's plan."""

FLOW_MEMORY_S = 60.0
FAST_MEMORY_S = 20.0
SLOW_MEMORY_S = 300.0


class Pit:
    """A session of one symbol. `play_until` lets the bots trade; users' orders come in between, through `enter`.

    What comes out (prints, tops, and with `records_messages` the messages) is kept until taken.
    """

    def __init__(
        self,
        settings: BotMarketSettings,
        symbol: str,
        session: Session,
        *,
        records_messages: bool = False,
        memory: Memory | None = None,
    ) -> None:
        """The market before its open: nobody has quoted. What users did according to `memory` happens again."""
        self.session = session
        profile = settings.profile_of(symbol)
        plan = planned(profile, settings.seed, symbol, session)
        self.book = Book(records_changes=False)
        self._cells = np.zeros(layout.CELLS, np.int64)
        self._floats = np.zeros(layout.FLOATS, np.float64)
        self.handle: Final = int(self._cells.ctypes.data)
        counts = [settings.makers, settings.noise, settings.momentum, settings.reverting, settings.informed]
        slots = (
            settings.makers * layout.SLOTS_A_MAKER
            + settings.noise * layout.SLOTS_A_NOISE
            + settings.reverting * layout.SLOTS_A_REVERTING
        )
        self.inventory = np.zeros(sum(counts), np.int64)
        """Shares that each bot has bought less those it has sold."""
        self._fixed = (
            np.zeros(slots, np.int64),
            np.zeros(slots, np.int64),
            np.zeros(slots, np.int64),
            np.append(plan.values, plan.values[-1]),
            plan.pace,
            plan.target,
            plan.deviation,
            np.zeros(layout.OUTBOX_SIZE, MESSAGE),
        )
        self._prints = np.zeros(2048, layout.PRINT)
        self._tops = np.zeros(512, layout.TOP)
        self._log = np.zeros(2048 if records_messages else 1, layout.LOGGED)
        self._memory = memory
        self._past = deque(memory.messages if memory else ())
        self._scanned = 0
        self._user_fills: list[UserFill] = []
        self._fill_cells(settings, session, symbol, counts, records_messages)
        self._fill_floats(settings, counts, float(plan.values[0]), float(plan.target[1]))
        self._publish()

    # Playing

    def play_until(self, until_ns: int) -> None:
        """Let everything happen before `until_ns`, and the mark at it."""
        while self._past and self._past[0].time_ns < until_ns:
            self._run_until(self._past[0].time_ns)
            self._carry_out(self._past.popleft())
        self._run_until(until_ns)

    def _run_until(self, until_ns: int) -> None:
        while code := loop.play_until(self.handle, until_ns):
            self._make_room(code)

    def enter(self, operation: int, order_id: int, side: int, price: int, quantity: int, owner: int) -> Outcome:
        """A user's message: `order_id` below 0, `owner` from USER_OWNERS on. It does not trade with its own owner."""
        message = UserMessage(self.now_ns, operation, order_id, side, price, quantity, owner)
        if self._memory:
            self._memory.append(message)
        return self._carry_out(message)

    def _carry_out(self, message: UserMessage) -> Outcome:
        outcome = self.book.enter(*message[1:], SelfTrade.CANCEL_INCOMING)
        self._run_until(0)
        return outcome

    def resume(self) -> int:
        """Users come back: what they did is done again whole, and what still rested of it is taken out.

        Their fills of then are not told again. Returns the lowest id of their orders, 0 if there were none.
        """
        if not self._memory or not self._memory.messages:
            return 0
        while self._past:
            self._carry_out(self._past.popleft())
        ids = {message.order_id for message in self._memory.messages}
        for order_id in sorted(filter(self.book.__contains__, ids)):
            self.enter(Operation.CANCEL, order_id, 0, 0, 0, 0)
        self.take_user_fills()
        return min(ids)

    @property
    def now_ns(self) -> int:
        """How far the session has been played; 0 before its open."""
        return self._cells.item(layout.NOW_NS)

    @property
    def is_open(self) -> bool:
        """Whether the makers have quoted."""
        return self._cells.item(layout.OPENED) > 0

    @property
    def message_count(self) -> int:
        """Messages that bots have sent to the book."""
        return self._cells.item(layout.SENT)

    @property
    def volume(self) -> int:
        """Shares traded so far."""
        return self._cells.item(layout.VOLUME)

    def top(self) -> Top:
        """The best prices in ticks and the shares at them."""
        return self.book.top()

    def depth(self, side: int, levels: int) -> list[tuple[int, int]]:
        """Up to `levels` prices of a side in ticks with the shares at each, best first."""
        return [(int(price), int(quantity)) for price, quantity in self.book.depth(side, levels)]

    # What comes out

    def take_prints(self) -> Array:
        """The prints since the last call, in order, as `layout.PRINT`."""
        self._find_user_fills()
        self._scanned = 0
        return self._take(self._prints, layout.PRINT_COUNT)

    def take_user_fills(self) -> list[UserFill]:
        """The fills of users' orders since the last call, in order. Their prints are among the others all the same."""
        self._find_user_fills()
        fills, self._user_fills = self._user_fills, []
        return fills

    def _find_user_fills(self) -> None:
        count = self._cells.item(layout.PRINT_COUNT)
        if count == self._scanned:
            return
        prints = self._prints[self._scanned : count]
        self._scanned = count
        for row in prints[(prints["maker_id"] < 0) | (prints["taker_id"] < 0)]:
            ids = (int(row["maker_id"]), int(row["taker_id"]))
            self._user_fills += [UserFill(one, int(row["price"]), int(row["quantity"])) for one in ids if one < 0]

    def take_tops(self) -> Array:
        """The best prices at each mark where they had changed, since the last call, as `layout.TOP`."""
        return self._take(self._tops, layout.QUOTE_COUNT)

    def take_messages(self) -> Array:
        """The bots' messages since the last call, as `layout.LOGGED`; empty unless they are recorded."""
        return self._take(self._log, layout.LOG_COUNT)

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays."""
        own = (self._cells, self._floats, self.inventory, *self._fixed, self._prints, self._tops, self._log)
        return self.book.memory_bytes + sum(array.nbytes for array in own)

    @property
    def no_ticks(self) -> tuple[Array, Array]:
        """Prints and tops, none of either."""
        return self._prints[:0], self._tops[:0]

    def _take(self, records: Array, count_cell: int) -> Array:
        taken = records[: self._cells[count_cell]].copy()
        self._cells[count_cell] = 0
        return taken

    # Memory

    def _make_room(self, code: int) -> None:
        if code == loop.BOOK_NEEDS_ROOM:
            self.book.make_room()
        outputs = ((self._prints, layout.PRINT_COUNT), (self._tops, layout.QUOTE_COUNT), (self._log, layout.LOG_COUNT))
        for records, count_cell in outputs:
            if self._cells[count_cell] + self.book.report_limit >= len(records) > 1:
                records.resize(2 * len(records) + self.book.report_limit, refcheck=False)
        self._publish()

    def _publish(self) -> None:
        """Write addresses and sizes into the cells, where compiled code finds them."""
        cells = self._cells
        arrays = (self._floats, self.inventory, *self._fixed, self._prints, self._tops, self._log)
        cells[layout.BOOK] = self.book.handle
        for cell, array in enumerate(arrays, layout.FLOATS_AT):
            cells[cell] = array.ctypes.data
        cells[layout.PRINT_LIMIT] = len(self._prints)
        cells[layout.QUOTE_LIMIT] = len(self._tops)
        cells[layout.LOG_LIMIT] = len(self._log)

    def _fill_cells(
        self, settings: BotMarketSettings, session: Session, symbol: str, counts: list[int], records_messages: bool
    ) -> None:
        cells = self._cells
        seeds = np.random.SeedSequence(
            (settings.seed, crc32(symbol.encode()), session.day.toordinal() - FIRST_DAY, STREAM)
        )
        cells[layout.RANDOM] = int(seeds.generate_state(1, np.uint64)[0] >> np.uint64(1)) | 1
        cells[layout.OPEN_NS] = cells[layout.NEXT_NS] = cells[layout.MARK_NS] = session.open_ns
        cells[layout.NOW_NS] = session.open_ns
        cells[layout.CLOSE_NS] = session.close_ns
        cells[layout.STEP_NS] = settings.step_ns
        cells[layout.MAKERS : layout.INFORMED + 1] = counts
        cells[layout.AGENTS] = sum(counts)
        cells[layout.RECORDS_LOG] = records_messages
        cells[layout.CENT] = TICKS_PER_DOLLAR // 100 if settings.profile_of(symbol).price >= 1 else 1

    def _fill_floats(self, settings: BotMarketSettings, counts: list[int], value: float, first_minute: float) -> None:
        floats = self._floats
        weights = np.array(counts) * np.array(list(WEIGHTS.values()))
        floats[layout.UP_TO_MAKERS : layout.UP_TO_REVERTING + 1] = (np.cumsum(weights) / weights.sum())[:4]
        floats[layout.RATE] = settings.wakes_a_day / (FULL_DAY_MINUTES * MINUTE_NS)
        floats[layout.TAKES_A_SECOND] = 0.1 * settings.wakes_a_day / (FULL_DAY_MINUTES * 60)
        floats[layout.UNIT] = first_minute / 60.0 / floats[layout.TAKES_A_SECOND]
        floats[layout.FAST] = floats[layout.SLOW] = value
        seconds = settings.step_ns / SECOND_NS
        for cell, memory_s in (
            (layout.FLOW_KEPT, FLOW_MEMORY_S),
            (layout.FAST_KEPT, FAST_MEMORY_S),
            (layout.SLOW_KEPT, SLOW_MEMORY_S),
        ):
            floats[cell] = np.exp(-seconds / memory_s)
