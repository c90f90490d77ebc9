"""How the book's functions are compiled: once, kept on disk, without Python's error checks for arithmetic.

numba keeps compiled code in NUMBA_CACHE_DIR if that is set, else beside the module, else in the user's cache. Where
none of these can be written (a hardened service without a cache directory) it is compiled anew in each process.
What an installation has compiled beside the modules is brought into NUMBA_CACHE_DIR, so that a service need not wait.

What numba kept it uses again as long as the module of the function is the same; of the functions and constants of other
modules that are compiled into it numba knows nothing. So the name under which it is kept says what it is made of.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar, cast
from zlib import crc32

import numba
import numba.extending
import numpy as np
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
        function.__qualname__ += f"-{_stamp_of(function):08x}"
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


def _stamp_of(function: Callable[..., Any]) -> int:
    """Changes when anything does that is compiled into `function`."""
    own = Path(__file__).read_bytes()  # instructions have no code to look at
    return crc32("\n".join(_parts_of(function, set())).encode(), crc32(own))


def _parts_of(value: Any, seen: set[CodeType]) -> Iterator[str]:
    """Text that is another when a function, or what it refers to, is another; a place in a file makes no difference."""
    function = getattr(value, "py_func", value)  # of what numba is to compile
    if isinstance(function, FunctionType):
        code = function.__code__
        if code in seen:
            return
        seen.add(code)
        yield from _words_of(code)
        named = [function.__globals__[name] for name in sorted(_names_in(code)) if name in function.__globals__]
        for one in (*named, *(cell.cell_contents for cell in function.__closure__ or ())):
            yield from _parts_of(one, seen)
    elif isinstance(value, ModuleType) and value.__name__.startswith("hftd."):
        yield Path(str(value.__file__)).read_text()
    elif isinstance(value, type) and issubclass(value, tuple):
        yield repr(getattr(value, "_fields", ()))
    elif isinstance(value, int | float | str | tuple | np.generic | np.dtype):
        yield repr(value)


def _words_of(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _words_of(constant)
        else:
            yield repr(constant)


def _names_in(code: CodeType) -> set[str]:
    inner = (_names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


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
