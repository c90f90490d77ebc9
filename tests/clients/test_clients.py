"""Other people's clients, each unmodified but for its address, do a day's work on a running exchange.

Each runs in an environment of its own, made by install.sh; where there is none, its test is skipped and says so.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.running import PATIENCE_S, PROJECT, ExchangeProcess, Home

SCRIPTS = Path(__file__).parent / "scripts"
ENVIRONMENTS = Path(os.environ.get("HFTD_CLIENTS") or PROJECT / ".venv" / "clients")
PYTHON, MODULES = Path("bin/python"), Path("node_modules")
SPEED = 120

LOOKED_AT = ["account", "clock", "streamed bar"]
TRADED = ["market order", "fill", "lookup", "cancelled"]
WHOLE_DAY = [*LOOKED_AT, *TRADED, "history"]
DATA_ONLY = ["history", "streamed bar"]


def command_of(script: str, name: str) -> tuple[list[str], dict[str, str]]:
    """How to run `script` in the environment `name` (empty for this one). Skips where that cannot be had."""
    file = str(SCRIPTS / script)
    if not name:
        return [sys.executable, "-W", "ignore", file], {}
    needed = ENVIRONMENTS / name / (MODULES if script.endswith(".js") else PYTHON)
    if not needed.exists():
        pytest.skip(f"{needed} is missing: {Path(__file__).with_name('install.sh').relative_to(PROJECT)} installs it")
    if script.endswith(".js"):
        return ["node", file], {"NODE_PATH": str(needed)}
    return [str(needed), file], {}


@pytest.mark.parametrize(
    ("script", "environment", "work"),
    [
        pytest.param("use_alpaca_py.py", "", WHOLE_DAY, id="alpaca-py"),
        pytest.param("use_alpaca_trade_api.py", "alpaca-trade-api", WHOLE_DAY, id="alpaca-trade-api"),
        pytest.param("use_javascript_4.js", "javascript-4", WHOLE_DAY, id="javascript-4"),
        pytest.param("use_javascript_3.js", "javascript-3", WHOLE_DAY, id="javascript-3"),
        pytest.param("use_lumibot.py", "lumibot", WHOLE_DAY, id="lumibot"),
        pytest.param("use_cpquant.py", "cpquant", DATA_ONLY, id="cpquant"),
    ],
)
def test_a_client_does_its_work(home: Home, script: str, environment: str, work: list[str]) -> None:
    command, variables = command_of(script, environment)
    exchange = ExchangeProcess(home, "--speed", SPEED, "--symbols", "SPY")
    exchange.running.wait_for("session.opened")
    told = msgspec.json.encode(exchange.told).decode()
    client = subprocess.run(
        command,
        cwd=home.folder,
        env=home.environment(EXCHANGE=told, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    done = [line for line in client.stdout.splitlines() if line in work]
    assert (client.returncode, done) == (0, work), client.stdout + client.stderr
    assert "Traceback" not in exchange.running.end().log
