"""Having no file descriptors left: told once, waited out by the event loop, and got over."""

import asyncio
import errno
from typing import Any

import structlog

log = structlog.get_logger()

QUIET_S = 60.0
"""Wall seconds without a refusal after which the next one is another matter, and told again."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def tell_exhaustion_once(loop: asyncio.AbstractEventLoop) -> None:
    """Of connections that cannot be accepted asyncio tells a hundred times a second, while it waits as it should."""
    refused_s = -QUIET_S

    def hear(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal refused_s
        error = context.get("exception")
        if "socket" not in context or not isinstance(error, OSError) or error.errno not in EXHAUSTED:
            loop.default_exception_handler(context)
            return
        if loop.time() - refused_s >= QUIET_S:
            effect = "nobody who asks is answered until some are free; trading goes on"
            log.error("descriptors.exhausted", reason=str(error.strerror), effect=effect)
        refused_s = loop.time()

    loop.set_exception_handler(hear)
