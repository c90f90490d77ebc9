"""Whole sessions of the real daemon, each with its own faults, all from a seed.

HFTD_SIMULATION_SESSIONS=100000 makes it a long run. A seed that fails is printed, and lives through the same again with
HFTD_SIMULATION_SEED=<seed>.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hftd.clock import monotonic_s
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from tests.simulation.invariants import problems_of
from tests.simulation.world import FAULTS, LAST_WORD_NS, World

SESSIONS = int(os.environ.get("HFTD_SIMULATION_SESSIONS", "1000"))
WORLDS = SESSIONS * 4 // 5
"""A world has one or two sessions."""
GROUPS = 10
FAILURES_SHOWN = 20
AFTER_A_BAR_NS = 15_000_000
"""The model has decided and the order is under way."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a world writes half a megabyte of journal."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shared)) if os.access(shared, os.W_OK) else tmp_path
    yield folder
    shutil.rmtree(folder)


def lived(world: World) -> World:
    """`world` after everything in it; a problem fails the test with its seed."""
    try:
        world.live()
        problems = problems_of(world)
    except Exception as error:
        error.add_note(_again(world))
        raise
    assert not problems, "\n".join([_again(world), *problems[:FAILURES_SHOWN]])
    return world


def _again(world: World) -> str:
    return f"seed {world.seed} ({', '.join(world.faults)}): HFTD_SIMULATION_SEED={world.seed} pytest tests/simulation"


def _seeds() -> list[range]:
    if given := os.environ.get("HFTD_SIMULATION_SEED"):
        return [range(int(given), int(given) + 1)]
    return [range(WORLDS * group // GROUPS, WORLDS * (group + 1) // GROUPS) for group in range(GROUPS)]


@pytest.mark.parametrize("seeds", _seeds(), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_nothing_is_lost_doubled_or_late_whatever_goes_wrong(
    seeds: range, memory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s, faults, sessions, orders = monotonic_s(), Counter[str](), 0, 0
    for seed in seeds:
        state = memory / str(seed)
        world = lived(World.drawn(seed, state))
        faults.update(world.faults)
        sessions, orders = sessions + len(world.sessions) - 1, orders + len(world.booked)
        shutil.rmtree(state)
    assert faults and orders
    with capsys.disabled():
        took_s = monotonic_s() - began_s
        told = ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))
        print(f"\n{len(seeds)} worlds, {sessions} sessions, {orders} orders in {took_s:.1f} s: {told}")


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_one_kind_of_fault_again_and_again(name: str, memory: Path) -> None:
    """Every few minutes, each time while an order is under way."""
    world = next(world for seed in range(7, 100) if not (world := World(seed, memory)).in_lockstep)
    first_ns, last_ns = world.sessions[0].open_ns + MINUTE_NS, world.sessions[-2].close_ns - LAST_WORD_NS
    for start_ns in range(first_ns + AFTER_A_BAR_NS, last_ns - MINUTE_NS, 4 * MINUTE_NS):
        world.expect(name, start_ns, start_ns + 40 * SECOND_NS)
    assert len(lived(world).faults) >= 10


@pytest.mark.parametrize("seed", range(3, 9))
def test_without_faults_every_decision_is_carried_out(seed: int, memory: Path) -> None:
    world = lived(World(seed, memory))
    assert world.outcome is not None
    assert world.outcome.tally.late_bars == 0
    assert len(world.sent) == world.outcome.tally.orders > 10
    assert {len(departures) for departures in world.sent.values()} == {1}


def test_a_seed_lives_through_the_same_again(memory: Path) -> None:
    def lived_here(seed: int) -> World:
        shutil.rmtree(memory / "again", ignore_errors=True)  # the same place: its name is told when the disk is full
        return lived(World.drawn(seed, memory / "again"))

    for seed in range(5):
        first, second = lived_here(seed), lived_here(seed)
        assert first.steps == second.steps
        assert first.sent == second.sent and first.told == second.told
