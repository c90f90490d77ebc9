import re
from datetime import date

import pytest

from hftd.errors import StateError
from hftd.journal import journal_path, journals, latest, remove_oldest, run_id


def test_a_journal_stands_under_its_day_and_the_newest_is_found(tmp_path):
    assert journal_path(tmp_path, date(2026, 11, 27)) == tmp_path / "journal" / "2026-11-27.sqlite"
    assert latest(tmp_path) is None
    for day in (date(2026, 9, 30), date(2026, 10, 1), date(2025, 12, 31)):
        path = journal_path(tmp_path, day)
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    journal_path(tmp_path, date(2026, 12, 1)).touch()  # nothing was ever written to it
    (tmp_path / "journal" / "2026-10-01.sqlite-wal").touch()
    (tmp_path / "journal" / "my-notes.sqlite").touch()
    assert latest(tmp_path) == journal_path(tmp_path, date(2026, 10, 1))


@pytest.mark.parametrize(("keep", "kept"), [(10, 5), (4, 4), (2, 2), (1, 2)])
def test_the_oldest_journals_are_removed_with_all_their_files(tmp_path, keep, kept):
    days = [date(2026, 11, number) for number in range(1, 6)]
    for day in days:
        for suffix in ("", "-wal", "-shm"):
            path = journal_path(tmp_path, day)
            path.parent.mkdir(exist_ok=True)
            path.with_name(path.name + suffix).write_text("x")
    (tmp_path / "journal" / "my-notes.sqlite").touch()
    removed = remove_oldest(tmp_path, keep)
    assert [path.stem for path in removed] == [day.isoformat() for day in reversed(days[: 5 - kept])]
    assert [path.stem for path in journals(tmp_path)] == [day.isoformat() for day in reversed(days[5 - kept :])]
    assert len(list((tmp_path / "journal").iterdir())) == 3 * kept + 1


def test_the_run_id_is_made_once(tmp_path):
    made = run_id(tmp_path / "state")
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert run_id(tmp_path / "state") == made
    assert [file.name for file in (tmp_path / "state").iterdir()] == ["run_id"]
    assert run_id(tmp_path / "other") != made


@pytest.mark.parametrize("found", [b"", b"hello\n", b"0011", b"\xff\xfe"])
def test_a_spoilt_run_id_is_refused(tmp_path, found):
    (tmp_path / "run_id").write_bytes(found)
    with pytest.raises(StateError, match="run_id: "):
        run_id(tmp_path)
    assert (tmp_path / "run_id").read_bytes() == found


def test_a_run_id_that_cannot_be_made(tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StateError, match="cannot be read or made"):
        run_id(tmp_path / "state")


def test_a_file_that_is_not_called_after_a_day_is_no_journal(tmp_path):
    (tmp_path / "journal").mkdir()
    for name in ("abcd-ef-gh", "2026-13-45", "2026-11-20"):
        (tmp_path / "journal" / f"{name}.sqlite").write_text("x")
    assert [path.stem for path in journals(tmp_path)] == ["2026-11-20"]


def test_a_journal_that_is_gone_when_it_is_looked_at_is_left_out(tmp_path):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "2026-11-19.sqlite").symlink_to("removed since")  # as one that goes between name and size
    (tmp_path / "journal" / "2026-11-20.sqlite").write_text("x")
    assert [path.stem for path in journals(tmp_path)] == ["2026-11-20"]
