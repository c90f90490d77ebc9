"""Which room may import which, and what no pure room and no fast start may import. Read from the source, by AST."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hftd"

WORDS = {"errors", "wording", "hosts"}
TIME = {"clock", "calendar"}
PURE = {"domain", "engine", "model.contract", "model.parameters"}
EXCHANGE = {"exchange", "exchange.book", "exchange.venue", "exchange.market", "exchange.server"}
EVERYTHING = (
    WORDS
    | TIME
    | PURE
    | EXCHANGE
    | {"", "model", "journal", "broker", "settings", "state", "logs", "analytics", "data", "backtest"}
    | {"analytics.reading", "live", "commands"}
    | {"dashboard", "live.view"}
)

MAY_IMPORT: dict[str, set[str]] = {
    "": {"domain", "model.contract", "model.compiled", "backtest"},
    "errors": set(),
    "wording": set(),
    "hosts": set(),
    "domain": set(),
    "clock": {"domain"},
    "calendar": {"domain", "errors"},
    "model.contract": {"domain"} | WORDS,
    "model.parameters": {"domain", "model.contract"} | WORDS,
    "model.compiled": {"domain", "model.contract"},
    "model": {"domain", "engine", "model.contract", "model.parameters"} | WORDS,
    "engine": {"domain", "model.contract"},
    "data": {"domain"} | WORDS,
    "journal": {"domain", "errors"},
    "analytics": {"domain", "engine", "model.contract", "calendar"},
    "analytics.reading": {"analytics", "domain", "journal", "errors"},
    "broker": {"domain"} | TIME | WORDS,
    "broker.inprocess": {"domain", "broker", "exchange.market", "exchange.venue"} | TIME,
    "exchange": set(),
    "exchange.book": {"domain", "errors"},
    "exchange.venue": {"domain", "exchange.book"} | WORDS,
    "exchange.market": {"domain", "calendar", "data", "exchange.book", "exchange.venue"} | WORDS,
    "exchange.server": {"domain", "data", "state"} | WORDS | TIME | EXCHANGE,
    "settings": {"domain", "model"} | WORDS,
    "state": {"errors"},
    "logs": TIME | {"domain"},
    "backtest": {"model", "model.compiled", "settings", "data", "analytics"}
    | {"exchange.book", "exchange.market", "exchange.venue"}
    | TIME
    | PURE
    | WORDS,
    "live.view": {"domain", "engine"},
    "dashboard": {"domain", "engine", "journal", "live.view", "errors", "hosts", "clock"},
    "live": EVERYTHING - {"commands", "backtest", "dashboard"} - EXCHANGE,
    "live.simulation": (EVERYTHING | {"broker.inprocess"}) - {"commands", "dashboard"},
    "live.verification": (EVERYTHING | {"broker.inprocess"}) - {"commands", "dashboard"},
    "commands": EVERYTHING | {"live.simulation", "live.verification"},
    "cli.options": {"settings", "errors"},
    "cli": EVERYTHING | {"cli.options"},
    "__main__": {"cli"},
}
"""Rooms by their names under `hftd`; "" is hftd/__init__.py. A room may always import itself."""

IMPURE = {"asyncio", "time", "random", "socket", "logging", "threading", "subprocess", "structlog", "sqlite3"}
PURE_ROOMS = (
    "domain",
    "engine",
    "analytics",
    "data",
    "model.contract",
    "model.parameters",
    "exchange.venue",
    "exchange.book",
)

HEAVY = (
    "pandas",
    "alpaca",
    "numba",
    "pyarrow",
    "aiohttp",
    "numpy",
    "pandas_market_calendars",
    "sqlite3",
    "prometheus_client",
)


def module_of(file: Path) -> str:
    """hftd/engine/risk.py as engine.risk; hftd/__init__.py as ""."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def room_of(module: str) -> str:
    """The room of the table that a module of hftd belongs to: the longest name that fits."""
    rooms = [room for room in MAY_IMPORT if room and (module == room or module.startswith(f"{room}."))]
    if not rooms and module:
        raise AssertionError(f"hftd.{module} is in no room of the table in {Path(__file__).name}: add it there")
    return max(rooms, key=len, default="")


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """(line, full module name) of every import, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if full.removeprefix("hftd.") in MODULES else str(node.module)


def own(name: str) -> str | None:
    """The module under hftd that an import names; None for everybody else's."""
    return "" if name == "hftd" else name.removeprefix("hftd.") if name.startswith("hftd.") else None


def arrows() -> Iterator[tuple[str, str, str]]:
    """(room, imported room, where) of every import between rooms."""
    for module, file in MODULES.items():
        for line, name in imports_of(file):
            if (target := own(name)) is not None and room_of(target) != room_of(module):
                yield room_of(module), room_of(target), f"{file.relative_to(ROOT)}:{line}"


def test_imports_run_one_way():
    wrong = [f"{where}: {room} imports {target}" for room, target, where in arrows() if target not in MAY_IMPORT[room]]
    assert wrong == []


def test_the_table_itself_has_no_circle():
    order: list[str] = []
    rest = {room: targets - {room, ""} for room, targets in MAY_IMPORT.items() if room}
    while ready := [room for room, targets in rest.items() if not targets - set(order)]:
        order += ready
        rest = {room: targets for room, targets in rest.items() if room not in order}
    assert rest == {}


def test_every_module_is_in_a_room():
    assert {room_of(module) for module in MODULES} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms_know_neither_time_nor_chance_nor_the_world(room):
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for module, file in MODULES.items()
        if module and room_of(module) == room
        for line, name in imports_of(file)
        if name.split(".")[0] in IMPURE
    ]
    assert found == []


def loaded_by(statement: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after `statement`."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=unmeasured, capture_output=True, text=True, check=True
    )
    return set(HEAVY) & set(ran.stdout.split())


@pytest.mark.parametrize("statement", ["import hftd", "import hftd.cli", "import hftd.engine.engine"])
def test_what_starts_fast_loads_nothing_heavy(statement):
    assert loaded_by(statement) == set()
