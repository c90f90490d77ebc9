"""Slippage as a policy: what takes a quote pays a little more than the quote says, or gets a little less."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from hftd.domain.market import Quote, Trade
from hftd.domain.orders import Side
from hftd.exchange.market.tape_liquidity import TapeLiquidity
from hftd.exchange.venue.liquidity import Liquidity
from hftd.exchange.venue.orders import Execution

BPS = Decimal(10_000)
TICK = Decimal("0.0001")


def slipped(side: Side, price: Decimal, bps: Decimal) -> Decimal:
    """`price` made worse by `bps` basis points, to the next $0.0001 against the order; never below that."""
    worse = price * (BPS + side.sign * bps) / BPS
    return max(worse.quantize(TICK, rounding=ROUND_CEILING if side is Side.BUY else ROUND_FLOOR), TICK)


class Slipping:
    """Another liquidity, whose takers slip by `bps`, at most to their limit. What rests is filled at its own price.

    Implements `Liquidity`.
    """

    def __init__(self, liquidity: Liquidity, bps: Decimal) -> None:
        self._liquidity = liquidity
        self._bps = bps

    def quote(self, symbol: str) -> Quote | None:
        return self._liquidity.quote(symbol)

    def update(self, quote: Quote) -> None:
        self._liquidity.update(quote)

    def clear(self) -> None:
        self._liquidity.clear()

    def on_trade(self, trade: Trade) -> None:
        """A print of the tape, for a liquidity that hears it."""
        if isinstance(self._liquidity, TapeLiquidity):
            self._liquidity.on_trade(trade)

    def take(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        limit_price: Decimal | None,
        owner: str,
        *,
        whole: bool = False,
    ) -> Sequence[Execution]:
        taken = self._liquidity.take(symbol, side, quantity, limit_price, owner, whole=whole)
        return tuple(Execution(self._price(side, each.price, limit_price), each.quantity) for each in taken)

    def rest(
        self, order_key: str, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None, owner: str
    ) -> None:
        self._liquidity.rest(order_key, symbol, side, quantity, limit_price, owner)

    def withdraw(self, order_key: str) -> None:
        self._liquidity.withdraw(order_key)

    def poll(self) -> Sequence[tuple[str, Execution]]:
        return self._liquidity.poll()

    def _price(self, side: Side, price: Decimal, limit: Decimal | None) -> Decimal:
        worse = slipped(side, price, self._bps)
        if limit is None:
            return worse
        return min(worse, limit) if side is Side.BUY else max(worse, limit)
