import pytest

from tests.exchange.venue.venue_world import World


@pytest.fixture
def world() -> World:
    """Before the open."""
    return World()


@pytest.fixture
def market() -> World:
    """An open market in AAPL at 99.99 to 100.01, last 100."""
    return World().open().quote(99.99, 100.01).print(100.0)
