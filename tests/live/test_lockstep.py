"""Keeping step with an exchange whose connection was lost and is there again."""

import pytest

from hftd.broker.base import ClockAnnouncement, Feed, FeedState, FeedStatus, Mark
from hftd.live.lockstep import Lockstep


class Exchange:
    """What it says to a lockstep client, and the holds that were let go."""

    def __init__(self) -> None:
        self.let_go: list[int] = []
        self.lockstep = Lockstep(lambda hold, wake_ns: self.let_go.append(hold), is_busy=lambda: False)

    def sockets(self, state: FeedState, *feeds: Feed) -> None:
        for feed in feeds:
            self.lockstep.offer(FeedStatus(feed, state, 0))

    def announce(self, hold: int) -> None:
        self.lockstep.offer(ClockAnnouncement(hold, 3600.0, False, hold))
        self._go_round()

    def mark(self, hold: int, *feeds: Feed) -> None:
        for feed in feeds:
            self.lockstep.offer(Mark(feed, hold))
        self._go_round()

    def _go_round(self) -> None:
        self.lockstep.release()
        self.lockstep.idle(None)


@pytest.fixture
def exchange() -> Exchange:
    """An exchange in mid-session."""
    exchange = Exchange()
    exchange.sockets(FeedState.UP, Feed.CLOCK, Feed.DATA, Feed.TRADES)
    exchange.announce(200)
    exchange.mark(200, Feed.DATA, Feed.TRADES)
    assert exchange.let_go == [200]
    return exchange


def test_an_exchange_that_counts_anew_is_followed(exchange: Exchange) -> None:
    exchange.sockets(FeedState.DOWN, Feed.CLOCK, Feed.DATA, Feed.TRADES)
    exchange.announce(1)  # comes with the greeting
    exchange.sockets(FeedState.UP, Feed.CLOCK)
    exchange.announce(2)
    exchange.sockets(FeedState.UP, Feed.DATA, Feed.TRADES)
    exchange.announce(3)
    assert exchange.let_go == [200, 1, 2]
    exchange.mark(3, Feed.DATA, Feed.TRADES)
    assert exchange.let_go == [200, 1, 2, 3]


def test_only_the_clock_was_lost(exchange: Exchange) -> None:
    exchange.sockets(FeedState.DOWN, Feed.CLOCK)
    exchange.announce(201)
    exchange.sockets(FeedState.UP, Feed.CLOCK)
    exchange.mark(201, Feed.DATA)
    assert exchange.let_go == [200]
    exchange.mark(201, Feed.TRADES)
    assert exchange.let_go == [200, 201]


def test_a_socket_that_is_lost_is_not_waited_for(exchange: Exchange) -> None:
    exchange.sockets(FeedState.DOWN, Feed.DATA)
    exchange.announce(201)
    exchange.mark(201, Feed.TRADES)
    assert exchange.let_go == [200, 201]


def test_a_mark_that_comes_while_its_socket_is_greeted_is_remembered(exchange: Exchange) -> None:
    """Of two sockets that have something to read either may be read first."""
    exchange.sockets(FeedState.DOWN, Feed.TRADES)
    exchange.mark(201, Feed.TRADES)
    exchange.sockets(FeedState.UP, Feed.TRADES)
    exchange.announce(201)
    exchange.mark(201, Feed.DATA)
    assert exchange.let_go == [200, 201]
