"""How the book's functions are compiled: once, kept on disk, without Python's error checks for arithmetic.

numba keeps compiled code in NUMBA_CACHE_DIR if that is set, else beside the module, else in the user's cache. Where
none of these can be written (a hardened service without a cache directory) it is compiled anew in each process.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numba.extending
from llvmlite import ir
from numba import types

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str) -> Callable[[Function], Function]:
    """Compile for `signature` when the module is loaded, or take it from the cache. Callable from compiled code too."""

    def decorate(function: Function) -> Function:
        try:
            return _compile(function, signature, cache=True)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return _compile(function, signature, cache=False)

    return decorate


def _compile(function: Function, signature: str, *, cache: bool) -> Function:
    return cast(Function, numba.njit(signature, error_model="numpy", cache=cache)(function))


def inlined(function: Function) -> Function:
    """A part of compiled functions: has no existence of its own in them."""
    return cast(Function, numba.njit(function, error_model="numpy", forceinline=True))


def outlined(function: Function) -> Function:
    """A part of compiled functions that is called, not copied in: seldom needed, it would only be in the way."""
    return cast(Function, numba.njit(function, error_model="numpy"))


def direct(function: Callable[..., Any]) -> Callable[..., Any]:
    """The one compiled form of `function` as a plain C function: no choice by argument types at each call.

    Arguments are converted to int64; one that does not fit raises OverflowError.
    """
    dispatcher: Any = function
    (overload,) = dispatcher.overloads.values()
    return cast(Callable[..., Any], overload.entry_point)


def _instruction(result: Any, argument: Any, emit: Callable[[Any, Any], Any]) -> Any:
    """A function of one argument that compiled code knows as what `emit(builder, value)` makes in LLVM."""

    def typed(typing_context: Any, argument_type: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return emit(builder, arguments[0])

        return result(argument), generate

    return numba.extending.intrinsic(typed)


_NOT_ZERO = ir.Constant(ir.IntType(1), 1)

pointer: Callable[[int], Any] = _instruction(
    types.voidptr, types.int64, lambda builder, address: builder.inttoptr(address, ir.IntType(8).as_pointer())
)
"""An address (int64) as a pointer."""

trailing_zeros: Callable[[Any], int] = _instruction(
    types.int64, types.uint64, lambda builder, word: builder.cttz(word, _NOT_ZERO)
)
"""Zero bits below the lowest set bit of a uint64 that is not 0."""

leading_zeros: Callable[[Any], int] = _instruction(
    types.int64, types.uint64, lambda builder, word: builder.ctlz(word, _NOT_ZERO)
)
"""Zero bits above the highest set bit of a uint64 that is not 0."""
