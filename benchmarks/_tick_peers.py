"""hftbacktest over the same quotes and trades, with the same decision; skipped, visibly, where it is not installed.

python benchmarks/_tick_peers.py FOLDER
"""

import sys
import time
from pathlib import Path

import numpy as np

TICK, LOT, LATENCY_NS = 0.01, 1.0, 5_000_000


def events_of(folder: Path) -> np.ndarray:
    """The tape as hftbacktest's events: each side of a quote is a change of depth, and the level before is gone."""
    import pyarrow.parquet as parquet
    from hftbacktest.types import (
        BUY_EVENT,
        DEPTH_EVENT,
        EXCH_EVENT,
        LOCAL_EVENT,
        SELL_EVENT,
        TRADE_EVENT,
        event_dtype,
    )

    def column(table: object, name: str) -> np.ndarray:
        return table[name].to_numpy()  # type: ignore[index, no-any-return]

    quotes, trades = (parquet.read_table(folder / f"{kind}.parquet") for kind in ("quotes", "trades"))
    both = EXCH_EVENT | LOCAL_EVENT
    parts = []
    for price, size, side in (("bid", "bid_size", BUY_EVENT), ("ask", "ask_size", SELL_EVENT)):
        prices, sizes = column(quotes, price), column(quotes, size)
        times = quotes["timestamp"].cast("int64").to_numpy()
        gone = np.flatnonzero(prices[1:] != prices[:-1]) + 1
        parts.append((times[gone], prices[gone - 1], np.zeros(len(gone)), both | DEPTH_EVENT | side, 0))
        parts.append((times, prices, sizes.astype(float), both | DEPTH_EVENT | side, 1))
    times = trades["timestamp"].cast("int64").to_numpy()
    prices, sizes = column(trades, "price"), column(trades, "size").astype(float)
    parts.append((times, prices, sizes, both | TRADE_EVENT | SELL_EVENT, 2))
    events = np.zeros(sum(len(part[0]) for part in parts), event_dtype)
    places = np.zeros(len(events), np.int8)
    first = 0
    for times, prices, sizes, flags, place in parts:
        rows = slice(first, first + len(times))
        events["ev"][rows], events["exch_ts"][rows], events["local_ts"][rows] = flags, times, times
        events["px"][rows], events["qty"][rows], places[rows] = prices, sizes, place
        first += len(times)
    return events[np.lexsort((places, events["exch_ts"]))]


def main() -> None:
    try:
        import hftbacktest as hft
        import numba
    except ImportError as error:
        print(f"{'hftbacktest':44} skipped: {error.name} is not installed")
        return
    events = events_of(Path(sys.argv[1]))

    @numba.njit
    def play(tester: hft.HashMapMarketDepthBacktest) -> int:
        """Joins the bid with every 400th event and withdraws after 300 more, as `OnBoth` of `ticks.py` does."""
        count = order = 0
        while tester.wait_next_feed(False, 10**15) == 2:
            count += 1
            depth = tester.depth(0)
            if count % 400 == 1 and depth.best_bid > 0:
                order += 1
                tester.submit_buy_order(0, order, depth.best_bid, 3.0, hft.GTC, hft.LIMIT, False)
            elif count % 400 == 300 and order in tester.orders(0) and tester.orders(0).get(order).cancellable:
                tester.cancel(0, order, False)
                tester.clear_inactive_orders(0)
        return count

    def tester_of() -> object:
        asset = (
            hft.BacktestAsset()
            .data(events)
            .linear_asset(1.0)
            .constant_order_latency(LATENCY_NS, LATENCY_NS)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(TICK)
            .lot_size(LOT)
        )
        return hft.HashMapMarketDepthBacktest([asset])

    play(tester_of())  # compiles
    tester = tester_of()
    began = time.process_time()
    count = play(tester)
    took = time.process_time() - began
    print(f"{'hftbacktest, queue and latency, from memory':44} {count:>10,} {took:>8.2f} {took / count * 1e9:>10.0f}")


if __name__ == "__main__":
    main()
