"""What is shipped for Prometheus and Grafana speaks of figures that there are, and is valid."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest

from tests.running import PROJECT

DEPLOY = PROJECT / "deploy"
METRICS_PAGE = (PROJECT / "docs" / "metrics.md").read_text()
CODE = (PROJECT / "hftd" / "dashboard" / "metrics.py").read_text()
NAME = re.compile(r"hftd_([a-z_]+)")
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt install prometheus")


def base(name: str) -> str:
    return re.sub(r"_(total|bucket|count|sum)$", "", name)


def expressions(dashboard: Any) -> Iterable[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def exposed() -> set[str]:
    """Names without hftd_, as the code has them: whole, or as a name of the table of counters."""
    quoted = set(re.findall(r'"(?:hftd_)?([a-z_]+)"', CODE))
    return quoted | {f"session_{name}" for name in quoted}


def test_the_dashboard_shows_figures_that_there_are() -> None:
    used = {
        base(name)
        for text in expressions(json.loads((DEPLOY / "grafana.json").read_text()))
        for name in NAME.findall(text)
    }
    assert used and used <= exposed()


def test_the_alerts_watch_figures_that_there_are() -> None:
    lines = [line for line in (DEPLOY / "alerts.yml").read_text().splitlines() if "expr:" in line]
    used = {base(name) for line in lines for name in NAME.findall(line)}
    assert used and used <= exposed()


def test_every_figure_is_described() -> None:
    described = {base(name) for name in re.findall(r"`([a-z_]+)", METRICS_PAGE)}
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    assert {base(name) for text in expressions(dashboard) for name in NAME.findall(text)} <= described


@promtool
def test_the_alert_rules_are_valid_and_do_what_they_say() -> None:
    for arguments in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        ran = subprocess.run(["promtool", *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
