"""Sending alerts: by apprise, in a thread of its own behind a bounded queue, so that nothing ever waits for a server.

Addresses are secrets, for most hold a token: they are named by their place and scheme, in logs and sentences too.
"""

import logging
import queue
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from hftd.errors import ConfigurationError
from hftd.settings.shape import AlertSettings

if TYPE_CHECKING:
    import apprise

log = structlog.get_logger()

CREDENTIAL = "alert_urls"
"""Name of the systemd credential with addresses, one a line."""
WAITING_MAX = 50
FINISH_S = 8.0
"""How long the alerts that wait are waited for when the daemon ends."""


class Alert(NamedTuple):
    """`topic` is one of the setting `alerts.on`."""

    topic: str
    title: str
    text: str


class Address(NamedTuple):
    """Where to send to: the secret, and what may be said of it."""

    name: str
    secret: SecretStr


def addresses_of(settings: AlertSettings, environment: Mapping[str, str]) -> list[Address]:
    """All addresses: of the settings, then of systemd's credential `alert_urls`.

    Raises ConfigurationError when the credential cannot be read.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    file = Path(folder) / CREDENTIAL if folder else None
    given = [(f"alerts.urls[{place}]", secret.get_secret_value()) for place, secret in enumerate(settings.urls)]
    if file is not None and file.is_file():
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = type(error).__name__  # its text might hold an address
            raise ConfigurationError(f"{file}: the addresses of alerts cannot be read: {why}") from None
        kept = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        given += [(f"credential {CREDENTIAL}, address {number}", url) for number, url in enumerate(kept, start=1)]
    return [Address(f"{where} ({_scheme(url)})", SecretStr(url)) for where, url in given]


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme[:20] or "no scheme"
    except ValueError:
        return "no address"


def problem_of(address: Address) -> str:
    """Why apprise cannot use this address; nothing when it can."""
    return "" if _target(address) else f"{address.name}: apprise knows no such address; see github.com/caronc/apprise"


def send_to(address: Address, alert: Alert) -> str:
    """Send now, and wait for it. Why it was not sent, as a sentence without the address; nothing when it was."""
    target = _target(address)
    if target is None:
        return problem_of(address)
    try:
        sent = target.notify(body=alert.text, title=alert.title)
    except Exception as error:  # whatever a service's plugin may raise, its text might hold the address
        return f"{address.name}: {type(error).__name__}"
    return "" if sent else f"{address.name}: it was refused, or nobody answered"


def _target(address: Address) -> "apprise.Apprise | None":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that its plugins load
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would write the address to standard error
        target = apprise.Apprise()
        try:
            return target if target.add(address.secret.get_secret_value()) else None
        except Exception:  # a plugin that trips over an odd address
            return None


class AlertSender:
    """A thread that sends. `offer` never waits."""

    def __init__(self, addresses: Iterable[Address], send: Callable[[Address, Alert], str] = send_to) -> None:
        self._addresses = tuple(addresses)
        self._send = send
        self._waiting: queue.Queue[Alert | None] = queue.Queue(WAITING_MAX)
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def offer(self, alert: Alert) -> bool:
        """Queue an alert; False when too many wait already, and it is lost."""
        try:
            self._waiting.put_nowait(alert)
        except queue.Full:
            log.error("alert.lost", title=alert.title, reason=f"{WAITING_MAX} others wait to be sent")
            return False
        return True

    def finish(self) -> None:
        """Send what waits, for a few seconds; blocks."""
        try:
            self._waiting.put(None, timeout=FINISH_S)
        except queue.Full:
            return
        if self._thread.is_alive():
            self._thread.join(FINISH_S)

    def _work(self) -> None:
        while (alert := self._waiting.get()) is not None:
            for address in self._addresses:
                problem = self._send(address, alert)
                if problem:
                    log.warning("alert.unsent", title=alert.title, reason=problem)
                else:
                    log.info("alert.sent", title=alert.title, to=address.name)
