"""hftd as a service of one user's own, under that user's service manager and without root; each builds on the last."""

import json
import re

import pytest

from tests.systemd.conftest import Machine
from tests.systemd.test_life import EAGER

pytestmark = pytest.mark.systemd

AS_OWNER = """
owner() {
    local runtime=/run/user/$(id -u owner)
    setpriv --reuid owner --regid owner --init-groups env -i HOME=/home/owner XDG_RUNTIME_DIR=$runtime \\
        PATH=/home/owner/.local/bin:/usr/bin:/bin "$@"
}
told() { owner systemctl --user show -p "$1" --value hftd; }
heard() { journalctl --no-pager -o cat _SYSTEMD_USER_UNIT=hftd.service | grep -qF "$1"; }
"""
SETTINGS = """[Service]
Environment=HFTD_EXCHANGE__SPEED=30 HFTD_RISK__FLATTEN_BEFORE_CLOSE=off HFTD_WEB__PORT=off
"""


class Owner:
    """A user of the machine who is logged in."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.run("useradd -m owner && systemctl start user@$(id -u owner)")

    def run(self, script: str, status: int | None = 0) -> str:
        return self.machine.run(f"{AS_OWNER}\n{script}", status)

    def wait_for(self, condition: str) -> None:
        self.machine.wait_for(f"{{ {AS_OWNER}\n{condition}; }}")


@pytest.fixture(scope="module")
def owner(machine: Machine) -> Owner:
    return Owner(machine)


def test_one_command_installs_without_root(owner: Owner):
    told = owner.run("owner /opt/bootstrap/bin/hftd install --user 2>&1")
    assert "systemctl --user enable --now hftd" in told and "loginctl enable-linger" in told
    assert owner.run("owner sh -c 'command -v hftd'") == "/home/owner/.local/bin/hftd"
    assert owner.run("ls -d /opt/hftd /etc/hftd /etc/systemd/system/hftd* 2>/dev/null", None) == ""
    assert owner.run("stat -c %U /home/owner/.config/hftd/settings.yaml") == "owner"


def test_it_starts_trades_and_answers_its_owner(owner: Owner):
    owner.run(f"owner tee /home/owner/.config/hftd/models/eager.py > /dev/null <<'END'\n{EAGER}\nEND")
    owner.run("sed -i 's/volume_17_31 .*/eager/; /parameters/d' /home/owner/.config/hftd/settings.yaml")
    folder = "/home/owner/.config/systemd/user/hftd.service.d"
    owner.run(f"owner mkdir {folder}; owner tee {folder}/test.conf > /dev/null <<'END'\n{SETTINGS}\nEND")
    owner.run("owner systemctl --user daemon-reload; owner systemctl --user enable --now hftd")
    assert owner.run("told ActiveState") == "active"
    owner.wait_for("heard order.filled")
    status = json.loads(owner.run("owner hftd status --json"))
    assert (status["running"], status["fills"]) == (True, 1)
    assert owner.run("ps -o user= -p $(told MainPID)") == "owner"


def test_it_is_restarted_and_reloaded_like_the_systems(owner: Owner):
    owner.run("owner systemctl --user kill --signal=KILL --kill-who=main hftd")
    owner.wait_for("heard session.recovered")
    owner.wait_for("[[ $(told StatusText) == *'SPY +1'* ]]")
    owner.run("owner systemctl --user reload hftd")
    owner.run("echo boom >> /home/owner/.config/hftd/models/eager.py; owner systemctl --user reload hftd", 1)
    assert re.search("reload refused.*boom", owner.run("told StatusText"))
    assert owner.run("told ActiveState") == "active"


def test_uninstalling_leaves_state_and_what_its_owner_wrote(owner: Owner):
    told = owner.run("owner hftd uninstall --user")
    assert told.endswith("kept: /home/owner/.config/hftd, /home/owner/.local/state/hftd")
    assert owner.run("ls -d /home/owner/.local/share/hftd /home/owner/.local/bin/hftd 2>/dev/null", None) == ""
    assert "hftd" not in owner.run("owner systemctl --user list-units --all --no-legend")
