"""Following a journal while it is written: however the reader's looks fall, it ends with the same picture."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hftd.dashboard.follow import Follower
from hftd.dashboard.picture import Json
from hftd.domain.events import FeesCharged
from hftd.domain.session import Session
from hftd.journal import Journal, Reader
from hftd.live.recovery import Step, reviewer_of, steps_of
from tests.running import Home

DAY = date(2019, 2, 11)


@pytest.fixture(scope="module")
def written(traded: Home) -> tuple[list[Step], Json, Reader]:
    """Everything in the journal of the session, and its picture."""
    follower = Follower(traded.state, reviewer_of)
    whole = follower.poll()
    assert whole is not None and follower.picture is not None
    journal = Journal.read(traded.journals()[0])
    return steps_of(journal)[:60], follower.picture.whole(), journal


def begin(state: Path, like: Reader) -> Journal:
    journal = Journal.open(state / "journal" / f"{DAY}.sqlite", Session(0, 0, DAY), like.meta()["run_id"])
    for model in like.models():
        journal.add_model(model.model_id, model.fingerprint, model.symbols, model.parameters)
    return journal


def merged(shown: Json, told: Json) -> Json:
    """What a browser shows after `told`, as page.js merges it."""
    if told.get("reset"):
        return told
    bars = {
        symbol: list({row[0]: row for row in [*shown["bars"].get(symbol, []), *rows]}.values())
        for symbol, rows in told.get("bars", {}).items()
    }
    return {
        **shown,
        **told,
        "bars": shown["bars"] | bars,
        "equity": list({point[0]: point for point in [*shown["equity"], *told.get("equity", [])]}.values()),
        "marks": [*shown["marks"], *told.get("marks", [])],
    }


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(looks=st.sets(st.integers(0, 130)))
def test_any_looks_end_in_the_same_picture(
    looks: set[int], written: tuple[list[Step], Json, Reader], tmp_path_factory: pytest.TempPathFactory
) -> None:
    steps, _, like = written
    state = tmp_path_factory.mktemp("state")
    follower = Follower(state, reviewer_of)
    shown: Json = {}
    moment = 0

    def look() -> None:
        nonlocal shown, moment
        moment += 1
        if moment in looks and (told := follower.poll()) is not None:
            shown = merged(shown, told)

    with begin(state, like) as journal:
        for event, commands in steps:
            sequence = journal.append_event(event, event.time_ns, "socket")
            journal.commit()
            look()
            journal.append_commands(sequence, commands)
            look()
    if (told := follower.poll()) is not None:
        shown = merged(shown, told)
    fresh = Follower(state, reviewer_of)
    assert shown == fresh.poll()


def test_a_session_that_begins_anew_begins_the_picture_anew(
    written: tuple[list[Step], Json, Reader], tmp_path: Path
) -> None:
    steps, _, like = written
    follower = Follower(tmp_path, reviewer_of)
    with begin(tmp_path, like) as journal:
        journal.append_event(steps[0][0], 0, "journal")
    assert (follower.poll() or {})["day"] == "2019-02-11"
    assert follower.poll() is None
    following = date(2019, 2, 12)
    path = tmp_path / "journal" / f"{following}.sqlite"
    with Journal.open(path, Session(0, 0, following), like.meta()["run_id"]) as journal:
        journal.append_event(steps[0][0], 0, "journal")
        assert (told := follower.poll()) is None or told["reset"]
    assert follower.picture is not None


def test_fees_are_the_last_point_of_the_curve(written: tuple[list[Step], Json, Reader], tmp_path: Path) -> None:
    steps, _, like = written
    with begin(tmp_path, like) as journal:
        for event, commands in steps:
            journal.append_commands(journal.append_event(event, event.time_ns, "socket"), commands)
        journal.append_event(FeesCharged(steps[-1][0].time_ns, Decimal("1.25")), 0, "reconciliation")
    follower = Follower(tmp_path, reviewer_of)
    follower.poll()
    assert follower.picture is not None
    whole = follower.picture.whole()
    assert whole["equity"][-1][1] == whole["session"]["equity"]


def test_its_writer_leaves_one_plain_file_behind(written: tuple[list[Step], Json, Reader], tmp_path: Path) -> None:
    steps, _, like = written
    follower = Follower(tmp_path, reviewer_of)
    with begin(tmp_path, like) as journal:
        journal.append_event(steps[0][0], 0, "journal")
        journal.commit()
        assert follower.poll() is not None
    assert [file.name for file in (tmp_path / "journal").iterdir()] == [f"{DAY}.sqlite"]
