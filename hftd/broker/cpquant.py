"""For code written for cpquant: change `from cpquant.data import ...` into `from hftd.broker.cpquant import ...`.

The clients are those of `hftd.broker.clients`; only what cpquant does otherwise by default is kept here: real-time
handlers get each frame as JSON text. (cpquant's feed is `sip`, which the free plan refuses; say `feed="sip"` if you
have it.)
"""

from typing import Any

from hftd.broker.data_client import AlpacaDataClient
from hftd.broker.realtime_client import AlpacaRealtimeClient as TypedRealtimeClient
from hftd.broker.trade_client import AlpacaTradeClient

__all__ = ["AlpacaDataClient", "AlpacaRealtimeClient", "AlpacaTradeClient"]


class AlpacaRealtimeClient(TypedRealtimeClient):
    """The real-time client, whose handlers get text."""

    def __init__(self, feed: str = "iex", **options: Any) -> None:
        super().__init__(feed, text=True, **options)
