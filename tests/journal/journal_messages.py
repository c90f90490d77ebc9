"""Hypothesis strategies for every event and command, made from their types."""

import types
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from hftd.domain.commands import Command
from hftd.domain.events import Event

INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    Any: st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    str: st.text(),
    int: INT64,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    type(None): st.none(),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of([values_of(choice) for choice in get_args(kind)])
    if get_origin(kind) is tuple:
        return st.lists(values_of(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(*map(values_of, get_args(kind)), max_size=3)
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{field.name: values_of(field.type) for field in msgspec.structs.fields(kind)})
    return SCALARS[kind]


EVENTS = values_of(Event).filter(lambda event: abs(event.time_ns) < 2**63)
COMMANDS = values_of(Command)
