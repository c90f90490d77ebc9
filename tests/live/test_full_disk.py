"""A disk that fills in mid-session: nothing is decided or sent, nothing is lost, and it goes on when there is room."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hftd.domain.commands import SubmitOrder
from hftd.domain.events import BarReceived
from tests.running import ExchangeProcess, Home, write_tape

SIZE_BYTES = 64 * 1024 * 1024


@pytest.fixture
def small_disk(home: Home) -> Iterator[Path]:
    """The state directory on a file system of its own, small enough to be filled."""
    home.state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(home.state)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield home.state
    home.kill_all()
    subprocess.run(["umount", str(home.state)], check=True)


def fill(disk: Path) -> Path:
    """Write until there is no room."""
    file = disk / "fill"
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(4096)) == 4096:
            pass
    return file


def test_a_full_disk_stops_everything_and_loses_nothing(home: Home, small_disk: Path, tmp_path: Path) -> None:
    minutes = [f"2019-02-11T{(870 + minute) // 60}:{(870 + minute) % 60:02}:00Z" for minute in range(390)]
    tape = write_tape(
        tmp_path / "tape.csv", [(start, 100.0, 1700 if n % 9 else 3100) for n, start in enumerate(minutes)]
    )
    exchange = ExchangeProcess(home, "--tape", tape, "--speed", 3600, "--wait")
    variables = exchange.broker(HFTD_RISK__MAX_ORDERS_PER_MINUTE=100, HFTD_RISK__MAX_POSITION=100_000)
    running = home.start("run", "--sessions", 1, "--json", **variables)
    running.wait_for("order.filled")
    filling = fill(small_disk)
    blocked = running.wait_for("journal.blocked")
    assert "the disk is full" in blocked and str(home.state) in blocked
    status = home.run("status")
    assert "nothing is decided or sent" in status.out, status
    filling.unlink()
    running.wait_for("journal.unblocked")
    ended = running.ended()
    assert ended.status == 0, ended
    assert "Traceback" not in ended.log
    assert [event.bar.time_ns for event in home.events(BarReceived)] == sorted(
        {event.bar.time_ns for event in home.events(BarReceived)}
    )
    assert ended.json["bars"] == len(minutes)
    sent = [command.order.client_order_id for command in home.commands(SubmitOrder)]
    theirs = exchange.get("/v2/orders?status=all&direction=asc&limit=500")
    assert [order["client_order_id"] for order in theirs] == sent
    assert ended.json["orders"] == ended.json["fills"] == len(sent)
