"""The three clients for notebooks and scripts: history, real time, trading.

from hftd.broker.clients import AlpacaDataClient, AlpacaRealtimeClient, AlpacaTradeClient
"""

from hftd.broker.data_client import AlpacaDataClient
from hftd.broker.realtime_client import AlpacaRealtimeClient
from hftd.broker.trade_client import AlpacaTradeClient

__all__ = ["AlpacaDataClient", "AlpacaRealtimeClient", "AlpacaTradeClient"]
