"""Kraken's book channel (API v1): a snapshot, then differences that carry a checksum of the ten best levels.

Source: Kraken, "Websockets API v1: book" and its guide to the checksum: CRC32 over the ten best asks, lowest first,
then the ten best bids, highest first; of each the price and the size without the point and without leading zeros. Since
price and size always have the same number of decimals, that is the text of the scaled whole numbers.
"""

import zlib
from collections import Counter
from typing import Any, Final

from hftd.exchange.book.feeds.levels import LevelBook, LevelChange
from hftd.exchange.book.layout import BUY, SELL

SIZE_DECIMALS: Final = 8
CHECKED_LEVELS: Final = 10
KEYS: Final = {"b": BUY, "bs": BUY, "a": SELL, "as": SELL}


class KrakenBook:
    """The book of one pair, cut to `depth` levels a side as Kraken cuts it.

    Counted: `checksum_mismatch`, `price_off_tick` and `size_off_scale` (more or fewer decimals than the pair's),
    `not_a_number`, after each of which the book waits for a snapshot; `unsynchronised` (a difference while waiting);
    `checksum_right`; and what `LevelBook` counts.
    """

    def __init__(self, depth: int = 1000) -> None:
        self.counts: Counter[str] = Counter()
        self.levels = LevelBook(self.counts)
        self.book = self.levels.book
        self.synchronised = False
        self._depth = depth
        self._price_decimals = 0

    def apply(self, message: list[Any]) -> None:
        """One message as decoded from JSON: [channel id, {...}, maybe {...}, channel name, pair]."""
        content = {key: value for part in message[1:-2] for key, value in part.items()}
        if "as" in content or "bs" in content:
            self._load(content)
        elif not self.synchronised:
            self.counts["unsynchronised"] += 1
        else:
            self._follow(content)

    def checksum(self) -> int:
        """CRC32 of the ten best levels a side."""
        rows = [row for side in (SELL, BUY) for row in self.book.depth(side, CHECKED_LEVELS).tolist()]
        return zlib.crc32("".join(f"{price}{size}" for price, size in rows).encode())

    def _load(self, content: dict[str, Any]) -> None:
        prices = [row[0] for key in ("as", "bs") for row in content.get(key, ())]
        self._price_decimals = _decimals(prices[0]) if prices else 0
        changes = self._changes(content)
        self.synchronised = changes is not None and self.levels.load(changes)

    def _follow(self, content: dict[str, Any]) -> None:
        changes = self._changes(content)
        self.synchronised = changes is not None and self.levels.apply(changes)
        for side in (BUY, SELL):
            self.levels.trim(side, self._depth)
        if self.synchronised and "c" in content:
            self.synchronised = self.checksum() == int(content["c"])
            self.counts["checksum_right" if self.synchronised else "checksum_mismatch"] += 1

    def _changes(self, content: dict[str, Any]) -> list[LevelChange] | None:
        """The changes in whole numbers; None, and a count, if one cannot be scaled exactly."""
        changes = []
        for key, side in KEYS.items():
            for price, size, *_ in content.get(key, ()):
                flaw = self._flaw_of(price, size)
                if flaw is not None:
                    self.counts[flaw] += 1
                    return None
                changes.append(LevelChange(side, _scaled(price), _scaled(size)))
        return changes

    def _flaw_of(self, price: str, size: str) -> str | None:
        if not (_is_number(price) and _is_number(size)):
            return "not_a_number"
        if _decimals(price) != self._price_decimals:
            return "price_off_tick"
        return "size_off_scale" if _decimals(size) != SIZE_DECIMALS else None


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit()


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _scaled(text: str) -> int:
    return int(text.replace(".", "", 1))
