"""A real systemd for the tests: booted in namespaces of its own over an overlay of this machine, gone afterwards."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
UNSUITABLE = 77


def _why_not() -> str:
    if os.geteuid() != 0:
        return "a real systemd needs root"
    for tool in ("systemctl", "nsenter", "setpriv"):
        if shutil.which(tool) is None:
            return f"a real systemd needs {tool} (Debian: systemd, util-linux)"
    done = subprocess.run([HERE / "with-systemd", "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"no systemd can be booted here: {done.stderr.strip()[-200:]}"


@pytest.fixture(scope="session")
def in_systemd():
    """Runs a bash script inside a freshly booted systemd in which hftd is installed as the unit expects it:
    Python in /opt/python, hftd in /opt/hftd, settings and models in /etc/hftd, the unit in place."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)
    return _run_script


def _run_script(script: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    python = Path(sys.base_prefix)
    site = Path(sysconfig.get_path("purelib"))
    command = [
        str(HERE / "with-systemd"),
        *("--clean-env", "--private-net"),
        *("--bind", f"{python}:/opt/python", "--bind", f"{site}:/opt/site", "--bind", f"{PROJECT}:/opt/project"),
        *("bash", "-euo", "pipefail", "-c", INSTALL + script),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd="/")


INSTALL = """
export LD_LIBRARY_PATH=/opt/python/lib
groupadd --system hftd
mkdir -p /opt/hftd/current/bin /etc/hftd
cat > /opt/hftd/current/bin/hftd <<'END'
#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/project:/opt/site PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python3 -m hftd "$@"
END
chmod 755 /opt/hftd/current/bin/hftd
cp -r /opt/project/models /opt/project/settings.yaml /etc/hftd/
chmod -R go+rX /etc/hftd
cp /opt/project/deploy/hftd.service /etc/systemd/system/
systemctl daemon-reload
"""
