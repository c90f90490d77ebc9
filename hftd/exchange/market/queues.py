"""Where in the queue an order stands that rests in somebody else's quotes: three guesses, since quotes do not tell.

The names and the two careful ones are hftbacktest's queue models (its documentation, "Order Fill").
"""

from decimal import Decimal
from enum import StrEnum

from hftd.exchange.venue.orders import ZERO


class Queue(StrEnum):
    """How much stands before an order that joins a price, and what becomes of it when the price's size shrinks.

    `front`: nothing, the best case. `back`: all that is shown, and only prints bring the order forward. `proportional`:
    all that is shown, and cancellations are taken to be spread evenly over the queue.
    """

    FRONT = "front"
    BACK = "back"
    PROPORTIONAL = "proportional"


def joined(queue: Queue, shown: Decimal) -> Decimal:
    """Shares before an order that joins a price at which `shown` shares stand."""
    return ZERO if queue is Queue.FRONT else shown


def shrunk(queue: Queue, ahead: Decimal, before: Decimal, after: Decimal) -> Decimal:
    """What remains of `ahead` when the shares at the price go from `before` to `after`."""
    if queue is Queue.PROPORTIONAL and after < before:
        return ahead * after / before
    return min(ahead, after)
