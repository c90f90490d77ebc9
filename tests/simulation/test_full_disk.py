"""A disk that is full when the market closes: what waits for it must not be forgotten with the session."""

from pathlib import Path

from hftd.domain.commands import SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.events import TradingHalted
from tests.simulation.invariants import problems_of
from tests.simulation.world import World


def world_of_two_sessions(folder: Path) -> World:
    made = (World(seed, folder / str(seed)) for seed in range(100))
    return next(world for world in made if len(world.sessions) == 3 and not world.in_lockstep)


def fill_disk(world: World, seconds: int) -> None:
    """Let the session's journal refuse every write for so long."""
    assert world.daemon.trader is not None
    journal = world.daemon.trader.journal._connection
    journal.execute("PRAGMA query_only = 1")
    world.loop.call_later(seconds, journal.close)  # by then the session is over


def orders_by_day(world: World) -> list[int]:
    return [sum(isinstance(command, SubmitOrder) for _, out in steps for command in out) for _, steps in world.steps]


def test_a_disk_that_is_full_at_the_close_costs_no_order_and_no_cent(tmp_path: Path) -> None:
    world = world_of_two_sessions(tmp_path)

    async def fill() -> None:
        fill_disk(world, 600)

    world.agenda.append((world.sessions[0].close_ns - 90 * SECOND_NS, fill))
    world.live()
    assert [line["event"] for line in world.told].count("journal.incomplete") == 1
    assert not problems_of(world)
    assert min(orders_by_day(world)) > 0


def test_a_halt_that_could_not_be_written_holds_in_the_next_session(tmp_path: Path) -> None:
    world = world_of_two_sessions(tmp_path)

    async def fill() -> None:
        fill_disk(world, 600)

    async def halt() -> None:
        world.daemon.halt("lunch", flatten=False)

    async def look() -> None:
        assert [halt.reason for halt in world.daemon.halts] == ["lunch"]

    close_ns = world.sessions[0].close_ns
    world.agenda += [
        (close_ns - 90 * SECOND_NS, fill),
        (close_ns - 30 * SECOND_NS, halt),
        (close_ns + 20 * MINUTE_NS, look),
    ]
    world.live()
    assert not problems_of(world)
    (_, second) = world.steps
    assert [event.reason for event, _ in second[1] if isinstance(event, TradingHalted)] == ["lunch"]
    assert orders_by_day(world)[0] > orders_by_day(world)[1] == 0
