"""What hftd talks about: market data, orders, reports, positions, sessions, events and commands.

Everything here is frozen, typed and pure, and imports nothing else of hftd. Units are in the names: `_ns` is
nanoseconds since 1970 UTC (or a length of time in nanoseconds). Market data are floats and ints; quantities of
orders and positions and all money are Decimal (see `convert` for the only conversions between the two).
"""
