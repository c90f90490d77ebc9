"""A day's work with lumibot's Alpaca broker, unmodified. It knows Alpaca's hosts only, through alpaca-py's defaults.

Its module's own places for alpaca-py's classes get them with the exchange's address; the history client is an argument.
It streams trade updates, and has no stream of bars: the bar is alpaca-py's, of the same environment.
"""

import json
import os
import queue
import threading
import time
from functools import partial

os.environ.setdefault("LUMIBOT_TELEMETRY", "0")
exchange = json.loads(os.environ["EXCHANGE"])

from alpaca.data.historical import StockHistoricalDataClient  # noqa: E402
from alpaca.data.live import StockDataStream  # noqa: E402
from alpaca.trading.client import TradingClient  # noqa: E402
from alpaca.trading.stream import TradingStream  # noqa: E402
from lumibot.brokers import alpaca  # noqa: E402
from lumibot.data_sources import AlpacaData  # noqa: E402
from lumibot.entities import Asset, Order  # noqa: E402

keys = exchange["key"], exchange["secret"]
config = {"API_KEY": keys[0], "API_SECRET": keys[1], "PAPER": True}
alpaca.TradingClient = partial(TradingClient, url_override=exchange["rest"])
alpaca.TradingStream = partial(TradingStream, url_override=exchange["trades"])
data = AlpacaData(config, stock_client=StockHistoricalDataClient(*keys, url_override=exchange["data"]))
broker = alpaca.Alpaca(config, data_source=data)
spy = Asset("SPY")

cash, _, value = broker._get_balances_at_broker(None, None)
assert cash > 0 and value > 0, (cash, value)
print("account")

broker.market = None
assert broker.is_market_open() and broker.get_time_to_close() > 0
print("clock")

bars = queue.Queue()


async def on_bar(bar):
    bars.put(bar)


stream = StockDataStream(*keys, url_override=exchange["stream"])
stream.subscribe_bars(on_bar, "SPY")
threading.Thread(target=stream.run, daemon=True).start()
bar = bars.get(timeout=30)
assert bar.symbol == "SPY" and bar.low <= bar.close <= bar.high, bar
print("streamed bar")

while not broker.stream._running:  # nothing public says that the stream listens
    time.sleep(0.01)
order = broker.submit_order(Order("shown", spy, 2, "buy"))
print("market order")

order.wait_to_be_closed()
assert order.is_filled() and order.avg_fill_price > 0, order
print("fill")

found = broker.api.get_order_by_id(order.identifier)
assert found.status == "filled" and found.filled_qty == "2", found
print("lookup")

waiting = broker.submit_order(Order("shown", spy, 1, "buy", limit_price=1.0))
broker.cancel_order(waiting)
waiting.wait_to_be_closed()
assert waiting.is_canceled(), waiting
print("cancelled")

past = data.get_historical_prices(spy, 50, "minute").df
assert len(past) == 50 and past.close.gt(0).all(), past
print("history")
os._exit(0)
