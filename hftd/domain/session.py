"""A trading session: one day's regular hours of an exchange."""

from datetime import date

from msgspec import Struct


class Session(Struct, frozen=True, order=True):
    """Regular trading hours [open_ns, close_ns) of `day` in the exchange's own time zone."""

    open_ns: int
    close_ns: int
    day: date

    def is_open(self, time_ns: int) -> bool:
        """Whether `time_ns` lies in the session: the open belongs to it, the close does not."""
        return self.open_ns <= time_ns < self.close_ns
