"""The last bars of one symbol, kept so that adding one costs next to nothing and arrays are made when asked for."""

from collections import deque
from typing import TYPE_CHECKING

from hftd.domain.history import History
from hftd.domain.market import Bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAN = float("nan")


class BarHistory:
    """At most `capacity` bars. `add` takes the next one, which must be newer than the last."""

    def __init__(self, symbol: str, capacity: int) -> None:
        self._symbol = symbol
        self.capacity = capacity
        self._recent: deque[Bar] = deque(maxlen=capacity)
        self.add = self._recent.append
        self._prices: NDArray[np.float64] | None = None
        self._counts: NDArray[np.int64] | None = None
        self._end = 0

    def last(self, bars: int | None = None) -> History:
        """The last `bars` of them, or all. Raises ValueError for a number below 1."""
        if bars is not None and bars < 1:
            raise ValueError(f"history of {bars} bars; expected at least 1")
        prices, counts = self._written()
        start = max(0, self._end - min(bars or self.capacity, self.capacity))
        time_ns, volume = counts[:, start : self._end]
        opened, high, low, close, vwap = prices[:, start : self._end]
        return History(self._symbol, time_ns, opened, high, low, close, volume, vwap)

    def _written(self) -> "tuple[NDArray[np.float64], NDArray[np.int64]]":
        """The columns, as read-only views, with all bars in them."""
        self._make_room()
        assert self._prices is not None and self._counts is not None
        for bar in self._recent:
            vwap = NAN if bar.vwap is None else bar.vwap
            self._prices[:, self._end] = bar.open, bar.high, bar.low, bar.close, vwap
            self._counts[:, self._end] = bar.time_ns, bar.volume
            self._end += 1
        self._recent.clear()
        prices, counts = self._prices.view(), self._counts.view()
        prices.flags.writeable = counts.flags.writeable = False
        return prices, counts

    def _make_room(self) -> None:
        """Begin new columns with the latest bars when these are full: those given out before are never written to."""
        import numpy as np

        if self._prices is None or self._counts is None:
            self._prices = np.empty((5, 2 * self.capacity), dtype=np.float64)
            self._counts = np.empty((2, 2 * self.capacity), dtype=np.int64)
        elif self._end + len(self._recent) > 2 * self.capacity:
            kept = slice(max(0, self._end - self.capacity), self._end)
            prices, counts = np.empty_like(self._prices), np.empty_like(self._counts)
            self._end = kept.stop - kept.start
            prices[:, : self._end], counts[:, : self._end] = self._prices[:, kept], self._counts[:, kept]
            self._prices, self._counts = prices, counts
