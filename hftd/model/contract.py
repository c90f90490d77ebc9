"""What a model is: a class with hooks and typed parameters.

A model file holds one subclass of `Model`. The engine makes one instance a session (`build`), gives it its `context`,
calls `on_start`, and from then on the hook that belongs to each event. A hook the class does not override is not
called. What a hook returns is normalised by `intents_of`. Annotated class attributes are the model's parameters.

    class Crossing(Model):
        length: Annotated[int, "bars in the average"] = 20
        def on_bar(self, bar): ...

Pure: no clock, no I/O, no randomness.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Protocol

from msgspec import Struct

from hftd.domain.history import History
from hftd.domain.intents import Cancel, Intent
from hftd.domain.market import Bar, Quote, Trade
from hftd.domain.orders import ExecutionReport, OrderType, Side
from hftd.domain.session import Session
from hftd.errors import ModelError

if TYPE_CHECKING:
    from numpy.random import Generator

Answer = Intent | Iterable[Intent] | None
"""What a hook may return: nothing, one intent, or several in the order they should be sent."""


class WorkingOrder(Struct, frozen=True):
    """An order of this model that is not finished. Quantities in shares, prices in dollars; `parent` is the
    client_order_id of the order whose exit this one is."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    parent: str = ""


class Context(Protocol):
    """What a model may know of its own standing and of the moment, kept up to date by the engine. Read-only, but for
    the timers."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols whose data this model is given, in the order of the settings."""
        ...

    @property
    def session(self) -> Session:
        """The trading session going on, or about to begin: its open and close in nanoseconds, its day."""
        ...

    @property
    def now_ns(self) -> int:
        """The time of the event at hand, in nanoseconds since 1970 UTC: the only clock that a model has."""
        ...

    @property
    def now(self) -> datetime:
        """`now_ns` as an aware datetime in UTC, cut to microseconds."""
        ...

    @property
    def cash(self) -> Decimal:
        """Dollars of this model's share of the account that are not in positions."""
        ...

    @property
    def equity(self) -> Decimal:
        """Dollars this model's share of the account is worth: `cash`, and its positions at the last prices."""
        ...

    def position(self, symbol: str) -> Decimal:
        """Shares held in `symbol`: negative when short, 0 when none."""
        ...

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed shares of every symbol that this model holds."""
        ...

    def price(self, symbol: str) -> float | None:
        """The last known price of `symbol` in dollars: of a bar's close, a trade, or between a quote's sides."""
        ...

    def working_orders(self, symbol: str | None = None) -> tuple[WorkingOrder, ...]:
        """This model's unfinished orders, oldest first; of one `symbol` if it is given."""
        ...

    def history(self, symbol: str, bars: int | None = None) -> History:
        """The last `bars` bars of `symbol` as arrays, oldest first, the one at hand included; without a number as many
        as there are, at most the model's `history_bars`."""
        ...

    @property
    def rng(self) -> "Generator":
        """Random numbers (numpy), the same whenever this model sees this session: live, in a replay, in a backtest."""
        ...

    def after(self, delay: float | str, name: str = "") -> None:
        """Call `on_timer(name)` once, `delay` from now: seconds, or text as "90s", "5m", "1h". A timer of the same
        name is replaced; one that is not due before the close never fires, and what is wanted in one whose moment is
        long past, as after an outage, is not sent. Raises ValueError for no length of time."""
        ...

    def every(self, interval: float | str, name: str = "") -> None:
        """Call `on_timer(name)` again and again, each `interval` (at least a second), the first time in one."""
        ...

    def stop_timer(self, name: str = "") -> None:
        """Forget the timer of that name, if there is one."""
        ...


class Model:
    """Base of every model. Override the hooks you need; each returns nothing, one intent, or several.

    Parameters are set before `__init__`, which takes no arguments, and `context` before `on_start`.
    """

    context: Context

    warmup_bars: ClassVar[int] = 0
    """How many bars of history a model is shown, late, before a session's first live one; a property may compute it."""

    history_bars: ClassVar[int] = 1000
    """How many bars of each symbol `context.history` keeps at most; a property may compute it."""

    def on_start(self, context: Context) -> Answer:
        """Once, before the first event of a session. `context` is also `self.context`."""
        return None

    def on_session_open(self, session: Session) -> Answer:
        """The market has opened."""
        return None

    def on_bar(self, bar: Bar) -> Answer:
        """A minute of trading in one symbol is complete."""
        return None

    def on_quote(self, quote: Quote) -> Answer:
        """The best bid or ask has changed. Quotes are subscribed to for models that have this hook."""
        return None

    def on_trade(self, trade: Trade) -> Answer:
        """Shares changed hands somewhere in the market. Trades are subscribed to for models that have this hook."""
        return None

    def on_order(self, report: ExecutionReport) -> Answer:
        """Something became of an order of this model: accepted, filled, canceled, rejected; told before `on_fill`."""
        return None

    def on_fill(self, report: ExecutionReport) -> Answer:
        """An order of this model was filled, wholly or in part; positions already include it."""
        return None

    def on_timer(self, name: str) -> Answer:
        """The moment has come for which `context.after` or `context.every` was called with this `name`."""
        return None

    def on_session_close(self, session: Session) -> Answer:
        """The market has closed; what is returned now is not sent."""
        return None


HOOKS = (
    "on_start",
    "on_session_open",
    "on_bar",
    "on_quote",
    "on_trade",
    "on_order",
    "on_fill",
    "on_timer",
    "on_session_close",
)
"""Every hook, in the order of a session."""


def overrides(cls: type[Model], hook: str) -> bool:
    """Whether a model class has its own `hook`: the engine need not call the others."""
    return getattr(cls, hook) is not getattr(Model, hook)


MAX_BARS = 1_000_000
"""The most bars of the past that a model may ask for: ten years of minutes."""


def check_made(model: Model) -> None:
    """Raise ModelError unless a model has a hook, and `warmup_bars` and `history_bars` are numbers of bars."""
    if not any(overrides(type(model), hook) for hook in HOOKS):
        raise ModelError(f"{type(model).__name__} has no hook, so that nothing would ever call it; expected an on_bar")
    for name in ("warmup_bars", "history_bars"):
        bars = getattr(model, name)
        if callable(bars):
            raise ModelError(f"{name} is a method; write @property above it, or {name} = 20")
        if not isinstance(bars, int) or isinstance(bars, bool) or not 0 <= bars <= MAX_BARS:
            raise ModelError(f"{name} is {shown(bars)}; expected a whole number of bars, at most {MAX_BARS:,}")


MAX_INTENTS = 1000
"""The most intents one hook may return: an endless generator must not take the machine with it."""


def intents_of(answer: object, symbols: Sequence[str]) -> tuple[Intent, ...]:
    """What a hook of a model that trades `symbols` returned, as a tuple of intents.

    Raises ModelError for anything that is not an `Answer`, for more than `MAX_INTENTS` and for an intent in another
    symbol; what a generator raises is passed on.
    """
    intents = _intents_of(answer)
    for intent in intents:
        is_by_name = isinstance(intent, Cancel) and intent.client_order_id
        if intent.symbol not in symbols and not is_by_name:
            raise ModelError(
                f"returned an intent for {intent.symbol!r}, expected one of its symbols: {', '.join(symbols)}"
            )
    return intents


def _intents_of(answer: object) -> tuple[Intent, ...]:
    if answer is None:
        return ()
    if isinstance(answer, Intent):
        return (answer,)
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        raise ModelError(_nonsense(shown(answer)))
    if isinstance(answer, Set):
        raise ModelError("returned a set, whose order is another each time; expected a list")
    intents = tuple(islice(answer, MAX_INTENTS + 1))
    if len(intents) > MAX_INTENTS:
        raise ModelError(f"returned more than {MAX_INTENTS} intents")
    for intent in intents:
        if not isinstance(intent, Intent):
            raise ModelError(_nonsense(f"{shown(intent)} among several"))
    return intents


def _nonsense(answer: str) -> str:
    return (
        f"returned {answer}; expected nothing, an intent made by buy, sell, target, protect or cancel, "
        "or several of them"
    )


def shown(value: object) -> str:
    """`value` and its type, cut to a length that fits in a sentence."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
