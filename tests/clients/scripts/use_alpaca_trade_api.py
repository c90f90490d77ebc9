"""A day's work with the older Python SDK, alpaca-trade-api 3.2.0, unmodified: its own arguments name the exchange."""

import json
import os
import queue
import threading
import time

from alpaca_trade_api.rest import REST, TimeFrame
from alpaca_trade_api.stream import Stream

exchange = json.loads(os.environ["EXCHANGE"])
keys = exchange["key"], exchange["secret"]
os.environ["APCA_API_DATA_URL"] = exchange["data"]  # the only way: there is no argument
rest = REST(*keys, base_url=exchange["rest"])
stream = Stream(*keys, base_url=exchange["rest"], data_stream_url=exchange["rest"])  # it makes ws:// of http://
bars, fills = queue.Queue(), queue.Queue()


async def on_bar(bar):
    bars.put(bar)


async def on_update(update):
    if update.event == "fill":
        fills.put(update)


stream.subscribe_bars(on_bar, "SPY")
stream.subscribe_trade_updates(on_update)
threading.Thread(target=stream.run, daemon=True).start()

account = rest.get_account()
assert float(account.cash) > 0, account
print("account")

clock = rest.get_clock()
assert clock.is_open and clock.next_close > clock.timestamp, clock
print("clock")

bar = bars.get(timeout=30)
assert bar.symbol == "SPY" and bar.low <= bar.close <= bar.high, bar
print("streamed bar")

while not stream._trading_ws._running:  # nothing public says that the stream listens
    time.sleep(0.01)
order = rest.submit_order("SPY", qty=2, side="buy", client_order_id="bought")
print("market order")

fill = fills.get(timeout=30)
assert fill.order["id"] == order.id and float(fill.qty) == 2 and float(fill.price) > 0, fill
print("fill")

found = rest.get_order_by_client_order_id("bought")
assert found.id == order.id and found.status == "filled", found
print("lookup")

waiting = rest.submit_order("SPY", qty=1, side="buy", type="limit", limit_price="1.00")
rest.cancel_order(waiting.id)
assert rest.get_order(waiting.id).status == "canceled"
print("cancelled")

past = rest.get_bars("SPY", TimeFrame.Minute, start=clock.timestamp.date().isoformat(), limit=50)
assert len(past) > 0 and past.df.close.gt(0).all(), past
print("history")
