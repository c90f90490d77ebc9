"""Photographs of the page for the documentation: a session on the simulated exchange, in a headless Chromium.

python docs/plots/page.py [--seed N] [--minutes N]      writes docs/images/page-*.png
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.dashboard.browser import chromium, tab  # noqa: E402 - of the source tree, which is not installed

IMAGES = ROOT / "docs" / "images"
SHOTS = (
    ("page", 1440, 1000, "light"),
    ("page-dark", 1440, 1000, "dark"),
    ("page-phone", 390, 1180, "light"),
)
SPEED = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=int, default=150, help="market minutes to wait for: as many seconds")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        daemon = _start(Path(state), asked.seed)
        try:
            _photograph(_url(daemon), asked.minutes)
        finally:
            daemon.send_signal(signal.SIGINT)
            daemon.communicate()


def _start(state: Path, seed: int) -> subprocess.Popen[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HFTD_", "APCA_"))}
    settings = {"HFTD_WEB__PORT": "0", "HFTD_EXCHANGE__SEED": str(seed)}
    command = [sys.executable, "-m", "hftd", "run", "--speed", str(SPEED), "--state", str(state)]
    return subprocess.Popen(command, cwd=ROOT, env=own | settings, stderr=subprocess.PIPE, text=True)


def _url(daemon: subprocess.Popen[str]) -> str:
    assert daemon.stderr is not None
    found = next(filter(None, (re.search(r"page.served.*url=(\S+)", line) for line in daemon.stderr)))
    return found[1]


def _photograph(url: str, minutes: int) -> None:
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        for name, width, height, scheme in SHOTS:
            with tab(browser, url, width, height, scheme) as looked:
                looked.wait(f"Number(document.querySelector('#chart').dataset.bars) >= {minutes}", 10 * minutes)
                looked.wait("!document.querySelector('#depth').hidden")
                looked.page.mouse.move(0, 0)
                looked.page.screenshot(path=IMAGES / f"{name}.png")
                print(f"{IMAGES / name}.png {(IMAGES / f'{name}.png').stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
