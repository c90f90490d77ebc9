"""Which addresses only this machine can reach."""

LOOPBACK = frozenset({"localhost", "::1"})


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach what listens at `host`, or says so to reach it."""
    return host in LOOPBACK or (host.startswith("127.") and host.replace(".", "").isdigit())
