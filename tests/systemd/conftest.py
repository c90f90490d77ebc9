"""A real systemd for the tests: booted in namespaces of its own over an overlay of this machine, gone afterwards."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
END = "-- status "

# Python and its packages where any user may read them, as on a machine that has them from its distribution.
PREPARE = """
echo /opt/python/lib > /etc/ld.so.conf.d/python.conf && ldconfig
mkdir -p /opt/bootstrap/bin
cat > /opt/bootstrap/bin/hftd <<'DONE'
#!/bin/sh
export PYTHONPATH=/opt/project:/opt/site PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python3 -m hftd "$@"
DONE
chmod 755 /opt/bootstrap/bin/hftd
make_install() { make -s -C /opt/project -o .venv/run.stamp BIN=/opt/bootstrap/bin install "$@" 2>&1; }
value() { systemctl show -p "$1" --value "${2:-hftd}"; }
"""

ORDERS = """
import glob, json, sqlite3

(file,) = glob.glob("/var/lib/private/hftd/journal/*.sqlite")
for (body,) in sqlite3.connect(file).execute("SELECT body FROM commands WHERE kind = 'order.submitted'"):
    order = json.loads(body)
    if order["reason"] == "REASON":
        print(order["fingerprint"][:12])
"""


def why_not() -> str:
    """Why no systemd can be booted here; empty when it can."""
    if os.geteuid() != 0:
        return "a real systemd needs root"
    for tool in ("systemctl", "nsenter", "setpriv", "make"):
        if shutil.which(tool) is None:
            return f"a real systemd needs {tool} (Debian: systemd, util-linux, make)"
    done = subprocess.run([HERE / "with-systemd", "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"no systemd can be booted here: {done.stderr.strip()[-200:]}"


def compile_packages() -> None:
    """Byte code of what an installation copies, which pip makes and other installers leave out: once, and kept."""
    site = sysconfig.get_path("purelib")
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "0", "-x", r"/tests?/", site], capture_output=True)


class Machine:
    """A machine with systemd as its first process, without a network; `run` is root's shell on it."""

    def __init__(self) -> None:
        python, site = Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))
        command = [
            str(HERE / "with-systemd"),
            *("--clean-env", "--private-net"),
            *("--bind", f"{python}:/opt/python", "--bind", f"{site}:/opt/site", "--bind", f"{PROJECT}:/opt/project"),
            "bash",
        ]
        self._shell = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
        )
        assert self._shell.stdin is not None
        self._shell.stdin.write(PREPARE)

    def run(self, script: str, status: int | None = 0) -> str:
        """Run a script in the machine's one shell; what it wrote, on both channels. `status` None takes any."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"( set -e\n{script}\n) < /dev/null 2>&1\nstatus=$?; echo; echo '{END}'$status\n")
        self._shell.stdin.flush()
        written: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(END):
                break
            written.append(line)
        else:
            raise AssertionError(f"the machine has gone down:\n{''.join(written)}")
        text = "".join(written)
        assert status is None or int(line.removeprefix(END)) == status, f"{line}{text}\n{script}"
        return text.strip()

    def marks(self, reason: str) -> set[str]:
        """The first digits of the fingerprints that the orders of the journaled session bear which were sent for this
        reason."""
        program = ORDERS.replace("REASON", reason)
        return set(self.run(f"/opt/python/bin/python3 - <<'END'\n{program}\nEND").split())

    def show(self, name: str, unit: str = "hftd") -> str:
        """A property of a unit."""
        return self.run(f"systemctl show -p {name} --value {unit}")

    def log(self, *matches: str, unit: str = "hftd") -> list[str]:
        """Lines of the journal."""
        return self.run(f"journalctl --no-pager -o cat -u {unit} {' '.join(matches)}").splitlines()

    def wait_for(self, condition: str, seconds: int = 90) -> None:
        """Wait until a shell command succeeds; else fail with the unit's log."""
        loop = f"i=0; until {condition}; do i=$((i+1)); [ $i -lt {seconds * 5} ] || break; sleep 0.2; done; {condition}"
        try:
            self.run(loop)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run('journalctl --no-pager -o cat | tail -60')}") from error

    def wait_for_log(self, text: str, unit: str = "hftd", after: int = 0) -> None:
        """Wait until more than `after` lines of a unit's journal contain `text`."""
        self.wait_for(f'[ "$(journalctl --no-pager -o cat -u {unit} | grep -cF "{text}")" -gt {after} ]')

    def count(self, text: str, unit: str = "hftd") -> int:
        return sum(text in line for line in self.log(unit=unit))

    def settings(self, **variables: object) -> None:
        """Let the daemon have these environment variables from its next start on."""
        lines = "".join(f'Environment="{name}={value}"\\n' for name, value in variables.items())
        self.run(
            "mkdir -p /etc/systemd/system/hftd.service.d && "
            f"printf '[Service]\\n{lines}' > /etc/systemd/system/hftd.service.d/test.conf && systemctl daemon-reload"
        )

    def power_off(self) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        try:
            self._shell.wait(60)
        except subprocess.TimeoutExpired:
            self._shell.terminate()
            self._shell.wait(60)
        assert self._shell.stdout is not None
        self._shell.stdout.close()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """One machine for the tests of a module, which are the chapters of its life."""
    if reason := why_not():
        pytest.skip(reason)
    compile_packages()
    made = Machine()
    yield made
    made.power_off()
