"""The random market that an exchange plays when no tape is given: the same seed, the same prices, the same run."""

from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived, SessionOpened
from hftd.domain.market import Bar
from tests.conftest import MakeHome
from tests.running import Ended, Home


def played(home: Home, seed: int) -> tuple[list[Bar], Ended]:
    """The bars of one session but for their day, and how the run ended."""
    ended = home.run("run", "--speed", 3600, "--sessions", 1, "--json", HFTD_EXCHANGE__SEED=seed)
    assert ended.status == 0, ended
    return [event.bar for event in home.events(BarReceived)], ended


def test_the_seed_decides_the_whole_run(make_home: MakeHome) -> None:
    first = make_home("first")
    bars, ended = played(first, 7)
    (again, ended_again), (others, _) = (played(make_home(name), seed) for name, seed in (("second", 7), ("third", 8)))
    (opened,) = first.events(SessionOpened)
    minutes = (opened.session.close_ns - opened.session.open_ns) // MINUTE_NS
    assert again == bars and ended_again.json == ended.json
    assert [bar.close for bar in others] != [bar.close for bar in bars]
    assert minutes - 10 <= len(bars) <= minutes  # a half day has 210
    assert ended.json["position"] == {}
    assert ended.json["fills"] >= ended.json["orders"] > 10
