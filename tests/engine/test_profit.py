"""A session's profit counts from where things stood when it began, so that the days add up."""

from decimal import Decimal

from hftd.domain.events import CarriedPosition, PortfolioCarried
from hftd.domain.intents import sell
from tests.engine.engine_world import World, running, toy


def test_what_was_gained_before_is_not_gained_again():
    world = World(running(toy(lambda bar: sell(10, "SPY")), "toy"))
    bought_at_90 = CarriedPosition("toy", "SPY", Decimal(10), Decimal(900))
    world.take(PortfolioCarried(0, Decimal(5_000), (bought_at_90,), {"SPY": 100.0}))
    assert world.engine.equity == 6_000
    assert world.engine.profit == 0
    order_id = world.bar_order()
    world.fill(order_id, 10, 103)
    assert world.engine.profit == 30  # three dollars a share since yesterday's close
    assert world.engine.models["toy"].portfolio.realised == 130  # thirteen since they were bought
