"""Everything that the reference shows of the code is described, with the errors it raises; every hook is told of."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from hftd import errors
from hftd.model.contract import HOOKS

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = [
    name
    for page in sorted((DOCS / "reference").glob("*.md"))
    for name in re.findall(r"^::: (\S+)", page.read_text("utf-8"), re.MULTILINE)
]
TOLD = {name for name, value in vars(errors).items() if inspect.isclass(value)} | {"ValueError"}
"""Errors that a caller may want to catch."""


def named(name: str) -> Any:
    module, _, member = name.rpartition(".")
    return getattr(importlib.import_module(module), member)


def public_members(shown: Any) -> Iterator[tuple[str, Any]]:
    """The functions and properties of its own that a class shows, unwrapped; of a function itself."""
    if isinstance(shown, FunctionType):
        yield shown.__name__, shown
        return
    for name, member in vars(shown).items():
        function = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "__func__", member))
        if not name.startswith("_") and isinstance(function, FunctionType):
            yield name, function


def errors_of(function: FunctionType, module: ModuleType, seen: set[str]) -> set[str]:
    """The errors of ours that a function raises itself, or by a private function of its module."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = {node.exc.func.id for node in ast.walk(tree) if isinstance(node, ast.Raise) and _is_named(node.exc)}  # type: ignore[union-attr]
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    for name in called - seen:
        helper = vars(module).get(name)
        if name.startswith("_") and isinstance(helper, FunctionType):
            raised |= errors_of(helper, module, seen | called)
    return raised & TOLD


def _is_named(raised: ast.expr | None) -> bool:
    return isinstance(raised, ast.Call) and isinstance(raised.func, ast.Name)


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_is_described(name: str) -> None:
    shown = named(name)
    assert shown.__doc__, f"{name} has no docstring"
    assert [member for member, function in public_members(shown) if not function.__doc__] == []


@pytest.mark.parametrize("name", SHOWN)
def test_errors_are_told_where_they_are_raised(name: str) -> None:
    shown = named(name)
    module = importlib.import_module(shown.__module__)
    for member, function in public_members(shown):
        described = f"{function.__doc__} {shown.__doc__}"
        for error in errors_of(function, module, set()):
            assert "aises" in described and error in described, f"{name}: {member} raises {error} and does not say so"


def test_hooks_are_in_the_reference_and_taught() -> None:
    assert "::: hftd.model.contract.Model" in (DOCS / "reference/model-api.md").read_text("utf-8")
    taught = "\n".join(page.read_text("utf-8") for page in [*(DOCS / "tutorials").glob("*.md"), DOCS / "models.md"])
    assert [hook for hook in HOOKS if f"`{hook}" not in taught] == []
