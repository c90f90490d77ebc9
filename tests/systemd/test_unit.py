"""The shipped units: well formed, and exposed as little as the documentation says."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNTESTED = ("journalctl -u hftd -f", "hftd install --with scikit-learn")
"""Commands of docs/deploy.md which the page says are not run under a real systemd."""
PROJECT = Path(__file__).parent.parent.parent
UNITS = sorted(unit for unit in (PROJECT / "deploy").iterdir() if unit.suffix in (".service", ".timer"))


@pytest.fixture
def unit_files(tmp_path: Path) -> Path:
    """The shipped units. The program is not installed on this machine: only that might be complained of."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/hftd/current/bin/hftd", "/bin/true"))
    return tmp_path


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_a_unit_is_well_formed(unit: str, unit_files: Path):
    whose = "--user" if ".user." in unit else "--system"
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(unit_files), "HOME": str(unit_files)}
    command = ["systemd-analyze", whose, "--man=no", "verify", unit_files / unit]  # hftd(1) comes with an installation
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", ["hftd.service", "hftd-exchange.service", "hftd-report.service"])
def test_a_service_is_exposed_as_little_as_it_says(unit: str, unit_files: Path):
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=11", unit_files / unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_life_test_runs_the_commands_of_the_page():
    """But for options that stand for something of the reader's: FILE."""
    page, life = (PROJECT / "docs/deploy.md").read_text(), (PROJECT / "tests/systemd/test_life.py").read_text()
    lines = [line.strip().split("  ")[0].removeprefix("sudo ") for line in page.splitlines() if line.startswith("    ")]
    commands = [line.removesuffix(" FILE") for line in lines if line not in UNTESTED]
    ran = life.replace("make_install", "make install").replace("/opt/hftd/current/bin/hftd", "hftd")
    assert [command for command in commands if command not in ran] == []
    assert len(commands) > 12
