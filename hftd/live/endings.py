"""What signals tell a process: to end in order, or to say how it stands."""

import asyncio
import signal
from collections.abc import Callable


def when_told_to_end(stop: Callable[[signal.Signals], None]) -> None:
    """Call `stop` from the running loop at Ctrl-C, at SIGTERM, and when the terminal is closed.

    A SIGHUP that is ignored stays so: that is what nohup is for.
    """
    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    for number in ending:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)


def when_asked_how_it_stands(tell: Callable[[], None]) -> None:
    """Call `tell` from the running loop at SIGUSR1."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
