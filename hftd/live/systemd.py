"""Talking to systemd: readiness, status line, watchdog, by datagrams to the socket in NOTIFY_SOCKET (sd_notify(3)).

Outside systemd every call does nothing.
"""

import os
import socket
from contextlib import suppress

from hftd.clock import monotonic_s

PROGRESS_EVERY_S = 5.0
EXTENSION_S = 20
"""How much longer a start or an end may take from each sign of progress on. It puts off the watchdog as well, so that a
stall just after the work is noticed that much later."""


class Notifier:
    """Tells the service manager how we are. `status` sends only changes, `watchdog` only as often as asked for."""

    def __init__(self, address: str | None = None, watchdog_us: int | None = None) -> None:
        self._address = address if address is not None else os.environ.get("NOTIFY_SOCKET", "")
        every_us = watchdog_us if watchdog_us is not None else _watchdog_us()
        self._interval_s = every_us / 2e6
        self._pinged_at_s = self._progressed_at_s = float("-inf")
        self._status = ""

    @property
    def watchdog_interval_s(self) -> float:
        """How often `watchdog` must be called; 0 when nobody watches."""
        return self._interval_s

    @property
    def is_heard(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self) -> None:
        """Settings and models are read again; `ready` says that it is over."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_s() * 1e6)}")

    def progress(self) -> None:
        """A long piece of work goes on, like a recovery: neither the watchdog nor a time limit is to end it.

        To be called from the work itself, at each of its steps; sends seldom.
        """
        now_s = monotonic_s()
        if now_s - self._progressed_at_s >= PROGRESS_EVERY_S:
            self._progressed_at_s = now_s
            self._send(f"EXTEND_TIMEOUT_USEC={EXTENSION_S * 1_000_000}")
        self.watchdog()

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def status(self, line: str) -> None:
        """One line that says what goes on, for `systemctl status`."""
        if line != self._status:
            self._status = line
            self._send(f"STATUS={' '.join(line.split())}")  # a second line would be a message of its own

    @property
    def line(self) -> str:
        """The last line that was given to `status`."""
        return self._status

    def watchdog(self) -> None:
        """The trading loop has gone round."""
        now_s = monotonic_s()
        if self._interval_s and now_s - self._pinged_at_s >= self._interval_s / 2:
            self._pinged_at_s = now_s
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # the manager may be gone or busy, or every descriptor in use: it is told again
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto(message.encode("utf-8", "replace"), address)


def _watchdog_us() -> int:
    """Microseconds within which systemd wants a sign of life, 0 if it does not (sd_watchdog_enabled(3))."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    value = os.environ.get("WATCHDOG_USEC", "0")
    return int(value) if value.isdigit() else 0
