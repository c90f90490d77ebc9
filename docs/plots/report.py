"""A photograph of the report for the documentation: a whole session on the simulated exchange, in a headless Chromium.

python docs/plots/report.py [--seed N]      writes docs/images/report.png
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.dashboard.browser import chromium, tab  # noqa: E402 - of the source tree, which is not installed

IMAGE = ROOT / "docs" / "images" / "report.png"
SPEED = 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        file = _report(Path(state), asked.seed)
        with chromium() as browser, tab(browser, file.as_uri(), 1060, 1180) as looked:
            looked.page.screenshot(path=IMAGE)
    print(f"{IMAGE} {IMAGE.stat().st_size // 1000} kB")


def _report(state: Path, seed: int) -> Path:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HFTD_", "APCA_"))}
    settings = {"HFTD_WEB__PORT": "off", "HFTD_EXCHANGE__SEED": str(seed)}
    command = [sys.executable, "-m", "hftd", "run", "--speed", str(SPEED), "--sessions", "1", "--state", str(state)]
    subprocess.run(command, cwd=ROOT, env=own | settings, check=True, capture_output=True)
    return next((state / "reports").glob("*.html"))


if __name__ == "__main__":
    main()
