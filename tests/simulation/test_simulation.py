"""Whole sessions of the real daemon, each with its own faults, all from a seed.

HFTD_SIMULATION_SESSIONS=100000 makes it a long run. A seed that fails is printed, and lives through the same again with
HFTD_SIMULATION_SEED=<seed>.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hftd.domain.convert import MINUTE_NS, SECOND_NS
from tests.running import PROJECT
from tests.simulation.many import memory, problems_in
from tests.simulation.world import FAULTS, LAST_WORD_NS, World

SESSIONS = int(os.environ.get("HFTD_SIMULATION_SESSIONS", "1000"))
WORLDS = SESSIONS * 4 // 5
"""A world has one or two sessions."""
FAILURES_SHOWN = 20
AFTER_A_BAR_NS = 15_000_000
"""The model has decided and the order is under way."""


@pytest.fixture(name="memory")
def in_memory() -> Iterator[Path]:
    with memory() as folder:
        yield folder


def lived(world: World) -> World:
    """`world` after everything in it; a problem fails the test with its seed."""
    problems = problems_in(world)
    assert not problems, "\n".join([_again(world.seed), *problems[:FAILURES_SHOWN]])
    return world


def _again(seed: int) -> str:
    return f"seed {seed}: HFTD_SIMULATION_SEED={seed} pytest tests/simulation"


def test_nothing_is_lost_doubled_or_late_whatever_goes_wrong(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On all processors, and without the tracer that measures coverage, which would triple the time."""
    if seed := os.environ.get("HFTD_SIMULATION_SEED"):
        lived(World.drawn(int(seed), memory))
        return
    processors = len(os.sched_getaffinity(0))
    untraced = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    living = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.many", str(first), str(processors), str(WORLDS)],
            cwd=PROJECT,
            env=untraced,
            stdout=subprocess.PIPE,
        )
        for first in range(processors)
    ]
    told = [json.loads(process.communicate()[0]) for process in living]
    faults = sum((Counter(one["faults"]) for one in told), Counter[str]())
    worlds, sessions, orders = (sum(one[name] for one in told) for name in ("worlds", "sessions", "orders"))
    with capsys.disabled():
        named = ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))
        took_s = max(one["wall_s"] for one in told)
        print(f"\n{worlds} worlds, {sessions} sessions, {orders} orders in {took_s:.0f} s: {named}")
    wrong = [line for one in told for seed, lines in one["problems"].items() for line in (_again(seed), *lines)]
    assert not wrong, "\n".join(wrong)
    assert worlds == WORLDS and orders and faults


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
