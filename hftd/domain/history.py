"""Past bars of one symbol as arrays, the way statistics want them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Columns of bars, oldest first, all of the same length; read-only, and never changed by later bars.

    `time_ns` is the start of each bar (int64 nanoseconds UTC), prices are float64 dollars, `volume` int64 shares;
    `vwap` is NaN where a bar has none.
    """

    symbol: str
    time_ns: "NDArray[np.int64]"
    open: "NDArray[np.float64]"
    high: "NDArray[np.float64]"
    low: "NDArray[np.float64]"
    close: "NDArray[np.float64]"
    volume: "NDArray[np.int64]"
    vwap: "NDArray[np.float64]"

    def __len__(self) -> int:
        return len(self.time_ns)
