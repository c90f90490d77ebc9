"""The page of a daemon that runs."""

import signal
import socket
import urllib.request
from pathlib import Path

from tests.conftest import MakeHome
from tests.dashboard.conftest import url_of
from tests.dashboard.test_page import Answer
from tests.running import Home

FREE = {"HFTD_WEB__PORT": 0}


def test_while_a_session_is_traded(home: Home, tape: Path) -> None:
    daemon = home.start("run", "--tape", tape, "--speed", 60, **FREE)
    url = url_of(daemon)
    daemon.wait_for("order.filled")
    daemon.wait_for("bar.received")
    health = Answer(url, "/health")
    assert (health.status, health.json["problems"]) == (200, [])
    assert health.json["line"].startswith("open until 16:00 ET · volume_17_31 · ")
    values = dict(line.rsplit(" ", 1) for line in Answer(url, "/metrics").text.splitlines() if line[0] != "#")
    assert float(values["hftd_up"]) == float(values["hftd_open"]) == float(values['hftd_feed_up{feed="data"}']) == 1
    assert float(values["hftd_next_open_seconds"]) == 0
    assert float(values["hftd_bar_to_order_seconds_count"]) >= 1
    assert float(values["hftd_bar_to_order_seconds_sum"]) > 0
    assert float(values["hftd_resident_memory_bytes"]) > 10_000_000
    assert float(values["hftd_bar_age_seconds"]) < 60
    assert float(values['hftd_feed_losses_total{feed="data"}']) == 0
    told = Answer(url, "/api/session").json
    assert len(told["bars"]["SPY"]) >= 3
    assert any(mark["kind"] == "fill" for mark in told["marks"])
    assert daemon.end(signal.SIGINT).status == 130


def test_a_halt_by_hand_is_told_and_is_no_illness(home: Home, tape: Path) -> None:
    daemon = home.start("run", "--tape", tape, "--speed", 60, **FREE)
    url = url_of(daemon)
    daemon.wait_for("session.opened")
    home.run("halt", "lunch")
    assert Answer(url, "/health").status == 200
    assert [halt["reason"] for halt in Answer(url, "/api/session").json["halts"]] == ["lunch"]
    daemon.end(signal.SIGINT)


def test_a_port_in_use_costs_the_page_and_nothing_else(home: Home, tape: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon = home.start("run", "--tape", tape, "--speed", 60, HFTD_WEB__PORT=port)
        line = daemon.wait_for("page.unavailable")
        assert f"port {port} on 127.0.0.1 is in use by another program" in line
        daemon.wait_for("order.filled")
        assert daemon.end(signal.SIGINT).status == 130


def test_off_means_no_page(home: Home, tape: Path) -> None:
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, HFTD_WEB__PORT="off")
    assert ended.lines("page.") == []


def test_the_page_ends_with_a_daemon_that_is_killed(home: Home, tape: Path) -> None:
    daemon = home.start("run", "--tape", tape, "--speed", 60, **FREE)
    url = url_of(daemon)
    with urllib.request.urlopen(f"{url}/events") as stream:
        daemon.end(signal.SIGKILL)
        stream.read()  # to its end
    assert "page.ended" not in daemon.log


def test_the_page_comes_again_on_the_same_port_after_a_kill(make_home: MakeHome, tape: Path) -> None:
    home = make_home("killed")
    first = home.start("run", "--tape", tape, "--speed", 60, **FREE)
    port = url_of(first).rsplit(":", 1)[1]
    first.wait_for("session.opened")
    first.end(signal.SIGKILL)
    second = home.start("run", "--tape", tape, "--speed", 60, HFTD_WEB__PORT=port)
    assert url_of(second).endswith(f":{port}")
    second.end(signal.SIGINT)
