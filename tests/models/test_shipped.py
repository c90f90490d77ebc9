"""The models that hftd comes with: what each decides, on made-up minutes and on recorded ones."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hftd import Model
from hftd.backtest.api import backtest
from hftd.domain.commands import SubmitOrder
from hftd.domain.orders import ReportKind
from hftd.engine.state import RunningModel
from hftd.model.load import load_model
from hftd.model.parameters import build
from tests.engine.engine_world import World, orders_of, shown
from tests.running import Home, write_tape

MODELS = Path(__file__).parents[2] / "models"
MINUTE_NS = 60_000_000_000


def world_of(name: str, symbols: Sequence[str] = ("SPY",), **parameters: Any) -> World:
    model: Model = build(load_model(name, MODELS).cls, parameters)
    return World(RunningModel(name, model, "fingerprint", tuple(symbols)))


def fill_all(world: World, price: float) -> None:
    for name, order in list(world.engine.working.items()):
        world.fill(name, order.remaining, str(price))


# Crossing ------------------------------------------------------------------------------------------------------------


def test_crossing_holds_while_the_fast_average_is_above_the_slow_one():
    world = world_of("crossing", fast=2, slow=4, quantity=10)
    positions = []
    for close in (100, 100, 100, 100, 101, 102, 103, 102, 100, 98):
        world.bar(close=float(close))
        fill_all(world, close)
        positions.append(world.engine.position("SPY"))
    assert positions == [0, 0, 0, 0, 10, 10, 10, 10, 0, 0]


def test_crossing_waits_until_it_has_seen_enough():
    world = world_of("crossing", fast=2, slow=4)
    assert [world.bar(close=100.0 + minute) for minute in range(3)] == [[], [], []]
    assert len(orders_of(world.bar(close=103.0))) == 1


def test_crossing_refuses_averages_in_the_wrong_order():
    with pytest.raises(ValueError, match="fast is 30, expected fewer bars than slow, 30"):
        world_of("crossing", fast=30)


# Pair ----------------------------------------------------------------------------------------------------------------


def pair_world() -> World:
    """Two symbols that have stood at 100 and 50, give or take, for ten minutes."""
    world = world_of("pair", ("AAA", "BBB"), length=10, dollars=1000)
    for minute in range(10):
        both(world, 100 + 0.01 * (minute % 2), 50)
    assert world.commands == []
    return world


def sent(world: World) -> list[SubmitOrder]:
    return orders_of(world.commands)


def both(world: World, first: float, second: float) -> list[str]:
    """A minute of both symbols; returns what it led to."""
    minute = world.minute
    led_to = world.bar("AAA", close=float(first))
    world.minute = minute
    return shown(led_to + world.bar("BBB", close=float(second)))


def test_a_pair_that_strays_is_traded_on_both_sides_for_the_same_dollars():
    world = pair_world()
    both(world, 102, 50)
    orders = [(str(command.order.side), command.order.quantity, command.order.symbol) for command in sent(world)]
    assert orders == [("sell", 9, "AAA"), ("buy", 20, "BBB")]


def test_a_pair_that_is_back_is_closed_on_both_sides():
    world = pair_world()
    both(world, 102, 50)
    for name, order in list(world.engine.working.items()):
        world.fill(name, order.remaining, 100)
    for _ in range(12):
        both(world, 100.5, 50)
        fill_all(world, 100)
    assert world.engine.positions == {}


def test_a_pair_waits_for_the_other_ones_bar():
    world = pair_world()
    assert world.bar("AAA", close=102.0) == []


def test_a_pair_is_two():
    with pytest.raises(ValueError, match="pair trades two symbols, found 1: SPY"):
        world_of("pair")


# Quoter --------------------------------------------------------------------------------------------------------------


def quotes(world: World) -> list[tuple[str, Decimal, Decimal | None]]:
    working = world.engine.working.values()
    return [(str(order.request.side), order.request.quantity, order.request.limit_price) for order in working]


def test_the_quoter_bids_below_and_offers_what_it_holds_above():
    world = world_of("quoter", away_bps=10, quantity=5, most=10)
    world.bar(close=100.0)
    assert quotes(world) == [("buy", 5, Decimal("99.9"))]
    fill_all(world, 99.9)
    world.bar(close=100.0)
    assert quotes(world) == [("buy", 5, Decimal("99.9")), ("sell", 5, Decimal("100.1"))]


def test_the_quoter_quotes_anew_when_its_old_orders_are_gone():
    world = world_of("quoter", away_bps=10, quantity=5)
    world.bar(close=100.0)
    assert shown(world.bar(close=101.0)) == ["CancelOrder"]
    (name,) = world.engine.working
    world.report(ReportKind.PENDING_CANCEL, name)
    assert len(orders_of(world.report(ReportKind.CANCELED, name))) == 1
    assert quotes(world) == [("buy", 5, Decimal("100.9"))]


def test_the_quoter_holds_no_more_than_it_may():
    world = world_of("quoter", quantity=5, most=5)
    world.bar()
    fill_all(world, 100)
    world.bar()
    assert [side for side, _, _ in quotes(world)] == ["sell"]


def test_the_quoter_lives_on_the_exchange(home: Home, tmp_path: Path):
    """Behind the sockets its orders rest, are withdrawn and filled, and the books agree."""
    prices = (100, 100.3, 99.9, 100.2, 99.8, 100.1)
    rows = [(f"2019-02-11T14:{30 + minute}:00Z", prices[minute % 6], 1000) for minute in range(24)]
    tape = write_tape(tmp_path / "swing.csv", rows)
    home.choose_model("quoter")
    ended = home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1, "--json")
    assert ended.status == 0, ended
    assert ended.json["fills"] >= 4 and "account.agrees" in ended.events
    assert ended.lines("order.cancel_requested") and not ended.lines("error:")


# All -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "symbols"), [("crossing", "SPY"), ("quoter", "SPY"), ("pair", ("AAPL", "MSFT")), ("volume_17_31", "SPY")]
)
def test_a_recorded_week_is_traded_to_a_flat_end_twice_alike(hftd_data: Path, name: str, symbols: Any):
    bars = hftd_data / "bars" / "us_1m_2019-02-11_2019-02-15.parquet"

    def traded() -> tuple[Any, ...]:
        result = backtest(MODELS / f"{name}.py", bars, symbols=symbols, start="2019-02-11", end="2019-02-12")
        return len(result.orders), len(result.fills), result.summary["position"], result.trades_hash

    orders, fills, position, _ = first = traded()
    assert orders >= fills > 10 and not position
    assert traded() == first
