"""Messages under way to the market: when each arrives, and in which order. An account's never overtake one another."""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from hftd.exchange.venue.latency import Latency
from hftd.exchange.venue.orders import Order


class Transit:
    """What is under way. `sent` counts messages; `draw` gives numbers from 0 to 1 to a latency that needs them."""

    def __init__(self, latency: Latency | None, draw: Callable[[], float] | None) -> None:
        self.sent = 0
        self._latency = latency
        self._draw = draw
        self._due: list[tuple[int, int, str]] = []
        self._latest_ns: dict[str, int] = {}

    def arrival_ns(self, account_id: str, time_ns: int) -> int | None:
        """When a message of an account that is sent now will arrive, never before an earlier one; None: at once."""
        if self._latency is None:
            return None
        due_ns = time_ns + self._latency.of(self.sent, self._draw)
        self.sent += 1
        self._latest_ns[account_id] = max(due_ns, self._latest_ns.get(account_id, 0))
        return self._latest_ns[account_id]

    def expect(self, due_ns: int, order: Order) -> None:
        """A message about `order` arrives then."""
        heappush(self._due, (due_ns, order.sequence, order.id))

    @property
    def next_ns(self) -> int | None:
        """When the next message arrives; None when none is under way."""
        return self._due[0][0] if self._due else None

    def arrived(self, time_ns: int) -> Iterator[tuple[int, str]]:
        """When each message that has arrived by now was due, and its order's id, in the order of arrival. What is sent
        meanwhile and arrives at once is among them."""
        while self._due and self._due[0][0] <= time_ns:
            due_ns, _, order_id = heappop(self._due)
            yield due_ns, order_id
