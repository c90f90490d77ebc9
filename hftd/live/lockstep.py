"""Keeping step with an exchange whose time stands still until we have said `done`.

The exchange sends what happened at one instant on several sockets, then a mark with the number of the hold on each of
them. Whatever order the sockets deliver in, the instant is handed on in one: the clock, reports, market data. So a
run does not depend on how fast the machine is, and the same run twice writes the same journal.
"""

from collections.abc import Callable, Sequence

from hftd.broker.base import ClockAnnouncement, Feed, FeedState, FeedStatus, HoldBegun, Mark, MarketMessage, Message
from hftd.domain.orders import ExecutionReport

Done = Callable[[int, int | None], None]
"""Told which hold has been dealt with, and when the next timer is due."""


class Lockstep:
    """Sorts one instant's messages and decides when it is done. `is_busy` tells whether requests are unanswered."""

    def __init__(self, done: Done, is_busy: Callable[[], bool]) -> None:
        self._done = done
        self._is_busy = is_busy
        self._marks: dict[Feed, int] = {Feed.CLOCK: 0}
        self._pending: list[Message] = []
        self._announcement: ClockAnnouncement | None = None
        self._latest = 0
        self._begun = 0
        self._said = 0
        self._is_clock_up = True

    def offer(self, message: Message) -> Sequence[Message]:
        """Take in one message and return it if it need not wait for the rest of its instant."""
        match message:
            case Mark(feed=feed, hold=hold):
                self._marks[feed] = hold
            case HoldBegun(hold=hold):
                if self._is_clock_up:
                    self._begun = max(self._begun, hold)
            case ClockAnnouncement(hold=0):
                return () if self._latest else (message,)  # where time is between two holds is no business of ours
            case ClockAnnouncement(hold=hold):
                self._marks[Feed.CLOCK] = hold
                self._announcement = message
                self._latest = hold
            case FeedStatus(feed=feed, state=state):
                self._follow(feed, state)
                return (message,)
            case _:
                self._pending.append(message)
        return ()

    def release(self) -> Sequence[Message]:
        """The instant's messages in order, once all of them are here and nothing of ours is unanswered.

        To be asked for when all that was handed on is dealt with: an answer that still waits its turn may lead to
        another request, and its answer comes before them.
        """
        if self._announcement is None or self._is_busy() or not self._is_complete():
            return ()
        pending, self._pending = self._pending, []
        announcement, self._announcement = self._announcement, None
        return (announcement, *sorted(pending, key=_turn))

    def idle(self, wake_ns: int | None) -> None:
        """Everything handed on has been dealt with: let time go on, if nothing is on its way, to `wake_ns` at most."""
        if self._announcement is None and not self._is_busy() and self._said < self._latest and self._is_complete():
            self._said = self._latest
            self._done(self._latest, wake_ns)

    def disconnected(self) -> None:
        """The sockets of market data and reports were closed by us: no marks will come on them."""
        self._marks = {Feed.CLOCK: self._marks[Feed.CLOCK]}

    def _is_complete(self) -> bool:
        return all(mark >= max(self._latest, self._begun) for mark in self._marks.values())

    def _follow(self, feed: Feed, state: FeedState) -> None:
        if feed is Feed.CLOCK:
            self._is_clock_up = state is FeedState.UP
        if state is FeedState.UP:
            # what came before it was connected it will not be told; a mark may have come with the greeting
            self._marks[feed] = max(self._marks.get(feed, 0), self._latest)
        elif feed is Feed.CLOCK:
            self._forget()
        elif state in (FeedState.DOWN, FeedState.FAILED):
            self._marks.pop(feed, None)

    def _forget(self) -> None:
        """Without a clock nobody holds time, and an exchange that was restarted counts its holds anew."""
        self._announcement = None
        self._latest = self._begun = self._said = 0
        self._marks = dict.fromkeys(self._marks, 0)


def _turn(message: Message) -> tuple[int, int, str]:
    """Place within an instant: reports in their own order, then market data by time and symbol, then the rest."""
    if isinstance(message, ExecutionReport):
        return (0, 0, "")
    if isinstance(message, MarketMessage):
        return (1, message.data.time_ns, message.data.symbol)
    return (2, 0, "")
