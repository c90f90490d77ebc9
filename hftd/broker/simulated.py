"""The same adapter pointed at the simulated exchange, plus the link to its clock."""

from collections.abc import Callable

from hftd.broker.alpaca import AlpacaBroker
from hftd.broker.base import FeedState, FeedStatus, Message, Sink
from hftd.broker.credentials import Keys
from hftd.broker.endpoints import Patience, exchange_endpoints
from hftd.broker.exchange_clock import LOCKSTEP_HEADERS, ExchangeClockLink
from hftd.broker.line import Line
from hftd.clock import wall_ns


class SimulatedBroker(AlpacaBroker):
    """A `LockstepBroker` at the simulated exchange that serves everything at `url`.

    With `lockstep` the exchange's time waits for `done` after each moment in which it said something to this account.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        *,
        feed: str = "iex",
        lockstep: bool = False,
        now_ns: Callable[[], int] = wall_ns,
        patience: Patience | None = None,
    ) -> None:
        endpoints = exchange_endpoints(url, feed)
        headers = LOCKSTEP_HEADERS if lockstep else None
        super().__init__(endpoints, keys, now_ns=now_ns, patience=patience, socket_headers=headers)
        self.link = ExchangeClockLink(endpoints.clock, keys, now_ns, lockstep=lockstep, patience=patience)
        if lockstep:
            self._traces.append(self.link.trace)

    async def connect_clock(self, sink: Sink) -> None:
        """Follow the exchange's clock only, as a daemon does while the market is closed. `connect` does it too."""
        if not self.link.connected:
            await self.link.open(self._open_session(), self._overheard(sink))

    def _overheard(self, sink: Sink) -> Sink:
        """`sink`, and the other sockets are tried when the clock's is up."""

        def hear(message: Message) -> None:
            if isinstance(message, FeedStatus) and message.state is FeedState.UP:
                self._hurry_others(message.feed)
            sink(message)

        return hear

    async def connect(self, sink: Sink) -> None:
        await super().connect(sink)
        try:
            await self.connect_clock(sink)
        except BaseException:
            await self.disconnect_feeds()
            raise

    async def disconnect(self) -> None:
        await self.link.close()
        await super().disconnect()

    async def done(self, hold: int, wake_ns: int | None = None) -> None:
        """Let the exchange's time go on after hold number `hold`, and stand still again at `wake_ns`."""
        await self.link.done(hold, wake_ns)

    @property
    def _lines(self) -> tuple[Line, ...]:
        return (*super()._lines, self.link.line)
