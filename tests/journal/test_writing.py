import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hftd.domain.commands import CancelOrder, SignalRaised, SubmitOrder
from hftd.domain.events import BarReceived, OrderReported, TimerFired
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.domain.session import Session
from hftd.errors import StateError
from hftd.journal import Journal, JournaledModel, journals, schema
from tests.journal.journal_messages import COMMANDS, EVENTS

ROOT = Path(__file__).parents[2]
SESSION = Session(open_ns=1_000, close_ns=2_000, day=date(2026, 11, 27))
RUN = "00112233aabbccdd"
TIMER = TimerFired(time_ns=1_500, name="flatten")
SUBMIT = SubmitOrder("m", OrderRequest("hftd-1", "SPY", Side.BUY, Decimal("0.5")), 271.34, "f" * 64, "because")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "2026-11-27.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, SESSION, RUN) as opened:
        yield opened


def opened_error(path: Path, session: Session = SESSION, run_id: str = RUN) -> str:
    with pytest.raises(StateError) as refused:
        Journal.open(path, session, run_id)
    assert str(path) in str(refused.value)
    return str(refused.value)


def filled(path: Path, count: int) -> None:
    with Journal.open(path, SESSION, RUN) as journal:
        for number in range(count):
            journal.append_event(TimerFired(number, "x" * 100), number, "timer")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(EVENTS, st.lists(COMMANDS, max_size=3)), max_size=5))
def test_every_event_and_command_is_read_back_equal(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("journal") / "j.sqlite"
    with Journal.open(path, SESSION, RUN) as journal:
        for event, commands in steps:
            journal.append_commands(journal.append_event(event, 5, "feed"), commands)
    with Journal.read(path) as reader:
        assert list(reader.events()) == list(enumerate((event for event, _ in steps), start=1))
        numbered = enumerate((commands for _, commands in steps), start=1)
        expected = [(number, command) for number, commands in numbered for command in commands]
        assert list(reader.commands()) == expected


def test_sequences_go_on_after_reopening(path):
    filled(path, 3)
    with Journal.open(path, SESSION, RUN) as journal:
        assert journal.sequence == 3
        assert journal.append_event(TIMER, 1_501, "timer") == 4
        assert [sequence for sequence, _ in journal.events()] == [1, 2, 3, 4]


def test_commands_are_found_by_their_event(journal):
    first = journal.append_event(TIMER, 1, "timer")
    journal.append_commands(first, [SUBMIT])
    second = journal.append_event(TIMER, 2, "timer")
    cancel = CancelOrder("m", "hftd-1", "why")
    journal.append_commands(second, [SignalRaised("m", "SPY", Side.BUY, Decimal(1)), cancel])
    assert [command for _, command in journal.commands(first)] == [SUBMIT]
    assert [command for _, command in journal.commands(second)][-1] == cancel
    assert list(journal.commands(99)) == []


def test_a_group_is_seen_by_other_readers_once_it_is_committed(journal, path):
    with Journal.read(path) as reader:
        journal.append_event(TIMER, 1, "timer")
        assert list(reader.events()) == []
        journal.commit()
        assert list(reader.events()) == [(1, TIMER)]
        journal.append_event(TIMER, 2, "timer")
        journal.append_commands(2, [SUBMIT])
        assert len(list(reader.events())) == 2
        assert list(reader.commands()) == [(2, SUBMIT)]


def test_tables_and_the_view_of_reports_are_plain_sql(path):
    report = ExecutionReport(
        ReportKind.FILL, "hftd-1", 1_600, "b-1", "SPY", Side.SELL, "e-1", Decimal("0.125"), Decimal("271.34")
    )
    with Journal.open(path, SESSION, RUN) as journal:
        journal.append_event(BarReceived(Bar("SPY", 0, 1.0, 2.0, 0.5, 1.5, 34)), 9, "feed")
        sequence = journal.append_event(OrderReported(report), 1_601, "broker")
        journal.append_commands(sequence, [SUBMIT])
    connection = sqlite3.connect(path)
    reports = connection.execute(
        "SELECT sequence, received_ns, kind, client_order_id, side, quantity, price, reason FROM reports"
    )
    assert reports.fetchall() == [(2, 1_601, "fill", "hftd-1", "sell", "0.125", "271.34", None)]
    events = connection.execute("SELECT time_ns, source, kind, json_extract(body, '$.bar.volume') FROM events")
    assert events.fetchone() == (60_000_000_000, "feed", "bar.received", 34)
    commands = connection.execute("SELECT event_sequence, model_id, client_order_id, kind FROM commands")
    assert commands.fetchall() == [(2, "m", "hftd-1", "order.submitted")]
    connection.close()


def test_meta_and_models(journal, path):
    journal.set_meta("account_id", "one")
    journal.set_meta("account_id", "two")
    journal.add_model("toy", "aa", ["SPY", "QQQ"], {"quantity": Decimal("0.5"), "length": 3})
    journal.add_model("toy", "aa", [], {})
    journal.add_model("toy", "bb", [], {})
    with Journal.read(path) as reader:
        assert reader.meta() == {
            "schema_version": "2",
            "run_id": RUN,
            "session": "2026-11-27",
            "account_id": "two",
        }
        assert reader.models() == [
            JournaledModel("toy", "aa", ("SPY", "QQQ"), {"quantity": "0.5", "length": 3}),
            JournaledModel("toy", "bb", (), {}),
        ]


def test_a_closed_journal_is_one_plain_file_and_closing_twice_is_harmless(path):
    journal = Journal.open(path, SESSION, RUN)
    journal.append_event(TIMER, 1, "timer")
    journal.close()
    journal.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    copy = path.with_name("copy.sqlite")
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o400)
    with Journal.read(copy) as reader:
        assert list(reader.events()) == [(1, TIMER)]


def test_closing_while_another_process_reads_keeps_everything(path):
    journal = Journal.open(path, SESSION, RUN)
    with Journal.read(path) as reader:
        journal.append_event(TIMER, 1, "timer")
        journal.close()
        assert list(reader.events()) == [(1, TIMER)]


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from hftd.domain.events import TimerFired
from hftd.domain.session import Session
from hftd.journal import Journal
journal = Journal.open(Path(sys.argv[1]), Session(1_000, 2_000, date(2026, 11, 27)), "00112233aabbccdd")
for number in range(1, 1_001):
    journal.append_event(TimerFired(number, "t"), number, "timer")
    journal.commit()
journal.append_event(TimerFired(1_001, "t"), 1_001, "timer")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_committed_survives_a_kill(path):
    killed = subprocess.run([sys.executable, "-c", KILLED, path], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    with Journal.read(path) as reader:
        assert len(list(reader.events())) == 1_000
    with Journal.open(path, SESSION, RUN) as journal:
        assert journal.sequence == 1_000


KILLED_AT_WORK = """
import os, signal, sys
from datetime import date
from pathlib import Path
from hftd.domain.session import Session
from hftd.journal import Journal, schema

def die(connection, *others):
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN IMMEDIATE")
    for number in range(200):
        connection.execute(f"CREATE TABLE half_{number} (x)")
    os.kill(os.getpid(), signal.SIGKILL)

setattr(schema, sys.argv[2], die)
day = date.fromisoformat(Path(sys.argv[1]).stem)
Journal.open(Path(sys.argv[1]), Session(1_000, 2_000, day), "00112233aabbccdd")
"""


def killed_at(work: str, path: Path) -> None:
    """A process that opens the journal is killed at `work`, a function of the schema."""
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_WORK, path, work], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL


def test_a_kill_while_a_journal_is_made_leaves_none(path):
    killed_at("create", path)
    assert journals(path.parents[1]) == []
    filled(path, 3)
    with Journal.read(path) as reader:
        assert len(list(reader.events())) == 3
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_empty_file_with_what_an_older_hftd_left_beside_it_is_begun_anew(path):
    path.parent.mkdir()
    path.touch()
    path.with_name(f"{path.name}-journal").write_bytes(bytes(512))
    filled(path, 3)
    with Journal.read(path) as reader:
        assert len(list(reader.events())) == 3


# What cannot be opened -----------------------------------------------------------------------------------------------


def test_another_run_another_session(path):
    filled(path, 1)
    assert f"it is of run id {RUN}, expected run id ffffffffffffffff" in opened_error(path, run_id="f" * 16)
    other = Session(1, 2, date(2026, 11, 30))
    assert "it is of session 2026-11-27, expected session 2026-11-30" in opened_error(path, session=other)


def test_a_newer_schema_is_left_alone(path):
    filled(path, 1)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = '7' WHERE key = 'schema_version'")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    assert "its schema is version 7, this hftd knows versions up to 2; upgrade hftd" in opened_error(path)
    with pytest.raises(StateError, match="version 7"):
        Journal.read(path)
    assert path.read_bytes() == before


def test_a_schema_version_that_is_no_number(path):
    filled(path, 1)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM meta WHERE key = 'schema_version'")
    connection.commit()
    connection.close()
    assert "has no schema_version" in opened_error(path)


def test_a_file_of_something_else(path, tmp_path):
    path.parent.mkdir()
    path.write_text("this is my shopping list, " * 100)
    assert "damaged" in opened_error(path)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE shopping (item)")
    connection.close()
    assert "an SQLite file, but no journal of hftd" in opened_error(other)
    with pytest.raises(StateError, match="no journal of hftd"):
        Journal.read(other)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_journal(path, kept):
    filled(path, 500)
    os.truncate(path, int(path.stat().st_size * kept))
    message = opened_error(path)
    assert "damaged" in message
    assert "sqlite3 2026-11-27.sqlite .recover" in message


def test_a_journal_with_a_page_overwritten(path):
    filled(path, 2_000)
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek(4096 * (pages - 5))
        file.write(b"\xff" * 4096)
    assert "damaged" in opened_error(path)
    with Journal.read(path) as reader, pytest.raises(StateError, match="damaged"):
        list(reader.events())


def change(path: Path, statement: str) -> None:
    """What a hand that means well, or a disk, does to a file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_a_row_that_was_changed_is_no_longer_believed(path):
    with Journal.open(path, SESSION, RUN) as journal:
        journal.append_commands(journal.append_event(TIMER, 1, "timer"), [SUBMIT])
        journal.append_commands(journal.append_event(TIMER, 2, "timer"), [])
    change(path, "UPDATE events SET body = replace(body, '1500', '1501') WHERE sequence = 2")
    change(path, """UPDATE commands SET body = replace(body, '"0.5"', '"0.6"')""")
    with Journal.read(path) as reader:
        with pytest.raises(StateError, match=r"event 2 cannot be read \(it is not what was written: its checksum"):
            list(reader.events())
        with pytest.raises(StateError, match=r"command 1 cannot be read .*checksum"):
            list(reader.commands())
        with pytest.raises(StateError, match=r"cannot be read .*checksum"):
            list(reader.entries())


@pytest.mark.parametrize(
    ("lost", "said"),
    [("sequence = 2", "1 of its 3 events are missing"), ("sequence = 3", "the events of 1 commands are missing")],
)
def test_an_event_that_is_missing_is_noticed_on_opening(path, lost, said):
    filled(path, 3)
    with Journal.open(path, SESSION, RUN) as journal:
        journal.append_commands(3, [SUBMIT])
    change(path, f"DELETE FROM events WHERE {lost}")
    assert said in opened_error(path)


def test_ctrl_c_while_rows_are_checked_is_no_damage(path, monkeypatch):
    with Journal.open(path, SESSION, RUN) as journal:
        journal.append_event(TIMER, 1_500, "timer")

    def interrupted(content: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "crc32", interrupted)
    with Journal.read(path) as reader, pytest.raises(KeyboardInterrupt):
        list(reader.events())


def test_a_row_that_is_no_text_any_more_is_damaged(path):
    with Journal.open(path, SESSION, RUN) as journal:
        journal.append_commands(journal.append_event(TIMER, 1, "timer"), [SUBMIT])
    change(path, "UPDATE events SET body = CAST(X'7B22FF227D' AS TEXT)")
    change(path, "UPDATE commands SET body = CAST(X'7B22FF227D' AS TEXT)")
    with Journal.read(path) as reader:
        for rows in (reader.events, reader.commands, reader.entries, reader.messages):
            with pytest.raises(StateError, match=r"the journal is damaged \(SQLite: Could not decode to UTF-8"):
                list(rows())


def test_a_body_that_is_no_event(path):
    filled(path, 2)
    change(path, """UPDATE events SET body = '{"kind":"moon.landed"}' WHERE sequence = 2""")
    with Journal.read(path) as reader, pytest.raises(StateError, match=r"event 2 cannot be read .*moon\.landed"):
        list(reader.events())


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(StateError, match=r"journal: the folder cannot be made or written"):
        Journal.open(tmp_path / "journal" / "x.sqlite", SESSION, RUN)


def test_a_folder_in_the_place_of_the_file(path):
    path.mkdir(parents=True)
    assert "cannot be opened" in opened_error(path)


def test_nothing_to_read(path):
    with pytest.raises(StateError, match="there is no such journal"):
        Journal.read(path)


def test_a_second_writer_is_told_so(path, monkeypatch):
    monkeypatch.setattr("hftd.journal.writing.BUSY_S", 0.0)
    with Journal.open(path, SESSION, RUN) as first, Journal.open(path, SESSION, RUN) as second:
        first.append_event(TIMER, 1, "timer")
        with pytest.raises(StateError, match="a journal has one writer"):
            second.append_event(TIMER, 1, "timer")
        assert second.sequence == 0
        first.commit()
        assert [sequence for sequence, _ in second.events()] == [1]


# An older hftd's -----------------------------------------------------------------------------------------------------


@pytest.fixture
def of_schema_1(tmp_path: Path) -> Path:
    """A session's journal as hftd wrote it with schema 1."""
    path = tmp_path / "2026-11-20.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "schema_1.sql").read_text())
    return path


OLD_SESSION = Session(open_ns=1_000, close_ns=2_000, day=date(2026, 11, 20))


def test_a_journal_of_an_older_schema_is_read_as_it_is(of_schema_1):
    before = of_schema_1.read_bytes()
    with Journal.read(of_schema_1) as reader:
        assert [kind_of(event) for _, event in reader.events()][-2:] == ["BarReceived", "OrderReported"]
        assert [kind_of(command) for _, command in reader.commands()] == ["SignalRaised", "SubmitOrder"]
        assert len(list(reader.entries())) == 6
    assert of_schema_1.read_bytes() == before


def test_a_journal_of_an_older_schema_is_brought_up_and_gone_on_with(of_schema_1):
    with Journal.read(of_schema_1) as reader:
        before = list(reader.events()), list(reader.commands()), reader.models()
    with Journal.open(of_schema_1, OLD_SESSION, RUN) as journal:
        assert (list(journal.events()), list(journal.commands()), journal.models()) == before
        assert journal.meta()["schema_version"] == "2"
        assert journal.append_event(TIMER, 1, "timer") == 5
    with Journal.open(of_schema_1, OLD_SESSION, RUN) as journal:
        assert [event for _, event in journal.events()][:-1] == [event for _, event in before[0]]
    change(of_schema_1, "UPDATE events SET received_ns = 0 WHERE sequence = 1")
    with Journal.read(of_schema_1) as reader, pytest.raises(StateError, match="event 1 cannot be read"):
        list(reader.events())


def test_a_kill_while_the_schema_is_brought_up_leaves_the_older_one(of_schema_1):
    killed_at("migrate", of_schema_1)
    assert of_schema_1.with_name(f"{of_schema_1.name}-journal").exists()
    with Journal.read(of_schema_1) as reader:
        assert reader.meta()["schema_version"] == "1"
        assert len(list(reader.events())) == 4
    Journal.open(of_schema_1, OLD_SESSION, RUN).close()


def test_tables_are_the_same_however_a_journal_came_to_its_schema(of_schema_1, path):
    filled(path, 1)
    Journal.open(of_schema_1, OLD_SESSION, RUN).close()
    assert columns_of(of_schema_1) == columns_of(path)


def test_the_documentation_describes_the_tables_that_there_are(path):
    filled(path, 1)
    found = columns_of(path)
    page = (ROOT / "docs" / "journal.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert found.keys() <= told.keys()
    for table in ("meta", "events", "commands", "models"):
        outside_brackets = re.sub(r"\([^)]*\)", "", told[table]).split(":")[0]
        assert re.findall(r"`(\w+)`", outside_brackets) == found[table], table
    assert all(f"`{column}`" in told["reports"] for column in found["reports"])


def columns_of(path: Path) -> dict[str, list[str]]:
    """The columns of each table and view."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
        return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for (name,) in names}


def kind_of(message: object) -> str:
    return type(message).__name__


# A disk that fills ---------------------------------------------------------------------------------------------------


def fill_up(journal: Journal) -> str:
    """Append until the disk takes no more; returns what the journal then says."""
    with pytest.raises(StateError) as refused:
        while True:
            journal.append_event(TimerFired(journal.sequence, "x" * 500), 1, "timer")
            journal.commit()
            assert journal.sequence < 100_000, "the disk never filled"
    return str(refused.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(128 * 1024))
    path = small_disk / "2026-11-27.sqlite"
    with Journal.open(path, SESSION, RUN) as journal:
        message = fill_up(journal)
        assert str(path) in message
        assert "the disk is full" in message
        written = journal.sequence
        assert [sequence for sequence, _ in journal.events()] == list(range(1, written + 1))
        ballast.unlink()
        assert journal.append_event(TIMER, 2, "timer") == written + 1
        journal.append_commands(written + 1, [SUBMIT])
    with Journal.open(path, SESSION, RUN) as journal:
        assert journal.sequence == written + 1
        assert list(journal.commands()) == [(written + 1, SUBMIT)]


def test_a_group_that_does_not_fit_is_undone_as_a_whole(small_disk):
    with Journal.open(small_disk / "2026-11-27.sqlite", SESSION, RUN) as journal:
        journal.append_event(TIMER, 1, "timer")
        journal.commit()
        with pytest.raises(StateError, match="the disk is full"):
            while journal.sequence < 100_000:
                journal.append_event(TimerFired(journal.sequence, "x" * 500), 1, "timer")
        assert journal.sequence == 1
        assert list(journal.events()) == [(1, TIMER)]
        assert journal.append_event(TIMER, 2, "timer") == 2


LIMITED = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_writing import Journal, SESSION, RUN, fill_up
with Journal.open(Path(sys.argv[1]), SESSION, RUN) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    print(fill_up(journal))
    print(journal.sequence)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append_event(next(journal.events())[1], 1, "timer")
"""


def test_a_file_size_limit_is_told_and_survived(path):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    limited = subprocess.run(
        [sys.executable, "-c", LIMITED, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    message, written = limited.stdout.splitlines()
    assert str(path) in message
    assert "file size limit" in message
    with Journal.open(path, SESSION, RUN) as journal:
        assert journal.sequence == int(written) + 1
