"""A session to look at: traded once, on a tape, and kept."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.running import Home, Running, write_tape

QUIET, SELL, BUY = 1001, 1700, 3100
"""Volumes that are a multiple of neither 17 nor 31, of 17, of 31."""
DECIDED = {2: SELL, 4: BUY, 5: BUY, 30: SELL}
"""Minutes of the session in which the toy rule decides."""

Serve = Callable[..., AbstractContextManager[str]]


def tape_of(file: Path, minutes: int, decided: dict[int, int] = DECIDED) -> Path:
    """The first `minutes` of the session of 2019-02-11, which opens at 14:30 UTC."""
    starts = [(14 * 60 + 30 + minute) for minute in range(minutes)]
    rows = [
        (f"2019-02-11T{start // 60}:{start % 60:02}:00Z", 100 + index % 7 / 10, decided.get(index, QUIET))
        for index, start in enumerate(starts)
    ]
    return write_tape(file, rows)


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole session."""
    return tape_of(tmp_path_factory.mktemp("tape") / "session.csv", 390)


@pytest.fixture(scope="package")
def traded(tmp_path_factory: pytest.TempPathFactory, process_cache: Path, tape: Path) -> Home:
    """A home in which that session was traded; nothing runs there now."""
    home = Home(tmp_path_factory.mktemp("traded"), process_cache)
    assert home.run("run", "--tape", tape, "--speed", 3600, "--sessions", 1).status == 0
    return home


def url_of(daemon: Running) -> str:
    """Where a daemon's page is."""
    found = re.search(r"url=(\S+)", daemon.wait_for("page.served"))
    assert found
    return found[1]


@pytest.fixture(scope="package")
def serve() -> Serve:
    """Serves the page of a home by itself, and gives its address."""

    @contextmanager
    def served(home: Home, **variables: object) -> Iterator[str]:
        page = home.start("page", "--port", "0", **variables)
        try:
            yield page.first_printed()
        finally:
            assert page.end().status == 0

    return served
