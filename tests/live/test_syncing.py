"""What the journal has of orders is on the disk soon, whatever becomes of the power."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from hftd.domain.commands import CancelOrder
from hftd.domain.events import Remark
from hftd.journal import Journal
from hftd.live.syncing import Syncing
from tests.engine.engine_world import OPEN_NS, RUN_ID, SESSION, bar_event

COMMANDS = [CancelOrder("toy", "hftd-1", "")]


class Disk:
    """What was synced, by name; `problem` is what it answers with."""

    def __init__(self) -> None:
        self.synced: list[str] = []
        self.problem: OSError | None = None

    def fsync(self, descriptor: int) -> None:
        self.synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        if self.problem is not None:
            raise self.problem

    async def until_synced(self, name: str, times: int) -> None:
        async with asyncio.timeout(60):
            while self.synced.count(name) < times:  # noqa: ASYNC110 (a thread does it)
                await asyncio.sleep(0)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


async def test_the_log_is_synced_after_what_concerns_an_order_and_else_left_alone(tmp_path: Path, disk: Disk) -> None:
    journal = Journal.open(tmp_path / "day.sqlite", SESSION, RUN_ID)
    disk.synced.clear()
    daemon: Any = None
    trader: Any = SimpleNamespace(journal=journal)
    service = Syncing(every_s=0)
    await service.started(daemon)
    await service.session_prepared(trader)
    folder = tmp_path.name  # synced after the log, so with it one pass is over
    await disk.until_synced(folder, 1)
    service.stepped(bar_event(0), [])
    for _ in range(100):
        await asyncio.sleep(0)
    assert disk.synced == ["day.sqlite-wal", folder]
    service.stepped(bar_event(1), COMMANDS)
    await disk.until_synced(folder, 2)
    journal.append_event(Remark(OPEN_NS, "said", ""), OPEN_NS, "test")
    journal.commit()  # it has kept its locks
    with capture_logs() as told:
        disk.problem = OSError(5, "Input/output error")
        for times in (3, 4):
            service.stepped(bar_event(2), COMMANDS)
            await disk.until_synced("day.sqlite-wal", times)
        await service.stopped()
    journal.close()
    assert [line["event"] for line in told] == ["journal.unsynced"]
