"""What tests of several rooms share: the recorded data, and hftd as a process."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.running import PROJECT, Home

MakeHome = Callable[[str], Home]

# That the machine is busy is no counterexample, and every proposal is judged by the same examples. New ones are drawn
# by `pytest --hypothesis-profile=search`.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("judge", settings.get_profile("search"), derandomize=True)
settings.load_profile("judge")


# Whoever runs the tests with nohup, or in the background, hands ignored signals on to every daemon that they start.
for _number, _usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture(scope="session")
def hftd_data() -> Path:
    """The folder of recorded market data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HFTD_DATA") or PROJECT / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no recorded data in {folder}; HFTD_DATA names another folder")
    return folder


@pytest.fixture(scope="session")
def process_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of calendars for all processes."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def make_home(tmp_path_factory: pytest.TempPathFactory, process_cache: Path) -> Iterator[MakeHome]:
    """Makes homes of their own for hftd; what runs in them at the end of the module is killed."""
    homes: list[Home] = []

    def make(name: str = "home") -> Home:
        homes.append(Home(tmp_path_factory.mktemp(name), process_cache))
        return homes[-1]

    yield make
    for home in homes:
        home.kill_all()


@pytest.fixture
def home(make_home: MakeHome) -> Iterator[Home]:
    """A fresh home; what runs in it at the end of the test is killed."""
    made = make_home("home")
    yield made
    made.kill_all()
