"""A day's work with alpaca-py, unmodified: its own arguments name the exchange."""

import json
import os
import queue
import threading
import time

from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream

exchange = json.loads(os.environ["EXCHANGE"])
keys = exchange["key"], exchange["secret"]
trading = TradingClient(*keys, url_override=exchange["rest"])
history = StockHistoricalDataClient(*keys, url_override=exchange["data"])
stream = StockDataStream(*keys, url_override=exchange["stream"])
updates = TradingStream(*keys, url_override=exchange["trades"])
bars, fills = queue.Queue(), queue.Queue()


async def on_bar(bar):
    bars.put(bar)


async def on_update(update):
    if update.event == "fill":
        fills.put(update)


stream.subscribe_bars(on_bar, "SPY")
updates.subscribe_trade_updates(on_update)
for socket in (stream, updates):
    threading.Thread(target=socket.run, daemon=True).start()

account = trading.get_account()
assert float(account.cash) > 0, account
print("account")

clock = trading.get_clock()
assert clock.is_open and clock.next_close > clock.timestamp, clock
print("clock")

bar = bars.get(timeout=30)
assert bar.symbol == "SPY" and bar.low <= bar.close <= bar.high, bar
print("streamed bar")

bought = {"symbol": "SPY", "qty": 2, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
while not updates._running:  # nothing public says that the stream listens
    time.sleep(0.01)
order = trading.submit_order(MarketOrderRequest(**bought, client_order_id="bought"))
print("market order")

fill = fills.get(timeout=30)
assert fill.order.id == order.id and fill.qty == 2 and fill.price > 0, fill
print("fill")

found = trading.get_order_by_client_id("bought")
assert found.id == order.id and found.status is OrderStatus.FILLED, found
print("lookup")

waiting = trading.submit_order(LimitOrderRequest(**bought, limit_price=1.0))
trading.cancel_order_by_id(waiting.id)
assert trading.get_order_by_id(waiting.id).status is OrderStatus.CANCELED
print("cancelled")

wanted = {"symbol_or_symbols": "SPY", "timeframe": TimeFrame.Minute, "start": clock.timestamp.replace(hour=0)}
past = history.get_stock_bars(StockBarsRequest(**wanted, limit=50))
assert len(past["SPY"]) > 0, past
print("history")
