"""What signals tell a process: to end in order, or to say how it stands."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress


def when_told_to_end(stop: Callable[[signal.Signals], None], reload: Callable[[], None] | None = None) -> None:
    """Call `stop` from the running loop at Ctrl-C, at SIGTERM, and when the terminal is closed.

    A process without a terminal, such as a service, is told by SIGHUP to `reload`, if it can. A SIGHUP that is ignored
    stays so: that is what nohup is for.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    if reload is not None:
        when_told_to_reload(reload)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and (reload is None or _has_terminal()):
        loop.add_signal_handler(signal.SIGHUP, stop, signal.SIGHUP)


def when_told_to_reload(reload: Callable[[], None]) -> None:
    """The same of SIGHUP alone, for whoever cannot end in order yet: by itself it would end a process."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and not _has_terminal():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def _has_terminal() -> bool:
    """Whether the process would be told by SIGHUP that its terminal is closed (tty(4))."""
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    return False


def when_asked_how_it_stands(tell: Callable[[], None]) -> None:
    """Call `tell` from the running loop at SIGUSR1."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
