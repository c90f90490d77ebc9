"""Writes the pictures of terminals that the tutorials show, docs/images/terminal-*.svg, of commands that it runs.

    python docs/generate/screens.py

A session is traded at 3,600 times its speed, reported and backtested in a folder that is thrown away. The pictures hold
text as text, and ask for no font from anywhere.
"""

import fcntl
import io
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"
COLUMNS, ROWS = 108, 34
HOME = "\x1b[H"
"""What begins each frame of a screen that is drawn again and again."""
FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
PATIENCE_S = 300


def shown_by(words: Sequence[str], folder: Path, seconds: float = PATIENCE_S) -> str:
    """What `hftd WORDS` writes to a terminal, with its colours; interrupted by Ctrl-C after `seconds`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    home = {"HOME": str(folder), "TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "hftd", *words]
    process = subprocess.Popen(
        command, cwd=folder, env=home, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    heard = _read(ours, process, time.monotonic() + seconds)
    os.close(ours)
    return heard.decode("utf-8", "replace").replace("\r\n", "\n").replace(str(folder), "~")


def _read(terminal: int, process: "subprocess.Popen[bytes]", until_s: float) -> bytes:
    heard = b""
    while True:
        if time.monotonic() > until_s and process.poll() is None:
            process.send_signal(signal.SIGINT)
            until_s += PATIENCE_S
        if not select.select([terminal], [], [], 0.2)[0]:
            if process.poll() is not None:
                return heard
            continue
        try:
            heard += os.read(terminal, 65536)
        except OSError:  # the other end is closed: so a pty tells the end
            process.wait()
            return heard


def last_frame(heard: str) -> str:
    """The last whole frame of a screen that was drawn again and again."""
    frames = heard.split(HOME)
    return frames[-2] if len(frames) > 2 else frames[-1]


def picture(command: str, heard: str, first: int = ROWS, last: int = 0) -> str:
    """An SVG of a terminal: the prompt, and of what was heard the `first` lines and the `last`."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    lines = Text.from_ansi(heard.strip("\n")).split("\n")
    kept = list(lines) if len(lines) <= first + last else [*lines[:first], Text("..."), *lines[len(lines) - last :]]
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    for line in kept:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    svg = console.export_svg(title="hftd", unique_id="hftd")
    return FONT.sub("", svg).replace("font-family: Fira Code, monospace", "font-family: monospace")


def write(name: str, command: str, heard: str, first: int = ROWS, last: int = 0) -> None:
    file = IMAGES / f"terminal-{name}.svg"
    file.write_text(picture(command, heard, first, last), "utf-8")
    print(f"wrote {file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB")


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background lets its children ignore it
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(ROOT / "models", folder / "models", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "settings.yaml", folder)
        run = ["run", "--speed", "3600", "--sessions", "1", "--state", "state"]
        write("run", f"hftd {' '.join(run)}", shown_by(run, folder), first=24, last=8)
        report = ["report", "--state", "state"]
        write("report", f"hftd {' '.join(report)}", shown_by(report, folder), first=40)
        watch_one(folder)
        shown_by(["sample-data", "samples", "--sessions", "3", "--tables", "bars"], folder)
        backtest = ["backtest", "volume_17_31", "--data", "samples"]
        write("backtest", f"hftd {' '.join(backtest)}", shown_by(backtest, folder))
    return 0


def watch_one(folder: Path) -> None:
    """`hftd status --watch` beside a session that is going on."""
    words = ["run", "--speed", "120", "--sessions", "1", "--state", "watched"]
    daemon = subprocess.Popen(
        [sys.executable, "-m", "hftd", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    watch = ["status", "--watch", "--state", "watched"]
    heard = shown_by(watch, folder, seconds=100)
    daemon.send_signal(signal.SIGINT)
    daemon.wait(PATIENCE_S)
    write("status", f"hftd {' '.join(watch)}", last_frame(heard))


if __name__ == "__main__":
    sys.exit(main())
