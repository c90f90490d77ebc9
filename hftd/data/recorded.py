"""`Recorded`: market data of files and folders as one sequence in time, as columns or as domain objects.

data = Recorded.open([Path("bars")], symbols=("SPY",))
for bars in data.chunks(Kind.BARS):        # arrays: bars.time_ns, bars.symbol, bars.open ... bars.volume
    ...
for item in data.items():                  # Bar, Quote, Trade in exact order of time
    ...
for event in data.events():                # BarReceived, QuoteReceived, TradeReceived
    ...
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from hftd.data.decoding import Decoder
from hftd.data.files import DataFile, opened_files
from hftd.data.merging import Together, checked, cut_to, merge
from hftd.data.reading import USUAL, Reading
from hftd.data.rows import Bars, Kind, Rows, in_order, joined
from hftd.domain.convert import rfc3339_of
from hftd.domain.events import BarReceived, QuoteReceived, TradeReceived
from hftd.domain.market import Bar, MarketData, Quote, Trade
from hftd.errors import DataError
from hftd.wording import suggestion

EARLIEST_NS, LATEST_NS = -(2**63), 2**63 - 1
CHUNK_ROWS = 2**16
PART_ROWS = 2**12
"""Rows made objects at once: few, so that they are made in memory that is at hand."""
EVENTS: dict[type[Any], Any] = {Bar: BarReceived, Quote: QuoteReceived, Trade: TradeReceived}

DataEvent = BarReceived | QuoteReceived | TradeReceived


class Recorded:
    """Data that can be read any number of times, each time from the beginning, in chunks.

    `names` are the symbols met so far, in the order of the codes in chunks: those asked for first. Raises DataError,
    when opened or while it is read, for files that do not hold what they should.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        symbols: Sequence[str] = (),
        start_ns: int = EARLIEST_NS,
        end_ns: int = LATEST_NS,
    ) -> None:
        self.files = files
        self._symbols = tuple(symbols)
        self._start_ns, self._end_ns = start_ns, end_ns
        self.names: list[str] = list(symbols)

    @classmethod
    def open(
        cls,
        paths: Sequence[Path],
        *,
        reading: Reading = USUAL,
        symbols: Sequence[str] = (),
        start_ns: int = EARLIEST_NS,
        end_ns: int = LATEST_NS,
    ) -> "Recorded":
        """The data at `paths` (files, or folders with all they hold) that are known in [start_ns, end_ns]."""
        return cls(opened_files(paths, reading), symbols, start_ns, end_ns)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What the files hold."""
        return tuple(kind for kind in Kind if any(file.kind is kind for file in self.files))

    @property
    def where(self) -> str:
        """The files in words."""
        first = str(self.files[0].file)
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    def stretch(self) -> tuple[int, int]:
        """No later than the first and no earlier than the last moment at which data are known."""
        ends = [file.stretch() for file in self.files]
        return max(self._start_ns, min(least for least, _ in ends)), min(self._end_ns, max(last for _, last in ends))

    def between(self, start_ns: int, end_ns: int) -> "Recorded":
        """The same data, narrowed to [start_ns, end_ns]."""
        start_ns, end_ns = max(start_ns, self._start_ns), min(end_ns, self._end_ns)
        return Recorded(self.files, self._symbols, start_ns, end_ns)

    def of(self, symbols: Sequence[str]) -> "Recorded":
        """The same data, narrowed to `symbols`."""
        return Recorded(self.files, symbols, self._start_ns, self._end_ns)

    def stretches(self, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Together]:
        """The rows of all `kinds` by stretches of time of any length: all of one come before all of the next."""
        decoder = Decoder(self._symbols)
        self.names = decoder.names
        files = [file for file in self.files if file.kind in kinds]
        pieces = chain.from_iterable(file.pieces(decoder, self._start_ns, self._end_ns) for file in files)
        cut = cut_to(merge(pieces), self._start_ns, self._end_ns)
        return checked(cut, once_a_minute)

    def chunks(self, kind: Kind = Kind.BARS, rows_max: int = CHUNK_ROWS) -> Iterator[Any]:
        """`Bars`, `Quotes` or `Trades` of one kind in order of time, at most `rows_max` at once."""
        for stretch in self.stretches((kind,)):
            for first in range(0, len(stretch[kind]), rows_max):
                yield stretch[kind].take(slice(first, first + rows_max))

    def items(self, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[MarketData]:
        """Bars, quotes and trades in the order of recorded data; a bar comes when its minute is complete."""
        for parts in self.parts(kinds):
            yield from in_order(parts)

    def parts(self, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[list[Rows]]:
        """The rows of all `kinds`, few at once: what is known at one moment is in one part, all of one part come before
        all of the next."""
        for stretch in self.stretches(kinds):
            yield from _in_small_parts(stretch)

    def events(self, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[DataEvent]:
        """The same as events, none of them late."""
        for item in self.items(kinds):
            yield EVENTS[type(item)](item)

    def bars(self) -> dict[str, Bars]:
        """All bars in memory, by symbol. Raises DataError for a symbol that was asked for and has none."""
        chunks = [stretch[Kind.BARS] for stretch in self.stretches((Kind.BARS,))]
        whole = joined(chunks) if chunks else None
        codes = np.unique(whole.symbol).tolist() if whole is not None else []
        found = {self.names[code]: whole.take(whole.symbol == code) for code in codes}  # type: ignore[union-attr]
        self._check_symbols(found)
        return found  # type: ignore[return-value]

    def _check_symbols(self, found: Any) -> None:
        for symbol in self._symbols:
            if symbol not in found:
                raise DataError(f"{self.where}: no rows{self._for(symbol)}")

    def _for(self, symbol: str) -> str:
        if not (symbols := self.symbols()):
            return ", only a heading"
        if symbol in symbols:
            return f" for {symbol}"
        by_name = any("symbol" not in file.columns for file in self.files)
        why = " (a file without a column of symbols is of what its name begins with)" if by_name else ""
        return f" for {symbol}; {suggestion(symbol, symbols)}{why}"

    def symbols(self) -> tuple[str, ...]:
        """All symbols in the files, in order of the alphabet: reads them through."""
        whole = Recorded(self.files)
        for _ in whole.stretches():
            pass
        return tuple(sorted(whole.names))


def _in_small_parts(stretch: Together) -> Iterator[list[Rows]]:
    """Cut a stretch so that few objects are made at once; rows of one moment stay together."""
    longest = max(stretch.values(), key=len)
    known = longest.known_ns
    ends = np.unique(known[PART_ROWS - 1 :: PART_ROWS])
    for start_ns, end_ns in zip([EARLIEST_NS, *(ends + 1).tolist()], [*ends.tolist(), LATEST_NS], strict=True):
        yield [
            rows.take(
                slice(
                    int(np.searchsorted(rows.known_ns, start_ns)), int(np.searchsorted(rows.known_ns, end_ns, "right"))
                )
            )
            for rows in stretch.values()
        ]


def once_a_minute(rows: Rows) -> Rows:
    """`rows`; raises DataError for a second bar of a symbol in a minute, from a second file say."""
    if rows.kind is Kind.BARS and len(rows) > 1:
        same = (np.diff(rows.time_ns) == 0) & (np.diff(rows.symbol) == 0)
        if same.any():
            at = int(np.argmax(same))
            raise DataError(
                f"there are two bars of {rows.names[rows.symbol[at]]} at {rfc3339_of(int(rows.time_ns[at]))}, and one "
                "a minute is expected: name only the files that are to be read, or join them with hftd data import"
            )
    return rows
