"""Binance depth: a snapshot by REST and differences by socket, joined by their update ids.

Source: Binance, "How to manage a local order book correctly", for spot and for futures. Differences that end at or
before the snapshot are dropped; the first one used must reach back to it; from then on each must follow the one before:
on spot its first id is the last one plus 1, on futures it names the last one.
"""

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hftd.errors import DataError
from hftd.exchange.book.feeds.levels import LevelBook, LevelChange
from hftd.exchange.book.layout import BUY, SELL

PENDING_MOST: Final = 10_000
"""Differences kept while waiting for a snapshot."""

COLUMNS: Final = (
    "timestamp",
    "event",
    "is_snapshot",
    "first_id",
    "last_id",
    "prev_last_id",
    "side",
    "price_ticks",
    "size_e8",
)


class DepthMessage(NamedTuple):
    """A snapshot or a difference. Ids are Binance's U, u and pu; `previous_last_id` is 0 on spot, which sends none."""

    time_ns: int
    is_snapshot: bool
    first_id: int
    last_id: int
    previous_last_id: int
    changes: list[LevelChange]

    @property
    def follows_id(self) -> int:
        """The update that this difference stands on."""
        return self.previous_last_id or self.first_id - 1


class BinanceBook:
    """A book kept by Binance's rules. Until a snapshot has come, and after a gap, `last_id` is None and it waits.

    Counted: `stale` (at or before the snapshot or the last difference), `gap` (an update is missing: everything waits
    for a new snapshot), `pending_dropped` (too many differences while waiting), and what `LevelBook` counts.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.levels = LevelBook(self.counts)
        self.book = self.levels.book
        self.last_id: int | None = None
        # Whether a difference has followed the snapshot yet: the first one need only reach back to it.
        self._joined = False
        self._pending: deque[DepthMessage] = deque()

    def apply(self, message: DepthMessage) -> None:
        """One message, in the order of receiving."""
        if message.is_snapshot:
            self._start(message)
        elif self.last_id is None:
            self._wait(message)
        else:
            self._follow(message, self.last_id)

    def _start(self, snapshot: DepthMessage) -> None:
        self.last_id = snapshot.last_id if self.levels.load(snapshot.changes) else None
        if self.last_id is None:
            return
        self._joined = False
        waiting, self._pending = self._pending, deque()
        for difference in waiting:
            self.apply(difference)

    def _wait(self, difference: DepthMessage) -> None:
        if len(self._pending) == PENDING_MOST:
            self._pending.popleft()
            self.counts["pending_dropped"] += 1
        self._pending.append(difference)

    def _follow(self, difference: DepthMessage, last_id: int) -> None:
        if difference.last_id <= last_id:
            self.counts["stale"] += 1
        elif difference.follows_id > last_id or (self._joined and difference.follows_id < last_id):
            self.counts["gap"] += 1
            self.last_id = None
            self._wait(difference)
        else:
            self.levels.apply(difference.changes)
            self.last_id = difference.last_id
            self._joined = True


def recorded(path: Path) -> Iterator[DepthMessage]:
    """Messages of a recorded Parquet file: one row a changed level, rows of one message together.

    Columns: `COLUMNS`; `side` is 1 for bids and -1 for asks, sizes are multiplied by 10^8. Raises DataError if one is
    missing.
    """
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]}; found {', '.join(table.column_names)}")
    columns = [table[name].cast("int64" if name == "timestamp" else table[name].type).to_pylist() for name in COLUMNS]
    current, message = None, None
    for time_ns, event, is_snapshot, first, last, previous, side, price, size in zip(*columns, strict=True):
        if event != current:
            if message is not None:
                yield message
            current, message = event, DepthMessage(time_ns, is_snapshot, first, last, previous, [])
        assert message is not None
        message.changes.append(LevelChange(BUY if side == 1 else SELL, price, size))
    if message is not None:
        yield message
