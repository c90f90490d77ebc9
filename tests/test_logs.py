"""Telling goes on as well as it can, floods nothing, and never stops what it tells of."""

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from hftd import logs


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logs are as they were when a test is over."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


Captured = pytest.CaptureFixture[str]


def test_a_log_that_cannot_be_written_stops_nothing(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Full())
        logs.configure("console")
        structlog.get_logger().info("bar.received")
    logs.configure("console")
    structlog.get_logger().info("bar.received", symbol="SPY")
    assert capsys.readouterr().err.endswith("  bar.received          symbol=SPY\n")


def test_a_flood_is_cut_off_and_counted(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(logs, "monotonic_s", lambda: now_s[0])
    logs.configure("json")
    tell = structlog.get_logger()
    for _ in range(logs.BURST + 50):
        tell.warning("broker.unreachable")
        tell.error("order.unsent")
    now_s[0] += logs.WITHIN_S
    tell.warning("broker.unreachable")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines].count("broker.unreachable") == logs.BURST + 1
    (suppressed,) = [line for line in lines if line["event"] == "log.suppressed"]
    assert (suppressed["name"], suppressed["lines"]) == ("broker.unreachable", 50)


def test_what_is_no_warning_is_never_left_out(capsys: Captured) -> None:
    logs.configure("console")
    for _ in range(2 * logs.BURST):
        structlog.get_logger().info("bar.received")
    assert len(capsys.readouterr().err.splitlines()) == 2 * logs.BURST


def test_the_systemd_journal_gets_fields_priority_and_the_whole_traceback(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "journal"))
        monkeypatch.setattr(logs, "JOURNAL_SOCKET", str(tmp_path / "journal"))
        logs.configure("journal")
        try:
            raise ValueError("two\nlines")
        except ValueError:
            structlog.get_logger().exception("model.faulted", model="toy")
        message = journald.recv(65_536)
        structlog.get_logger().warning("broker.unreachable", error="half a character: \udce9")
        assert b"HFTD_ERROR=half a character: ?\n" in journald.recv(65_536)
    assert b"PRIORITY=3\n" in message and b"HFTD_EVENT=model.faulted\n" in message and b"HFTD_MODEL=toy\n" in message
    name, length, text = message[:8], int.from_bytes(message[8:16], "little"), message[16:]
    assert name == b"MESSAGE\n"
    assert text[:length].endswith(b"ValueError: two\nlines") and b"Traceback" in text[:length]
    assert capsys.readouterr().err == ""


def test_without_the_journal_a_line_goes_to_standard_error_with_its_priority(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "JOURNAL_SOCKET", "/nowhere/socket")
    logs.configure("journal")
    structlog.get_logger().warning("feed.probed", since="10:03")
    assert capsys.readouterr().err == "<4>warning: feed.probed  since=10:03\n"


TELLS = """
import sys, structlog
from hftd import logs
logs.JOURNAL_SOCKET = sys.argv[1]
logs.configure("journal")
structlog.get_logger().info("daemon.stopped")
"""


def test_the_way_to_the_systemd_journal_is_closed_at_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "journal"))
        journald.setblocking(False)
        command = [sys.executable, "-W", "default::ResourceWarning", "-c", TELLS, tmp_path / "journal"]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert b"HFTD_EVENT=daemon.stopped\n" in journald.recv(65_536)
    assert (ended.returncode, ended.stderr) == (0, "")
