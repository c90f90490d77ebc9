"""`hftd sample-data`: files that are a tape, agree with each other, and come out the same each time."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from hftd.calendar import Calendar
from hftd.exchange.book.book import Book
from hftd.exchange.book.layout import MESSAGE, OUTCOMES, Operation, ReportKind, SelfTrade
from hftd.exchange.market.tape import Tape
from tests.running import Home

ARGUMENTS = ("--symbols", "SPY,AAPL", "--sessions", 2, "--from", "2026-11-19", "--wakes", 20_000)


@pytest.fixture(scope="module")
def samples(make_home: object, process_cache: Path) -> Path:
    home: Home = make_home("samples")  # type: ignore[operator]
    ended = home.run("sample-data", "samples", *ARGUMENTS)
    assert ended.status == 0, ended
    assert [line.split()[0] for line in ended.out.splitlines()] == [
        f"samples/{name}.parquet" for name in ("bars", "trades", "quotes", "messages")
    ]
    return home.folder / "samples"


def test_the_bars_are_a_tape(samples: Path, process_cache: Path) -> None:
    tape = Tape(samples / "bars.parquet", Calendar(cache=process_cache))
    assert tape.symbols == ("AAPL", "SPY")
    assert tape.days == (date(2026, 11, 19), date(2026, 11, 20))
    assert tape.bars_outside == 0


def test_volume_of_bars_and_trades_agrees(samples: Path) -> None:
    bars, trades = (pyarrow.parquet.read_table(samples / f"{name}.parquet").to_pandas() for name in ("bars", "trades"))
    minutes = trades.groupby(["symbol", trades["timestamp"].dt.floor("min")])["size"].sum()
    assert bars.set_index(["symbol", "timestamp"])["volume"].sort_index().tolist() == minutes.sort_index().tolist()
    assert trades["timestamp"].is_monotonic_increasing


def test_quotes_never_cross(samples: Path) -> None:
    quotes = pyarrow.parquet.read_table(samples / "quotes.parquet").to_pandas()
    assert (quotes["ask"] > quotes["bid"]).all()
    assert (quotes[["bid_size", "ask_size"]] > 0).all().all()


def test_the_messages_rebuild_the_trades(samples: Path) -> None:
    tables = {
        name: pyarrow.parquet.read_table(samples / f"{name}.parquet").to_pandas() for name in ("messages", "trades")
    }
    rows, trades = (table[(table["symbol"] == "AAPL") & (table["timestamp"].dt.day == 20)] for table in tables.values())
    messages = np.zeros(len(rows), MESSAGE)
    messages["operation"] = rows["operation"].map({word.name.lower(): int(word) for word in Operation})
    messages["side"] = (rows["side"] == "sell").to_numpy()
    messages["order_id"], messages["price"], messages["quantity"] = rows["order_id"], rows["price_ticks"], rows["size"]
    messages["owner"], messages["self_trade"] = rows["owner"], SelfTrade.CANCEL_RESTING
    book = Book()
    outcomes = [OUTCOMES[number].name.lower() for number in book.apply(messages)]
    reports = book.take_reports()
    fills = reports[reports["kind"] == ReportKind.FILL]
    assert fills["quantity"].tolist() == trades["size"].tolist()
    assert outcomes == rows["outcome"].tolist()


def test_the_same_command_writes_the_same_data_as_csv_too(home: Home, samples: Path) -> None:
    ended = home.run("sample-data", "again", *ARGUMENTS, "--format", "csv", "--tables", "trades")
    assert ended.status == 0, ended
    again = pyarrow.csv.read_csv(home.folder / "again" / "trades.csv")
    first = pyarrow.parquet.read_table(samples / "trades.parquet")
    for column in ("symbol", "price", "size", "side", "trade_id"):
        assert again.column(column).to_pylist() == first.column(column).to_pylist()
    assert [file.name for file in (home.folder / "again").iterdir()] == ["trades.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "parqet"), "--format parqet: did you mean parquet?"),
        (("--tables", "bars,trade"), "--tables trade: did you mean trades?"),
        (("--symbols", ","), "--symbols: at least one symbol is expected"),
    ],
)
def test_what_cannot_be_is_refused(home: Home, arguments: tuple[str, ...], said: str) -> None:
    ended = home.run("sample-data", "there", *arguments)
    assert ended.status == 78
    assert said in ended.log
