"""Market data: what an exchange publishes. Prices are float dollars, sizes whole shares, times nanoseconds UTC."""

from msgspec import Struct

from hftd.domain.convert import MINUTE_NS


class Bar(Struct, frozen=True):
    """One minute of trading in one symbol.

    A bar stamped t covers [t, t + 1 min) and is known at t + 1 min. A minute without a trade has no bar.
    """

    symbol: str
    time_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    trade_count: int = 0
    vwap: float | None = None

    @property
    def known_at_ns(self) -> int:
        """When this bar was complete: the end of its minute."""
        return self.time_ns + MINUTE_NS


class Quote(Struct, frozen=True):
    """The best bid and ask of one symbol. A price of 0 means that side has no quote."""

    symbol: str
    time_ns: int
    bid: float
    bid_size: int
    ask: float
    ask_size: int

    @property
    def mid(self) -> float | None:
        """Halfway between bid and ask in dollars; None while a side is missing."""
        return (self.bid + self.ask) / 2 if self.bid > 0 and self.ask > 0 else None


class Trade(Struct, frozen=True):
    """One print: `size` shares changed hands at `price`."""

    symbol: str
    time_ns: int
    price: float
    size: int
    trade_id: int = 0


MarketData = Bar | Quote | Trade
