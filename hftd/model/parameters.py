"""Parameters of a model: its annotated class attributes, their types and defaults, and the values a user gives.

Pure: no clock, no I/O, no randomness.
"""

import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from hftd.domain.convert import decimal_of
from hftd.errors import ModelError
from hftd.model.contract import Model, shown
from hftd.wording import suggestion


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
    return built(cls, checked(cls, parameters, locate))


def built(cls: type[AnyModel], values: Mapping[str, object]) -> AnyModel:
    """A fresh instance with `values`, which have been `checked`. What `__init__` raises is passed on."""
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
    return ValueError(f"found {shown(value)}, expected {type_name(kind)}")


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
