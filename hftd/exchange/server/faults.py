"""Faults on request: what goes wrong between a client and an exchange, made to go wrong on purpose.

Off unless asked for, by a schedule file or over the control address. What is left to chance is drawn from the seed, so
that a failure can be played again.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiohttp import web

from hftd.domain.convert import ns_of_rfc3339
from hftd.domain.market import Trade
from hftd.errors import DataError, HftdError
from hftd.exchange.server.call import error_answer
from hftd.exchange.server.connection import Connection
from hftd.exchange.server.feed import DataMessage, Feed, trade_message
from hftd.exchange.venue.refusals import Refusal

if TYPE_CHECKING:
    from numpy.random import Generator

log = structlog.get_logger()


class FaultKind(StrEnum):
    """What goes wrong.

    Of sockets: `drop` cuts those that are open now; `mute` swallows what they would be sent, `delay`, `duplicate` and
    `reorder` do so to it; `refuse` turns away who authenticates. Of REST, and of sockets' handshakes: `status` answers
    with an error, `cut` closes the connection without an answer. Of the market: `halt` and `resume` a symbol; `print`
    publishes a trade that never was.
    """

    DROP = "drop"
    MUTE = "mute"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    REFUSE = "refuse"
    STATUS = "status"
    CUT = "cut"
    HALT = "halt"
    RESUME = "resume"
    PRINT = "print"


class Target(StrEnum):
    """Whom a fault befalls."""

    DATA = "data"
    TRADES = "trades"
    CLOCK = "clock"
    REST = "rest"


ONCE = frozenset({FaultKind.DROP, FaultKind.HALT, FaultKind.RESUME, FaultKind.PRINT})
ON_FRAMES = frozenset({FaultKind.MUTE, FaultKind.DELAY, FaultKind.DUPLICATE, FaultKind.REORDER})
ON_REQUESTS = frozenset({FaultKind.STATUS, FaultKind.CUT})


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault. Lasting ones befall the next `count` frames or requests (None: all, until cleared).

    `at` is exchange time (RFC 3339) in a schedule; at once when missing. `account`, `method`, `path` (its beginning)
    narrow down whom it befalls. `chance` is drawn each time. `done`: the request is carried out all the same. `code` is
    what the data socket says to whom it refuses. `html`: the body is a page, not JSON. `delay_s` is wall time. `price`
    (dollars) and `size` are of a bad print.
    """

    kind: FaultKind
    target: Target = Target.DATA
    at: str | None = None
    account: str | None = None
    method: str | None = None
    path: str = ""
    status: int = 500
    code: int = 402
    html: bool = False
    done: bool = False
    count: int | None = None
    chance: float = 1.0
    delay_s: float = 0.0
    symbol: str = ""
    price: float = 0.0
    size: int = 100


BODIES = {
    429: Refusal(429, 42910000, "rate limit exceeded"),
    500: Refusal(500, 50010000, "internal server error occurred"),
    503: Refusal(503, 50310000, "service unavailable"),
    504: Refusal(504, 50410000, "request timed out"),
}
RETRY_AFTER_S = 1
PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"


def load_schedule(file: Path, symbols: Iterable[str]) -> list[tuple[int, Fault]]:
    """The faults of a schedule file, a JSON object a line, each with its time `at`, in order of time.

    `symbols` are those that are traded. Raises DataError that names the line.
    """
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise DataError(f"faults {file}: cannot be read: {error.strerror}") from error
    return sorted(_scheduled(file, lines, symbols), key=lambda scheduled: scheduled[0])


def _scheduled(file: Path, lines: Iterable[str], symbols: Iterable[str]) -> Iterator[tuple[int, Fault]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fault = msgspec.json.decode(line, type=Fault)
            check_fault(fault, symbols)
            yield ns_of_rfc3339(fault.at or ""), fault
        except (msgspec.DecodeError, ValueError, HftdError) as error:
            raise DataError(
                f"faults {file}, line {number}: {error}; every line is one fault with its time at"
            ) from error


class Faults:
    """The faults in force. `sockets` are the open ones of each kind."""

    def __init__(self, seed: int, sockets: Mapping[Target, Iterable[Connection]], feed: Feed) -> None:
        self._seed = seed
        self._sockets = sockets
        self._feed = feed
        self._left: dict[int, int] = {}
        self._active: dict[int, Fault] = {}
        self._made = 0
        self._drawer: Generator | None = None

    @property
    def active(self) -> dict[int, Fault]:
        """What is in force, by number."""
        return dict(self._active)

    def add(self, fault: Fault) -> int:
        """Put a lasting fault in force; its number."""
        self._made += 1
        self._active[self._made] = fault
        if fault.count is not None:
            self._left[self._made] = fault.count
        if fault.kind in ON_FRAMES:
            self.attach(fault.target, self._sockets[fault.target])
        log.warning("fault.armed", number=self._made, kind=fault.kind.value, target=fault.target.value)
        return self._made

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._active.clear()
        self._left.clear()

    def drop(self, fault: Fault) -> None:
        """Cut the open sockets."""
        for connection in list(self._sockets[fault.target]):
            if fault.account in (None, connection.account):
                connection.abort()

    def publish_print(self, fault: Fault, time_ns: int) -> set[str]:
        """Publish a trade that never was. Returns the accounts reached."""
        trade = Trade(fault.symbol, time_ns, fault.price, fault.size)
        messages: list[DataMessage] = [trade_message(trade)]
        return self._feed.publish(messages)

    def attach(self, target: Target, connections: Iterable[Connection]) -> None:
        """Let faults befall what is written to `connections`, if there are any such faults."""
        if any(fault.kind in ON_FRAMES and fault.target is target for fault in self._active.values()):
            for connection in connections:
                connection.gate = _Gate(self, target, connection).write

    def refuses(self, target: Target) -> int:
        """The code with which somebody who authenticates is turned away, 0 if not at all."""
        fault = self.next(frozenset({FaultKind.REFUSE}), target)
        return fault.code if fault else 0

    def of_request(self, target: Target, request: web.Request, account: str = "") -> Fault | None:
        """What befalls a request, or the handshake of a socket, if anything."""
        return self.next(ON_REQUESTS, target, account, request) if self._active else None

    def next(
        self, kinds: frozenset[FaultKind], target: Target, account: str = "", request: web.Request | None = None
    ) -> Fault | None:
        """The first fault in force of `kinds` that befalls this, which counts as once."""
        for number, fault in list(self._active.items()):
            if fault.kind in kinds and fault.target is target and self._befalls(fault, account, request):
                self._count(number)
                return fault
        return None

    def _befalls(self, fault: Fault, account: str, request: web.Request | None) -> bool:
        if fault.account not in (None, account):
            return False
        if request and (fault.method not in (None, request.method) or not request.path.startswith(fault.path)):
            return False
        return fault.chance >= 1 or self._draw() < fault.chance

    def _draw(self) -> float:
        if self._drawer is None:
            import numpy as np

            self._drawer = np.random.default_rng(self._seed)
        return float(self._drawer.random())

    def _count(self, number: int) -> None:
        if number in self._left:
            self._left[number] -= 1
            if not self._left[number]:
                del self._left[number], self._active[number]


class _Gate:
    """What is written to one socket passes here while frames are at fault."""

    def __init__(self, faults: Faults, target: Target, connection: Connection) -> None:
        self._faults = faults
        self._target = target
        self._connection = connection
        self._kept: bytes | None = None

    def write(self, framed: bytes) -> None:
        fault = self._faults.next(ON_FRAMES, self._target, self._connection.account)
        frames = [framed, self._kept] if self._kept is not None else [framed]
        self._kept = None
        if fault is not None and fault.kind is FaultKind.REORDER and len(frames) == 1:
            self._kept = framed
            return
        for each in frames:
            if each is not None:
                self._pass(each, fault)

    def _pass(self, framed: bytes, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if fault and kind is FaultKind.DELAY:
            asyncio.get_running_loop().call_later(fault.delay_s, self._connection.write_now, framed)
        elif kind is not FaultKind.MUTE:
            for _ in range(2 if kind is FaultKind.DUPLICATE else 1):
                self._connection.write_now(framed)


def faulty_answer(fault: Fault) -> web.Response:
    """The error that a `status` fault answers with."""
    if fault.html:
        page = PAGE.format(status=fault.status)
        return web.Response(text=page, status=fault.status, content_type="text/html")
    response = error_answer(BODIES.get(fault.status) or Refusal(fault.status, None, "fault requested"))
    if fault.status == 429:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def check_fault(fault: Fault, symbols: Iterable[str]) -> None:
    """Raise HftdError for a fault that makes no sense."""
    if fault.kind in (FaultKind.HALT, FaultKind.RESUME, FaultKind.PRINT) and fault.symbol not in symbols:
        raise HftdError(f"fault {fault.kind}: symbol {fault.symbol!r} is not traded here; {', '.join(symbols)} are")
    if fault.kind in ON_FRAMES and fault.target is Target.REST:
        raise HftdError(f"fault {fault.kind}: befalls sockets: its target is data, trades or clock, not rest")
    if (
        not 400 <= fault.code <= 599
        or not 400 <= fault.status <= 599
        or not 0 <= fault.chance <= 1
        or fault.delay_s < 0
    ):
        raise HftdError(f"fault {fault.kind}: status and code 400 to 599, chance 0 to 1, delay_s from 0 are expected")
