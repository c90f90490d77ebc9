"""The built site, looked at in a browser from the disk: diagrams are drawn, search answers, nothing is fetched."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.browser import CHROMIUM, chromium, tab

ROOT = Path(__file__).parents[2]
FROM_THE_DISK = {""}
DRAWN = "[...document.querySelectorAll('.mermaid')].every(found => found.tagName == 'DIV' && found.clientHeight > 50)"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "-f", "docs/generate/mkdocs.yml", "-d", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index", "explanation/orders", "reference/settings", "reference/model-api"])
def test_a_page_asks_nobody_and_complains_of_nothing(site: Path, browser: Any, page: str, scheme: str) -> None:
    with tab(browser, f"file://{site}/{page}.html", scheme=scheme) as opened:
        opened.wait("document.readyState == 'complete'")
        assert opened.text("h1")
        assert opened.hosts == FROM_THE_DISK
        assert opened.complaints == []
        dark = opened.page.evaluate("document.body.getAttribute('data-md-color-scheme')") == "slate"
        assert dark == (scheme == "dark")


@pytest.mark.parametrize("page", ["explanation/architecture", "explanation/orders"])
def test_diagrams_are_drawn(site: Path, browser: Any, page: str) -> None:
    with tab(browser, f"file://{site}/{page}.html") as opened:
        assert opened.page.evaluate("document.querySelectorAll('.mermaid').length") > 0
        opened.wait(DRAWN)
        assert opened.hosts == FROM_THE_DISK
        assert opened.complaints == []


def test_search_finds_a_setting(site: Path, browser: Any) -> None:
    with tab(browser, f"file://{site}/index.html") as opened:
        opened.page.fill(".md-search__input", "max_position")
        opened.wait("document.querySelector('.md-search-result__link[href*=\"reference/settings.html\"]') != null")
        assert opened.hosts == FROM_THE_DISK
