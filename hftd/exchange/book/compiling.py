"""How the book's functions are compiled: once, kept on disk, without Python's error checks for arithmetic.

numba keeps compiled code in NUMBA_CACHE_DIR if that is set, else beside the module, else in the user's cache. Where
none of these can be written (a hardened service without a cache directory) it is compiled anew in each process.
What an installation has compiled beside the modules is brought into NUMBA_CACHE_DIR, so that a service need not wait.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.extending
from llvmlite import ir
from numba import types
from numba.core.caching import UserProvidedCacheLocator

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str, *, counts: bool = True) -> Callable[[Function], Function]:
    """Compile for `signature` when the module is loaded, or take it from the cache. Callable from compiled code too.

    Without `counts` no references are counted: for functions that allocate nothing, nor do those they call.
    """

    def decorate(function: Function) -> Function:
        _bring_along(Path(function.__code__.co_filename).parent)
        try:
            return _compile(function, signature, cache=True, counts=counts)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return _compile(function, signature, cache=False, counts=counts)

    return decorate


@cache
def _bring_along(folder: Path) -> None:
    """Copy what was compiled beside the modules of `folder` into NUMBA_CACHE_DIR: numba reads only where it may write,
    and a service may not write beside them. What cannot be copied is compiled again."""
    caches = os.environ.get("NUMBA_CACHE_DIR")
    if not caches:
        return
    locator: Any = UserProvidedCacheLocator
    place = Path(caches, locator.get_suitable_cache_subpath(str(folder / "any.py")))
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        for kind in ("*.nbc", "*.nbi"):  # an index comes after what it names
            for file in folder.glob(f"__pycache__/{kind}"):
                if not (place / file.name).exists():
                    draft = place / f".{file.name}.{os.getpid()}"
                    shutil.copyfile(file, draft)
                    draft.replace(place / file.name)


def _compile(function: Function, signature: str, *, cache: bool, counts: bool) -> Function:
    unlisted: Any = {"_nrt": counts}  # an option that numba's own stubs leave out
    return cast(Function, numba.njit(signature, error_model="numpy", cache=cache, **unlisted)(function))


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
