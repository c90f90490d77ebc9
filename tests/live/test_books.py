"""Our journals held against the broker's books."""

from decimal import Decimal

import pytest

from hftd.domain.events import PortfolioCarried
from hftd.domain.intents import Want, buy, sell
from hftd.engine.engine import Engine
from hftd.live.books import audited
from hftd.model.contract import Model
from tests.engine.engine_world import OPEN_NS, RUN_ID, SESSION, WIDE, World, running, toy

CASH = Decimal(10**6)


def wishing(wish: Want) -> Model:
    """A model that wants one thing, once."""
    wishes = [wish]
    return toy(lambda bar: wishes.pop() if wishes else None)


def test_an_order_that_the_broker_does_not_have_is_lost() -> None:
    world = World(wishing(buy(5, "SPY")))
    world.bar()
    (id,) = world.engine.orders
    assert audited([world.engine], [], {}, CASH).lost == (id,)


def test_what_models_crossed_inside_is_not_lost() -> None:
    world = World(running(wishing(buy(5, "SPY")), "a"), running(wishing(sell(5, "SPY")), "b"))
    world.bar()
    assert len(world.engine.orders) == 2
    audit = audited([world.engine], [], {}, CASH)
    assert audit.is_clean and audit.orders == 0, audit


@pytest.mark.parametrize(("cash", "differences"), [("99992.741975375", 0), ("99992.741975377", 1), ("99992.76", 1)])
def test_fractions_of_shares_make_cash_finer_than_the_broker_tells_it(cash: str, differences: int) -> None:
    engine = Engine(SESSION, [], WIDE, RUN_ID)
    engine.step(PortfolioCarried(OPEN_NS, Decimal("99992.74197537469")))
    assert len(audited([engine], [], {}, Decimal(cash)).differences) == differences
