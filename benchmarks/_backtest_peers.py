"""The toy rule in other backtesters, each run alone over synthetic minute bars; skipped, visibly, where not installed.

python benchmarks/_backtest_peers.py BARS
"""

import sys
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import numpy as np

Rows = dict[str, np.ndarray]


def rows_of(count: int) -> Rows:
    rng = np.random.default_rng(1)
    closes = 100 + np.abs(np.cumsum(rng.integers(-5, 6, count))) % 5000 / 100
    opens = np.concatenate(([closes[0]], closes[:-1]))
    return {
        "open": opens,
        "high": np.maximum(opens, closes) + 0.02,
        "low": np.minimum(opens, closes) - 0.02,
        "close": closes,
        "volume": rng.integers(1000, 500_000, count),
    }


def backtesting_py(rows: Rows) -> None:
    import pandas
    from backtesting import Backtest, Strategy

    frame = pandas.DataFrame({name.capitalize(): column for name, column in rows.items()})
    frame.index = pandas.date_range("2020-01-01", periods=len(frame), freq="min")

    class Toy(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            volume = int(self.data.Volume[-1])
            if volume % 17 == 0:
                self.sell(size=5)
            elif volume % 31 == 0:
                self.buy(size=5)

    Backtest(frame, Toy, cash=10**9, commission=0.0, hedging=False).run()


def backtrader(rows: Rows) -> None:
    import backtrader as bt
    import pandas

    frame = pandas.DataFrame(rows, index=pandas.date_range("2020-01-01", periods=len(rows["close"]), freq="min"))

    class Toy(bt.Strategy):
        def next(self) -> None:
            volume = int(self.data.volume[0])
            if volume % 17 == 0:
                self.sell(size=5)
            elif volume % 31 == 0:
                self.buy(size=5)

    engine = bt.Cerebro(stdstats=False)
    engine.adddata(bt.feeds.PandasData(dataname=frame))
    engine.addstrategy(Toy)
    engine.broker.setcash(10**9)
    engine.run()


def basana(rows: Rows) -> None:
    import asyncio
    from decimal import Decimal

    import basana as bs
    from basana.backtesting import exchange as backtesting

    pair = bs.Pair("SPY", "USD")
    begin = datetime(2020, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
    minute = timedelta(minutes=1)

    async def main() -> None:
        dispatcher = bs.backtesting_dispatcher()
        exchange = backtesting.Exchange(dispatcher, {"USD": Decimal(10**9), "SPY": Decimal(10**6)})

        async def on_bar(event: bs.BarEvent) -> None:
            volume = int(event.bar.volume)
            if volume % 17 == 0:
                await exchange.create_market_order(bs.OrderOperation.SELL, pair, Decimal(5))
            elif volume % 31 == 0:
                await exchange.create_market_order(bs.OrderOperation.BUY, pair, Decimal(5))

        columns = (rows["open"], rows["high"], rows["low"], rows["close"], rows["volume"])
        events = [
            bs.BarEvent(
                begin + (index + 1) * minute,
                bs.Bar(begin + index * minute, pair, *(Decimal(str(round(float(value), 2))) for value in row), minute),
            )
            for index, row in enumerate(zip(*columns, strict=True))
        ]
        exchange.add_bar_source(bs.FifoQueueEventSource(events=events))
        exchange.subscribe_to_bar_events(pair, on_bar)
        await dispatcher.run()

    asyncio.run(main())


def nautilus_trader(rows: Rows) -> None:
    import pandas
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import BarType
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.persistence.wranglers import BarDataWrangler
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    venue = Venue("XNAS")
    instrument = TestInstrumentProvider.equity(symbol="SPY", venue="XNAS")
    bar_type = BarType.from_str("SPY.XNAS-1-MINUTE-LAST-EXTERNAL")
    index = pandas.date_range("2020-01-01", periods=len(rows["close"]), freq="min", tz="UTC")
    frame = pandas.DataFrame({name: column.astype(float) for name, column in rows.items()}, index=index)

    class Toy(Strategy):
        def on_start(self) -> None:
            self.subscribe_bars(bar_type)

        def on_bar(self, bar: object) -> None:
            volume = int(bar.volume)  # type: ignore[attr-defined]
            if volume % 17 == 0:
                self.trade(OrderSide.SELL)
            elif volume % 31 == 0:
                self.trade(OrderSide.BUY)

        def trade(self, side: OrderSide) -> None:
            self.submit_order(self.order_factory.market(instrument.id, side, instrument.make_qty(5)))

    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(venue, OmsType.NETTING, AccountType.MARGIN, [Money(10**9, USD)], base_currency=USD)
    engine.add_instrument(instrument)
    engine.add_data(BarDataWrangler(bar_type, instrument).process(frame))
    engine.add_strategy(Toy())
    engine.run()
    assert engine.cache.orders_total_count() > 0, "no order was made"
    engine.dispose()


PEERS: dict[str, Callable[[Rows], None]] = {
    "backtesting.py": backtesting_py,
    "backtrader": backtrader,
    "basana": basana,
    "nautilus_trader": nautilus_trader,
}


def main() -> None:
    warnings.simplefilter("ignore")
    rows = rows_of(int(sys.argv[1]))
    count = len(rows["close"])
    for name, run in PEERS.items():
        try:
            run(rows_of(200))  # what is imported and compiled at first does not count
            began = time.process_time()
            run(rows)
            print(f"{name:34} {count / (time.process_time() - began):>14,.0f} {count:>12,}", flush=True)
        except ImportError as error:
            print(f"{name:34} skipped: {error.name} is not installed", flush=True)
        except Exception as error:
            print(f"{name:34} skipped: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
