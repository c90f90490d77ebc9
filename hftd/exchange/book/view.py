"""A book's state and arrays as compiled code sees them, and the map from an order's id to its slot."""

# mypy: disable-error-code="no-any-return"
# The types of compiled code are numba's: what comes out of an array is Any to mypy.

from typing import Any, NamedTuple

import numba
import numpy as np

from hftd.exchange.book.compiling import inlined, pointer
from hftd.exchange.book.layout import (
    CHANGE,
    CHANGES_AT,
    FAR_AT,
    LEVEL,
    LEVELS_AT,
    MAP_AT,
    MAP_MASK,
    ORDER,
    ORDERS_AT,
    REPORT,
    REPORTS_AT,
    STATE_CELLS,
    SUMMARY_AT,
    WINDOW_AT,
    WORDS_AT,
)

carray: Any = numba.carray  # type: ignore[attr-defined]
S: Any = np.int64
U: Any = np.uint64
"""Indices are cast to it: an unsigned index needs no test for counting from the end."""
ONE = np.uint64(1)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4)."""


class View(NamedTuple):
    """A book's handle and arrays as compiled code sees them. Lengths given to `carray` are nominal: none is checked."""

    handle: int
    state: Any
    orders: Any
    levels: Any
    window: Any
    words: Any
    summary: Any
    map: Any
    far: Any
    reports: Any
    changes: Any


@inlined
def view_of(handle: int) -> View:
    state = carray(pointer(handle), (STATE_CELLS,), np.int64)
    return View(
        handle,
        state,
        carray(pointer(state[ORDERS_AT]), (1,), ORDER),
        carray(pointer(state[LEVELS_AT]), (1,), LEVEL),
        carray(pointer(state[WINDOW_AT]), (1,), np.int32),
        carray(pointer(state[WORDS_AT]), (1,), np.uint64),
        carray(pointer(state[SUMMARY_AT]), (1,), np.uint64),
        carray(pointer(state[MAP_AT]), (1,), np.uint64),
        carray(pointer(state[FAR_AT]), (1,), np.int32),
        carray(pointer(state[REPORTS_AT]), (1,), REPORT),
        carray(pointer(state[CHANGES_AT]), (1,), CHANGE),
    )


# -------------------- the map from id to order


@inlined
def hash_of(order_id: int) -> Any:
    """32 bits."""
    return (U(order_id) * GOLDEN) >> U(32)


@inlined
def find(view: View, order_id: int) -> int:
    """Where in the map `order_id` stands, or -1."""
    mask = U(view.state[MAP_MASK])
    tag = hash_of(order_id)
    position = tag & mask
    while True:
        entry = view.map[position]
        if entry == U(0):
            return -1
        if (entry >> U(32)) == tag and view.orders[(entry & U(0xFFFFFFFF)) - ONE].order_id == order_id:
            return S(position)
        position = (position + ONE) & mask


@inlined
def order_at(view: View, position: int) -> int:
    """The slot of the order that stands in the map at `position`."""
    return S(view.map[U(position)] & U(0xFFFFFFFF)) - 1


@inlined
def insert(view: View, order_id: int, slot: int) -> None:
    mask = U(view.state[MAP_MASK])
    tag = hash_of(order_id)
    position = tag & mask
    while view.map[position] != U(0):
        position = (position + ONE) & mask
    view.map[position] = (tag << U(32)) | U(slot + 1)


@inlined
def erase(view: View, position: int) -> None:
    """Empty `position` and move back the entries that had been pushed on by it."""
    mask = U(view.state[MAP_MASK])
    hole = U(position)
    probe = hole
    while True:
        probe = (probe + ONE) & mask
        entry = view.map[probe]
        if entry == U(0):
            break
        home = (entry >> U(32)) & mask
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            view.map[hole] = entry
            hole = probe
    view.map[hole] = U(0)
