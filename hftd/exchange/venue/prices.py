"""What the venue knows of prices: the last print and the last close of each symbol, and the quote of the moment."""

from collections.abc import Iterable
from decimal import Decimal

from hftd.domain.convert import decimal_of
from hftd.exchange.venue.liquidity import Liquidity

_TWO = Decimal(2)


class Prices:
    """Dollars. Kept as the floats they came as; they become Decimal only when money is counted."""

    def __init__(self, liquidity: Liquidity) -> None:
        self._liquidity = liquidity
        self.last: dict[str, float] = {}
        self.closing: dict[str, float] = {}
        self.settled: dict[str, float] = {}

    def ask(self, symbol: str) -> Decimal | None:
        """What a buyer pays now; without a quote, the current price."""
        quote = self._liquidity.quote(symbol)
        return decimal_of(quote.ask) if quote and quote.ask > 0 else self.current(symbol)

    def bid(self, symbol: str) -> Decimal | None:
        """What a seller gets now; without a quote, the current price."""
        quote = self._liquidity.quote(symbol)
        return decimal_of(quote.bid) if quote and quote.bid > 0 else self.current(symbol)

    def current(self, symbol: str) -> Decimal | None:
        """The last print; without prints the middle of the quote, or what that was when the session ended."""
        if (last := self.last.get(symbol)) is not None:
            return decimal_of(last)
        quote = self._liquidity.quote(symbol)
        if quote and quote.bid > 0 and quote.ask > 0:
            return (decimal_of(quote.bid) + decimal_of(quote.ask)) / _TWO
        settled = self.settled.get(symbol)
        return None if settled is None else decimal_of(settled)

    def settle(self, symbols: Iterable[str]) -> None:
        """Quotes are about to become void: keep the current prices."""
        self.settled = self._all_current(symbols)

    def begin_day(self, symbols: Iterable[str]) -> None:
        """The current prices are the last day's closing prices from now on."""
        self.closing = self._all_current(symbols)

    def _all_current(self, symbols: Iterable[str]) -> dict[str, float]:
        current = {symbol: self.current(symbol) for symbol in symbols}
        return {symbol: float(price) for symbol, price in current.items() if price is not None}
