"""Books rebuilt from recorded feeds, compared with the truth recorded beside them, audited after every message."""

import gzip
import json
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hftd.exchange.book.audit import audit
from hftd.exchange.book.feeds import binance, kraken, lobster
from hftd.exchange.book.layout import BUY, SELL

DATA = Path(os.environ.get("HFTD_DATA", Path(__file__).parents[4] / "shared" / "data"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"recorded data not found at {DATA} (set HFTD_DATA)")

SIZE_SCALE = 10**8

BINANCE = {
    # name: (files in order, ticks a unit of price, comparisons with the ticker, of which equal)
    "usdm": (["usdm_btcusdt_20240808"], 10, 6547, 6547),
    "coin-m": (["cm_btcusd_perp_20240808", "cm_btcusd_perp_20240809"], 10, 44772, 44772),
    "spot": (["spot_btcusdt_20240808", "spot_btcusdt_20240809"], 100, 6493, 6491),
}


Shown = tuple[int, int, int, int]
"""Best bid in ticks and its scaled size, best ask and its scaled size."""


def recorded_tickers(names: list[str], ticks: int) -> tuple[list[int], list[Shown]]:
    """Update ids, rising, and what the ticker showed from each on."""
    import pyarrow.parquet as parquet

    ids: list[int] = []
    shown: list[Shown] = []
    for name in names:
        table = parquet.read_table(DATA / "quotes" / f"binance_{name}.parquet")
        columns = [table[column].to_pylist() for column in ("update_id", "bid", "bid_size", "ask", "ask_size")]
        for update_id, bid, bid_size, ask, ask_size in zip(*columns, strict=True):
            ids.append(update_id)
            sizes = round(bid_size * SIZE_SCALE), round(ask_size * SIZE_SCALE)
            shown.append((round(bid * ticks), sizes[0], round(ask * ticks), sizes[1]))
    assert ids == sorted(ids)
    return ids, shown


def messages_of(names: list[str]) -> Iterator[binance.DepthMessage]:
    for name in names:
        yield from binance.recorded(DATA / "l2" / f"binance_{name}.parquet")


@pytest.mark.parametrize("market", BINANCE)
def test_binance_books_show_the_recorded_ticker(market: str) -> None:
    names, ticks, comparisons, equal = BINANCE[market]
    ids, shown = recorded_tickers(names, ticks)
    reader = binance.BinanceBook()
    compared = []
    # The snapshot first, so that each difference that follows it can be compared by itself.
    for message in sorted(messages_of(names), key=lambda message: not message.is_snapshot):
        reader.apply(message)
        assert audit(reader.book) == "sound"
        if not message.is_snapshot and reader.last_id == message.last_id:
            ticker = bisect_right(ids, message.last_id) - 1
            same = tuple(reader.book.top()) == shown[ticker]
            assert same or ids[ticker] != message.last_id
            compared.append(same)
    assert (len(compared), sum(compared)) == (comparisons, equal)
    assert set(reader.counts) <= {"stale", "unknown_level"}


@pytest.mark.parametrize("market", BINANCE)
def test_a_snapshot_may_arrive_after_its_differences(market: str) -> None:
    messages = list(messages_of(BINANCE[market][0][:1]))[:200]
    as_received, snapshot_first = binance.BinanceBook(), binance.BinanceBook()
    for message in messages:
        as_received.apply(message)
    for message in sorted(messages, key=lambda message: not message.is_snapshot):
        snapshot_first.apply(message)
    assert as_received.last_id == snapshot_first.last_id == messages[-1].last_id
    for side in (BUY, SELL):
        assert as_received.book.depth(side, 5000).tolist() == snapshot_first.book.depth(side, 5000).tolist()


def test_kraken_books_have_the_recorded_checksums() -> None:
    readers: dict[str, kraken.KrakenBook] = defaultdict(kraken.KrakenBook)
    checksums = 0
    with gzip.open(DATA / "l2" / "kraken_book1000_checksum_2021-04-17.jsonl.gz", "rt") as lines:
        for line in lines:
            message: list[Any] = json.loads(line)["msg"]
            reader = readers[message[-1]]
            reader.apply(message)
            assert reader.synchronised
            assert audit(reader.book) == "sound"
            checksums += any("c" in part for part in message[1:-2])
    assert checksums > 1000
    assert sum(reader.counts["checksum_right"] for reader in readers.values()) == checksums
    assert all(set(reader.counts) <= {"checksum_right", "unknown_level"} for reader in readers.values())


def expected_rows(path: Path) -> list[dict[int, list[tuple[int, int]]]]:
    """The ten best levels a side after each message, best first; empty ones left out."""
    import pyarrow.parquet as parquet

    rows = parquet.read_table(path).to_pylist()
    levels = range(1, 11)
    names = {BUY: "bid", SELL: "ask"}
    return [
        {
            side: [(row[f"{n}_px{i}"], row[f"{n}_sz{i}"]) for i in levels if row[f"{n}_sz{i}"]]
            for side, n in names.items()
        }
        for row in rows
    ]


def test_every_lobster_message_leads_from_one_recorded_book_to_the_next() -> None:
    messages = list(lobster.recorded(DATA / "l3" / "lobster_aapl_2012-06-21_messages.parquet"))
    rows = expected_rows(DATA / "l3" / "lobster_aapl_2012-06-21_book10_expected.parquet")
    transitions = 0
    for before, after, message in zip(rows, rows[1:], messages[1:], strict=False):
        reader = lobster.LobsterBook()
        for side in (BUY, SELL):
            for price, quantity in before[side]:
                reader.seed(side, price, quantity)
        assert reader.apply(message), message
        assert audit(reader.book) == "sound"
        for side in (BUY, SELL):
            rebuilt = reader.book.depth(side, 10).tolist()
            assert rebuilt == after[side][: len(rebuilt)]
            assert len(rebuilt) >= len(before[side]) - 1
        transitions += 1
    assert transitions == 998


def test_a_lobster_file_replayed_whole_keeps_the_book_sound() -> None:
    reader = lobster.LobsterBook()
    for side, levels in expected_rows(DATA / "l3" / "lobster_aapl_2012-06-21_book10_expected.parquet")[0].items():
        for price, quantity in levels:
            reader.seed(side, price, quantity)
    messages = list(lobster.recorded(DATA / "l3" / "lobster_aapl_2012-06-21_messages.parquet"))
    for message in messages[1:]:
        reader.apply(message)
        assert audit(reader.book) == "sound"
    assert reader.counts["hidden_execution"] == 61
