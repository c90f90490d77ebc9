"""Addresses: where each surface is, and that real money is refused."""

import pytest

from hftd.broker.endpoints import FEEDS, alpaca_endpoints, exchange_endpoints
from hftd.errors import SettingsError


def test_alpacas_paper_environment():
    endpoints = alpaca_endpoints("sip")
    assert endpoints.trading == "https://paper-api.alpaca.markets"
    assert endpoints.stream == "wss://stream.data.alpaca.markets/v2/sip"
    assert endpoints.trades == "wss://paper-api.alpaca.markets/stream"
    assert endpoints.clock == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/v2"])
def test_one_address_serves_everything(url):
    endpoints = exchange_endpoints(url)
    assert endpoints.trading == endpoints.data == "http://127.0.0.1:8080"
    assert endpoints.stream == "ws://127.0.0.1:8080/v2/iex"
    assert endpoints.trades == "ws://127.0.0.1:8080/stream"
    assert endpoints.clock == "ws://127.0.0.1:8080/hftd/clock"


@pytest.mark.parametrize(
    "url",
    ["https://api.alpaca.markets", "https://API.alpaca.markets/v2", "https://api.alpaca.markets.:443/"],
)
def test_hosts_of_real_money_are_refused(url):
    for make in (alpaca_endpoints, exchange_endpoints):
        with pytest.raises(SettingsError, match="real money"):
            make("iex", url) if make is alpaca_endpoints else make(url)


def test_an_unknown_feed_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="did you mean sip"):
        alpaca_endpoints("sipp")
    for feed in FEEDS:
        assert alpaca_endpoints(feed).feed == feed


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "", "http://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(SettingsError, match="expected an address"):
        exchange_endpoints(url)
