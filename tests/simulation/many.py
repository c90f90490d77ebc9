"""Worlds by their seeds, one after another: python -m tests.simulation.many FIRST STEP END

Lives through FIRST, FIRST + STEP and so on below END, or until told to stop, and prints what happened as JSON; what was
wrong in a world stands there by its seed. Several at once, each with its own FIRST, keep several processors busy.
"""

import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hftd.clock import monotonic_s
from tests.simulation.invariants import problems_of
from tests.simulation.world import World

COLLECT_EVERY = 4
"""A world leaves cycles behind; it is cheaper to look for them after every few worlds than in their midst."""


def main(first: int, step: int, end: int) -> dict[str, Any]:
    """What came of the worlds, for JSON."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda told, _: stopped.append(told))
    began_s, counts, faults, problems = monotonic_s(), Counter[str](), Counter[str](), {}
    gc.disable()
    with memory() as folder:
        for number, seed in enumerate(range(first, end, step)):
            world = World.drawn(seed, folder / str(seed))
            if wrong := problems_in(world):
                problems[seed] = wrong
            counts.update(worlds=1, sessions=len(world.sessions) - 1, orders=len(world.booked))
            faults.update(world.faults)
            shutil.rmtree(folder / str(seed), ignore_errors=True)
            if stopped:
                break
            if number % COLLECT_EVERY == 0:
                gc.collect()
    return {**counts, "wall_s": round(monotonic_s() - began_s, 1), "faults": faults, "problems": problems}


def problems_in(world: World) -> list[str]:
    """What was wrong in `world` after it was lived through."""
    try:
        world.live()
        return problems_of(world)
    except Exception as error:
        return ["".join(traceback.format_exception(error))]


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: a world writes half a megabyte of journal."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shared if os.access(shared, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


if __name__ == "__main__":
    told = main(*map(int, sys.argv[1:]))
    print(json.dumps(told))
    sys.exit(bool(told["problems"]))
