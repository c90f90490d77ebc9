"""The report opened in a real browser: no request, no error of the console, nothing wider than the screen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hftd.analytics.html import html_of
from hftd.analytics.report import report_of
from tests.analytics.told import round_trip
from tests.dashboard.browser import CHROMIUM, chromium

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_it_opens_alone_and_fits(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(html_of(report_of([round_trip().story()])))
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url))
    page.goto(file.as_uri())
    assert told == [file.as_uri()]
    assert page.locator("svg").count() == 3
    assert page.locator("path.buy, path.sell").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with page.expect_download() as download:
        page.locator("a.download").click()
    assert Path(download.value.path()).read_text().startswith("timestamp,symbol,action")
    page.close()
