"""Many pieces, each in order, merged into one sequence, chunk by chunk.

What is certain to come before anything still unread is sorted together and given out; so memory holds the pieces that
overlap in time and no more, and the order does not depend on how the data were cut into files.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from hftd.data.files import Piece
from hftd.data.rows import Kind, Rows, joined

Together = dict[Kind, Rows]
"""What is known in one stretch of time, by kind, each in order."""


@dataclass(slots=True)
class _Open:
    """A piece being read: the rows at hand, of which there is always one, and what follows."""

    place: int
    rows: Rows
    rest: Iterator[Rows]

    @property
    def latest_ns(self) -> int:
        return int(self.rows.known_ns[-1])

    def read_past(self, time_ns: int) -> None:
        """Read on until the latest row at hand is known after `time_ns`, or there is no more."""
        while self.latest_ns <= time_ns and (following := next(self.rest, None)) is not None:
            self.rows = joined([self.rows, following])

    def cut(self, until_ns: int) -> Rows:
        """Take off and return the rows known at `until_ns` or before."""
        count = int(np.searchsorted(self.rows.known_ns, until_ns, "right"))
        cut, self.rows = self.rows.take(slice(count)), self.rows.take(slice(count, None))
        return cut


def merge(pieces: Iterable[Piece]) -> Iterator[Together]:
    """The rows of all pieces by stretches of time: all of one come before all of the next."""
    waiting = sorted(enumerate(pieces), key=lambda numbered: -numbered[1].least_ns)
    opened: list[_Open] = []
    while waiting or opened:
        while waiting and (not opened or waiting[-1][1].least_ns <= min(part.latest_ns for part in opened)):
            place, piece = waiting.pop()
            rest = piece.read()
            if (rows := next(rest, None)) is not None:
                opened.append(_Open(place, rows, rest))
        if opened:
            yield from _certain(opened)


def _certain(opened: list[_Open]) -> Iterator[Together]:
    """Give out what is known up to the end of the part that ends first: all parts are read past that moment."""
    end_ns = min(part.latest_ns for part in opened)
    for part in opened:
        part.read_past(end_ns)
    parts = [(part.place, part.cut(end_ns)) for part in opened]
    opened[:] = [part for part in opened if len(part.rows)]
    yield _together([(place, rows) for place, rows in parts if len(rows)])


def _together(parts: list[tuple[int, Rows]]) -> Together:
    found: Together = {}
    for kind in Kind:
        own = [rows for _, rows in sorted(parts, key=lambda numbered: numbered[0]) if rows.kind is kind]
        if own:
            rows = joined(own)
            found[kind] = rows if len(own) == 1 else rows.take(rows.order())
    return found


def cut_to(together: Iterable[Together], start_ns: int, end_ns: int) -> Iterator[Together]:
    """What is known in [start_ns, end_ns]."""
    for stretch in together:
        found = {kind: _between(rows, start_ns, end_ns) for kind, rows in stretch.items()}
        if found := {kind: rows for kind, rows in found.items() if len(rows)}:
            yield found


def _between(rows: Rows, start_ns: int, end_ns: int) -> Rows:
    known = rows.known_ns
    return rows.take(slice(int(np.searchsorted(known, start_ns)), int(np.searchsorted(known, end_ns, "right"))))


def checked(together: Iterable[Together], check: Callable[[Rows], Rows]) -> Iterator[Together]:
    """Every chunk as `check` leaves it."""
    for stretch in together:
        yield {kind: kept for kind, rows in stretch.items() if len(kept := check(rows))}
