"""The paper on which shadow models trade: one simple rule by which their orders would have been filled.

An order is looked at from the first event on that comes after its decision: a bar that began no earlier than the
decision was made, or a newer quote.

- market: at the bar's open, or at the quote's other side;
- limit: when the price goes through it (a touch fills nothing), at the limit or, where the bar already opens beyond it,
  at the open; by a quote, as soon as its other side is at the limit or better, at that other side;
- stop: when the price reaches it, at the stop or, where the bar opens beyond it, at the open; by a quote, when its
  other side is there, at that other side; a stop-limit order becomes a limit order by that and is looked at again with
  the next event; a trailing stop follows the best price of each bar and quote;
- the exits of a bracket: as soon as its entry is filled, whichever price is reached first, the stop where both are;
- always the whole order; no size, queue, latency, fee or market impact.

So a shadow's results flatter it where size matters, and are comparable among shadows.
"""

from dataclasses import dataclass
from decimal import Decimal

from hftd.domain.convert import decimal_of
from hftd.domain.market import Bar, Quote
from hftd.domain.orders import OrderClass, OrderRequest, OrderType, Side
from hftd.engine.portfolio import ZERO

HUNDRED = Decimal(100)


@dataclass(slots=True)
class PaperOrder:
    """A shadow's working order. `stop_price` follows the market for a trailing stop; `is_triggered` makes a stop-limit
    order a limit order."""

    request: OrderRequest
    decided_ns: int
    stop_price: Decimal | None = None
    is_triggered: bool = False

    def __post_init__(self) -> None:
        self.stop_price = self.request.stop_price

    @property
    def sign(self) -> int:
        return self.request.side.sign

    def by_bar(self, bar: Bar) -> Decimal | None:
        """Dollars at which `bar` fills the order; None when it does not."""
        if bar.time_ns < self.decided_ns:
            return None
        worst, best = (bar.high, bar.low) if self.sign > 0 else (bar.low, bar.high)
        return self._price(decimal_of(bar.open), decimal_of(worst), decimal_of(best), is_bar=True)

    def by_quote(self, quote: Quote) -> Decimal | None:
        """Dollars at which `quote` fills the order; None when it does not."""
        price = quote.ask if self.request.side is Side.BUY else quote.bid
        if quote.time_ns <= self.decided_ns or not price:
            return None
        touch = decimal_of(price)
        return self._price(touch, touch, touch, is_bar=False)

    def _price(self, first: Decimal, worst: Decimal, best: Decimal, *, is_bar: bool) -> Decimal | None:
        """By the first price, and the worst and best for this side, of what has happened."""
        kind = self.request.type
        if self.request.order_class is OrderClass.OCO:
            return self._exit(first, worst, best, is_bar=is_bar)
        if kind is OrderType.MARKET:
            return first
        if kind is OrderType.LIMIT or self.is_triggered:
            return self._limited(first, best, is_bar=is_bar)
        if not self._reaches_stop(first, worst, best):
            return None
        assert self.stop_price is not None
        if kind is OrderType.STOP_LIMIT:
            self.is_triggered = True
            return None
        return first if self.sign * (first - self.stop_price) >= 0 else self.stop_price

    def _exit(self, first: Decimal, worst: Decimal, best: Decimal, *, is_bar: bool) -> Decimal | None:
        """The stop loss goes before the take profit where a bar reaches both."""
        request, stop = self.request, self.request.stop_loss_price
        if stop is not None and self.sign * (worst - stop) >= 0:
            return first if self.sign * (first - stop) >= 0 else stop
        return None if request.take_profit_price is None else self._limited(first, best, is_bar=is_bar)

    def _limited(self, first: Decimal, best: Decimal, *, is_bar: bool) -> Decimal | None:
        limit = self.request.limit_price or self.request.take_profit_price
        assert limit is not None
        if self.sign * (limit - first) >= 0:
            return first
        return limit if is_bar and self.sign * (limit - best) > 0 else None

    def _reaches_stop(self, first: Decimal, worst: Decimal, best: Decimal) -> bool:
        """Whether the price has gone to the stop; a trailing one follows only afterwards, for the best price of a bar
        may have come last."""
        reached = self.stop_price is not None and self.sign * (worst - self.stop_price) >= 0
        if not reached and self.request.type is OrderType.TRAILING_STOP:
            self._trail(best if self.stop_price is not None else first)
        return reached

    def _trail(self, best: Decimal) -> None:
        request = self.request
        distance = request.trail_price or best * (request.trail_percent or ZERO) / HUNDRED
        stop = best + self.sign * distance
        if self.stop_price is None or self.sign * (self.stop_price - stop) > 0:
            self.stop_price = stop
