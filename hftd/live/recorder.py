"""Recording what the market-data socket delivers, beside the trading or without it.

What arrives is put into a list, and every few seconds a thread writes the list down: the event loop never waits for
the disk. A kill loses what came since the last writing. At a session's end the day is made into Parquet files.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import structlog

from hftd.broker.base import Broker, MarketMessage, Message, Sink, TradeWithdrawn, TradingStatus
from hftd.calendar import NEW_YORK
from hftd.data.recording import (
    TABLE_OF,
    Columns,
    Segments,
    Status,
    Withdrawn,
    columns_of,
    compact,
    needs_compacting,
)
from hftd.domain.convert import ns_of
from hftd.domain.market import Quote, Trade
from hftd.live.services import EndedSession, Service, in_thread

if TYPE_CHECKING:
    from hftd.live.daemon import Daemon

log = structlog.get_logger()

WRITE_EVERY_S = 2.0
BATCH_ROWS = 5_000
"""Rows that are made into columns at once: the event loop has its turn in between."""
WAITING_MAX = 2_000_000
"""Messages that may wait for a disk that cannot be written to; more are counted and lost."""

TIME_END_NS = 2**63
"""What no file holds any more: the year 2262. A time beyond it is nobody's."""

Tables = defaultdict[str, tuple[list[Any], list[int]]]
"""Rows and their local times, by the table that they belong to."""
Waiting = defaultdict[date, Tables]


def records_folder(state: Path) -> Path:
    """Where a state directory keeps what was recorded, a folder for each day."""
    return state / "records"


class Recorder(Service):
    """Records to `STATE/records/DAY/`; a day is New York's. `count` is how many messages were offered."""

    def __init__(self, state: Path) -> None:
        self.folder = records_folder(state)
        self.count = self.lost = 0
        self._waiting, self._waiting_count = _nothing(), 0
        self._day, self._day_ns = date.min, (0, 0)
        self._today = self._waiting[self._day]
        self._segments: dict[date, Segments] = {}
        self._writing = asyncio.Lock()
        self._ticker: asyncio.Task[None] | None = None
        self._failed = ""

    def offer(self, message: Message) -> None:
        """Take `message` down, if it is market data. Never blocks."""
        if isinstance(message, MarketMessage):
            row: Any = message.data
            table = "updated_bars" if message.correction else TABLE_OF[type(row)]
            if message.daily:
                return
        elif isinstance(message, TradingStatus):
            table, row = "statuses", _status_of(message)
        elif isinstance(message, TradeWithdrawn):
            table, row = "withdrawn_trades", _withdrawn_of(message)
        else:
            return
        self.count += 1
        if self._waiting_count >= WAITING_MAX or not 0 <= row.time_ns < TIME_END_NS:
            self.lost += 1
            return
        first_ns, end_ns = self._day_ns
        if not first_ns <= row.time_ns < end_ns:
            self._turn_to(row.time_ns)
        data, times = self._today[table]
        data.append(row)
        times.append(message.received_ns)
        self._waiting_count += 1

    async def write(self) -> None:
        """Bring what has been offered to the disk, in a thread. What cannot be written is kept for the next time."""
        async with self._writing:
            waiting, self._waiting, self._waiting_count = self._waiting, _nothing(), 0
            self._today = self._waiting[self._day]
            try:
                await in_thread(self._write, waiting)
                self._failed = ""
            except OSError as error:
                self._keep(waiting)
                self._tell_failure(error)
            except (OverflowError, ValueError) as error:  # a number that no file holds: it would be in the way for ever
                self.lost += sum(len(data) for tables in waiting.values() for data, _ in tables.values())
                self._tell_failure(error)

    async def started(self, daemon: "Daemon") -> None:
        await self.start()

    async def session_ended(self, ended: EndedSession) -> None:
        await self.finish()

    async def stopped(self) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to write regularly, and finish the days that an earlier process has left."""
        self._ticker = asyncio.create_task(self._write_regularly())
        await self._compact(needs_compacting(self.folder))

    async def finish(self) -> None:
        """Write everything down and make the days' Parquet files."""
        await self.write()
        async with self._writing:
            for segments in self._segments.values():
                segments.close()
            self._segments.clear()
            await self._compact(needs_compacting(self.folder))

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker
        await self.finish()

    async def _write_regularly(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            if self._waiting_count:
                await self.write()
            if len(self._segments) > 1:  # another day has begun
                await self.finish()

    def _write(self, waiting: Waiting) -> None:
        for day, tables in waiting.items():
            for table, (data, times) in tables.items():
                segments = self._segments.get(day) or self._segments.setdefault(day, Segments(self.folder / str(day)))
                segments.append(table, _parts(data, times))
                data.clear()
                times.clear()

    async def _compact(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            try:
                rows = await in_thread(compact, folder)
            except OSError as error:
                self._tell_failure(error)
            else:
                log.info("records.written", folder=str(folder), **rows)

    def _keep(self, unwritten: Waiting) -> None:
        """Put back what could not be written, before what came meanwhile."""
        for day, tables in unwritten.items():
            for table, (data, times) in tables.items():
                later_data, later_times = self._waiting[day][table]
                later_data[:0], later_times[:0] = data, times
                self._waiting_count += len(data)

    def _tell_failure(self, error: Exception) -> None:
        if self._failed != str(error):
            self._failed = str(error)
            log.error("recording.failed", reason=str(error), waiting=self._waiting_count, lost=self.lost)

    def _turn_to(self, time_ns: int) -> None:
        self._day = datetime.fromtimestamp(time_ns / 1e9, NEW_YORK).date()
        self._day_ns = _midnight_ns(self._day), _midnight_ns(self._day + timedelta(days=1))
        self._today = self._waiting[self._day]


class OverheardBroker:
    """A broker whose market data a recorder hears too: trades and quotes of all symbols are subscribed to for it, and
    passed on only as far as they were asked for."""

    def __init__(self, broker: Broker, recorder: Recorder, symbols: Iterable[str]) -> None:
        self._broker = broker
        self._recorder = recorder
        self._symbols = frozenset(symbols)
        self._wanted: dict[type[Any], set[str]] = {Quote: set(), Trade: set()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def connect(self, sink: Sink) -> None:
        await self._broker.connect(partial(self._hear, sink))

    async def subscribe(self, quotes: Iterable[str] = (), trades: Iterable[str] = (), **others: Iterable[str]) -> None:
        self._wanted[Quote] |= set(quotes)
        self._wanted[Trade] |= set(trades)
        symbols = sorted(self._symbols)
        await self._broker.subscribe(quotes=symbols, trades=symbols, **others)

    def _hear(self, sink: Sink, message: Message) -> None:
        self._recorder.offer(message)
        if isinstance(message, MarketMessage):
            wanted = self._wanted.get(type(message.data))
            if wanted is not None and message.data.symbol not in wanted:
                return
        sink(message)


def overheard(broker: Broker, recorder: Recorder, symbols: Iterable[str]) -> Broker:
    """`broker`, with `recorder` listening."""
    return cast("Broker", OverheardBroker(broker, recorder, symbols))


def _status_of(message: TradingStatus) -> Status:
    words = (message.code, message.message, message.reason_code, message.reason)
    return Status(message.symbol, message.time_ns, *words)


def _withdrawn_of(message: TradeWithdrawn) -> Withdrawn:
    old, new = message.trade, message.replacement
    instead = (new.price, new.size, new.trade_id) if new else ()
    return Withdrawn(old.symbol, old.time_ns, old.price, old.size, old.trade_id, *instead)


def _parts(data: list[Any], times: list[int]) -> Iterator[Columns]:
    for first in range(0, len(data), BATCH_ROWS):
        part = slice(first, first + BATCH_ROWS)
        yield columns_of(data[part], times[part])


def _nothing() -> Waiting:
    return defaultdict(lambda: defaultdict(lambda: ([], [])))


def _midnight_ns(day: date) -> int:
    return ns_of(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK))
