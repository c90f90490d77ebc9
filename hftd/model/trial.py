"""The child process in which a model is tried: `python -m hftd.model.trial`, a request on stdin, an answer on stdout.

What the model itself prints goes nowhere: standard output is taken from it before it is loaded.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import FrameType

import msgspec

from hftd.domain.convert import MINUTE_NS, decimal_of
from hftd.domain.intents import Cancel, Intent, Target, Want
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, ReportKind, Side
from hftd.domain.session import Session
from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.contract import Model, WorkingOrder, build, checked, intents_of, parameters_of
from hftd.model.load import LoadedModel, fingerprint, load_model, place_of, sentence_of

OPEN_NS = 1_767_623_400_000_000_000
SESSION = Session(open_ns=OPEN_NS, close_ns=OPEN_NS + 390 * MINUTE_NS, day=date(2026, 1, 5))
VOLUMES = (1700, 3100, 1, 36_839, 250_000, 527, 100, 12_345)
"""Volumes of the synthetic bars, one a minute: common, tiny and large ones."""


class TrialRequest(msgspec.Struct, frozen=True):
    """Load a model of `folder`, and unless `only_load` build it and run it. Each stage may take `limit_s` seconds."""

    chosen: ChosenModel
    folder: str
    limit_s: float
    only_load: bool = False


class ParameterRow(msgspec.Struct, frozen=True):
    """A parameter as it is shown: its type as text, its default as JSON (None with `is_required`: there is none)."""

    name: str
    type: str
    default: object
    description: str
    is_required: bool


class TrialAnswer(msgspec.Struct, frozen=True):
    """`problem` is "" when the model may be trusted. The fingerprint is of the chosen parameters, or of the defaults;
    "" when a parameter without default is missing."""

    problem: str = ""
    description: str = ""
    fingerprint: str = ""
    parameters: tuple[ParameterRow, ...] = ()


class _Overrun(BaseException):
    """The time is up. Not an Exception, so that a model's own `except Exception` does not swallow it."""


def _raise_overrun(signal_number: int, frame: FrameType | None) -> None:
    raise _Overrun


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    signal.signal(signal.SIGALRM, _raise_overrun)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def answer_to(request: TrialRequest) -> TrialAnswer:
    """Try the model; whatever it does becomes an answer, short of what ends the process."""
    path = Path(request.folder)
    try:
        with _time_limit(request.limit_s):
            loaded = load_model(request.chosen.name, path)
        path = loaded.path
        if not request.only_load:
            with _time_limit(request.limit_s):
                _Trial(loaded, request.chosen).run()
        return _described(loaded, request)
    except ModelError as error:
        return TrialAnswer(problem=str(error))
    except _Overrun as error:
        return TrialAnswer(problem=f"{place_of(error, path)}: did not return within {request.limit_s:g} s")


def _described(loaded: LoadedModel, request: TrialRequest) -> TrialAnswer:
    rows = tuple(
        ParameterRow(
            name=parameter.name,
            type=parameter.type_name,
            default=None if parameter.is_required else parameter.default,
            description=parameter.description,
            is_required=parameter.is_required,
        )
        for parameter in parameters_of(loaded.cls).values()
    )
    is_complete = not request.only_load or not any(row.is_required for row in rows)
    mark = fingerprint(loaded, checked(loaded.cls, request.chosen.parameters)) if is_complete else ""
    return TrialAnswer(description=loaded.description, fingerprint=mark, parameters=rows)


class _Trial:
    """A few minutes of a made-up session. Also the model's context: every want is filled at once, at the last close."""

    cash = Decimal(100_000)

    def __init__(self, loaded: LoadedModel, chosen: ChosenModel) -> None:
        self._loaded = loaded
        self._chosen = chosen
        self._positions = dict.fromkeys(chosen.symbols, Decimal(0))
        self._prices = {symbol: 100.0 + 10 * index for index, symbol in enumerate(chosen.symbols)}
        self._fills = 0
        self.symbols = chosen.symbols

    def position(self, symbol: str) -> Decimal:
        return self._positions.get(symbol, Decimal(0))

    def working_orders(self, symbol: str | None = None) -> tuple[WorkingOrder, ...]:
        return ()

    def run(self) -> None:
        """Raises ModelError for whatever a model must not do."""
        try:
            model = build(self._loaded.cls, self._chosen.parameters, self._chosen.locate)
        except ModelError:
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(sentence_of(error, self._loaded.path, "__init__")) from error
        model.context = self
        self._call(model, "on_start", self)
        self._call(model, "on_session_open", SESSION)
        for minute, volume in enumerate(VOLUMES):
            for symbol in self.symbols:
                self._call(model, "on_bar", self._bar(symbol, minute, volume))
        self._call(model, "on_session_close", SESSION)

    def _bar(self, symbol: str, minute: int, volume: int) -> Bar:
        opening = self._prices[symbol]
        close = self._prices[symbol] = round(opening + (0.25, -0.1, 0.0)[minute % 3], 2)
        low, high = sorted((opening, close))
        time_ns = SESSION.open_ns + minute * MINUTE_NS
        return Bar(symbol, time_ns, opening, high, low, close, volume, trade_count=1, vwap=close)

    def _call(self, model: Model, hook: str, argument: object) -> None:
        try:
            intents = intents_of(getattr(model, hook)(argument))
        except ModelError as error:
            raise ModelError(f"{self._loaded.path}: {hook} {error}") from error
        except (Exception, SystemExit) as error:
            raise ModelError(sentence_of(error, self._loaded.path, hook)) from error
        for intent in intents:
            self._take(model, intent, hook)

    def _take(self, model: Model, intent: Intent, hook: str) -> None:
        if intent.symbol not in self._positions:
            known = ", ".join(self.symbols)
            raise ModelError(
                f"{self._loaded.path}: {hook} returned an intent for {intent.symbol!r}, expected one of its symbols: "
                f"{known}"
            )
        # What a fill calls forth is not filled in turn: two fills that answer each other would never end.
        if hook != "on_fill" and (change := self._change(intent)):
            self._positions[intent.symbol] += change
            self._call(model, "on_fill", self._report(intent.symbol, change))

    def _change(self, intent: Intent) -> Decimal:
        """Signed shares by which an intent changes the position."""
        match intent:
            case Want():
                return intent.side.sign * intent.quantity
            case Target():
                return intent.quantity - self.position(intent.symbol)
            case Cancel():
                return Decimal(0)

    def _report(self, symbol: str, change: Decimal) -> ExecutionReport:
        self._fills += 1
        price = decimal_of(self._prices[symbol])
        self.cash -= change * price
        return ExecutionReport(
            kind=ReportKind.FILL,
            client_order_id=f"trial-{self._fills}",
            time_ns=SESSION.open_ns + MINUTE_NS,
            symbol=symbol,
            side=Side.BUY if change > 0 else Side.SELL,
            execution_id=f"trial-{self._fills}",
            quantity=abs(change),
            price=price,
            filled_quantity=abs(change),
        )


def main() -> None:
    """Read the request, answer it on what was standard output, and leave.

    Nothing of the model's is waited for: its threads and its own children end with this process group.
    """
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=TrialRequest)
    nothing = os.open(os.devnull, os.O_RDWR)
    answer_fd = os.dup(1)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.write(answer_fd, msgspec.json.encode(answer_to(request)))
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
