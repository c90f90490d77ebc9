"""Alerts: what is told, how often, to whom, and that no address is ever shown."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from hftd.clock import ManualClock
from hftd.domain.commands import TradingStopped
from hftd.domain.events import Event, ModelFaulted, Remark, SessionClosed, SessionOpened, TradingHalted
from hftd.live.alert_sender import CREDENTIAL, Address, Alert, AlertSender, addresses_of, problem_of, send_to
from hftd.live.alerts import AN_HOUR_MAX, SAME_AGAIN_S, Alerts, Limiter, Trouble
from hftd.settings.shape import AlertSettings
from tests.analytics.told import SESSION, Script
from tests.running import PATIENCE_S, ExchangeProcess, Home, write_tape

TOKEN = "s3cr3tt0ken"
SECOND = 1_000_000_000
LOSING = [(30, 100.0, 1001), (31, 100.0, 1700), (32, 100.0, 1001), (33, 110.0, 1001), (34, 110.0, 1001)]
"""Minutes of a day on which the toy rule goes short before the price rises."""


class Receiver:
    """An HTTP server on loopback that keeps what apprise's json:// posts."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.messages: list[dict[str, Any]] = []
        self.arrived = threading.Semaphore(0)
        self.port = server.server_address[1]

    @property
    def url(self) -> str:
        return f"json://user:{TOKEN}@127.0.0.1:{self.port}/{TOKEN}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def wait(self) -> dict[str, Any]:
        """The next message."""
        assert self.arrived.acquire(timeout=PATIENCE_S)
        return self.messages[-1]


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            kept.arrived.release()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Receiver(server)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield kept
        finally:
            server.shutdown()
            serving.join()


# -- how often ---------------------------------------------------------------------------------------------------------


def test_the_same_is_told_again_only_after_a_while() -> None:
    limiter, alert = Limiter(), Alert("halt", "halted", "because")
    assert limiter.pass_on(alert, 0.0) == alert
    assert limiter.pass_on(alert, SAME_AGAIN_S - 1) is None
    again = limiter.pass_on(alert, SAME_AGAIN_S)
    assert again is not None and again.text.endswith("(1 more alerts were held back before this one)")
    assert limiter.held_back == 0


def test_a_storm_ends_after_so_many_an_hour() -> None:
    limiter = Limiter()
    passed = [limiter.pass_on(Alert("halt", f"halt {number}", ""), float(number)) for number in range(100)]
    assert sum(alert is not None for alert in passed) == AN_HOUR_MAX
    later = limiter.pass_on(Alert("halt", "one more", ""), 3_600.0)
    assert later is not None and "(80 more" in later.text


def test_a_trouble_is_told_when_it_lasts_and_when_it_is_over() -> None:
    trouble = Trouble(bearable_ns=60 * SECOND)
    assert trouble.look("down", 0) is None
    assert trouble.look("", 30 * SECOND) is None  # it did not last
    assert trouble.look("down", 40 * SECOND) is None
    assert trouble.look("down", 99 * SECOND) is None
    told = trouble.look("down", 100 * SECOND)
    assert told == Alert("feed", "feed is degraded", "for 60 s: down")
    assert trouble.look("down", 200 * SECOND) is None
    over = trouble.look("", 201 * SECOND)
    assert over is not None and over.title == "feed is well again"


# -- what is told ------------------------------------------------------------------------------------------------------


class Kept(AlertSender):
    """A sender that sends nothing."""

    def __init__(self) -> None:
        super().__init__([])
        self.alerts: list[Alert] = []

    def start(self) -> None:
        """No thread."""

    def offer(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return True


async def test_what_deserves_an_alert() -> None:
    sender = Kept()
    alerts = Alerts(sender, ManualClock(0), ("halt", "model", "reconciliation"), SECOND)
    for event, commands, _, _ in Script().open().bar(100.0).steps:
        alerts.stepped(event, commands)
    assert sender.alerts == []
    alerts.stepped(TradingHalted(1, "manual", "lunch"), [])
    alerts.stepped(ModelFaulted(2, "toy", 1, "ZeroDivisionError"), [TradingStopped("toy", "max_daily_loss", "much")])
    alerts.stepped(Remark(3, "account.differs", "cash 1, the broker's 2"), [])
    alerts.stepped(Remark(4, "feed.up", "data"), [])
    assert [(alert.topic, alert.title, alert.text.split(";")[0]) for alert in sender.alerts] == [
        ("halt", "hftd: trading halted: manual", "lunch"),
        ("model", "hftd: model toy is paused", "ZeroDivisionError"),
        ("halt", "hftd: trading of toy halted: max_daily_loss", "much"),
        ("reconciliation", "hftd: account.differs", "cash 1, the broker's 2"),
    ]


async def looked(alerts: Alerts) -> None:
    """Let it look once at a daemon that is in no trouble."""
    await alerts.started(SimpleNamespace(phase="open", line="open"))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await alerts.stopped()


async def titles_after(*happened: Event) -> list[str]:
    sender = Kept()
    alerts = Alerts(sender, ManualClock(0), ("feed",), 0)
    for event in happened:
        alerts.stepped(event, [])
    await looked(alerts)
    return [alert.title for alert in sender.alerts]


DOWN, UP, PROBED = Remark(3, "feed.down", "data lost"), Remark(4, "feed.up", "data"), Remark(5, "feed.probed", "")


async def test_a_socket_that_is_back_or_lost_after_the_close_is_no_trouble() -> None:
    opened, closed = SessionOpened(1, SESSION), SessionClosed(2, SESSION)
    assert await titles_after(DOWN) == ["hftd: feed is degraded"]
    assert await titles_after(DOWN, UP) == []
    assert await titles_after(PROBED, DOWN, UP) == ["hftd: feed is degraded"]  # it is back, and no bars come
    assert await titles_after(closed, DOWN) == []
    assert await titles_after(closed, opened, DOWN) == ["hftd: feed is degraded"]


async def test_only_chosen_topics_are_told() -> None:
    sender = Kept()
    alerts = Alerts(sender, ManualClock(0), ("model",), SECOND)
    alerts.stepped(TradingHalted(1, "manual", "lunch"), [])
    assert sender.alerts == []


# -- sending -----------------------------------------------------------------------------------------------------------


def test_an_alert_arrives() -> None:
    with receiver() as server:
        assert send_to(Address("a", SecretStr(server.url)), Alert("halt", "halted", "because")) == ""
    assert (server.messages[0]["title"], server.messages[0]["message"]) == ("halted", "because")


@pytest.mark.parametrize("url", [f"json://127.0.0.1:9/{TOKEN}", f"nonsense://{TOKEN}", f"http://[{TOKEN}", ""])
def test_what_cannot_be_sent_is_told_without_the_address(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    (address,) = addresses_of(AlertSettings(urls=(SecretStr(url),)), {})
    problem = send_to(address, Alert("halt", "halted", "because"))
    assert problem.startswith("alerts.urls[0] (")
    assert TOKEN not in problem + problem_of(address) + "".join(capfd.readouterr())


def test_a_full_queue_loses_and_never_waits() -> None:
    sender = AlertSender([])
    offered = [sender.offer(Alert("halt", str(number), "")) for number in range(60)]
    assert offered.count(False) == 10


def test_addresses_come_from_settings_and_from_a_credential(tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_text(f"# mine\njson://one/{TOKEN}\n\njson://two\n")
    found = addresses_of(AlertSettings(urls=(SecretStr("mailto://x"),)), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert [address.name for address in found] == [
        "alerts.urls[0] (mailto)",
        "credential alert_urls, address 1 (json)",
        "credential alert_urls, address 2 (json)",
    ]
    assert TOKEN not in repr(found)


# -- the whole ---------------------------------------------------------------------------------------------------------


def test_check_tells_and_tests_the_addresses(home: Home) -> None:
    with receiver() as server:
        asked = home.run("check", HFTD_ALERTS__URLS=server.url)
        assert "hftd check --alert sends a test" in asked.out and not server.messages
        tested = home.run("check", "--alert", HFTD_ALERTS__URLS=json.dumps([server.url]))
    assert tested.status == 0, tested
    assert server.titles == ["hftd: a test"]
    wrong = home.run("check", HFTD_ALERTS__URLS=f"nonsense://{TOKEN}")
    assert wrong.status == 78 and "alerts.urls[0] (nonsense): apprise knows no such address" in wrong.out
    nowhere = home.run("check", "--alert")
    assert nowhere.status == 78 and "there is no address to send to" in nowhere.out
    shown = home.run("settings", "--all", HFTD_ALERTS__URLS=server.url)
    assert TOKEN not in "".join(one.out + one.log for one in (asked, tested, wrong, shown))


@pytest.mark.parametrize("value", [f"[json://{TOKEN}", f"{{a: json://{TOKEN}}}", f"[{{a: '{TOKEN}'}}]"])
def test_a_mistake_in_the_addresses_does_not_show_them(home: Home, value: str) -> None:
    told = home.run("settings", HFTD_ALERTS__URLS=value)
    assert told.status == 78 and "HFTD_ALERTS__URLS" in told.log
    assert TOKEN not in told.log + told.out


def test_a_day_is_told_and_nothing_secret_is_left_behind(home: Home, tmp_path: Path) -> None:
    rows = [(f"2019-02-11T14:{minute}:00Z", price, volume) for minute, price, volume in LOSING]
    tape = write_tape(tmp_path / "tape.csv", rows)
    with receiver() as server:
        alerts = {"HFTD_ALERTS__URLS": server.url, "HFTD_ALERTS__ON": "[halt, summary]"}
        ended = home.run(
            "run", "--tape", tape, "--speed", 3600, "--sessions", 1, HFTD_RISK__MAX_DAILY_LOSS=10, **alerts
        )
    assert ended.status == 0, ended
    assert server.titles == ["hftd: trading halted: max_daily_loss", "hftd: session 2019-02-11: P&L -50.05"]
    assert "2 orders, 2 filled, flat" in server.messages[1]["message"]
    kept = b"".join(file.read_bytes() for file in home.state.rglob("*") if file.is_file())
    assert TOKEN not in ended.log and TOKEN.encode() not in kept


def test_a_feed_that_stays_away_is_told(home: Home) -> None:
    exchange = ExchangeProcess(home, "--speed", 60, "--wait")
    with receiver() as server:
        alerts = {"HFTD_ALERTS__URLS": server.url, "HFTD_ALERTS__DEGRADED_AFTER": "1m", "HFTD_ALERTS__ON": "feed"}
        running = home.start("run", **exchange.broker(**alerts))
        running.wait_for("bar.received")
        exchange.running.end(9)
        told = server.wait()
        exchange.start()
        well = server.wait()
        running.end()
    assert told["title"] == "hftd: feed is degraded" and "the socket of market data is down" in told["message"]
    assert well["title"] == "hftd: feed is well again"
