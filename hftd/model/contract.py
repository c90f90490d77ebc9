"""What a model is: a class with hooks and typed parameters.

A model file holds one subclass of `Model`. The engine makes one instance a session (`build`), gives it its `context`,
calls `on_start`, and from then on the hook that belongs to each event. A hook the class does not override is not
called. What a hook returns is normalised by `intents_of`. Annotated class attributes are the model's parameters.

    class Crossing(Model):
        length: Annotated[int, "bars in the average"] = 20
        def on_bar(self, bar): ...

Pure: no clock, no I/O, no randomness.
"""

import types
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from hftd.domain.convert import decimal_of
from hftd.domain.intents import Cancel, Intent, Target, Want
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, OrderType, Side
from hftd.domain.session import Session
from hftd.errors import ModelError
from hftd.wording import suggestion

Answer = Intent | Iterable[Intent] | None
"""What a hook may return: nothing, one intent, or several in the order they should be sent."""


class WorkingOrder(Struct, frozen=True):
    """An order of this model that is not finished. Quantities in shares, prices in dollars."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class Context(Protocol):
    """What a model may know of its own standing. Read-only; the engine supplies it and keeps it up to date."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols whose data this model is given, in the order of the settings."""
        ...

    @property
    def cash(self) -> Decimal:
        """Dollars of this model's portfolio that are not in positions."""
        ...

    def position(self, symbol: str) -> Decimal:
        """Shares held in `symbol`: negative when short, 0 when none."""
        ...

    def working_orders(self, symbol: str | None = None) -> tuple[WorkingOrder, ...]:
        """This model's unfinished orders, oldest first; of one `symbol` if it is given."""
        ...


class Model:
    """Base of every model. Override the hooks you need; each returns nothing, one intent, or several.

    Parameters are set before `__init__`, which takes no arguments, and `context` before `on_start`.
    """

    context: Context

    warmup_bars: ClassVar[int] = 0
    """How many bars of history a model is shown, late, before a session's first live one; a property may compute it."""

    def on_start(self, context: Context) -> Answer:
        """Once, before the first event of a session. `context` is also `self.context`."""
        return None

    def on_session_open(self, session: Session) -> Answer:
        """The market has opened."""
        return None

    def on_bar(self, bar: Bar) -> Answer:
        """A minute of trading in one symbol is complete."""
        return None

    def on_fill(self, report: ExecutionReport) -> Answer:
        """An order of this model was filled, wholly or in part; positions already include it."""
        return None

    def on_session_close(self, session: Session) -> Answer:
        """The market has closed; what is returned now is not sent."""
        return None


HOOKS = ("on_start", "on_session_open", "on_bar", "on_fill", "on_session_close")
"""Every hook, in the order of a session."""


def overrides(cls: type[Model], hook: str) -> bool:
    """Whether a model class has its own `hook`: the engine need not call the others."""
    return getattr(cls, hook) is not getattr(Model, hook)


MAX_INTENTS = 1000
"""The most intents one hook may return: an endless generator must not take the machine with it."""


def intents_of(answer: object) -> tuple[Intent, ...]:
    """What a hook returned, as a tuple of intents.

    Raises ModelError for anything that is not an `Answer` and for more than `MAX_INTENTS`; what a generator raises
    is passed on.
    """
    if answer is None:
        return ()
    if isinstance(answer, Want | Target | Cancel):
        return (answer,)
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        raise ModelError(_nonsense(answer))
    intents = tuple(islice(answer, MAX_INTENTS + 1))
    if len(intents) > MAX_INTENTS:
        raise ModelError(f"returned more than {MAX_INTENTS} intents")
    for intent in intents:
        if not isinstance(intent, Want | Target | Cancel):
            raise ModelError(_nonsense(intent))
    return intents


def _nonsense(answer: object) -> str:
    return (
        f"returned {_shown(answer)}; expected nothing, an intent made by buy, sell, target or cancel, "
        "or several of them"
    )


def _shown(value: object) -> str:
    """`value` and its type, cut to a length that fits in a sentence."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


# Parameters ----------------------------------------------------------------------------------------------------------


class Parameter(Struct, frozen=True):
    """One parameter of a model class. `type` is its annotation; `default` is `REQUIRED` when there is none."""

    name: str
    type: Any
    default: Any
    description: str = ""

    @property
    def type_name(self) -> str:
        """The annotation as its author wrote it: int, list[float], Literal['a', 'b']."""
        return type_name(self.type)

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED


class ParameterError(ModelError):
    """A model declares a parameter that cannot be one. `parameter` is its name."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"parameter {parameter}: {problem}")
        self.parameter = parameter


REQUIRED: Any = ...
"""Stands for the default of a parameter that has none."""

AnyModel = TypeVar("AnyModel", bound=Model)


def parameters_of(cls: type[Model]) -> dict[str, Parameter]:
    """The parameters of a model class by name: its annotated attributes and those of the models it derives from.

    Names with a leading underscore and ClassVar are not parameters. `Annotated[int, "bars"]` describes one.
    Raises ParameterError for a name the contract itself uses, a type that settings cannot hold, or an ill-typed
    default.
    """
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ModelError(f"an annotation of {cls.__name__} names {error.name!r}, which is not defined") from error
    own = {name: hint for name, hint in hints.items() if name != "context" and not name.startswith("_")}
    return {
        name: _parameter(name, hint, getattr(cls, name, REQUIRED))
        for name, hint in own.items()
        if get_origin(hint) is not ClassVar and hint is not ClassVar
    }


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    if hasattr(Model, name):
        raise ParameterError(name, "the name belongs to the model contract; choose another")
    kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    description = next((note for note in notes if isinstance(note, str)), "")
    if not _is_supported(kind):
        raise ParameterError(
            name,
            f"its type is {type_name(kind)}; expected int, float, bool, str, Decimal, Literal, "
            "or a list, a tuple or None of these",
        )
    if default is not REQUIRED:
        try:
            default = value_of(kind, default)
        except ValueError as error:
            raise ParameterError(name, f"its default is ill-typed: {error}") from error
    return Parameter(name=name, type=kind, default=default, description=description)


def build(
    cls: type[AnyModel], parameters: Mapping[str, object], locate: Callable[[str], str] = "parameter {}".format
) -> AnyModel:
    """A fresh instance with `parameters` checked and set over the defaults; its `__init__` runs after that.

    `locate` turns a parameter's name into where its value stands, for the sentence of an error. Raises ModelError
    that lists every unknown, missing or ill-typed parameter, one a line. What `__init__` raises is passed on.
    """
    values = checked(cls, parameters, locate)
    model = cls.__new__(cls)
    for name, value in values.items():
        setattr(model, name, value)
    model.__init__()  # type: ignore[misc] # parameters stand before it runs, so that it may use them
    return model


def checked(
    cls: type[Model], parameters: Mapping[str, object], locate: Callable[[str], str] = "parameter {}".format
) -> dict[str, Any]:
    """Every parameter of `cls` with its value: given and checked, or the default. Raises ModelError as `build` does."""
    declared = parameters_of(cls)
    problems = [f"{locate(name)}: unknown; {suggestion(name, declared)}" for name in parameters if name not in declared]
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        given = parameters.get(name, parameter.default)
        if given is REQUIRED:
            problems.append(f"{locate(name)}: missing; expected {parameter.type_name}")
            continue
        try:
            values[name] = value_of(parameter.type, given)
        except ValueError as error:
            problems.append(f"{locate(name)}: {error}")
    if problems:
        raise ModelError("\n".join(problems))
    return values


# Values of a parameter's type ----------------------------------------------------------------------------------------


def value_of(kind: Any, value: object) -> Any:
    """`value` as `kind`. Raises ValueError that says what was found and what was expected.

    Nothing is guessed: a bool is no int, 5.0 is no int, "5" is no number; an int is a float, and whatever
    `decimal_of` takes is a Decimal. Lists and tuples are new ones.
    """
    origin = get_origin(kind)
    if origin is Literal and any(value == choice and type(value) is type(choice) for choice in get_args(kind)):
        return value
    if origin in (Union, types.UnionType):
        return _union_value(kind, value)
    if origin in (list, tuple) and isinstance(value, list | tuple):
        return _sequence_value(kind, value)
    if isinstance(kind, type) and kind in _SCALARS:
        accepted, convert = _SCALARS[kind]
        if isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)):
            try:
                return convert(value)
            except (ValueError, OverflowError):
                pass
    raise _ill_typed(kind, value)


_SCALARS: dict[Any, tuple[Any, Callable[[Any], Any]]] = {
    bool: (bool, bool),
    int: (int, int),
    float: (int | float, float),
    str: (str, str),
    Decimal: (int | float | str | Decimal, decimal_of),
}


def _ill_typed(kind: Any, value: object) -> ValueError:
    return ValueError(f"found {_shown(value)}, expected {type_name(kind)}")


def _union_value(kind: Any, value: object) -> Any:
    if value is None:
        return None
    for choice in get_args(kind):
        try:
            return value_of(choice, value)
        except ValueError:
            continue
    raise _ill_typed(kind, value)


def _sequence_value(kind: Any, value: list[object] | tuple[object, ...]) -> Any:
    arguments = get_args(kind)
    is_open_ended = get_origin(kind) is list or arguments[-1] is ...
    wanted = (arguments[0],) * len(value) if is_open_ended else arguments
    if len(wanted) != len(value):
        raise _ill_typed(kind, value)
    return get_origin(kind)(value_of(kind_, item) for kind_, item in zip(wanted, value, strict=True))


def _is_supported(kind: Any) -> bool:
    arguments = [argument for argument in get_args(kind) if argument is not ... and argument is not type(None)]
    if get_origin(kind) in (list, tuple, Union, types.UnionType):
        return bool(arguments) and all(_is_supported(argument) for argument in arguments)
    return kind in _SCALARS or get_origin(kind) is Literal


def type_name(kind: Any) -> str:
    """A type as its author would write it: int, list[float], Literal['a', 'b'], float | None."""
    if isinstance(kind, type) and not get_args(kind):
        return "None" if kind is type(None) else kind.__name__
    if get_origin(kind) in (Union, types.UnionType):
        return " | ".join(type_name(argument) for argument in get_args(kind))
    return str(kind).replace("typing.", "").replace("decimal.", "")
