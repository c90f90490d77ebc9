"""A tape of any length: recorded trades (and quotes) of the data folder, one stretch after another through sessions.

The recordings are of a market that never closes, at prices around $60,000 and sizes of thousandths: prices are divided
by 500 and put on whole cents, sizes multiplied by 1000, times moved to follow each other from the first second of a
session on. Their order, their gaps and how they come in bursts are as recorded.
"""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from hftd.calendar import Calendar
from hftd.data.rows import Kind, Quotes, Rows, Trades
from hftd.data.writing import ParquetSink
from hftd.domain.convert import SECOND_NS

DATA = Path(os.environ.get("HFTD_DATA", Path(__file__).parents[2] / "shared" / "data"))
RECORDED = "binance_usdm_btcusdt_20240808.parquet"
SYMBOL = "SPY"
FIRST = date(2010, 1, 4)
PRICES, SIZES = ("price", "bid", "ask"), ("size", "bid_size", "ask_size")


def recorded(kind: Kind) -> dict[str, np.ndarray]:
    """The columns of the recording, made dollars and shares; times from 0 on."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(DATA / kind.value / RECORDED)
    found = {"time_ns": table["timestamp"].cast("int64").to_numpy()}
    found |= {name: np.round(table[name].to_numpy() / 5) / 100 for name in PRICES if name in table.column_names}
    found |= {
        name: np.maximum(1, np.round(table[name].to_numpy() * 1000)).astype(np.int64)
        for name in SIZES
        if name in table.column_names
    }
    if kind is Kind.QUOTES:
        found["ask"] = np.maximum(found["ask"], np.round(found["bid"] + 0.01, 2))
    else:
        found["trade_id"] = np.arange(len(found["time_ns"]))
    return found


def stretches(count: int, kinds: tuple[Kind, ...]) -> Iterator[dict[Kind, Rows]]:
    """At least `count` rows, as many stretches as that takes, each with all `kinds`."""
    columns = {kind: recorded(kind) for kind in kinds}
    start_ns = max(int(own["time_ns"][0]) for own in columns.values())
    length_ns = max(int(own["time_ns"][-1]) for own in columns.values()) - start_ns + SECOND_NS
    calendar, made, number = Calendar(), 0, 0
    sessions = iter(calendar.sessions(FIRST, date(2024, 12, 31)))
    session = next(sessions)
    time_ns = session.open_ns + SECOND_NS
    while made < count:
        if time_ns + length_ns > session.close_ns:
            session = next(sessions)
            time_ns = session.open_ns + SECOND_NS
        found = {kind: _moved(kind, own, time_ns - start_ns, number) for kind, own in columns.items()}
        made += sum(len(rows) for rows in found.values())
        time_ns, number = time_ns + length_ns, number + 1
        yield found


def _moved(kind: Kind, columns: dict[str, np.ndarray], by_ns: int, number: int) -> Rows:
    count = len(columns["time_ns"])
    moved = {**columns, "time_ns": columns["time_ns"] + by_ns}
    if kind is Kind.TRADES:
        moved["trade_id"] = columns["trade_id"] + number * count
    symbol = np.zeros(count, np.int32)
    return (Trades if kind is Kind.TRADES else Quotes)([SYMBOL], symbol, **moved)


def write_tape(folder: Path, count: int, kinds: tuple[Kind, ...] = (Kind.TRADES,)) -> int:
    """Write `trades.parquet` and `quotes.parquet` into `folder`. Returns how many rows they hold together."""
    folder.mkdir(parents=True, exist_ok=True)
    sinks = {kind: ParquetSink(folder / f"{kind}.parquet", kind) for kind in kinds}
    for stretch in stretches(count, kinds):
        for kind, rows in stretch.items():
            sinks[kind].write(rows)
    for sink in sinks.values():
        sink.close()
    return sum(sink.row_count for sink in sinks.values())
