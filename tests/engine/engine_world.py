"""A small world around an engine: one session, models made from functions, and a hand that steps events."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from hftd.domain.commands import Command, SubmitOrder
from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import (
    BarReceived,
    Event,
    ModelFaulted,
    OrderReported,
    PortfolioCarried,
    SessionClosed,
    SessionOpened,
)
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, ReportKind
from hftd.domain.session import Session
from hftd.engine.engine import Engine
from hftd.engine.risk import Limits
from hftd.engine.state import HookCaller, RunningModel, call_hook
from hftd.model.contract import Answer, Model
from hftd.model.parameters import build

OPEN_NS = 1_795_789_800_000_000_000  # 2026-11-27 09:30 in New York
CLOSE_NS = OPEN_NS + 210 * MINUTE_NS
SESSION = Session(OPEN_NS, CLOSE_NS, date(2026, 11, 27))
WIDE = Limits(Decimal(10**6), Decimal(10**9), 10**6, None)
RUN_ID = "0011223344556677"


def toy(on_bar: Callable[[Bar], Answer], **hooks: Callable[..., Answer]) -> Model:
    """A model whose hooks are these functions."""
    body = {name: staticmethod(hook) for name, hook in {"on_bar": on_bar, **hooks}.items()}
    return build(type("Toy", (Model,), body), {})


def running(model: Model, model_id: str = "toy", symbols: Iterable[str] = ("SPY",)) -> RunningModel:
    return RunningModel(model_id, model, f"fingerprint of {model_id}", tuple(symbols))


def bar_event(minute: int, symbol: str = "SPY", close: float = 100.0, volume: int = 1, late: bool = False) -> Event:
    """The bar that covers minute number `minute` of the session."""
    bar = Bar(symbol, OPEN_NS + minute * MINUTE_NS, close, close, close, close, volume)
    return BarReceived(bar, late)


class World:
    """An open session with $1,000,000, ready to be stepped. `commands` are all that came out so far."""

    def __init__(
        self,
        *models: Model | RunningModel,
        limits: Limits = WIDE,
        opened: bool = True,
        run_id: str = RUN_ID,
        session: Session = SESSION,
        call: HookCaller = call_hook,
    ) -> None:
        made = [model if isinstance(model, RunningModel) else running(model) for model in models]
        self.engine = Engine(session, made, limits, run_id, call)
        self.commands: list[Command] = []
        self.minute = 0
        self.take(PortfolioCarried(session.open_ns - MINUTE_NS, Decimal(10**6)))
        if opened:
            self.take(SessionOpened(session.open_ns, session))

    def take(self, event: Event) -> list[Command]:
        commands = self.engine.step(event)
        self.commands += commands
        return commands

    def bar(self, symbol: str = "SPY", **values: Any) -> list[Command]:
        """The next minute's bar."""
        event = bar_event(self.minute, symbol, **values)
        self.minute += 1
        return self.take(event)

    def bar_order(self) -> str:
        """The next bar, which must lead to one order; returns its id."""
        (order,) = orders_of(self.bar())
        return order.order.client_order_id

    def report(self, kind: ReportKind, order_id: str, time_ns: int | None = None, **values: Any) -> list[Command]:
        return self.take(OrderReported(ExecutionReport(kind, order_id, time_ns or self.engine.time_ns, **values)))

    def take_report(self, report: ExecutionReport, order_id: str) -> list[Command]:
        """A report that was made for an order whose id was not known yet."""
        return self.take(OrderReported(replace(report, client_order_id=order_id)))

    def fill(self, order_id: str, quantity: Any, price: Any, execution_id: str = "") -> list[Command]:
        request = self.engine.orders[order_id].request
        return self.report(
            ReportKind.FILL if Decimal(quantity) == request.quantity else ReportKind.PARTIAL_FILL,
            order_id,
            quantity=Decimal(quantity),
            price=Decimal(price),
            execution_id=execution_id or f"{order_id}/{self.engine.sequence}",
        )

    def close(self) -> list[Command]:
        return self.take(SessionClosed(self.engine.session.close_ns, self.engine.session))


class Guard:
    """What a driver puts around hooks: a model that raises gives no intents, and `faults` tell the engine."""

    def __init__(self) -> None:
        self.faults: list[ModelFaulted] = []

    def __call__(self, running: RunningModel, sequence: int, name: str, arguments: tuple[Any, ...]) -> Any:
        try:
            return call_hook(running, sequence, name, arguments)
        except Exception as error:
            self.faults.append(ModelFaulted(OPEN_NS, running.model_id, sequence, str(error)))
            return ()


def orders_of(commands: Iterable[Command]) -> list[SubmitOrder]:
    return [command for command in commands if isinstance(command, SubmitOrder)]


def shown(commands: Iterable[Command]) -> list[str]:
    """Commands in a few words: 'SignalRaised buy 5', 'SubmitOrder sell 3'."""
    return [_shown(command) for command in commands]


def _shown(command: Command) -> str:
    about: Any = getattr(command, "order", command)
    values = [getattr(about, name, None) for name in ("side", "quantity")]
    values += [getattr(command, name, None) for name in ("cause", "rule")]
    return " ".join([type(command).__name__, *(str(value) for value in values if value is not None)])
