"""The page of a session that is over, over real HTTP: what it tells, and whom."""

import http.client
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from hftd.dashboard.door import HEADERS
from hftd.domain.commands import SignalRaised, SubmitOrder
from tests.dashboard.conftest import DECIDED, Serve
from tests.running import Home

TOKEN = "sixteen-characters"


class Answer:
    """Status, headers and text of an answer."""

    def __init__(self, url: str, path: str, **headers: str) -> None:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()
        connection.close()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@pytest.fixture(scope="module")
def url(traded: Home, serve: Serve) -> Any:
    with serve(traded) as address:
        yield address


def test_the_session_is_told_as_the_journal_has_it(url: str, traded: Home) -> None:
    told = Answer(url, "/api/session").json
    assert told["day"] == "2019-02-11"
    assert len(told["bars"]["SPY"]) == 390
    assert told["bars"]["SPY"][0] == [1549895400, 100, 100, 100, 100, 1001]
    fills = [mark for mark in told["marks"] if mark["kind"] == "fill"]
    assert len(fills) == len(traded.fills()) == told["counts"]["fills"]
    assert told["counts"]["orders"] == len(traded.commands(SubmitOrder))
    assert told["counts"]["signals"] == len(traded.commands(SignalRaised)) == len(DECIDED)
    assert told["session"]["position"] == {}
    assert told["equity"][-1][1] == told["session"]["equity"]
    assert told["models"][0]["parameters"]["sell_multiple"] == 17
    assert told["reasons"][0]["reason"] == "volume 1700 is a multiple of 17"


def test_what_the_page_tells_of_money_is_what_status_tells(url: str, traded: Home) -> None:
    told = Answer(url, "/api/session").json["session"]
    assert told == traded.run("status", "--json").json["session"]


def test_whoever_comes_gets_the_whole_session_first(url: str) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    connection.request("GET", "/events")
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    lines = iter(lambda: response.readline().decode(), "")
    first = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
    assert first["reset"] and first == {**Answer(url, "/api/session").json}
    connection.close()


def test_health_is_bad_while_no_daemon_runs(url: str) -> None:
    answer = Answer(url, "/health")
    assert (answer.status, answer.json["problems"]) == (503, ["the daemon does not run"])


def test_metrics_of_the_session(url: str) -> None:
    answer = Answer(url, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert float(values["hftd_up"]) == 0
    assert float(values["hftd_session_bars_total"]) == 390
    assert float(values['hftd_position_shares{symbol="SPY"}']) == 0
    assert float(values['hftd_orders{state="filled"}']) == float(values["hftd_session_fills_total"])


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/api/session", "/health", "/nothing"])
def test_every_answer_lets_a_browser_load_nothing_from_elsewhere(url: str, path: str) -> None:
    headers = Answer(url, path).headers
    assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_the_page_itself_names_no_other_machine(url: str) -> None:
    page = Answer(url, "/").text
    loaded = re.findall(r'(?:src|<link[^>]* href)="([^"]*)"', page)
    assert loaded and all(address.startswith("/static/") for address in loaded)
    assert all(Answer(url, address).status == 200 for address in loaded)


def test_both_libraries_come_with_their_licences(url: str) -> None:
    notice = Answer(url, "/static/vendor/NOTICE").text
    assert "TradingView" in notice and "uPlot" in notice
    assert "Apache License" in Answer(url, "/static/vendor/lightweight-charts/LICENSE").text
    assert "MIT License" in Answer(url, "/static/vendor/uplot/LICENSE").text


def test_another_name_for_this_machine_is_refused(url: str) -> None:
    """DNS rebinding: a web site whose name leads to 127.0.0.1."""
    assert Answer(url, "/api/session", Host="example.com").status == 421
    assert Answer(url, "/api/session", Host="localhost").status == 200


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"])
def test_nothing_but_the_page_is_served(url: str, path: str) -> None:
    assert Answer(url, path).status in (403, 404)


def test_with_a_token_only_who_knows_it_may_look(traded: Home, serve: Serve) -> None:
    with serve(traded, HFTD_WEB__TOKEN=TOKEN) as url:
        assert Answer(url, "/").status == Answer(url, "/metrics").status == Answer(url, "/?token=wrong").status == 401
        admitted = Answer(url, f"/?token={TOKEN}")
        assert (admitted.status, admitted.headers["Location"]) == (303, "/")
        cookie = admitted.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        assert Answer(url, "/", Cookie=cookie.split(";")[0]).status == 200
        assert Answer(url, "/metrics", Authorization=f"Bearer {TOKEN}").status == 200


def test_where_no_daemon_has_run_it_says_so_and_waits(home: Home) -> None:
    page = home.start("page", "--port", "0", "--state", home.folder / "nowhere")
    url = page.first_printed()
    assert Answer(url, "/").status == 200
    assert page.end().out.splitlines() == [
        url,
        f"state directory {home.folder}/nowhere: no daemon has run on it; it is shown once one does",
    ]


def test_beyond_this_machine_a_token_is_asked_for(traded: Home) -> None:
    ended = traded.run("page", HFTD_WEB__HOST="0.0.0.0")
    assert ended.status == 78
    assert "HFTD_WEB__HOST: web.host: found 0.0.0.0" in ended.log and "give web.token" in ended.log


def test_a_token_is_never_shown(traded: Home) -> None:
    shown = traded.run("settings", "--all", "--json", HFTD_WEB__TOKEN=TOKEN)
    short = traded.run("settings", HFTD_WEB__TOKEN="tooshort")
    assert shown.status == 0 and TOKEN not in shown.out
    assert short.status == 78 and "tooshort" not in short.log and "found a secret" in short.log


def test_nothing_traded_yet(home: Home, serve: Serve) -> None:
    with serve(home) as url:
        answer = Answer(url, "/api/session")
        assert (answer.status, answer.json["error"]) == (404, "nothing has been traded yet")
        assert Answer(url, "/").status == 200


def test_a_damaged_journal_is_said_and_survived(home: Home, serve: Serve) -> None:
    folder = home.state / "journal"
    folder.mkdir(parents=True)
    (folder / "2019-02-11.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with serve(home) as url:
        answer = Answer(url, "/api/session")
        assert answer.status == 404
        assert Answer(url, "/health").status == 503
