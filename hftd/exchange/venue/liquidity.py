"""What users' orders trade against, as the venue sees it.

The venue decides what may trade and when; a `Liquidity` says at which prices and how much of it. Two kinds exist:
`QuoteLiquidity` fills against the quote of the moment; a matching engine fills in a book shared with others.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from hftd.domain.market import Quote
from hftd.domain.orders import Side
from hftd.exchange.venue.orders import Execution


class Liquidity(Protocol):
    """The other side of every trade. `order_key` is the order's id, `owner` the account's id."""

    def quote(self, symbol: str) -> Quote | None:
        """The best bid and ask now; None when there is none."""
        ...

    def update(self, quote: Quote) -> None:
        """A quote was published. A liquidity with a book of its own has nothing to learn from it."""
        ...

    def clear(self) -> None:
        """A session begins or ends: quotes from before are void. Resting orders stay."""
        ...

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
        """Trade now up to `quantity` shares at `limit_price` or better; with `whole`, all of it or nothing."""
        ...

    def rest(
        self, order_key: str, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None, owner: str
    ) -> None:
        """Wait with what could not be taken; a `limit_price` of None takes any price."""
        ...

    def withdraw(self, order_key: str) -> None:
        """Forget a resting order. No error when nothing rests under that key."""
        ...

    def poll(self) -> Sequence[tuple[str, Execution]]:
        """The fills of resting orders since the last poll, in their order. What is filled no longer rests."""
        ...
