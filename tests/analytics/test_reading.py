"""Stories read from journals in any state: whole, empty, growing, damaged, or of words nobody knows."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hftd.analytics.reading import journals_of, told_session
from hftd.analytics.versions import Who
from hftd.domain.orders import Side
from hftd.errors import StateError
from hftd.journal import Journal, journal_path, schema
from tests.analytics.told import DAY, SESSION, Script, round_trip

RUN_ID = "0011223344556677"


def written(state: Path, script: Script, *, models: bool = True) -> Path:
    """The script in a journal."""
    path = journal_path(state, DAY)
    with Journal.open(path, SESSION, RUN_ID) as journal:
        if models:
            journal.add_model("toy", "f00", ["SPY"], {"quantity": 5})
        for event, commands, source, received_ns in script.steps:
            journal.append_commands(journal.append_event(event, received_ns, source), commands)
    return path


def test_a_story_read_is_the_story_that_was_told(tmp_path):
    told = told_session(written(tmp_path, round_trip()))
    assert told.missing == []
    assert told.story.points == round_trip().story().points
    assert told.story.participants[Who("toy", "f00")].parameters == {"quantity": 5}


def test_a_session_that_goes_on_says_so(tmp_path):
    told = told_session(written(tmp_path, Script().open().bar(100.0)))
    assert told.missing == [
        "the session's close is missing: it is still going on, or hftd ended before; "
        "the last event is of 2019-02-11T14:31:00Z"
    ]


def test_models_that_a_crash_left_unnoted_are_found(tmp_path):
    told = told_session(written(tmp_path, round_trip(), models=False))
    assert [order.status for order in told.story.orders.values()] == ["filled", "filled"]


def test_an_empty_journal_is_told(tmp_path):
    with Journal.open(journal_path(tmp_path, DAY), SESSION, RUN_ID):
        told = told_session(journal_path(tmp_path, DAY))
    assert told.missing == ["the journal is empty: nothing has happened yet"]


def test_it_can_be_read_while_it_is_written(tmp_path):
    path = journal_path(tmp_path, DAY)
    with Journal.open(path, SESSION, RUN_ID) as journal:
        for event, commands, source, received_ns in Script().open().trade(Side.BUY, 1, 100.0, 100.0).steps:
            journal.append_commands(journal.append_event(event, received_ns, source), commands)
        assert len(told_session(path).story.executions) == 1


def changed(path: Path, statement: str) -> Path:
    """As if it had been written so."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
        schema.make_functions(connection)
        connection.execute(f"UPDATE events SET checksum = {schema.EVENT_SUM}")
    return path


def test_an_event_of_an_unknown_kind_is_told_and_left_out(tmp_path):
    path = changed(
        written(tmp_path, round_trip()), """UPDATE events SET body = '{"kind": "moon.landed"}' WHERE sequence = 5"""
    )
    told = told_session(path)
    assert len(told.missing) == 1 and "event 5: bar.received cannot be understood" in told.missing[0]
    assert len(told.story.executions) == 2


def test_many_remarks_are_counted(tmp_path):
    path = changed(written(tmp_path, round_trip()), "UPDATE events SET body = '{}'")
    told = told_session(path)
    assert len(told.missing) < 30


def test_an_order_without_its_beginning_does_not_end_the_report(tmp_path):
    path = changed(written(tmp_path, round_trip()), "DELETE FROM commands WHERE kind = 'order.submitted'")
    told = told_session(path)
    assert told.story.counts["foreign_reports"] == 2


def test_a_damaged_file_gives_what_can_be_read(tmp_path):
    script = Script().open()
    for _ in range(300):
        script.bar(100.0)
    path = written(tmp_path, script)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 8192)
    told = told_session(path)
    assert told.missing


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_is_no_journal_is_told(tmp_path, content):
    path = journal_path(tmp_path, DAY)
    path.parent.mkdir()
    path.write_bytes(content)
    assert str(path) in told_session(path).missing[0]


def test_which_sessions_are_meant(tmp_path):
    with pytest.raises(StateError, match="no session has been traded yet; hftd run starts one"):
        journals_of(tmp_path)
    path = written(tmp_path, round_trip())
    later = path.with_name("2019-02-12.sqlite")
    later.write_bytes(path.read_bytes())
    assert journals_of(tmp_path) == [later]
    assert journals_of(tmp_path, last=9) == [path, later]
    assert journals_of(tmp_path, day="2019-02-11") == [path]
    with pytest.raises(StateError, match="no journal of session 2019-02-13; kept are 2: 2019-02-11 to 2019-02-12"):
        journals_of(tmp_path, day="2019-02-13")
