"""Bad feeds: refused or resynchronised, and counted by name."""

from pathlib import Path
from typing import Any

import pytest

from hftd.errors import DataError
from hftd.exchange.book.audit import audit
from hftd.exchange.book.book import Top
from hftd.exchange.book.feeds import binance, lobster
from hftd.exchange.book.feeds.binance import BinanceBook, DepthMessage
from hftd.exchange.book.feeds.kraken import KrakenBook
from hftd.exchange.book.feeds.levels import LevelChange
from hftd.exchange.book.feeds.lobster import LobsterBook, LobsterMessage
from hftd.exchange.book.layout import BUY, MAX_PRICE, MAX_QUANTITY, SELL

BID, ASK = LevelChange(BUY, 99, 10), LevelChange(SELL, 101, 20)


def snapshot(last_id: int, *changes: LevelChange) -> DepthMessage:
    return DepthMessage(0, True, 0, last_id, 0, list(changes))


def difference(first_id: int, last_id: int, *changes: LevelChange, follows: int = 0) -> DepthMessage:
    return DepthMessage(0, False, first_id, last_id, follows, list(changes))


@pytest.fixture
def reader() -> BinanceBook:
    reader = BinanceBook()
    reader.apply(snapshot(100, BID, ASK))
    return reader


def test_differences_wait_for_a_snapshot_that_they_reach_back_to() -> None:
    reader = BinanceBook()
    reader.apply(difference(80, 90, LevelChange(BUY, 50, 1)))
    reader.apply(difference(91, 103, LevelChange(BUY, 98, 7)))
    reader.apply(difference(104, 105, LevelChange(BUY, 97, 7)))
    assert (reader.last_id, len(reader.book)) == (None, 0)
    reader.apply(snapshot(100, BID, ASK))
    assert reader.last_id == 105
    assert reader.book.depth(BUY, 9).tolist() == [(99, 10), (98, 7), (97, 7)]
    assert dict(reader.counts) == {"stale": 1}


@pytest.mark.parametrize("follows", [0, 102], ids=["spot", "futures"])
def test_a_gap_is_counted_and_cured_by_the_next_snapshot(reader: BinanceBook, follows: int) -> None:
    reader.apply(difference(103, 110, LevelChange(BUY, 98, 5), follows=follows))
    assert (reader.counts["gap"], reader.last_id) == (1, None)
    reader.apply(snapshot(105, BID, ASK))
    assert reader.last_id == 110
    assert reader.book.depth(BUY, 9).tolist() == [(99, 10), (98, 5)]


def test_a_snapshot_older_than_what_waits_leaves_a_gap() -> None:
    reader = BinanceBook()
    reader.apply(difference(150, 160, LevelChange(BUY, 98, 5)))
    reader.apply(snapshot(100, BID, ASK))
    assert (reader.counts["gap"], reader.last_id) == (1, None)


def test_waiting_differences_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance, "PENDING_MOST", 3)
    reader = BinanceBook()
    for number in range(5):
        reader.apply(difference(number, number))
    assert reader.counts["pending_dropped"] == 2


@pytest.mark.parametrize("ask", [99, 98], ids=["locked", "crossed"])
def test_a_crossed_or_locked_snapshot_is_refused(ask: int) -> None:
    reader = BinanceBook()
    reader.apply(snapshot(100, BID, LevelChange(SELL, ask, 1)))
    assert (reader.counts["crossed_snapshot"], reader.last_id, len(reader.book)) == (1, None, 0)
    reader.apply(snapshot(101, BID, ASK))
    assert reader.last_id == 101


def test_a_newer_level_removes_what_it_contradicts(reader: BinanceBook) -> None:
    reader.apply(difference(101, 102, LevelChange(BUY, 101, 5)))
    assert reader.book.top() == Top(101, 5, None, 0)
    assert dict(reader.counts) == {"crossing_level": 1}


def test_inside_one_message_removals_come_first(reader: BinanceBook) -> None:
    reader.apply(difference(101, 102, LevelChange(BUY, 101, 5), LevelChange(SELL, 101, 0), LevelChange(SELL, 102, 1)))
    assert reader.book.top() == Top(101, 5, 102, 1)
    assert not reader.counts


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (LevelChange(BUY, 98, -1), "negative_size"),
        (LevelChange(BUY, 98, MAX_QUANTITY + 1), "size_beyond_bounds"),
        (LevelChange(BUY, 98, 1 << 80), "size_beyond_bounds"),
        (LevelChange(BUY, -MAX_PRICE - 1, 1), "price_beyond_bounds"),
        (LevelChange(3, 98, 1), "bad_side"),
        (LevelChange(BUY, 98, 0), "unknown_level"),
    ],
)
def test_bad_changes_are_refused_by_name(reader: BinanceBook, change: LevelChange, reason: str) -> None:
    reader.apply(difference(101, 102, change))
    assert reader.book.top() == Top(99, 10, 101, 20)
    assert len(reader.book) == 2
    assert dict(reader.counts) == {reason: 1}


def test_a_snapshot_with_a_bad_level_is_refused() -> None:
    reader = BinanceBook()
    reader.apply(snapshot(100, BID, LevelChange(SELL, 101, -5)))
    assert (reader.last_id, len(reader.book)) == (None, 0)


KRAKEN_SNAPSHOT: list[Any] = [
    1,
    {"as": [["0.05005", "0.00000500", "0"], ["0.05010", "0.00000500", "0"]], "bs": [["0.05000", "0.00000500", "0"]]},
    "book-1000",
    "XBT/X",
]


def kraken_update(price: str, size: str, checksum: int | None) -> list[Any]:
    content: dict[str, Any] = {"b": [[price, size, "1"]]}
    return [1, content if checksum is None else content | {"c": str(checksum)}, "book-1000", "XBT/X"]


@pytest.fixture
def pair() -> KrakenBook:
    pair = KrakenBook(depth=2)
    pair.apply(KRAKEN_SNAPSHOT)
    return pair


def test_a_wrong_checksum_waits_for_a_snapshot(pair: KrakenBook) -> None:
    pair.apply(kraken_update("0.04999", "0.00000001", 12345))
    assert (pair.synchronised, pair.counts["checksum_mismatch"]) == (False, 1)
    pair.apply(kraken_update("0.04998", "0.00000001", None))
    assert pair.counts["unsynchronised"] == 1
    pair.apply(KRAKEN_SNAPSHOT)
    assert pair.synchronised
    assert pair.book.top() == Top(5000, 500, 5005, 500)


def test_the_book_is_cut_to_its_depth(pair: KrakenBook) -> None:
    for price in ("0.04999", "0.04998", "0.05001"):
        pair.apply(kraken_update(price, "0.00000001", None))
    assert pair.book.depth(BUY, 9).tolist() == [(5001, 1), (5000, 500)]


@pytest.mark.parametrize(
    ("price", "size", "reason"),
    [
        ("0.0499", "0.00000001", "price_off_tick"),
        ("0.049999", "0.00000001", "price_off_tick"),
        ("0.04999", "0.1", "size_off_scale"),
        ("NaN", "0.00000001", "not_a_number"),
        ("0.04999", "-0.00000001", "negative_size"),
        ("0.04999", "99999999999999999999.00000000", "size_beyond_bounds"),
    ],
)
def test_kraken_numbers_must_be_exact(pair: KrakenBook, price: str, size: str, reason: str) -> None:
    pair.apply(kraken_update(price, size, None))
    assert (pair.synchronised, dict(pair.counts)) == (False, {reason: 1})


@pytest.fixture
def lobster_book() -> LobsterBook:
    book = LobsterBook()
    book.seed(BUY, 90, 50)
    book.seed(SELL, 110, 50)
    assert book.apply(LobsterMessage(0, lobster.NEW, 7, 10, 100, 1))
    return book


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (LobsterMessage(0, lobster.NEW, 7, 10, 99, 1), "duplicate_id"),
        (LobsterMessage(0, lobster.NEW, 8, 10, 100, -1), "crossing_order"),
        (LobsterMessage(0, lobster.NEW, 8, 0, 99, 1), "bad_size"),
        (LobsterMessage(0, lobster.NEW, 8, -5, 99, 1), "bad_size"),
        (LobsterMessage(0, lobster.NEW, 8, 1 << 70, 99, 1), "bad_size"),
        (LobsterMessage(0, lobster.NEW, 8, 5, 1 << 70, 1), "bad_price"),
        (LobsterMessage(0, lobster.NEW, 8, 5, 99, 0), "bad_direction"),
        (LobsterMessage(0, 9, 8, 5, 99, 1), "unknown_type"),
        (LobsterMessage(0, lobster.DELETION, 8, 10, 100, 1), "unknown_order"),
        (LobsterMessage(0, lobster.PARTIAL_CANCEL, 7, 11, 100, 1), "excess_size"),
        (LobsterMessage(0, lobster.EXECUTION, 7, 10, 101, 1), "wrong_price"),
    ],
)
def test_bad_lobster_messages_are_refused_by_name(
    lobster_book: LobsterBook, message: LobsterMessage, reason: str
) -> None:
    assert not lobster_book.apply(message)
    assert dict(lobster_book.counts) == {reason: 1}
    assert lobster_book.book.top() == Top(100, 10, 110, 50)
    assert audit(lobster_book.book) == "sound"


def test_lobster_orders_from_before_the_file_count_against_the_seed(lobster_book: LobsterBook) -> None:
    assert lobster_book.apply(LobsterMessage(0, lobster.EXECUTION, 3, 20, 110, -1))
    assert lobster_book.book.depth(SELL, 1).tolist() == [(110, 30)]
    assert dict(lobster_book.counts) == {"seeded_order": 1}


def test_a_seed_must_fit(lobster_book: LobsterBook) -> None:
    lobster_book.seed(SELL, 100, 5)
    assert dict(lobster_book.counts) == {"bad_seed": 1}


@pytest.mark.parametrize("recorded", [binance.recorded, lobster.recorded])
def test_a_recording_without_a_column_is_refused(tmp_path: Path, recorded: Any) -> None:
    import pyarrow
    import pyarrow.parquet as parquet

    path = tmp_path / "short.parquet"
    parquet.write_table(pyarrow.table({"timestamp": [1]}), path)
    with pytest.raises(DataError, match=r"short\.parquet: no column \w+; found timestamp"):
        list(recorded(path))
