"""The page in a real browser: on a session that is traded, over a restart and a day's end, on a phone, by night."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeHome
from tests.dashboard.browser import CHROMIUM, Tab, chromium, tab
from tests.dashboard.conftest import Serve, tape_of, url_of
from tests.running import Home

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")

CANDLES = "Number(document.querySelector('#chart').dataset.bars ?? 0)"
FILLS = "Number(document.querySelector('#chart').dataset.fills ?? 0)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def finished(traded: Home, serve: Serve) -> Iterator[str]:
    with serve(traded) as url:
        yield url


def check_calm(looked: Tab) -> None:
    assert looked.complaints == []
    assert looked.hosts == {"127.0.0.1"}


def test_a_session_that_is_over(browser: Any, finished: str) -> None:
    with tab(browser, finished) as looked:
        looked.wait(f"{CANDLES} === 390 && {FILLS} >= 4")
        assert looked.text("#position") == "flat"
        assert looked.text("#day") == "Mon, 11 Feb 2019"
        assert "volume 1700 is a multiple of 17" in looked.text("#reasons")
        assert looked.text("#orders tr:first-child").split()[:2] == ["sell", "SPY"]
        assert "sell_multiple" in looked.text("#model-list")
        looked.wait("document.querySelector('#line').textContent === 'not running'")
        assert looked.page.query_selector("#equity-chart canvas") is not None
        check_calm(looked)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (768, 1024), (1440, 900), (2560, 1440)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(browser: Any, finished: str, width: int, height: int, scheme: str) -> None:
    with tab(browser, finished, width, height, scheme) as looked:
        looked.wait(f"{CANDLES} === 390")
        assert looked.page.evaluate("document.documentElement.scrollWidth") <= width
        assert looked.page.evaluate("document.documentElement.dataset.theme") == scheme
        check_calm(looked)


def test_light_and_dark_by_hand_is_remembered(browser: Any, finished: str) -> None:
    with tab(browser, finished) as looked:
        looked.page.click("#theme")
        looked.page.reload()
        assert looked.page.evaluate("document.documentElement.dataset.theme") == "dark"
        check_calm(looked)


def test_candles_and_fills_come_as_they_happen(browser: Any, home: Home, tape: Path) -> None:
    daemon = home.start("run", "--tape", tape, "--speed", 60, HFTD_WEB__PORT=0)
    with tab(browser, url_of(daemon)) as looked:
        looked.wait(f"{FILLS} >= 1")
        before = looked.page.evaluate(CANDLES)
        looked.wait(f"{CANDLES} > {before}")
        looked.wait("document.querySelector('#line').textContent.startsWith('open until 16:00 ET')")
        looked.wait("document.querySelector('#lines').textContent.includes('bar.received')")
        looked.wait("!document.querySelector('#depth').hidden")
        assert looked.text("#position").endswith(("SPY", "flat"))
        check_calm(looked)
    daemon.end(signal.SIGINT)


def test_it_outlives_a_restart_of_the_daemon(browser: Any, make_home: MakeHome, tape: Path) -> None:
    home = make_home("restarted")
    daemon = home.start("run", "--tape", tape, "--speed", 60, HFTD_WEB__PORT=0)
    url = url_of(daemon)
    with tab(browser, url) as looked:
        looked.wait(f"{FILLS} >= 1")
        daemon.end(signal.SIGKILL)
        looked.wait("document.querySelector('#dot').classList.contains('bad')")
        before = looked.page.evaluate(CANDLES)
        again = home.start("run", "--tape", tape, "--speed", 60, HFTD_WEB__PORT=url.rsplit(":", 1)[1])
        again.wait_for("bar.received")
        looked.wait(f"{CANDLES} > {before}")
        looked.wait("document.querySelector('#dot').classList.contains('open')")
        check_calm(looked)
        again.end(signal.SIGINT)


def test_it_turns_the_page_at_a_days_end(browser: Any, home: Home, tmp_path: Path) -> None:
    short = tape_of(tmp_path / "days.csv", 20)
    later = short.read_text().splitlines()
    short.write_text("\n".join([*later, *(line.replace("02-11", "02-12") for line in later[1:])]) + "\n")
    daemon = home.start("run", "--tape", short, "--speed", 1200, HFTD_WEB__PORT=0)
    with tab(browser, url_of(daemon)) as looked:
        looked.wait("document.querySelector('#day').textContent === 'Mon, 11 Feb 2019'")
        looked.wait("document.querySelector('#day').textContent === 'Tue, 12 Feb 2019'")
        looked.wait(f"{CANDLES} > 0 && {CANDLES} <= 20")
        check_calm(looked)
    daemon.end(signal.SIGINT)


EVIL = '<img src=x onerror="document.title=`taken`"><script>document.title="taken"</script>'


def test_what_a_model_says_is_text(browser: Any, home: Home, tape: Path) -> None:
    home.use_model(
        "talker",
        "from hftd import Bar, Model, buy\n\n\nclass Talker(Model):\n"
        f"    greeting: str = {EVIL!r}\n\n"
        "    def on_bar(self, bar: Bar):\n"
        f"        return buy(1, bar.symbol, reason={EVIL!r}) if bar.volume % 17 == 0 else None\n",
    )
    daemon = home.start("run", "--tape", tape, "--speed", 60, HFTD_WEB__PORT=0)
    with tab(browser, url_of(daemon)) as looked:
        looked.wait(f"{FILLS} >= 1")
        looked.wait("document.querySelector('#lines').textContent.includes('order.filled')")
        assert EVIL in looked.text("#reasons") and EVIL in looked.text("#model-list")
        assert "<img" in looked.text("#lines")
        assert looked.page.query_selector("main img, main script") is None
        assert looked.page.title() != "taken"
        check_calm(looked)
    daemon.end(signal.SIGINT)
