"""A headless Chromium that may reach nothing but loopback, and tells what it asked for and complained of."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
AWAY = ("net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_CONNECTION_RESET")
"""What a browser complains of while the daemon is away."""


class Tab:
    """A page that is looked at. `complaints` are errors of its scripts and of its console, `hosts` whom it asked."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(away in text for away in AWAY):
            self.complaints.append(text)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def wait(self, condition: str, patience_s: float = 60) -> None:
        """Wait until a JavaScript expression holds. Asked from outside: the page itself may not evaluate any text."""
        until_s = time.monotonic() + patience_s
        while not self.page.evaluate(condition):
            assert time.monotonic() < until_s, f"{condition} never came; the page says {self.text('body')[:2000]}"
            self.page.wait_for_timeout(50)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def tab(browser: Any, url: str, width: int = 1440, height: int = 900, scheme: str = "light") -> Iterator[Tab]:
    """A tab of its own, without anything kept from others."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened = Tab(context.new_page())
    opened.page.goto(url)
    yield opened
    context.close()
