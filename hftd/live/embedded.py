"""A simulated exchange of our own: a process beside the daemon, tied to it by a pipe.

When the daemon ends, however it ends, the exchange reads the end of the pipe, writes its state down and exits.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from hftd.errors import BrokerUnavailable, HftdError
from hftd.settings import Settings

log = structlog.get_logger()

START_S = 300.0
"""The order book and its bots are compiled when they are started for the first time, on a busy machine for minutes."""
USUAL_START_S = 10.0
STOP_S = 10.0


@dataclass(frozen=True)
class Address:
    """Where an exchange listens, and the key of its first account."""

    url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)


class EmbeddedExchange:
    """The exchange process. `start` returns once it listens."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> Address:
        """Start it and return where it listens. Raises HftdError with its own last words if it does not."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hftd",
            "exchange",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None,
            start_new_session=True,  # a Ctrl-C at the terminal is for the daemon, which ends the exchange in order
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = await _told_if_slow(asyncio.ensure_future(self._process.stdout.readline()))
        except TimeoutError as error:
            await self.stop()
            raise BrokerUnavailable(f"the simulated exchange did not start within {START_S:.0f} s") from error
        if not line:
            raise _Ended(await self._process.wait())
        told = json.loads(line)
        return Address(told["rest"], told["key"], told["secret"])

    async def ended(self) -> int:
        """Wait for the end of the process and return its exit status."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Close the pipe, which ends it in order; kill it if it does not end."""
        if self._process is None or self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def _told_if_slow(first_line: asyncio.Future[bytes]) -> bytes:
    """What the exchange says first; a person who waits long for it is told why."""
    await asyncio.wait({first_line}, timeout=USUAL_START_S)
    if not first_line.done():
        log.info("exchange.awaited", reason="it takes long to start; the first time, the order book is compiled")
    return await first_line


class _Ended(HftdError):
    """The exchange ended before it listened; it has said why on standard error. Its exit status becomes ours."""

    def __init__(self, status: int) -> None:
        super().__init__("the simulated exchange could not be started; its reason stands above")
        self.exit_status = status if status > 0 else 1


def exchange_arguments(settings: Settings, state: Path, *, wait: bool = True) -> list[str]:
    """The command line of the exchange that `settings` describe."""
    exchange = settings.exchange
    symbols = dict.fromkeys(
        symbol for model in settings.chosen_models for symbol in (*settings.symbols, *model.symbols)
    )
    arguments = [
        *("--json", "--tied", "--state", str(state / "exchange"), "--port", str(exchange.port)),
        *("--speed", str(exchange.speed), "--seed", str(exchange.seed), "--cash", str(exchange.cash)),
        *("--fees", exchange.fees, "--latency", exchange.latency),
        *("--requests-a-minute", str(exchange.requests_a_minute)),
        *("--symbols", ",".join(symbols), "--log-format", settings.log.format, "--log-level", _log_level(settings)),
        *(word for name in exchange.accounts for word in ("--account", name)),
    ]
    if exchange.bots:
        arguments += ["--bots", json.dumps(exchange.bots, default=str)]
    if exchange.tape is not None:
        arguments += ["--tape", str(exchange.tape), "--queue", exchange.queue]
        arguments += ["--data", json.dumps(settings.data.as_reading())]
    for name in ("partial_fill_chance", "reject_chance"):
        if chance := getattr(exchange, name):
            arguments += [f"--{name.replace('_', '-')}", str(chance)]
    if exchange.faults is not None:
        arguments += ["--faults", str(exchange.faults)]
    if exchange.participation is not None:
        arguments += ["--participation", str(exchange.participation)]
    return [*arguments, "--wait"] if wait else arguments


def _log_level(settings: Settings) -> str:
    """The exchange tells little beside the daemon, which hears all that matters from it."""
    return "warning" if settings.log.level == "info" else settings.log.level
