"""The shipped unit under a real systemd: verified, started, ready, trading, told to stop."""

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
UNITS = sorted((PROJECT / "deploy").glob("hftd*.*"))

pytestmark = pytest.mark.systemd

EAGER = """
from hftd import Bar, Model, buy


class Eager(Model):
    \"\"\"Buys one share on the first bar of a session.\"\"\"

    bought = False

    def on_bar(self, bar: Bar):
        if not self.bought:
            self.bought = True
            return buy(1, bar.symbol, reason="the first bar")
"""


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
    done = subprocess.run(["systemd-analyze", "verify", unit_files / unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS if unit.suffix == ".service"])
def test_a_service_is_exposed_as_little_as_it_says(unit: str, unit_files: Path):
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=11", unit_files / unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_unit_starts_becomes_ready_and_fills_an_order(in_systemd):
    done = in_systemd(
        f"""
cat > /etc/hftd/models/eager.py <<'END'
{EAGER}
END
sed -i 's/volume_17_31 .*/eager/; /parameters/d' /etc/hftd/settings.yaml
mkdir -p /etc/systemd/system/hftd.service.d
printf '[Service]\\nEnvironment=HFTD_EXCHANGE__SPEED=60\\n' > /etc/systemd/system/hftd.service.d/test.conf
systemctl daemon-reload
systemctl start hftd
echo "state: $(systemctl show -p ActiveState,SubState --value hftd | paste -sd/)"
timeout 60 sh -c 'journalctl -u hftd -f --no-pager -o cat | grep -q -m1 "order.filled"' || true
echo "status: $(systemctl show -p StatusText --value hftd)"
systemctl stop hftd
echo "result: $(systemctl show -p Result,ExecMainStatus --value hftd | paste -sd/)"
echo "filled: $(journalctl -u hftd HFTD_EVENT=order.filled HFTD_SYMBOL=SPY --no-pager -o cat | wc -l)"
journalctl -u hftd --no-pager -o cat
"""
    )
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told["state"] == "active/running"
    assert told["status"].startswith("open until 16:00 ET · eager · "), done.stdout
    assert told["filled"] == "1", done.stdout
    assert told["result"] == "success/0", done.stdout


def test_bad_settings_fail_once_and_say_why(in_systemd):
    done = in_systemd(
        """
sed -i 's/max_position/max_positoin/' /etc/hftd/settings.yaml
systemctl start hftd || echo "start: failed"
echo "restarts: $(systemctl show -p NRestarts --value hftd)"
echo "status: $(systemctl show -p ExecMainStatus --value hftd)"
journalctl -u hftd --no-pager -o cat
"""
    )
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert told["start"] == "failed"
    assert (told["restarts"], told["status"]) == ("0", "78")
    assert "max_positoin" in done.stdout and "max_position" in done.stdout
    assert "Traceback" not in done.stdout
