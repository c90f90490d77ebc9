"""What systemd is told: datagrams to the socket that it names."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hftd.live.systemd import Notifier


class Manager:
    """The service manager's end."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """All that has been sent since it was asked last."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


def test_without_a_free_descriptor_nothing_is_told_and_nothing_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used_up(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", used_up)
    Notifier(str(tmp_path / "notify")).ready()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def test_a_status_is_told_when_it_changes(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    for line in ("closed", "closed", "open"):
        notifier.status(line)
    assert manager.heard() == ["STATUS=closed", "STATUS=open"]


def test_a_status_of_several_lines_is_one_message(manager: Manager) -> None:
    Notifier(manager.address).status("the broker says\nSTOPPING=1")
    assert manager.heard() == ["STATUS=the broker says STOPPING=1"]


def test_a_reload_begins_with_the_time_and_ends_with_ready(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.reloading()
    notifier.ready()
    reloading, ready = manager.heard()
    first, second = reloading.split("\n")
    assert (first, ready) == ("RELOADING=1", "READY=1")
    assert second.startswith("MONOTONIC_USEC=") and int(second.partition("=")[2]) > 0


def test_work_that_goes_on_puts_off_the_time_limit_and_feeds_the_watchdog_now_and_then(manager: Manager) -> None:
    notifier = Notifier(manager.address, watchdog_us=60_000_000)
    for _ in range(1000):
        notifier.progress()
    assert manager.heard() == ["EXTEND_TIMEOUT_USEC=20000000", "WATCHDOG=1"]


def test_without_a_watchdog_nothing_is_fed(manager: Manager) -> None:
    Notifier(manager.address, watchdog_us=0).watchdog()
    assert manager.heard() == []


def test_outside_systemd_nothing_is_sent() -> None:
    Notifier("").ready()


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nobody")).ready()
