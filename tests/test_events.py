"""docs/events.md is equal to the code: every event that is logged, its levels and fields, read by AST."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "docs" / "events.md"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
NO_FIELDS = {"exc_info"}
NAME_TABLES = {"REPORT_NAMES"}
"""Tables of event names."""


@dataclass
class Told:
    """What is known of one event: `is_open` when some of its fields cannot be read from the source."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    is_open: bool = False


def logged() -> dict[str, Told]:
    """Every event that the code logs. Of an f-string the part in braces is written in capitals: order.DIFFERENCE."""
    events: dict[str, Told] = {}
    for file in sorted((ROOT / "hftd").rglob("*.py")):
        tree = ast.parse(file.read_text())
        tables = {name: value for name, value in _tables(tree)}
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]:
            for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
                for name in _names(call, tables):
                    told = events.setdefault(name, Told())
                    told.levels |= _levels(call, function)
                    told.fields |= {word.arg for word in call.keywords if word.arg} - NO_FIELDS
                    told.is_open |= any(word.arg is None for word in call.keywords)
    return events


def _tables(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=values)) if name in NAME_TABLES:
                yield name, [ast.literal_eval(value) for value in values]


def _names(call: ast.Call, tables: dict[str, list[str]]) -> Iterator[str]:
    """The names that a call logs; nothing when it is no such call."""
    if not (_is_log(call.func) or ast.unparse(call.func) in ("level", "self._count")) or not call.args:
        return
    for node in ast.walk(call.args[0]):
        if isinstance(node, ast.JoinedStr):
            yield _pattern(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"\w+\.\w+", node.value):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in tables:
            yield from tables[node.id]


def _is_log(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in LEVELS and ast.unparse(function.value) == "log"


def _pattern(text: ast.JoinedStr) -> str:
    parts = [
        str(part.value) if isinstance(part, ast.Constant) else ast.unparse(part.value).split(".")[-1].upper()
        for part in text.values
        if isinstance(part, ast.Constant | ast.FormattedValue)
    ]
    return "".join(parts)


def _levels(call: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The level of a call, or those that `level` may be in its function."""
    if isinstance(call.func, ast.Attribute) and _is_log(call.func):
        return {"error" if call.func.attr == "exception" else call.func.attr}
    if ast.unparse(call.func) == "self._count":
        return {"error" if ast.literal_eval(call.args[0]) == "feed.degraded" else "warning"}
    found = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and _is_log(node)]
    return {
        node.attr for node in found if not any(isinstance(p, ast.Call) and p.func is node for p in ast.walk(function))
    }


def catalogued() -> dict[str, Told]:
    """The rows of the tables: | `name` | levels | `field` `field` | meaning |."""
    rows = re.findall(r"^\| `([\w.]+)` \| ([a-z, ]+) \| ([^|]*) \| ([^|]+) \|$", CATALOGUE.read_text(), re.MULTILINE)
    names = [name for name, *_ in rows]
    assert len(set(names)) == len(names), "an event is catalogued twice"
    return {
        name: Told(set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields))) for name, levels, fields, _ in rows
    }


def test_every_event_is_catalogued_and_every_catalogued_one_exists() -> None:
    code, page = logged(), catalogued()
    assert {"lacking in docs/events.md": sorted(code.keys() - page.keys())} == {"lacking in docs/events.md": []}
    assert {"logged nowhere": sorted(page.keys() - code.keys())} == {"logged nowhere": []}


def test_levels_and_fields_are_those_of_the_code() -> None:
    code, page = logged(), catalogued()
    wrong = [
        f"{name}: the code has {sorted(told.levels)} {sorted(told.fields)}{' and more' if told.is_open else ''}, "
        f"docs/events.md {sorted(page[name].levels)} {sorted(page[name].fields)}"
        for name, told in code.items()
        if name in page
        if told.levels != page[name].levels
        or not told.fields <= page[name].fields
        or (page[name].fields - told.fields and not told.is_open)
    ]
    assert wrong == []


def test_the_catalogue_is_in_the_order_of_the_alphabet_within_each_table() -> None:
    for section in CATALOGUE.read_text().split("\n## "):
        names = re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)
        assert names == sorted(names, key=str.lower)
