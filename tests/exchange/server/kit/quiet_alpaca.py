"""Loads alpaca-py, which imports a deprecated part of websockets, without the warning."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import alpaca.data.live
    import alpaca.trading.stream  # noqa: F401
