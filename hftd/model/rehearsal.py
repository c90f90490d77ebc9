"""A model in a made-up session: on the real engine, with orders filled at once at the last price."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any

from hftd.domain.commands import CancelOrder, Command, SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS, decimal_of
from hftd.domain.events import (
    BarReceived,
    Event,
    OrderReported,
    PortfolioCarried,
    QuoteReceived,
    SessionClosed,
    SessionOpened,
    TradeReceived,
)
from hftd.domain.intents import Intent
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import RunningModel, call_hook
from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.contract import Model, check_made, overrides
from hftd.model.load import LoadedModel, sentence_of
from hftd.model.parameters import build

OPEN_NS = 1_767_623_400_000_000_000
SESSION = Session(open_ns=OPEN_NS, close_ns=OPEN_NS + 390 * MINUTE_NS, day=date(2026, 1, 5))
CASH = Decimal(100_000)
VOLUMES = (1700, 3100, 1, 36_839, 250_000, 527, 100, 12_345)
"""Volumes of the synthetic bars, one a minute: common, tiny and large ones."""
NO_LIMITS = Limits(Decimal("Infinity"), Decimal("Infinity"), 10**9, flatten_before_close_ns=None)


class Rehearsal:
    """One instance of a model, ready for one session. Whatever it must not do raises ModelError with a sentence."""

    def __init__(self, loaded: LoadedModel, chosen: ChosenModel, answers: "Answers | None" = None) -> None:
        """`answers` tells what becomes of each order; without it all are filled."""
        self._path = loaded.path
        self._answers = answers or filled
        model = self._built(loaded, chosen)
        self._running = RunningModel(chosen.name, model, "rehearsal", chosen.symbols)
        self.engine = Engine(SESSION, [self._running], NO_LIMITS, "rehearsal", self._call)

    def _built(self, loaded: LoadedModel, chosen: ChosenModel) -> Model:
        try:
            model = build(loaded.cls, chosen.parameters, chosen.locate)
        except ModelError:
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(sentence_of(error, self._path, "__init__")) from error
        try:
            check_made(model)
        except ModelError as error:
            raise ModelError(f"{self._path}: {error}") from error
        except Exception as error:
            raise ModelError(sentence_of(error, self._path, "warmup_bars or history_bars")) from error
        return model

    def play(self, market: Iterable[Event]) -> list[Command]:
        """Live through the session with these events between its open and its close; returns all that was decided."""
        return [command for _, commands in self.steps(market) for command in commands]

    def steps(self, market: Iterable[Event]) -> Iterator[tuple[Event, list[Command]]]:
        """The same, event by event."""
        carried = PortfolioCarried(SESSION.open_ns - MINUTE_NS, CASH)
        opened, closed = SessionOpened(SESSION.open_ns, SESSION), SessionClosed(SESSION.close_ns, SESSION)
        for event in chain[Event]((carried, opened), market, (closed,)):
            yield event, self._take(event)

    def _take(self, event: Event) -> list[Command]:
        """Step the timers due before `event`, the event, and the reports of the orders that it led to."""
        decided: list[Command] = []
        for timer in self.engine.due_timers(event.time_ns):
            decided += self._step(timer)
        return decided + self._step(event)

    def _step(self, event: Event) -> list[Command]:
        """What a report calls forth is not answered in turn: two fills that answer each other would never end."""
        decided = self.engine.step(event)
        answers = [report for command in decided for report in self._reports(command)]
        return decided + [command for report in answers for command in self.engine.step(OrderReported(report))]

    def _reports(self, command: Command) -> Iterator[ExecutionReport]:
        match command:
            case SubmitOrder(order=order):
                yield from self._answers(order, self.engine.prices.get(order.symbol), self.engine.time_ns)
            case CancelOrder(client_order_id=id):
                yield ExecutionReport(ReportKind.CANCELED, id, self.engine.time_ns)

    def _call(self, running: RunningModel, sequence: int, name: str, arguments: tuple[Any, ...]) -> Iterable[Intent]:
        try:
            return tuple(call_hook(running, sequence, name, arguments))
        except ModelError as error:
            raise ModelError(f"{self._path}: {name} {error}") from error
        except (Exception, SystemExit) as error:
            raise ModelError(sentence_of(error, self._path, name)) from error


Answers = Callable[[OrderRequest, float | None, int], Iterable[ExecutionReport]]
"""What becomes of an order, by the market's price in dollars (None without one) and the time in nanoseconds."""


def filled(order: OrderRequest, price: float | None, time_ns: int) -> Iterator[ExecutionReport]:
    """The order is filled at once, at the market's price, whatever its own; without a price it goes on working."""
    yield ExecutionReport(ReportKind.NEW, order.client_order_id, time_ns, symbol=order.symbol)
    if price is not None:
        yield execution(order, price, time_ns, order.quantity, order.quantity)


def execution(order: OrderRequest, price: float, time_ns: int, quantity: Decimal, so_far: Decimal) -> ExecutionReport:
    """A report of `quantity` shares filled, `so_far` with those before."""
    return ExecutionReport(
        kind=ReportKind.FILL if so_far == order.quantity else ReportKind.PARTIAL_FILL,
        client_order_id=order.client_order_id,
        time_ns=time_ns,
        symbol=order.symbol,
        side=order.side,
        execution_id=f"{order.client_order_id}/{so_far}",
        quantity=quantity,
        price=decimal_of(price),
        filled_quantity=so_far,
    )


def short_day(loaded: LoadedModel, symbols: Iterable[str]) -> Iterator[Event]:
    """A few minutes of bars in every symbol, and of quotes and trades where the model asks for them."""
    prices = {symbol: 100.0 + 10 * index for index, symbol in enumerate(symbols)}
    for minute, volume in enumerate(VOLUMES):
        for symbol, opening in prices.items():
            close = prices[symbol] = round(opening + (0.25, -0.1, 0.0)[minute % 3], 2)
            bar = _bar(symbol, minute, opening, close, volume)
            yield from ticks(loaded, bar)
            yield BarReceived(bar)


def _bar(symbol: str, minute: int, opening: float, close: float, volume: int) -> Bar:
    low, high = sorted((opening, close))
    time_ns = SESSION.open_ns + minute * MINUTE_NS
    return Bar(symbol, time_ns, opening, high, low, close, volume, trade_count=1, vwap=close)


def ticks(loaded: LoadedModel, bar: Bar) -> Iterator[Event]:
    """A quote and a trade just before a bar is known, for models that hear them."""
    time_ns = bar.known_at_ns - SECOND_NS
    if overrides(loaded.cls, "on_quote"):
        yield QuoteReceived(
            Quote(bar.symbol, time_ns, round(bar.close - 0.01, 2), 100, round(bar.close + 0.01, 2), 200)
        )
    if overrides(loaded.cls, "on_trade"):
        yield TradeReceived(Trade(bar.symbol, time_ns, bar.close, min(bar.volume, 100)))
