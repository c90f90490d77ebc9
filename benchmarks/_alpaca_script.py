"""The plain script that daemon.py is compared with: the toy rule in alpaca-py's documented way, and nothing else."""

import os
import sys

from alpaca.data.live import StockDataStream
from alpaca.data.models import Bar
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest

rest, stream, *symbols = sys.argv[1:]
key, secret = os.environ["APCA_API_KEY_ID"], os.environ["APCA_API_SECRET_KEY"]
trading_client = TradingClient(key, secret, url_override=rest)
data_stream = StockDataStream(key, secret, url_override=stream)


async def on_bar(bar: Bar) -> None:
    if bar.volume % 17 == 0:
        side = OrderSide.SELL
    elif bar.volume % 31 == 0:
        side = OrderSide.BUY
    else:
        return
    order = MarketOrderRequest(symbol=bar.symbol, qty=5, side=side, time_in_force=TimeInForce.DAY)
    trading_client.submit_order(order)


data_stream.subscribe_bars(on_bar, *symbols)  # type: ignore[arg-type]
data_stream.run()
