"""Addresses of a broker, and how long it is waited for."""

from urllib.parse import urlsplit

from msgspec import Struct

from hftd.errors import SettingsError
from hftd.wording import suggestion

FEEDS = ("iex", "sip", "delayed_sip", "boats", "overnight", "test")
"""Alpaca's real-time feeds of shares; `iex` is the free one, `test` has one invented symbol, FAKEPACA."""

LIVE_HOSTS = ("api.alpaca.markets", "broker-api.alpaca.markets")


class Endpoints(Struct, frozen=True):
    """Base addresses of REST (without /v2), whole addresses of sockets. `clock` is "" at a real broker.

    Raises SettingsError for a host that trades with real money: hftd is a paper trader.
    """

    trading: str
    data: str
    stream: str
    trades: str
    clock: str = ""
    feed: str = "iex"

    def __post_init__(self) -> None:
        for url in (self.trading, self.data, self.stream, self.trades, self.clock):
            _refuse_live(url)
        if self.feed not in FEEDS:
            raise SettingsError(f"broker.feed is {self.feed!r}, which is no feed; {suggestion(self.feed, FEEDS)}")


def alpaca_endpoints(feed: str = "iex", trading: str = "https://paper-api.alpaca.markets") -> Endpoints:
    """Alpaca's paper-trading environment."""
    base = _base_of(trading)
    return Endpoints(
        trading=base,
        data="https://data.alpaca.markets",
        stream=f"wss://stream.data.alpaca.markets/v2/{feed}",
        trades=f"{_socket_of(base)}/stream",
        feed=feed,
    )


def exchange_endpoints(url: str, feed: str = "iex") -> Endpoints:
    """A server that serves everything at one address, as the simulated exchange does."""
    base = _base_of(url)
    socket = _socket_of(base)
    return Endpoints(
        trading=base,
        data=base,
        stream=f"{socket}/v2/{feed}",
        trades=f"{socket}/stream",
        clock=f"{socket}/hftd/clock",
        feed=feed,
    )


def _base_of(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"broker.url is {url!r}; expected an address such as http://127.0.0.1:8080")
    return f"{parts.scheme}://{parts.netloc}" + parts.path.rstrip("/").removesuffix("/v2")


def _socket_of(base: str) -> str:
    return "ws" + base.removeprefix("http")


def _refuse_live(url: str) -> None:
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host in LIVE_HOSTS:
        raise SettingsError(
            f"{url} trades with real money; hftd is a paper trader and refuses it. "
            "Use https://paper-api.alpaca.markets with the keys of a paper account"
        )


class Patience(Struct, frozen=True):
    """Wall seconds, and counts, that bound every wait for a broker.

    `connection_limit_s` outlasts a connection of ours that a crash left behind: servers drop those after about 90 s.
    """

    connect_s: float = 10.0
    request_s: float = 10.0
    acknowledgement_s: float = 10.0
    heartbeat_s: float = 10.0
    close_s: float = 0.3
    backoff_first_s: float = 0.25
    backoff_cap_s: float = 30.0
    connection_limit_s: float = 150.0
    refusals: int = 3
    request_attempts: int = 3
    retry_after_cap_s: float = 60.0
