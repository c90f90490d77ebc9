"""`hftd status --watch`: rendered to a recorded console, and as a process in a terminal of its own."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from hftd.commands.watch import view
from hftd.dashboard.follow import Follower
from hftd.domain.events import ModelFaulted, SymbolHalted
from hftd.domain.orders import Side
from hftd.live.recovery import reviewer_of
from tests.analytics.test_reading import written
from tests.analytics.told import Script, round_trip
from tests.running import PATIENCE_S, Home

OPEN: dict[str, Any] = {
    "running": True,
    "phase": "open",
    "line": "open until 16:00 ET",
    "time": "2019-02-11T14:40:00Z",
    "opens": "2019-02-11T14:30:00Z",
    "session": {"closes": "2019-02-11T21:00:00Z"},
    "bar_age_s": 2.0,
}


def shown(state: Path, status: dict[str, Any], width: int = 110) -> str:
    follower = Follower(state, reviewer_of)
    follower.poll()
    console = Console(record=True, width=width, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(view(follower.picture, status, follower.problem))
    console.file.close()
    return console.export_text()


def test_everything_is_there(tmp_path: Path) -> None:
    written(tmp_path, Script().open().trade(Side.BUY, 10, 100.0, 100.1).bar(101.0))
    text = shown(tmp_path, OPEN)
    assert "Mon 2019-02-11 09:40:00 New York, closes in 6:20:00" in text
    for word in ("open until 16:00 ET", "P&L", "+9.00", "all is well", "Positions", "+10", "because", "filled"):
        assert word in text, word


def test_what_is_wrong_stands_out(tmp_path: Path) -> None:
    script = Script().open().bar(100.0)
    script.add(ModelFaulted(script.now_ns, "toy", 1, "ouch"))
    written(tmp_path, script.add(SymbolHalted(script.now_ns, "SPY", "split", "2 for 1")))
    text = shown(tmp_path, {**OPEN, "bar_age_s": 400.0})
    assert "halted in SPY: 2 for 1; ends with the session, or by hftd resume --symbol SPY" in text
    assert "model toy is paused" in text and "no bar for 400 s" in text


def test_no_daemon_and_nothing_yet(tmp_path: Path) -> None:
    text = shown(tmp_path, {"running": False, "line": "no daemon runs on this state directory"})
    assert "no daemon runs" in text and "nothing has been traded yet" in text


def test_text_of_models_is_neither_markup_nor_control(tmp_path: Path) -> None:
    written(tmp_path, Script("[red]x[/red]\x1b[31m").open().trade(Side.BUY, 1, 100.0, 100.0))
    text = shown(tmp_path, OPEN, width=200)
    assert "[red]x[/red] [31m" in text and "\x1b" not in text


def test_it_fits_a_narrow_terminal(tmp_path: Path) -> None:
    written(tmp_path, round_trip())
    assert max(map(len, shown(tmp_path, OPEN, width=60).splitlines())) <= 60


def test_it_goes_on_until_ctrl_c(home: Home) -> None:
    written(home.state, round_trip())
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hftd", "status", "--watch"],
        env=home.environment(TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    told = b""
    while b"+19.00" not in told:
        told += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    assert (process.returncode, errors) == (130, b"")


def test_a_pipe_gets_it_again_and_again(home: Home) -> None:
    written(home.state, round_trip())
    process = subprocess.Popen(
        [sys.executable, "-m", "hftd", "status", "--watch"],
        env=home.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    while b"+19.00" not in process.stdout.readline():
        pass
    process.stdout.close()  # as head does, which has had enough
    process.stdout = None
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (1, b"")
