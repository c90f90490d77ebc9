"""The course of an exchange's time, in moments: sessions open and close at the venue, and the market plays meanwhile.

At a moment everything that is due then is done at once, always in this order: the open, the market's data, the venue's
own affairs, the close. Whoever lets time pass (a server on a clock of its own, a broker in process, a backtest) asks
`next_ns`, waits or does not, and calls `advance_to`. Pure: no clock.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from msgspec import Struct

from hftd.calendar import Calendar
from hftd.domain.market import MarketData, Quote, Trade
from hftd.domain.session import Session
from hftd.exchange.market.agenda import Agenda, Turn, TurningPoint
from hftd.exchange.market.base import Instant, Market, Play
from hftd.exchange.venue.assets import listed
from hftd.exchange.venue.happenings import Happening
from hftd.exchange.venue.settings import VenueSettings
from hftd.exchange.venue.venue import Venue


class Moment(Struct, frozen=True):
    """What came about at `time_ns`: turning points of the day, what the market published, what the venue did."""

    time_ns: int
    turned: Sequence[TurningPoint]
    data: Sequence[MarketData]
    happenings: Sequence[Happening]


class Course:
    """Leads `venue` and `market` through the sessions of `agenda`."""

    def __init__(
        self, venue: Venue, market: Market, agenda: Agenda, played_ns: int, start_ns: int | None = None
    ) -> None:
        """Go on after the moment `played_ns`, the last that was played; time is `start_ns`, or else that moment.

        A session whose close was missed is closed, and one that goes on is opened.
        """
        self.venue = venue
        self.market = market
        self.agenda = agenda
        standing = venue.standing
        if standing.is_open and standing.session and standing.session.close_ns <= played_ns:
            venue.close_session(standing.session, max(standing.session.close_ns, standing.time_ns))
        self._next = agenda.after(None, played_ns)
        session = self._next.session if self._next else None
        self._play: Play | None = market.play(session) if session else None
        if session and session.is_open(played_ns) and not venue.standing.is_open:
            venue.open_session(session, played_ns if start_ns is None else start_ns)
        self._catch_up(played_ns)

    @property
    def next_point(self) -> TurningPoint | None:
        """The turning point that comes next; None when the agenda has come to its end."""
        return self._next

    @property
    def next_ns(self) -> int | None:
        """When the next moment is due; None when there is none any more."""
        due_ns = self._play.next_ns if self._play is not None else None
        point = self._next
        if point is not None and (due_ns is None or point.time_ns < due_ns):
            due_ns = point.time_ns
        arrival_ns = self.venue.next_arrival_ns
        return arrival_ns if due_ns is None or (arrival_ns is not None and arrival_ns < due_ns) else due_ns

    def advance_to(self, time_ns: int) -> Moment:
        """Let the moment `time_ns` come, with everything that is due then; nothing may be due before."""
        point = self._next
        if point is None or time_ns < point.time_ns:
            data = self._play_at(time_ns)
            self.venue.on_time(time_ns)
            return Moment(time_ns, (), data, self.venue.drain())
        assert time_ns == point.time_ns, "a turning point was left out"
        turned = self._turn(time_ns, Turn.OPEN)
        data = self._play_at(time_ns)
        self.venue.on_time(time_ns)
        if self._next is not None and self._next.time_ns == time_ns:
            turned += self._turn(time_ns, Turn.CLOSE) + self._turn(time_ns, Turn.LEAP)
        return Moment(time_ns, turned, data, self.venue.drain())

    def quiet(self, until_ns: int) -> Iterator[tuple[Instant, Sequence[Happening]]]:
        """The moments before `until_ns` in which nothing is due but what the market plays, one after another: what
        `advance_to` would do, without asking each time what else there is. Whoever sends something to the venue goes on
        by `advance_to`, or asks anew."""
        play, venue, point = self._play, self.venue, self._next
        if play is None or venue.next_arrival_ns is not None:
            return
        end_ns = until_ns if point is None else min(until_ns, point.time_ns)
        while (due_ns := play.next_ns) is not None and due_ns < end_ns:
            instant = play.advance()
            for item in instant.data:
                if type(item) is Quote:
                    venue.on_quote(item)
                elif type(item) is Trade:
                    venue.on_trade(item)
            venue.on_time(due_ns)
            yield instant, venue.drain()

    def upcoming_session(self, time_ns: int) -> Session:
        """The session that is open at `time_ns`, or else the next: one that will be played, while there is any."""
        return self.agenda.session_after(time_ns) or self.agenda.calendar.next_session(time_ns)

    def _catch_up(self, played_ns: int) -> None:
        """Leave out what was played already, but know the quotes that stand: no order trades at one from before it."""
        standing: dict[str, Quote] = {}
        while self._play and self._play.next_ns is not None and self._play.next_ns <= played_ns:
            standing |= {item.symbol: item for item in self._play.advance().data if isinstance(item, Quote)}
        for quote in standing.values():
            self.venue.on_quote(quote)

    def _play_at(self, time_ns: int) -> Sequence[MarketData]:
        play = self._play
        due_ns = play.next_ns if play is not None else None
        if play is None or due_ns is None or due_ns > time_ns:
            return ()
        assert due_ns == time_ns, "an instant was left out"
        data = play.advance().data
        for item in data:
            if type(item) is Quote:
                self.venue.on_quote(item)
            elif type(item) is Trade:
                self.venue.on_trade(item)
        return data

    def _turn(self, time_ns: int, turn: Turn) -> list[TurningPoint]:
        """Take the turning point `turn`, if it is due."""
        point = self._next
        if point is None or point.time_ns != time_ns or point.turn is not turn:
            return []
        self._next = self.agenda.after(point, time_ns)
        if turn is Turn.OPEN:
            self.venue.open_session(point.session, time_ns)
        elif turn is Turn.CLOSE:
            self.venue.close_session(point.session, time_ns)
        if self._next and self._next.session != point.session:
            self._play = self.market.play(self._next.session)
        return [point]


def make_course(
    calendar: Calendar,
    market: Market,
    time_ns: int,
    settings: VenueSettings | None = None,
    draw: Callable[[], float] | None = None,
) -> Course:
    """A venue without accounts for everything that `market` trades, and its course from `time_ns` on.

    Its ids are counted, so that the same course is the same to the letter. `draw` as in `Venue`.
    """
    ids = (str(UUID(int=number)) for number in itertools.count(1))
    assets = {symbol: listed(symbol) for symbol in market.symbols}
    venue = Venue(settings or VenueSettings(), market.liquidity, assets, ids.__next__, draw)
    return Course(venue, market, Agenda(calendar, market.days, leaps=False), time_ns)
