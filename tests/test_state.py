import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hftd.errors import StateError
from hftd.state import free_bytes, holder, lock, place_to_look, state_directory, state_path

HOLD = """
import sys
from pathlib import Path
from hftd.state import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_daemon(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.communicate()


def test_the_directory_is_the_first_that_is_named():
    environment = {"HFTD_STATE": "/b", "STATE_DIRECTORY": "/c:/d", "XDG_STATE_HOME": "/e"}
    assert state_path("/a", environment) == Path("/a")
    for name, expected in (("HFTD_STATE", "/b"), ("STATE_DIRECTORY", "/c"), ("XDG_STATE_HOME", "/e/hftd")):
        assert state_path(None, environment) == Path(expected)
        del environment[name]
    assert state_path(None, environment) == Path.home() / ".local/state/hftd"
    assert state_path(None, {"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/hftd"


def test_the_system_services_is_read_until_a_daemon_has_run_on_ones_own(tmp_path, monkeypatch):
    system, environment = tmp_path / "system", {"XDG_STATE_HOME": str(tmp_path)}
    monkeypatch.setattr("hftd.state.SYSTEM_STATE", system)
    own = state_directory(None, environment)
    assert place_to_look(None, environment) == own
    system.mkdir()
    assert place_to_look(None, environment) == system
    assert place_to_look(tmp_path / "named", environment) == tmp_path / "named"
    with lock(own):
        assert place_to_look(None, environment) == own


def test_the_directory_is_made_for_its_user_alone(tmp_path):
    state = state_directory(tmp_path / "deep" / "state")
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert list(state.iterdir()) == []
    assert state_directory(state) == state
    assert free_bytes(state) > 0


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"cannot be made: .*give another with --state DIR"):
        state_directory(tmp_path / "file" / "state")


def test_a_directory_that_cannot_be_written_to_is_refused():
    with pytest.raises(StateError, match=r"cannot be (made|written)"):
        state_directory("/proc/1/task" if os.getuid() == 0 else "/etc")


def test_a_second_daemon_is_refused_with_the_first_ones_pid(tmp_path, other_daemon):
    assert holder(tmp_path) == other_daemon.pid
    with pytest.raises(StateError, match=f"another hftd \\(pid {other_daemon.pid}\\) runs on it"), lock(tmp_path):
        pytest.fail("the lock was given twice")


def test_the_lock_ends_with_its_process(tmp_path, other_daemon):
    other_daemon.kill()
    other_daemon.wait()
    assert holder(tmp_path) is None
    with lock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    with lock(tmp_path):
        pass


def test_nobody_holds_a_directory_without_a_lock(tmp_path):
    assert holder(tmp_path) is None


def test_a_full_disk_is_called_so(monkeypatch, tmp_path):
    import errno

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(StateError, match=r"the disk is full; make room, or give another with --state DIR"):
        state_directory(tmp_path / "state")
    assert list((tmp_path / "state").iterdir()) == []
