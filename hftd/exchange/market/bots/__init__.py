"""A market of bots: seeded agents that trade with each other, and with the users, through one order book a symbol.

`settings` says who trades and how much (light), `day` what a day is to be like, `layout` how the agents lie in memory,
`agents` what each decides and `loop` when (both compiled), `pit` is one symbol's session, `market` the whole.
"""
