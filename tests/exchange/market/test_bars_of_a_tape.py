"""Bars made of a tape's trades, read in chunks, are those of all trades at once."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

from hftd.data.recorded import Recorded
from hftd.data.rows import Trades
from hftd.data.writing import table_of
from hftd.domain.convert import SECOND_NS
from hftd.exchange.market.tick_tape import bars_in, bars_of

BEGIN_NS = 1_700_000_000 * SECOND_NS


def test_chunks_that_part_within_a_minute_make_the_same_bars(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    times = BEGIN_NS + np.sort(rng.integers(0, 1200, 900)) * SECOND_NS
    codes = rng.integers(0, 2, 900).astype(np.int32)
    prices = 100 + rng.integers(-50, 50, 900) / 100
    trades = Trades(["AAPL", "SPY"], codes, times, prices, rng.integers(1, 500, 900))
    trades = trades.take(trades.order())
    parquet.write_table(table_of(trades), tmp_path / "trades.parquet", row_group_size=70)
    found = bars_in(Recorded.open([tmp_path]))
    assert sorted(found) == ["AAPL", "SPY"]
    for code, name in enumerate(trades.names):
        whole = bars_of(trades.take(trades.symbol == code))
        for one, other in zip(found[name].columns(), whole.columns(), strict=True):
            assert np.array_equal(one, other)
