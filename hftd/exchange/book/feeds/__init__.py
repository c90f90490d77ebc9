"""Recorded books, rebuilt in `Book`: LOBSTER's orders, and the price levels of Binance and Kraken.

Each reader takes messages in the order they were received and never raises for a bad one: it refuses or resynchronises,
and counts why in `counts` under a name that its class lists.
"""
