"""What was recorded survives a kill at any byte, and nothing is doubled by making files of it twice."""

import resource
import shutil
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.data.recorded import Recorded
from hftd.data.recording import Segments, Status, columns_of, compact, needs_compacting
from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.market import Bar, Trade

START_NS = ns_of_rfc3339("2019-02-11T14:30:00Z")


def trade(number: int) -> Trade:
    return Trade("AB"[number % 2], START_NS + number // 2, 1.5, 100, number + 1)


def append(segments: Segments, *numbers: int) -> None:
    segments.append("trades", [columns_of(map(trade, numbers), [START_NS + 7 for _ in numbers])])


def numbers_in(folder: Path) -> list[int]:
    return sorted(item.trade_id - 1 for item in Recorded.open([folder]).items() if isinstance(item, Trade))


def test_what_was_recorded_is_read_back_with_both_times(tmp_path: Path) -> None:
    segments = Segments(tmp_path / "2019-02-11")
    append(segments, 2, 3, 0, 1)
    segments.append("statuses", [columns_of([Status("A", START_NS, "2", "Halt", "", "")], [START_NS + 9])])
    bar = Bar("A", START_NS, 1, 2, 1, 2, 100)
    segments.append("bars", [columns_of([bar], [START_NS + 9]), columns_of([bar], [START_NS + 10])])
    segments.append("updated_bars", [columns_of([bar], [START_NS + 9])])
    segments.close()
    assert needs_compacting(tmp_path) == [tmp_path / "2019-02-11"]
    counts = compact(tmp_path / "2019-02-11")
    assert counts == {"bars": 1, "updated_bars": 1, "trades": 4, "statuses": 1}
    assert needs_compacting(tmp_path) == []
    assert list(Recorded.open([tmp_path]).items()) == [*map(trade, range(4)), bar]
    rows = pyarrow.parquet.read_table(tmp_path / "2019-02-11" / "trades.parquet").to_pylist()
    assert {row["received_ns"] for row in rows} == {START_NS + 7}
    assert pyarrow.parquet.read_table(tmp_path / "2019-02-11" / "statuses.parquet")["message"].to_pylist() == ["Halt"]


@settings(max_examples=40)
@given(st.integers(1, 5), st.data())
def test_a_kill_at_any_byte_loses_only_what_was_not_written_whole(
    tmp_path_factory: pytest.TempPathFactory, batches: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("day")
    segments, ends = Segments(folder), []
    for batch in range(batches):
        append(segments, *range(batch * 3, batch * 3 + 3))
        [file] = folder.glob("*.arrows")
        ends.append(file.stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    killed = folder / "killed"
    killed.mkdir()
    (killed / file.name).write_bytes(file.read_bytes()[:cut])
    segments.close()
    compact(killed)
    whole = sum(cut >= end for end in ends)
    assert (numbers_in(killed) if whole else []) == list(range(3 * whole))


def test_what_a_full_disk_has_not_taken_whole_is_not_there_at_all(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    append(segments, 0, 1)
    [file] = tmp_path.glob("*.arrows")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 20_000, before[1]))
    many = [columns_of(map(trade, range(2, 500)), [START_NS + 7] * 498)] * 9
    try:
        with pytest.raises(OSError, match="too large"):
            segments.append("trades", many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    append(segments, 2)
    segments.close()
    compact(tmp_path)
    assert numbers_in(tmp_path) == [0, 1, 2]


def test_a_kill_between_writing_the_file_and_removing_the_segments_doubles_nothing(tmp_path: Path) -> None:
    day = tmp_path / "day"
    segments = Segments(day)
    append(segments, 0, 1)
    segments.close()
    [segment] = day.glob("*.arrows")
    shutil.copy(segment, tmp_path)
    compact(day)
    shutil.copy(tmp_path / segment.name, day)
    again = Segments(day)
    append(again, 2)
    again.close()
    assert len(list(day.glob("*.arrows"))) == 2
    compact(day)
    compact(day)
    assert numbers_in(day) == [0, 1, 2]
    assert [file.name for file in day.iterdir()] == ["trades.parquet"]
