"""What is asked for while the last session is brought to its end, with a broker that does not answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.errors import BrokerUnavailable
from tests.simulation.invariants import problems_of
from tests.simulation.world import World

ON_ITS_WAY_NS = 35_000_000
"""What is decided on a bar has reached the broker, and nobody has heard of it."""


async def unanswered(_: str) -> Any:
    raise BrokerUnavailable("no answer in time")


def world_with_an_open_order(folder: Path) -> World:
    """The daemon is killed in the last minute of a session, comes back just before the next one, and hears nothing of
    its order; then it is killed again, and hears of it."""
    made = (World(seed, folder / str(seed)) for seed in range(100))
    world = next(
        world for world in made if len(world.sessions) == 3 and len(world.symbols) == 3 and not world.in_lockstep
    )
    world.flatten_ns = None
    first, second = world.sessions[0], world.sessions[1]

    def come_back_deaf() -> None:
        world.begin()
        world.line.order = unanswered  # type: ignore[method-assign]

    async def again() -> None:
        await world.kill()
        world.begin()

    world.agenda.append((first.close_ns - MINUTE_NS + ON_ITS_WAY_NS, world.kill))
    then(world, second.open_ns - 55 * SECOND_NS, come_back_deaf)
    world.agenda.append((second.open_ns - 20 * SECOND_NS, again))
    return world


def then(world: World, time_ns: int, act: Callable[[], object]) -> None:
    async def do() -> None:
        act()

    world.agenda.append((time_ns, do))


def test_a_halt_asked_for_meanwhile_survives_a_kill(tmp_path: Path) -> None:
    world = world_with_an_open_order(tmp_path)
    opens_ns = world.sessions[1].open_ns

    def halt() -> None:
        assert "no answer in time" in world.daemon.line
        world.daemon.halt("lunch", flatten=False)

    then(world, opens_ns - 30 * SECOND_NS, halt)
    world.live()
    assert not problems_of(world)
    assert [line for line in world.told if line["event"] == "order.reconciled" and "session" in line]
    assert [halt.reason for halt in world.daemon.halts] == ["lunch"]
