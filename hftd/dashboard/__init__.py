"""The web page: what the daemon does, for a browser; `/health` and `/metrics` for programs. It reads, and never acts.

A process of its own, so that no browser costs the trading loop anything: it follows the journal, which may be read
while it is written, and asks the control socket once a second while somebody looks.
"""
