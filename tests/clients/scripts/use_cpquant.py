"""History and a streamed bar with cpquant 0.1.8, unmodified. It trades nothing, and its addresses are fixed.

`alpaca_data_url` may be assigned; the socket is opened by the constructor, so the library's `connect` is led elsewhere.
"""

import json
import os

import websockets.sync.client

exchange = json.loads(os.environ["EXCHANGE"])
os.environ["ALPACA_DATA_PUBLIC_KEY"] = exchange["key"]
os.environ["ALPACA_DATA_SECRET_KEY"] = exchange["secret"]
connect = websockets.sync.client.connect
websockets.sync.client.connect = lambda url: connect(exchange["stream"])

from cpquant.data import AlpacaDataClient, AlpacaRealtimeClient  # noqa: E402

data = AlpacaDataClient()
data.alpaca_data_url = exchange["data"] + "/v2/"
bars = data.get_bars(["SPY"], timeframe="1D")["SPY"]
assert bars.close.gt(0).all() and len(bars) > 200, bars
print("history")


def handler(message):
    for item in json.loads(message):
        if item["T"] == "b" and item["S"] == "SPY" and item["l"] <= item["c"] <= item["h"]:
            print("streamed bar")
            realtime.close()  # which ends `listen`


realtime = AlpacaRealtimeClient()
realtime.subscribe_bars(["SPY"], "1Min")
realtime.listen(handler)
