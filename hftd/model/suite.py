"""The contract that every model keeps, checked in a child process: `python -m hftd.model.suite`.

A check returns a few words on what it saw, or raises ModelError with what is wrong. They are made in the order of
`CHECKS`, and each may take so long; where one of the `FIRST` fails the rest is not tried.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import msgspec

from hftd.domain.commands import Command, SubmitOrder
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived, Event
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind
from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.load import LoadedModel, load_model, place_of
from hftd.model.parameters import checked
from hftd.model.rehearsal import SESSION, Rehearsal, execution, short_day
from hftd.model.scenery import odd_day, plain_day
from hftd.model.trial import Overrun, answer_and_leave, time_limit

BUDGET_S = 6.0
"""What a hook may take while live: a tenth of a bar."""
CUTS = (60, 200, 320)
"""Minutes after the open at which the future is exchanged for another one."""


class SuiteRequest(msgspec.Struct, frozen=True):
    """Check the model `chosen` of `folder`; each check may take `limit_s` seconds."""

    chosen: ChosenModel
    folder: str
    limit_s: float


class Finding(msgspec.Struct, frozen=True):
    """What one check came to: `detail` is what it saw, or what is wrong."""

    check: str
    passed: bool
    detail: str


class SuiteAnswer(msgspec.Struct, frozen=True):
    """All findings, and the sha256 of everything that was decided on the plain day; "" when that was not reached."""

    findings: tuple[Finding, ...]
    digest: str = ""


class Suite:
    """One model under examination."""

    def __init__(self, request: SuiteRequest) -> None:
        self._request = request
        self._folder = Path(request.folder)
        self.path = self._folder
        self.digest = ""

    @cached_property
    def _loaded(self) -> LoadedModel:
        return load_model(self._request.chosen.name, self._folder)

    def _play(self, market: Iterable[Event], rehearsal: Rehearsal | None = None) -> list[Command]:
        return (rehearsal or Rehearsal(self._loaded, self._request.chosen)).play(market)

    def _plain_day(self, seed: int = 1) -> Iterator[Event]:
        return plain_day(self._loaded, self._request.chosen.symbols, seed)

    # -- the checks, in their order --------------------------------------------------------------------------------

    def loads(self) -> str:
        """is one model, with typed parameters that have values"""
        self.path = self._loaded.path
        chosen = self._request.chosen
        return f"{len(checked(self._loaded.cls, chosen.parameters, chosen.locate))} parameters"

    def starts(self) -> str:
        """lives through its first minutes"""
        self._play(short_day(self._loaded, self._request.chosen.symbols))
        return "no history, common and odd volumes"

    def lives(self) -> str:
        """lives through a day"""
        commands = self._play(self._plain_day())
        self.digest = sha256(msgspec.json.encode(commands)).hexdigest()
        return f"{_bars(self._plain_day())} bars, {_orders(commands)} orders"

    def bears(self) -> str:
        """bears gaps, late bars, jumps, refused orders and fills in parts"""
        rehearsal = Rehearsal(self._loaded, self._request.chosen, _troublesome())
        commands = self._play(odd_day(self._loaded, self._request.chosen.symbols), rehearsal)
        return f"{_orders(commands)} orders"

    def repeats(self) -> str:
        """decides the same in the next session like it"""
        first, second = self._play(self._plain_day()), self._play(self._plain_day())
        if first != second:
            raise ModelError(
                f"{_difference(first, second)}; it keeps something outside itself, or draws lots of its own"
            )
        return f"{len(first)} decisions compared"

    def looks_not_ahead(self) -> str:
        """decides nothing by what comes later"""
        whole = list(self._plain_day())
        for minutes in CUTS:
            cut_ns = SESSION.open_ns + minutes * MINUTE_NS
            future = [event for event in self._plain_day(seed=2) if event.time_ns > cut_ns]
            past = [event for event in whole if event.time_ns <= cut_ns]
            if self._decided_by(cut_ns, whole) != self._decided_by(cut_ns, [*past, *future]):
                raise ModelError(f"another future after minute {minutes} changed what was decided before it")
        return f"{len(CUTS)} other futures"

    def _decided_by(self, time_ns: int, market: Iterable[Event]) -> list[list[Command]]:
        steps = Rehearsal(self._loaded, self._request.chosen).steps(market)
        return [commands for event, commands in steps if event.time_ns <= time_ns]

    def hurries(self) -> str:
        """is fast enough"""
        times_s = [perf_counter()]
        for _ in Rehearsal(self._loaded, self._request.chosen).steps(self._plain_day()):
            times_s.append(perf_counter())
        slowest_s = max(after - before for before, after in pairwise(times_s))
        if slowest_s > BUDGET_S:
            raise ModelError(f"took {slowest_s:.1f} s for one event, and may take {BUDGET_S:g} s while live")
        each_us = (times_s[-1] - times_s[0]) / len(times_s) * 1e6
        return f"{each_us:.0f} us an event, {slowest_s * 1e3:.1f} ms at most"


Check = Callable[[Suite], str]
FIRST: tuple[Check, ...] = (Suite.loads, Suite.starts)
CHECKS: tuple[Check, ...] = (*FIRST, Suite.lives, Suite.bears, Suite.repeats, Suite.looks_not_ahead, Suite.hurries)
"""What is checked; the first line of each docstring is how it is shown."""


def name_of(check: Check) -> str:
    """How a check is shown."""
    return (check.__doc__ or "").strip()


def answer_to(request: SuiteRequest) -> SuiteAnswer:
    """Make every check."""
    suite, findings = Suite(request), []
    for check in CHECKS:
        findings.append(_finding(suite, check, request.limit_s))
        if check in FIRST and not findings[-1].passed:
            break
    return SuiteAnswer(tuple(findings), suite.digest)


def _finding(suite: Suite, check: Check, limit_s: float) -> Finding:
    try:
        with time_limit(limit_s):
            return Finding(name_of(check), True, check(suite))
    except ModelError as error:
        return Finding(name_of(check), False, str(error))
    except Overrun as error:
        return Finding(name_of(check), False, f"{place_of(error, suite.path)}: did not return within {limit_s:g} s")


def _troublesome() -> Callable[[OrderRequest, float | None, int], Iterator[ExecutionReport]]:
    """A broker that refuses every third order, fills every third in parts, and leaves every third working."""
    seen = 0

    def answers(order: OrderRequest, price: float | None, time_ns: int) -> Iterator[ExecutionReport]:
        nonlocal seen
        seen += 1
        kind = ReportKind.REJECTED if seen % 3 == 0 else ReportKind.NEW
        yield ExecutionReport(kind, order.client_order_id, time_ns, symbol=order.symbol, reason="as a check")
        if seen % 3 == 1 and price is not None:
            part = order.quantity / 2
            yield execution(order, price, time_ns, part, part)
            yield execution(order, price * 1.001, time_ns, part, order.quantity)

    return answers


def _bars(market: Iterable[Event]) -> int:
    return sum(isinstance(event, BarReceived) for event in market)


def _orders(commands: Iterable[Command]) -> int:
    return sum(isinstance(command, SubmitOrder) for command in commands)


def _difference(first: list[Command], second: list[Command]) -> str:
    if len(first) != len(second):
        return f"decided {len(first)} things, then {len(second)}"
    number = next(index for index, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1])
    return f"decision {number + 1} was {_shown(first[number])}, then {_shown(second[number])}"


def _shown(command: Command) -> str:
    about = command.order if isinstance(command, SubmitOrder) else command
    words = [getattr(about, name, "") for name in ("side", "quantity", "symbol")]
    return " ".join([type(command).__name__, *(str(word) for word in words if word != "")])


if __name__ == "__main__":
    answer_and_leave(lambda request: answer_to(msgspec.json.decode(request, type=SuiteRequest)))
